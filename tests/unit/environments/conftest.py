"""Wheels made by hand, so that environments can be built without any index, and workspaces with hostile names."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from trainconf.environments import EnvironmentRequest, Prepared, ensure, read_recipe
from trainconf.environments.removal import rm
from trainconf.environments.venv.installers import Pip, Uv, find_installer
from trainconf.errors import Mistake
from trainconf.history.users import users
from trainconf.paths import WorkspacePaths
from trainconf.reporter import Lines
from trainconf.spec import EnvironmentSpec


def make_wheel(folder: Path, name: str = "demo", version: str = "1.0", code: str = "", requires: str = "") -> Path:
    """A wheel that installs one module and a console script `<name>-hello`, which prints the environment's prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (f"Requires-Dist: {requires}\n" if requires else "")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", code or "import sys\n\n\ndef main():\n    print(ascii(sys.prefix))\n")
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name}-hello = {name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


class Workspace:
    """A workspace folder, the recipes resolved in it, and what was reported."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.paths = WorkspacePaths(root)
        self.reported: list[str] = []
        self.mistakes: list[Mistake] = []

    def resolve(self, **env: Any) -> EnvironmentSpec:
        spec = read_recipe(env, self.root, self.mistakes)
        assert [mistake.render() for mistake in self.mistakes] == []
        return spec

    def wrong(self, **env: Any) -> str:
        """All mistakes of a recipe, as text."""
        mistakes: list[Mistake] = []
        read_recipe(env, self.root, mistakes)
        assert mistakes
        return "\n\n".join(mistake.render() for mistake in mistakes)

    def request(self, spec: EnvironmentSpec, name: str = "test", **image_build: Any) -> EnvironmentRequest:
        return EnvironmentRequest(spec, self.paths, name, Lines(self.reported.append), image_build=image_build)

    def ensure(self, spec: EnvironmentSpec, name: str = "test") -> Prepared:
        return ensure(self.request(spec, name))

    def rm(self, name: str) -> str:
        return rm(self.paths, name, partial(users, self.paths))

    def left(self) -> list[str]:
        """What is in the store besides its locks."""
        return sorted(set(os.listdir(self.paths.envs)) - {".locks"}) if os.path.isdir(self.paths.envs) else []


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "work"
    make_wheel(root)
    return Workspace(str(root))


# With uv and with pip, in every run. The fixture alone leaves pip to the nightly tests, where it repeats what uv proves: it builds for 5 s.
both_installers = pytest.mark.parametrize("installer", ["uv", "pip"], indirect=True)


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.nightly)])
def installer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs twice: with uv, and as on a machine that has none."""
    if request.param == "pip":
        monkeypatch.setattr("trainconf.environments.venv.build.find_installer", Pip)
    else:
        assert isinstance(find_installer(), Uv)
    return str(request.param)


@pytest.fixture(autouse=True)
def no_index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests marked `network` may ask the index."""
    if request.node.get_closest_marker("network") is None:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("UV_OFFLINE", "1")


def script_in_a_process(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python process of its own session that can import trainconf."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    env = os.environ | {"PYTHONPATH": root}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


Starter = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Starter:
    return script_in_a_process
