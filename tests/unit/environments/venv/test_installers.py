"""pip and uv make the same of one recipe, whatever their own settings say of which packages to take."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from trainconf.environments.lock import lock
from trainconf.environments.venv.installers import Uv
from trainconf.errors import BuildError
from trainconf.reporter import Lines

from ..conftest import Workspace, both_installers, make_wheel


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
    told = next(line for line in workspace.reported if "ignored: " in line)
    for name in ("constraint (pip)", "no-deps (pip)", "UV_RESOLUTION", "constraint-dependencies (uv)"):
        assert name in told


def test_what_the_recipe_says_is_obeyed_by_both(workspace: Workspace, wheels: Path, installer: str) -> None:
    Path(workspace.root, "old.txt").write_text("demo!=3.0rc2\n")
    assert built(workspace, "demo", "--pre", "-c old.txt") == ["demo==3.0rc1"]


def test_a_hash_of_one_package_asks_for_those_of_all(workspace: Workspace, wheels: Path, installer: str) -> None:
    make_wheel(wheels, name="other")
    digest = hashlib.sha256((wheels / "demo-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(BuildError, match="one line with a hash asks for a hash of every package"):
        built(workspace, f"demo==2.0 --hash=sha256:{digest}", "other==1.0")
    assert built(workspace, f"demo==2.0 --hash=sha256:{digest}") == ["demo==2.0"]


@both_installers
def test_a_file_of_another_hash_is_refused_with_its_own_and_leaves_nothing(workspace: Workspace, wheels: Path, installer: str) -> None:
    allowed = [f"{number:064x}" for number in range(40)]
    found = hashlib.sha256((wheels / "demo-2.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(BuildError) as caught:
        built(workspace, f"demo==2.0 {' '.join(f'--hash=sha256:{digest}' for digest in allowed)}")
    told = str(caught.value)
    assert re.search(r"(?i)hash mismatch|do not match the hashes", told)
    assert "another file than the one that was locked" in told
    assert found in told
    assert not any(digest in told for digest in allowed)
    assert workspace.left() == []


def test_what_a_locked_package_needs_has_a_hash_too(workspace: Workspace, wheels: Path, installer: str) -> None:
    make_wheel(wheels, name="needy", requires="demo")
    needy = hashlib.sha256((wheels / "needy-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    with pytest.raises(BuildError, match="one line with a hash asks for a hash of every package"):
        built(workspace, f"needy==1.0 --hash=sha256:{needy}")
    assert workspace.left() == []


def test_pinning_a_recipe_keeps_its_hashes(workspace: Workspace, wheels: Path, installer: str) -> None:
    hashes = f"--hash=sha256:{'0' * 64} --hash=sha256:{hashlib.sha256((wheels / 'demo-2.0-py3-none-any.whl').read_bytes()).hexdigest()}"
    lines = ["--find-links ./wheels", f"Demo==2.0 ; python_version >= '3' {hashes}"]
    pinned = lock({"requirements": lines, "name": "mine"}, workspace.root, reporter=Lines(workspace.reported.append))
    assert pinned.splitlines()[1:] == ["--find-links ./wheels", f"demo==2.0 {hashes}"]


def test_uv_keeps_its_cache_in_the_workspace_where_the_home_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "no folder").write_text("")
    (tmp_path / "home").mkdir()
    kept = str(tmp_path / ".trainconf" / "cache" / "uv")
    for environ, cache in (
        ({"HOME": str(tmp_path / "no folder")}, kept), ({"HOME": str(tmp_path / "no folder" / "below")}, kept),
        ({"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "no folder")}, kept),
        ({"HOME": str(tmp_path / "home")}, None), ({"HOME": str(tmp_path / "home" / "not yet")}, None),
        ({"HOME": str(tmp_path / "no folder"), "UV_CACHE_DIR": "/mine"}, "/mine"),
    ):  # fmt: skip
        assert Uv("uv").environ({"PATH": "", **environ}, str(tmp_path)).get("UV_CACHE_DIR") == cache
