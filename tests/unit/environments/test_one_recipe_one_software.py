"""pip and uv make the same of one recipe, whatever their own settings say of which packages to take."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from trainconf.errors import BuildError

from .conftest import Workspace, make_wheel


def built(workspace: Workspace, *lines: str) -> list[str]:
    """What is installed by a recipe of these lines, the installer's own packages aside."""
    prepared = workspace.ensure(workspace.resolve(requirements=["--find-links ./wheels", *lines]))
    assert prepared.built
    return [line for line in prepared.lock_text.splitlines() if line.startswith("demo")]


@pytest.fixture
def wheels(workspace: Workspace) -> Path:
    folder = Path(workspace.root, "wheels")
    for version in ("1.0", "2.0", "3.0rc1"):
        make_wheel(folder, version=version)
    return folder


SETTINGS = {
    "PIP_CONSTRAINT": "{root}/old.txt", "PIP_REQUIRE_HASHES": "1", "PIP_NO_BINARY": ":all:", "PIP_PRE": "1", "PIP_TARGET": "{root}/t",
    "PIP_CONFIG_FILE": "{root}/pip.conf", "PIP_USER": "1", "PIP_PREFIX": "{root}/p", "UV_CONSTRAINT": "{root}/old.txt",
    "UV_OVERRIDE": "{root}/old.txt", "UV_RESOLUTION": "lowest", "UV_PRERELEASE": "allow", "UV_REQUIRE_HASHES": "1", "UV_NO_BINARY": "1",
    "UV_PYTHON": "3.8", "UV_SYSTEM_PYTHON": "1", "UV_PROJECT": "{root}", "UV_VENV_SEED": "1", "PYTHONHOME": "/nowhere",
    "PYTHONUSERBASE": "{root}/u", "VIRTUAL_ENV": "/nowhere", "CONDA_PREFIX": "/nowhere",
}  # fmt: skip
PROJECT = "[tool.uv]\nconstraint-dependencies = ['demo<2']\noverride-dependencies = ['demo==1.0']\n[tool.uv.pip]\nno-binary = ['demo']\n"


def test_no_setting_of_an_installer_has_a_say_in_what_is_installed(
    workspace: Workspace, wheels: Path, installer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(workspace.root, "old.txt").write_text("demo==1.0\n")
    Path(workspace.root, "pip.conf").write_text(f"[install]\nconstraint = {workspace.root}/old.txt\nno-deps = true\n")
    Path(workspace.root, "pyproject.toml").write_text(PROJECT)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value.format(root=workspace.root))
    assert built(workspace, "demo") == ["demo==2.0"]
    told = next(line for line in workspace.reported if "not heeded" in line)
    for name in ("constraint (pip)", "no-deps (pip)", "UV_RESOLUTION", "constraint-dependencies (uv)"):
        assert name in told


def test_what_the_recipe_says_is_obeyed_by_both(workspace: Workspace, wheels: Path, installer: str) -> None:
    Path(workspace.root, "old.txt").write_text("demo!=3.0rc2\n")
    assert built(workspace, "demo", "--pre", "-c old.txt") == ["demo==3.0rc1"]


def test_a_hash_of_one_package_asks_for_those_of_all(workspace: Workspace, wheels: Path, installer: str) -> None:
    make_wheel(wheels, name="other")
    digest = hashlib.sha256((wheels / "demo-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(BuildError, match=r"(?i)hash"):
        built(workspace, f"demo==2.0 --hash=sha256:{digest}", "other==1.0")
    assert built(workspace, f"demo==2.0 --hash=sha256:{digest}") == ["demo==2.0"]
