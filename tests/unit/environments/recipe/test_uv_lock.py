"""A project's uv.lock as an environment: the packages that uv locked, with extras and groups, and each mistake. uv is the real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trainconf.environments import identity
from trainconf.environments.recipe import uv_lock

from ..conftest import Workspace, make_wheel

PROJECT = """\
[project]
name = "demo"
version = "0.1"
requires-python = ">=3.8"
dependencies = ["alpha"]
[project.optional-dependencies]
train = ["beta>=1"]
[dependency-groups]
dev = ["gamma", {include-group = "More"}]
More = ["delta; sys_platform == 'win32'"]
[[tool.uv.index]]
name = "mine"
url = "wheels"
format = "flat"
default = true
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    """A locked project, whose packages are in its folder `wheels`; newer ones that came after the lock are there as well."""
    root = Path(workspace.root)
    (root / "pyproject.toml").write_text(PROJECT)
    for name in ("alpha", "beta", "gamma", "delta"):
        make_wheel(root / "wheels", name, "1.0")
    lock(root)
    make_wheel(root / "wheels", "alpha", "2.0")
    return workspace


def lock(root: Path) -> None:
    subprocess.run([uv_lock.find_uv(), "lock", "--offline", "--quiet", "--project", root], check=True)


@pytest.mark.parametrize(
    ("extras", "groups", "expected"),
    [
        ([], [], ["alpha==1.0"]),
        (["train"], [], ["alpha==1.0", "beta==1.0"]),
        (["Train"], ["dev"], ["alpha==1.0", "beta==1.0", "delta==1.0 ; sys_platform == 'win32'", "gamma==1.0"]),
    ],
)
def test_the_packages_are_those_of_the_lock(project: Workspace, extras: list[str], groups: list[str], expected: list[str]) -> None:
    spec = project.resolve(uv_lock="uv.lock", pyproject_extras=extras, pyproject_groups=groups)
    assert list(spec.requirements) == ["--find-links ./wheels", *expected]


def test_the_identity_is_that_of_the_lock(project: Workspace) -> None:
    root = Path(project.root)
    before = identity(project.resolve(uv_lock="uv.lock"))
    (root / "pyproject.toml").write_text(PROJECT + "\n# a word\n")
    assert identity(project.resolve(uv_lock="uv.lock")) == before
    assert identity(project.resolve(uv_lock="uv.lock", pyproject_extras=["train"])) != before
    os.unlink(root / "uv.lock")
    lock(root)
    assert "alpha==2.0" in project.resolve(uv_lock="uv.lock").requirements
    assert identity(project.resolve(uv_lock="uv.lock")) != before


def test_indexes_are_those_of_the_lock() -> None:
    project = '[[tool.uv.index]]\nurl = "https://example.org/whl/cpu"\n'
    sources = ("https://example.com/simple", "https://example.org/whl/cpu", "wheels", "https://example.org/whl/cpu/")
    text = "".join(f'[[package]]\nname = "a"\nsource = {{ registry = "{source}" }}\n' for source in sources)
    text += '[[package]]\nname = "b"\nsource = { virtual = "." }\n'
    assert uv_lock._indexes(text, project) == ["--extra-index-url https://example.org/whl/cpu", "--find-links wheels"]


def test_what_was_exported_once_starts_no_uv(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    os.makedirs(project.paths.cache, exist_ok=True)
    first = project.resolve(uv_lock="uv.lock")
    monkeypatch.setattr(uv_lock, "find_uv", lambda: "")
    assert project.resolve(uv_lock="uv.lock") == first
    assert "uv.lock is read by uv, which is not here" in project.wrong(uv_lock="uv.lock", pyproject_extras=["train"])


def test_an_environment_has_what_was_locked(project: Workspace, installer: str) -> None:
    ready = project.ensure(project.resolve(uv_lock="uv.lock", pyproject_extras=["train"]))
    said = subprocess.run([ready.python, "-c", "import importlib.metadata as m; print(m.version('alpha'), m.version('beta'))"],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert said == "1.0 1.0\n"


def test_hashes_and_indexes_of_the_lock_are_lines_of_the_recipe(project: Workspace) -> None:
    lines = 'sdist = { url = "https://example.org/x-1.0.tar.gz", hash = "sha256:' + "0" * 64 + '", size = 1 }\n'
    path = Path(project.root, "uv.lock")
    name = '[[package]]\nname = "x"\nversion = "1.0"\nsource = { registry = "https://example.org/simple" }\n'
    text = path.read_text().replace('dependencies = [\n', 'dependencies = [\n    { name = "x" },\n', 1)
    path.write_text(text + "\n" + name + lines)
    with open(os.path.join(project.root, "pyproject.toml"), "a") as stream:
        stream.write('\n[[tool.uv.index]]\nurl = "https://example.org/simple"\n')
    found = project.resolve(uv_lock="uv.lock").requirements
    assert "--extra-index-url https://example.org/simple" in found
    assert [line.split() for line in found if line.startswith("x")] == [["x==1.0", f"--hash=sha256:{'0' * 64}"]]


def test_what_cannot_be_is_told(project: Workspace) -> None:
    assert "the lock file does not exist" in project.wrong(uv_lock="sub/uv.lock")
    assert "a lock file of uv is called uv.lock" in project.wrong(uv_lock="pyproject.toml")
    assert "drop one of the two" in project.wrong(uv_lock="uv.lock", pyproject="pyproject.toml")
    wrong = project.wrong(uv_lock="uv.lock", pyproject_extras=["trian", "dev"])
    assert "the pyproject file has no extra 'trian'\n" in wrong
    assert "nearest  train" in wrong
    assert "env.pyproject_groups=[dev]" in wrong
    assert "env.pyproject=pyproject.toml, or env.uv_lock=uv.lock" in project.wrong(pyproject_extras=["train"])
    Path(project.root, "uv.lock").write_text("version = 1\n[[package]\n")
    assert "uv cannot read the lock file" in project.wrong(uv_lock="uv.lock")
    os.unlink(os.path.join(project.root, "pyproject.toml"))
    assert "the pyproject file of the lock file does not exist" in project.wrong(uv_lock="uv.lock")
