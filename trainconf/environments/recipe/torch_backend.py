"""Which builds of PyTorch a recipe takes: `env.torch_backend`, which is one line of its requirements, `--torch-backend BUILD`.

The line is part of the identity, of a frozen file and of a lock. uv has an option of this name, and pip has the index of the builds.
`auto` is never recorded. It becomes `cpu`, or the newest CUDA that the driver of this machine can run: `cuda12` is uv's `auto` on a machine
with the oldest driver for CUDA 12, so machines with several drivers share one environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from trainconf.errors import BuildError, EnvironmentRecipeError, Mistake

SOURCE = ("from", "env.torch_backend")
# The oldest Linux driver for each CUDA, newest first: uv 0.13, crates/uv-torch/src/backend.rs, after NVIDIA's release notes.
DRIVERS = {"cuda13": "580", "cuda12": "525.60.13", "cuda11": "450.80.2"}
COMMON = ("auto", "cpu", *DRIVERS, "cu118", "cu126", "cu128", "cu129", "cu130", "cu132", "rocm6.4", "rocm7.2", "xpu")
FORM = re.compile(r"cpu|xpu|cu\d{2,3}|rocm\d+(?:\.\d+)+")  # a newer uv may know more of them, and says which it knows
ALLOWED = "auto, cpu, cu126, cu128, cu130 (any build that uv knows), cuda12 (the newest build for a driver of CUDA 12), rocm6.4, xpu"
INDEX = "https://download.pytorch.org/whl/"  # uv, "Using uv with PyTorch"; pip takes `2.13.0+cpu` before `2.13.0` (PEP 440)
DRIVER_FILES = ("/sys/module/nvidia/version", "/proc/driver/nvidia/version")
AMD_DEVICE = "/dev/kfd"


def read(value: str, source: str, mistakes: list[Mistake]) -> str:
    """The builds that a value stands for on this machine; empty, and a mistake, where it names none."""
    if value == "auto":
        return _of_this_machine(source, mistakes)
    if value not in DRIVERS and not FORM.fullmatch(value):
        from difflib import get_close_matches

        meant = re.sub(r"cuda-?(?=\d{3})", "cu", value.lower().replace(".", ""))
        near = [("nearest", name) for name in get_close_matches("auto" if meant in ("cuda", "gpu") else meant, COMMON, 1)]
        mistakes.append(Mistake(f"{value!r} is no build of PyTorch", ("from", source), *near, ("allowed", ALLOWED)))
        return ""
    return value


def uv_options(backend: str) -> list[str]:
    """What tells uv to take a build. It says so itself if it is too old for it."""
    return ["--torch-backend", "auto" if backend in DRIVERS else backend] if backend else []


def uv_variables(backend: str) -> dict[str, str]:
    """The variables that make uv's `auto` mean the same on every machine."""
    return {"UV_CUDA_DRIVER_VERSION": DRIVERS[backend]} if backend in DRIVERS else {}


def pip_options(backend: str) -> list[str]:
    """What tells pip to take a build. Raises EnvironmentRecipeError: one index holds one build."""
    if backend in DRIVERS:
        raise EnvironmentRecipeError([refused_by_pip(backend)])
    return ["--extra-index-url", INDEX + backend] if backend else []


def refused_by_pip(backend: str) -> Mistake:
    """The mistake of a recipe that only uv can build."""
    return Mistake(
        f"pip cannot look for the newest build of PyTorch for {backend}", SOURCE,
        ("builds with pip", "images, and venvs where uv is missing"),
        hint="name one build, such as env.torch_backend=cu126; for a venv `pip install 'trainconf[uv]'` does, too",
    )


def check(packages: Iterable[str], backend: str) -> None:
    """Check that pip took the build: it takes the default one where that index lacks a version. Raises BuildError."""
    torch = next((package for package in packages if package.startswith("torch==")), "")
    label = torch.partition("+")[2]
    if torch and backend and label != backend and os.uname().sysname == "Linux":  # elsewhere builds have no label
        raise BuildError(
            f"pip took another build of PyTorch than {backend}", SOURCE, ("it took", torch), ("asked", INDEX + backend),
            hint="that index has no such version for this Python and machine: name another version of torch, or another build",
        )


def _of_this_machine(source: str, mistakes: list[Mistake]) -> str:
    driver = _driver(os.environ)
    if driver:
        return next((name for name, oldest in DRIVERS.items() if _numbers(driver) >= _numbers(oldest)), "cpu")
    if os.path.exists(AMD_DEVICE):
        mistakes.append(Mistake(
            "auto knows the drivers of NVIDIA, and this machine has a GPU of AMD", ("from", source), ("found", AMD_DEVICE),
            hint="name the build, such as env.torch_backend=rocm6.4",
        ))
        return ""
    return "cpu"


def _driver(environ: Mapping[str, str]) -> str:
    """The version of NVIDIA's driver, such as 550.144.03, found where uv looks first; empty where there is none."""
    if given := environ.get("UV_CUDA_DRIVER_VERSION"):
        return given
    for path in DRIVER_FILES:
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                found = re.search(r"(?:^|\s)(\d{3,}(?:\.\d+)+)(?:\s|$)", stream.read())
        except OSError:
            continue
        if found:
            return found[1]
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
