"""The shell scripts that run in a build container: they find its Python, make a venv, ask pip for its plan, and install.

The image's own pip works in a venv that sees what the image already has, so a vendor's PyTorch stays where it is.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from trainconf.environments.image.container import ANSWER, CACHE, INSIDE, MOUNTED, OUTPUT
from trainconf.environments.recipe.installed import normalised

VENV = "/opt/trainconf/env"
VENV_PYTHON = f"{VENV}/bin/python"
CA_FILE, PIP_CONFIG = f"{INSIDE}/ca.pem", f"{INSIDE}/pip.conf"
WORK = f"{INSIDE}/build"
OLDEST_PIP = (22, 2)  # --dry-run with --report
PIP = f"{VENV_PYTHON} -I -m pip --disable-pip-version-check --no-input"

# Runs in the image's Python, whatever that is. The first of two distributions with one name is the one that is imported.
QUESTION = """
import json, sys
answer = {"version": sys.version.split()[0], "executable": sys.executable, "packages": [], "modules": [], "pip": ""}
try:
    import importlib.metadata, importlib.util
    found = [(d.metadata["Name"], d.version) for d in importlib.metadata.distributions()]
    answer["packages"] = [pair for pair in found if all(pair)]
    answer["modules"] = [name for name in ("ensurepip", "pip", "venv") if importlib.util.find_spec(name)]
    answer["pip"] = next((version for name, version in answer["packages"] if name == "pip"), "")
except ImportError:
    pass
print(json.dumps(answer))
"""
# A venv made by a venv's Python sees the packages of the Python below both. This makes it see those of the venv as well.
SHOW_PARENT = """
import sys, sysconfig
if sys.prefix != sys.base_prefix:
    with open(sys.argv[1] + "/lib/python%d.%d/site-packages/trainconf-base.pth" % sys.version_info[:2], "w") as stream:
        for path in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
            stream.write("import site; site.addsitedir(%r)\\n" % path)
"""


class ImagePython:
    """The Python of an image. `modules`: which of ensurepip, pip and venv it has; `pip`: the version, empty where unknown."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.path = str(answer["executable"])
        self.version = str(answer["version"])
        self.modules = frozenset(answer["modules"])
        self.pip = str(answer["pip"])
        packages: dict[str, str] = {}
        for name, version in answer["packages"]:
            packages.setdefault(normalised(name), version)
        self.packages = sorted(f"{name}=={version}" for name, version in packages.items())

    @property
    def has_usable_pip(self) -> bool:
        """Whether its pip can report its plan. A Python without pip of its own gets one that can."""
        found = re.match(r"(\d+)\.(\d+)", self.pip)
        return found is None or (int(found[1]), int(found[2])) >= OLDEST_PIP


def ask(named: str) -> str:
    """A script that describes the image's Python in the answer, which stays empty where there is none."""
    names = " ".join(map(shlex.quote, (named,) if named else ("python", "python3")))
    return (
        f"export PYTHONNOUSERSITE=1\nfor name in {names}; do\n"
        '  found=$(command -v "$name") && break\ndone\n[ -n "$found" ] || exit 0\n'
        f'"$found" -I -c {shlex.quote(QUESTION)} >{OUTPUT}/{ANSWER}\n'
    )


def read_answer(answer: bytes) -> ImagePython | None:
    """The Python that `ask` found; None for an image without one."""
    try:
        return ImagePython(json.loads(answer.decode("utf-8", "replace").strip().splitlines()[-1]))
    except (ValueError, LookupError, TypeError):
        return None


def preamble(variables: Mapping[str, str], *, has_ca_file: bool, has_pip_config: bool) -> str:
    """The start of every script that installs: `variables` of the submitter's, such as proxies, and pip's settings."""
    settings = dict(variables) | {"PIP_CACHE_DIR": CACHE, "PIP_ROOT_USER_ACTION": "ignore", "PIP_PROGRESS_BAR": "off"}
    if has_ca_file:
        settings |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), CA_FILE)
    if has_pip_config:
        settings["PIP_CONFIG_FILE"] = PIP_CONFIG
    return "set -e\numask 022\n" + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def make_venv(python: ImagePython) -> str:
    """Make a venv that sees what the image has; with a pip of its own only where the image has none."""
    without_pip = "--without-pip " if "pip" in python.modules else ""
    path = shlex.quote(python.path)
    return (
        f"{path} -I -m venv --system-site-packages {without_pip}{VENV}\n"
        f"{path} -I -c {shlex.quote(SHOW_PARENT)} {VENV}\n"
    )


def _copy_sources() -> str:
    """Put local requirements where a build may write, below the working directory: copy folders, link files."""
    return (
        f"mkdir -p {WORK}/sources\ncd {WORK}\n"
        f"for folder in {MOUNTED}/sources/*; do\n"
        '  [ -d "$folder" ] || continue\n  mkdir -p "sources/${folder##*/}"\n'
        '  for path in "$folder"/* "$folder"/.[!.]*; do\n'
        '    if [ -d "$path" ]; then cp -R "$path" "sources/${folder##*/}/"\n'
        '    elif [ -e "$path" ]; then ln -sf "$path" "sources/${folder##*/}/"; fi\n'
        "  done\ndone\n"
    )


def pip_plan() -> str:
    """Make pip report which distributions it would install; the report is the answer."""
    return (
        f"{_copy_sources()}{PIP} install --dry-run --quiet --report {OUTPUT}/{ANSWER} -r {MOUNTED}/requirements.txt "
        f"-c {MOUNTED}/constraints.txt\n"
    )


def install(files: Iterable[str]) -> str:
    """Install the lines of some files, file by file. They name all that is needed."""
    commands = "".join(f"{PIP} install --no-deps -r {MOUNTED}/{name}\n" for name in files)
    return _copy_sources() + commands


def check() -> str:
    """Report what does not fit together. It is no failure, because the image may have brought it."""
    return f'said=$({PIP} check 2>&1) || echo "note: $said"\n'
