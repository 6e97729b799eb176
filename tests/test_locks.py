"""What `make` installs is pinned, with hashes, and is what pyproject.toml asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))


def entries(lock: Path) -> list[tuple[Requirement, int]]:
    """Each requirement of a lock file, and how many hashes it has."""
    text = re.sub(r"\\\n", " ", lock.read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(Requirement(line.partition("--hash=")[0]), line.count("--hash=sha256:")) for line in lines]


def asked_for(section: str, key: str) -> list[Requirement]:
    """The requirements under a key of pyproject.toml: no TOML reader is part of Python 3.10."""
    table = (ROOT / "pyproject.toml").read_text().partition(f"\n[{section}]\n")[2].partition("\n[")[0]
    listed = re.search(rf"^{key} = \[(.*?)^\]$", table, re.MULTILINE | re.DOTALL)
    assert listed, key
    return [Requirement(line) for line in re.findall(r'^  "(.+?)",', listed[1], re.MULTILINE)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_release_in_a_lock_file_is_exact_and_has_its_hashes(lock: Path) -> None:
    found = entries(lock)
    assert found
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes, requirement


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_names_no_host_and_no_path_of_a_machine(lock: Path) -> None:
    assert not re.search(r"://|^\s*--(?!hash)|file:| @ |/(home|root|tmp|opt)/", lock.read_text(), re.MULTILINE)


@pytest.mark.parametrize("minor", range(10, 15))
@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_says_one_release_of_each_package_for_every_python(lock: Path, minor: int) -> None:
    here = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.4", "os_name": "posix", "sys_platform": "linux"}
    names = [canonicalize_name(entry.name) for entry, _ in entries(lock) if entry.marker is None or entry.marker.evaluate(here)]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)


@pytest.mark.parametrize("name", ["dev.txt", "dev-hydra-1.4.txt"])
def test_what_development_needs_is_locked_within_its_ranges(name: str) -> None:
    locked = {(canonicalize_name(entry.name), str(entry.specifier)[2:]) for entry, _ in entries(ROOT / "locks" / name)}
    wanted = [*asked_for("project", "dependencies"), *asked_for("dependency-groups", "dev"), *asked_for("dependency-groups", "build")]
    assert len(wanted) >= 12
    for requirement in wanted:
        versions = [version for package, version in locked if package == canonicalize_name(requirement.name)]
        assert versions, f"{requirement}: `make lock`"
        assert all(requirement.specifier.contains(version, prereleases=True) for version in versions), f"{requirement}: `make lock`"


def test_what_runs_the_default_experiment_is_what_development_has() -> None:
    dev, run = ({str(entry) for entry, _ in entries(ROOT / "locks" / name)} for name in ("dev.txt", "run.txt"))
    build = {str(entry) for entry, _ in entries(ROOT / "locks" / "build.txt")}
    assert build < run < dev
