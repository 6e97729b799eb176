"""The locks of the shipped environments: every package by its hash, and the versions that their files say in words."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainconf.composition.cache import compose
from trainconf.paths import WorkspacePaths
from trainconf.resolve.resolver import resolve

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "conf" / "env"
LOCKED = sorted(path.stem for path in ENVIRONMENTS.glob("*.in"))
LINE = re.compile(r"([a-z0-9-]+)==([\w.]+)( ; [^#]+?)?((?: --hash=sha256:[0-9a-f]{64})+)")


def requirements(words: list[str], workspace: Path) -> tuple[str, ...]:
    paths = WorkspacePaths(str(workspace))
    return resolve(compose(["experiment=adhoc", "script=train.py", *words], paths), paths).spec.environment.requirements


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("")
    return tmp_path


@pytest.fixture(scope="module")
def locking() -> Any:
    """What `make lock` runs."""
    found = importlib.util.spec_from_file_location("locking", ROOT / "locks" / "environments.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_each_environment_that_installs_something_has_a_lock_but_pytorch() -> None:
    installing = {path.stem for path in ENVIRONMENTS.glob("*.yaml") if yaml.safe_load(path.read_text()).get("requirements")}
    assert installing == {*LOCKED, "pytorch"}
    assert "--hash" not in (ENVIRONMENTS / "pytorch.yaml").read_text()
    assert {path.name for path in ENVIRONMENTS.glob("*.lock.txt")} == {f"{name}.lock.txt" for name in LOCKED}


@pytest.mark.parametrize("name", LOCKED)
def test_what_an_environment_installs_is_pinned_by_hash_line_by_line(name: str, workspace: Path) -> None:
    found = requirements([f"env={name}"], workspace)
    assert found
    assert [line for line in found if not LINE.fullmatch(line)] == []
    assert "://" not in (ENVIRONMENTS / f"{name}.lock.txt").read_text()


@pytest.mark.parametrize("name", LOCKED)
def test_the_versions_asked_for_are_those_of_the_lock_and_of_the_words(name: str, locking: Any, workspace: Path) -> None:
    asked = {tuple(re.split(r"==|[; ]", line)[:2]) for line in locking.lines_of(ENVIRONMENTS / f"{name}.in")}
    locked = {match.group(1, 2) for match in map(LINE.fullmatch, requirements([f"env={name}"], workspace)) if match}
    assert asked <= locked
    words = (ENVIRONMENTS / f"{name}.yaml").read_text()
    said = {(package, version) for package, version in asked if version in words and package in words}
    assert said == asked


def test_requirements_of_ones_own_take_the_place_of_the_lock(workspace: Path) -> None:
    assert requirements(["env=minimal", "env.requirements=[tomli-w]"], workspace) == ("tomli-w",)
    unlocked = requirements(["env=sklearn", "env.requirements=['-r conf/env/sklearn.in', pandas]"], workspace)
    assert [line.split("==")[0] for line in unlocked[:3]] == ["numpy", "numpy", "scipy"]
    assert unlocked[-1] == "pandas"
    assert "--hash" not in " ".join(unlocked)


def test_a_workspaces_own_recipe_or_lock_stands_in(workspace: Path) -> None:
    own = workspace / "conf" / "env"
    own.mkdir(parents=True)
    (own / "minimal.lock.txt").write_text("alpha==1\n")
    assert requirements(["env=minimal"], workspace) == ("alpha==1",)
    (own / "minimal.yaml").write_text("defaults:\n  - /schema/env/recipe@_here_\n  - _self_\nname: minimal\nrequirements: [beta==1]\n")
    assert requirements(["env=minimal"], workspace) == ("beta==1",)


NUMPY = "numpy-2.3.5-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"


@pytest.mark.parametrize(("wheel", "machine", "takes"), [
    (NUMPY, (12, "", "manylinux", "x86_64"), True),
    (NUMPY, (12, "", "musllinux", "x86_64"), False),
    (NUMPY, (12, "", "manylinux", "aarch64"), False),
    (NUMPY, (12, "t", "manylinux", "x86_64"), False),
    (NUMPY, (13, "", "manylinux", "x86_64"), False),
    ("numpy-2.3.5-cp314-cp314t-musllinux_1_2_aarch64.whl", (14, "t", "musllinux", "aarch64"), True),
    ("numpy-2.3.5-cp312-cp312-win_amd64.whl", (12, "", "manylinux", "x86_64"), False),
    ("optree-1-cp310-abi3-manylinux_2_17_x86_64.whl", (14, "", "manylinux", "x86_64"), True),
    ("optree-1-cp312-abi3-manylinux_2_17_x86_64.whl", (11, "", "manylinux", "x86_64"), False),
    ("optree-1-cp310-abi3-manylinux_2_17_x86_64.whl", (14, "t", "manylinux", "x86_64"), False),
    ("six-1-py2.py3-none-any.whl", (10, "", "musllinux", "aarch64"), True),
    ("six-1-py2-none-any.whl", (10, "", "musllinux", "aarch64"), False),
    ("six-1-py312-none-any.whl", (11, "", "manylinux", "x86_64"), False),
    ("mpich-5-py3-none-manylinux_2_28_aarch64.whl", (13, "t", "manylinux", "aarch64"), True),
])  # fmt: skip
def test_a_lock_has_the_wheels_that_its_machines_take(locking: Any, wheel: str, machine: tuple[Any, ...], takes: bool) -> None:
    assert locking.Machine(*machine).takes(wheel) is takes


def test_a_lock_leaves_out_what_no_machine_with_all_of_it_can_use(locking: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wheel(name: str, digest: str) -> dict[str, Any]:
        return {"url": f"https://index.example/{name}", "hashes": {"sha256": digest}}

    monkeypatch.setattr(locking, "resolved", lambda source: [
        {"name": "helper", "version": "1", "wheels": [wheel("helper-1-py3-none-any.whl", "aa")], "sdist": wheel("helper-1.tar.gz", "bb")},
        {"name": "newer", "version": "1", "marker": "python_full_version >= '3.13'", "wheels": [wheel("newer-1-py3-none-any.whl", "cc")]},
        {"name": "numeric", "version": "2", "wheels": [
            wheel("numeric-2-cp311-cp311-manylinux_2_28_x86_64.whl", "ee"), wheel("numeric-2-cp312-cp312-win_amd64.whl", "ff"),
            wheel("numeric-2-cp312-cp312-manylinux_2_28_x86_64.whl", "dd"),
        ]},
    ])  # fmt: skip
    (tmp_path / "own.in").write_text("# words\nNumeric==2\n")
    assert locking.lock(tmp_path / "own.in").splitlines()[1:] == [
        "# Wheels for Python 3.11 to 3.12 on Linux, x86_64.",
        "numeric==2 \\", "    --hash=sha256:dd \\", "    --hash=sha256:ee", "helper==1 \\", "    --hash=sha256:aa",
    ]  # fmt: skip
