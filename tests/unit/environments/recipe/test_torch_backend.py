"""env.torch_backend: which builds of PyTorch are taken. Nothing is fetched: the commands and the recorded lines are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainconf.cli.launch import plan
from trainconf.composition.compose import compose
from trainconf.environments import identity, read_recipe
from trainconf.environments.build_folder import build_folder
from trainconf.environments.lock import lock
from trainconf.environments.recipe import torch_backend
from trainconf.environments.venv.build import VenvBuilder
from trainconf.environments.venv.installers import Installer, Pip, find_installer
from trainconf.errors import BuildError, EnvironmentRecipeError, Mistake
from trainconf.process import processes
from trainconf.reporter import SILENT
from trainconf.resolve.resolver import environment

from ..conftest import Workspace, make_wheel


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No driver and no device, whatever this machine has."""
    monkeypatch.delenv("UV_CUDA_DRIVER_VERSION", raising=False)
    monkeypatch.setattr(torch_backend, "DRIVER_FILES", (str(tmp_path / "sys"), str(tmp_path / "proc")))
    monkeypatch.setattr(torch_backend, "AMD_DEVICE", str(tmp_path / "kfd"))


@pytest.mark.parametrize("value", ["cpu", "cu126", "cu130", "cuda12", "rocm6.4", "rocm6.2.4", "xpu"])
def test_a_build_is_one_line_of_the_requirements_and_another_environment(workspace: Workspace, value: str) -> None:
    spec = workspace.resolve(requirements=["torch==2.13.0"], torch_backend=value)
    assert spec.requirements == (f"--torch-backend {value}", "torch==2.13.0")
    assert workspace.resolve(requirements=[f"--torch-backend={value}", "torch==2.13.0"]) == spec
    assert identity(spec) != identity(workspace.resolve(requirements=["torch==2.13.0"]))


@pytest.mark.parametrize(
    ("value", "near"),
    [("CPU", "cpu"), ("cu12.6", "cu126"), ("cuda12.8", "cu128"), ("rocm", "rocm"), ("cup", "cpu"), ("cpu\n--pre", ""), ("gpu", "auto")],
)
def test_another_word_is_told_with_what_is_allowed_and_what_is_near(workspace: Workspace, value: str, near: str) -> None:
    told = workspace.wrong(torch_backend=value)
    for part in ("is no build of PyTorch", "env.torch_backend", "auto, cpu, cu126"):
        assert part in told
    assert ("nearest" in told) == bool(near)
    assert not near or any(near in line for line in told.splitlines() if "nearest" in line)


def test_two_builds_in_one_recipe_are_a_mistake_and_the_same_one_twice_is_none(workspace: Workspace) -> None:
    Path(workspace.root, "lock.txt").write_text("--torch-backend cpu\ntorch==2.13.0+cpu\n")
    assert workspace.resolve(requirements_file="lock.txt", torch_backend="cpu").requirements == ("--torch-backend cpu", "torch==2.13.0+cpu")
    told = workspace.wrong(requirements_file="lock.txt", torch_backend="cu126")
    for part in ("two builds of PyTorch", "lock.txt:1", "cu126"):
        assert part in told


@pytest.mark.parametrize(
    ("driver", "expected"),
    [("580", "cuda13"), ("595.10.01", "cuda13"), ("579.99", "cuda12"), ("525.60.13", "cuda12"), ("525.60.12", "cuda11"), ("440.33", "cpu")],
)
def test_auto_is_recorded_as_what_the_driver_can_run(
    workspace: Workspace, driver: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workspace.resolve(torch_backend="auto").requirements == ("--torch-backend cpu",)
    if "." in driver:
        (tmp_path / "proc").write_text(
            f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {driver}  Release Build  (x@y)\nGCC version:  12.3.0\n"
        )
        assert workspace.resolve(torch_backend="auto").requirements == (f"--torch-backend {expected}",)
        (tmp_path / "sys").write_text(f"{driver}\n")
    else:
        monkeypatch.setenv("UV_CUDA_DRIVER_VERSION", driver)
    assert workspace.resolve(torch_backend="auto").requirements == (f"--torch-backend {expected}",)


def test_auto_does_not_guess_a_build_for_amd(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "kfd").touch()
    assert "rocm6.4" in workspace.wrong(torch_backend="auto")


def commands(
    workspace: Workspace, installer: Installer, monkeypatch: pytest.MonkeyPatch, backend: str
) -> tuple[list[str], dict[str, str], str]:
    """The last command of a build, its variables, and the requirements that it reads. Nothing is run."""
    ran: list[tuple[list[str], dict[str, str]]] = []

    class Done:
        ok = True

    def stream(command: list[str], *_: Any, env: dict[str, str], **__: Any) -> Done:
        ran.append((command, env))
        return Done()

    monkeypatch.setattr(processes, "stream", stream)
    request = workspace.request(workspace.resolve(requirements=["torch==2.13.0"], torch_backend=backend))
    with build_folder(request) as folder:
        builder = VenvBuilder(folder, installer)
        monkeypatch.setattr(installer, "make_movable", lambda folder: None)
        monkeypatch.setattr(builder, "_metadata", lambda: {"packages": [f"torch==2.13.0+{backend}"]})
        builder.build()
        text = Path(folder.at("requirements.txt")).read_text()
    return *ran[-1], text


def test_uv_is_told_by_its_own_option(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    command, _, text = commands(workspace, find_installer(), monkeypatch, "cpu")
    assert command[command.index("--torch-backend") + 1] == "cpu"
    assert text == "torch==2.13.0\n"
    command, variables, _ = commands(workspace, find_installer(), monkeypatch, "cuda12")
    assert command[command.index("--torch-backend") + 1] == "auto"
    assert variables["UV_CUDA_DRIVER_VERSION"] == "525.60.13"


def test_pip_gets_the_index_of_the_build(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    command, _, text = commands(workspace, Pip(), monkeypatch, "cu126")
    assert command[command.index("--extra-index-url") + 1] == "https://download.pytorch.org/whl/cu126"
    assert text == "torch==2.13.0\n"
    with pytest.raises(EnvironmentRecipeError, match="cuda12"):
        commands(workspace, Pip(), monkeypatch, "cuda12")


def test_the_uv_that_is_here_knows_the_option_and_the_builds(tmp_path: Path) -> None:
    installer = find_installer()
    told = processes.run([getattr(installer, "path", ""), "pip", "install", "--help"]).text()
    for name in (name for name in torch_backend.COMMON if name not in torch_backend.DRIVERS):
        assert f" {name}," in told.replace("\n", " ") or f" {name}]" in told.replace("\n", " "), name


def test_pip_that_took_another_build_fails_the_environment(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(Path(workspace.root, "wheels"), "torch", "2.0")
    monkeypatch.setattr("trainconf.environments.venv.build.find_installer", Pip)
    lines = ["--find-links ./wheels", "torch"]
    with pytest.raises(BuildError, match="another build of PyTorch than cpu") as caught:
        workspace.ensure(workspace.resolve(requirements=lines, torch_backend="cpu"))
    assert "torch==2.0" in caught.value.render()
    assert workspace.left() == []
    make_wheel(Path(workspace.root, "wheels"), "torch", "2.0+cpu")
    prepared = workspace.ensure(workspace.resolve(requirements=lines, torch_backend="cpu"))
    assert "torch==2.0+cpu" in prepared.lock_text
    assert any("builds of PyTorch: cpu" in line for line in workspace.reported)


def test_a_lock_keeps_the_build(workspace: Workspace) -> None:
    text = lock({"requirements": ["./demo-1.0-py3-none-any.whl"], "torch_backend": "auto", "name": "mine"}, workspace.root, reporter=SILENT)
    assert "--torch-backend cpu\n" in text
    Path(workspace.root, "mine.lock.txt").write_text(text)
    assert "--torch-backend cpu" in workspace.resolve(requirements_file="mine.lock.txt").requirements


def test_an_image_takes_one_build_and_nothing_is_taken_where_nothing_is_installed(workspace: Workspace) -> None:
    def mistakes_of(*, as_image: bool = True, **env: Any) -> str:
        mistakes: list[Mistake] = []
        read_recipe(env, workspace.root, mistakes, as_image=as_image)
        return "\n".join(mistake.render() for mistake in mistakes)

    assert mistakes_of(torch_backend="cu126", docker={"base_image": "python:3.11-slim"}) == ""
    assert "cuda12" in mistakes_of(torch_backend="cuda12", docker={"base_image": "python:3.11-slim"})
    managed = mistakes_of(as_image=False, torch_backend="cpu", python={"user_managed_dependencies": True})
    assert "env.torch_backend would not be installed" in managed


def test_it_costs_nothing_where_it_is_not_given(workspace: Workspace) -> None:
    spec = workspace.resolve(requirements=["torch==2.13.0"])
    assert spec.requirements == ("torch==2.13.0",)
    assert "UV_CUDA_DRIVER_VERSION" not in torch_backend.uv_variables("")
    assert torch_backend.uv_options("") == torch_backend.pip_options("") == []


def test_a_plan_names_the_builds_that_auto_stands_for(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(workspace.root, ".trainconf").mkdir()
    Path(workspace.root, "train.py").write_text("")
    monkeypatch.chdir(workspace.root)
    assert plan.run(["experiment=adhoc", "script=train.py", "env=pytorch", "env.torch_backend=auto"]) == 0
    assert "builds of PyTorch: cpu\n" in capsys.readouterr().out
    assert plan.run(["experiment=adhoc", "script=train.py", "env=pytorch"]) == 0
    assert "builds of PyTorch" not in capsys.readouterr().out


def test_auto_is_refused_where_no_gpu_is_seen_and_the_job_asks_for_one(workspace: Workspace) -> None:
    """A login node has no driver; its jobs have."""
    def mistakes_of(*words: str) -> str:
        mistakes: list[Mistake] = []
        environment(compose(["experiment=adhoc", "script=train.py", "env=pytorch", *words], workspace.paths), workspace.paths, mistakes)
        return "\n".join(mistake.render() for mistake in mistakes)

    assert mistakes_of("env.torch_backend=auto") == ""
    assert mistakes_of("env.torch_backend=cpu", "compute.gpus=1") == ""
    told = mistakes_of("env.torch_backend=auto", "compute.gpus=1")
    assert "env.torch_backend=cuda12" in told
    assert "command line: env.torch_backend=auto" in told
    assert "the job asks for GPUs" in mistakes_of("env.torch_backend=auto", "compute=slurm", "compute.gpus_per_node=1")
