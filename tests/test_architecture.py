"""What the code promises about itself: public names, floors, what an import may load, old grammar in jobs, one version."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trainconf

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "trainconf"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"hydra", "omegaconf", "yaml", "antlr4", "numpy", "torch", "docker", "git"}
# Each costs about ten milliseconds to import, where a whole agent must be up in as much.
SLOW = {"dataclasses", "typing", "pathlib", "tempfile", "logging", "subprocess", "argparse", "importlib.metadata"}


def loaded_by(statement: str) -> set[str]:
    """The modules a bare interpreter, without site, holds after a statement."""
    code = f"import sys; sys.path.insert(0, {os.fspath(ROOT)!r}); before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_public_names_are_these() -> None:
    assert trainconf.__all__ == ["Run", "__version__"]
    assert {name: hasattr(trainconf, name) for name in trainconf.__all__} == {"Run": True, "__version__": True}
    with pytest.raises(AttributeError, match="no attribute"):
        trainconf.NoSuchName  # noqa: B018


def test_importing_trainconf_loads_nothing_else() -> None:
    assert loaded_by("import trainconf") == {"trainconf"}


@pytest.mark.parametrize(
    "module",
    [
        "trainconf.agent.loop", "trainconf.agent.rendezvous.local", "trainconf.agent.nodes.worker", "trainconf.agent.mpi.rank",
        "trainconf.history.events",
        "trainconf.history.liveness", "trainconf.files",
    ],
)  # fmt: skip
def test_what_runs_beside_a_job_loads_nothing_heavy_and_nothing_slow(module: str) -> None:
    assert loaded_by(f"import {module}") & (HEAVY | SLOW) == set()


@pytest.mark.parametrize("module", ["loop", "nodes.slurm_job", "processes.watchdog"])
def test_an_agent_starts_without_what_is_half_of_its_time(module: str) -> None:
    assert loaded_by(f"import trainconf.agent.{module}") & {"json", "re", "enum", "signal", "ctypes", "functools", "collections"} == set()


@pytest.mark.parametrize("module", ["job_api", "cli.main", "cli.runs.ls", "cli.runs.show", "cli.runs.logs", "cli.arguments.help"])
def test_what_a_script_or_a_reader_imports_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import trainconf.{module}") & HEAVY == set()


def test_what_a_job_may_import_is_in_the_grammar_of_python_3_8() -> None:
    waiting, seen = ["trainconf", "trainconf.job_api"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.startswith("trainconf"):
            waiting += imported_by(name)
        else:
            assert name.split(".")[0] in sys.stdlib_module_names, name
    assert len(seen) > 3


def imported_by(module: str) -> set[str]:
    """Every module named by an import in a module of ours, wherever it stands. SyntaxError when Python 3.8 could not read it."""
    stem = ROOT.joinpath(*module.split("."))
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {node.module} | {name for name in below if ROOT.joinpath(*name.split(".")).with_suffix(".py").exists()}
    return names


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for_and_parses_as_python_3_10(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    assert not tree.body or ast.get_docstring(tree), "no module docstring"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_outgrows_one_concept(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_one_module_is_the_door_to_other_programs() -> None:
    openers = {name_of(path) for path in MODULES if re.search(r"^\s*(import|from) subprocess\b", path.read_text(), re.MULTILINE)}
    assert openers == {"trainconf/process.py"}


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert project == [trainconf.__version__]
    assert released[:1] == [trainconf.__version__]
