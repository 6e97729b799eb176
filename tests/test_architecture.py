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
# The half of what an agent would need to start.
HALF = {"json", "re", "enum", "signal", "ctypes", "functools", "collections"}

# The hot roads. Only these modules may save an import: by a function-level import, a TYPE_CHECKING block, a class written by hand.
STARTS_AN_AGENT = [
    "agent.loop", "agent.nodes.slurm_job", "agent.processes.watchdog", "agent.rendezvous.local", "files", "paths", "history.events",
]  # fmt: skip
RUNS_BESIDE_A_JOB = ["agent", "history", "engine", "files", "paths", "errors", "fast"]  # each with all its modules
RUNS_BEFORE_EACH_JOB = ["snapshot", "git", "process", "launchers.job.env", "launchers.docker.request"]
READS = ["job_api", "cli.main", "cli.history", "cli.arguments.help", "control.runs", "control.follow"]

# What opens another process, and the only modules that do.
DOORS = {
    "subprocess": {"process.py"},
    "os.fork": {"fast/spawn.py", "agent/processes/watchdog.py", "control/workspace/doctor.py", "testing/cancel.py"},
    "os.posix_spawn": {"fast/spawn.py"},
    "os.exec": {"agent/loop.py", "agent/mpi/start.py", "compat/submitit/environment.py", "fast/spawn.py"},
    "os.system": set(), "os.popen": set(), "os.spawn": set(), "pty": set(), "multiprocessing": set(),
}  # fmt: skip

FILES_IN_A_FOLDER = 14
LINES_IN_A_FILE = 350


def loaded_by(statement: str) -> set[str]:
    """The modules a bare interpreter, without site, holds after a statement."""
    code = f"import sys; sys.path.insert(0, {os.fspath(ROOT)!r}); before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_public_names_are_these() -> None:
    assert trainconf.__all__ == sorted([*trainconf._PLACES, "__version__"])
    assert [name for name in trainconf.__all__ if getattr(getattr(trainconf, name), "__name__", name) != name] == []
    with pytest.raises(AttributeError, match="no attribute"):
        trainconf.NoSuchName  # noqa: B018


def test_importing_trainconf_loads_nothing_else() -> None:
    assert loaded_by("import trainconf") == {"trainconf"}


def modules_of(name: str) -> list[str]:
    """A module of ours, or every module of a package of ours."""
    stem = PACKAGE.joinpath(*name.split("."))
    paths = sorted(stem.rglob("*.py")) if stem.is_dir() else [stem.with_suffix(".py")]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


@pytest.mark.parametrize("name", [*RUNS_BESIDE_A_JOB, *RUNS_BEFORE_EACH_JOB])
def test_what_runs_beside_or_before_each_job_loads_nothing_heavy_and_nothing_slow(name: str) -> None:
    assert loaded_by(f"import {', '.join(modules_of(name))}") & (HEAVY | SLOW) == set()


@pytest.mark.parametrize("name", STARTS_AN_AGENT)
def test_an_agent_starts_without_what_is_half_of_its_time(name: str) -> None:
    assert loaded_by(f"import trainconf.{name}") & (HEAVY | SLOW | HALF) == set()


@pytest.mark.parametrize("name", READS)
def test_what_a_script_or_a_reader_imports_loads_nothing_heavy(name: str) -> None:
    assert loaded_by(f"import {', '.join(modules_of(name))}") & HEAVY == set()


def test_what_a_job_may_import_is_in_the_grammar_of_python_3_8() -> None:
    azureml = ("imports", "authentication", "models", "workspace", "data.factories", "data.opened", "data.outputs", "runs.experiment",
               "runs.run")  # fmt: skip
    waiting, seen = ["trainconf", "trainconf.job_api", *(f"trainconf.compat.azureml.{name}" for name in azureml)], set()
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
    """Every module named by an import in a module of ours, but for type checkers' alone. SyntaxError when Python 3.8 could not read it."""
    stem = ROOT.joinpath(*module.split("."))
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    names: set[str] = set()
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    for node in ast.walk(tree):
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


@pytest.mark.parametrize("folder", ["trainconf", "hydra_plugins", "benchmarks", "docs"])
def test_no_module_outgrows_one_concept(folder: str) -> None:
    lines = {name_of(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {name for name, count in lines.items() if count > LINES_IN_A_FILE} == set()


@pytest.mark.parametrize("top", ["trainconf", "hydra_plugins", "benchmarks", "tests/unit", "tests/testbed"])
def test_no_folder_outgrows_what_one_reads_at_a_glance(top: str) -> None:
    counts = {name_of(path.parent): 0 for path in (ROOT / top).rglob("*") if "__pycache__" not in path.parts}
    for name in counts:
        counts[name] = sum(1 for path in (ROOT / name).iterdir() if path.is_file() and path.name != "__init__.py")
    assert {name for name, count in counts.items() if count > FILES_IN_A_FOLDER} == set()


def test_pytest_is_needed_by_the_suite_for_launchers_alone() -> None:
    found = {path.relative_to(PACKAGE).parts[0] for path in MODULES if "pytest" in names_used(path)}
    assert found == {"testing"}
    assert not [path for path in MODULES if "trainconf.testing" in names_used(path) and path.parent.name != "testing"]


def test_only_the_doors_open_another_process() -> None:
    opened: dict[str, set[str]] = {door: set() for door in DOORS}
    for path in MODULES:
        for name in names_used(path):
            for door in DOORS:
                if name == door or name.startswith((f"{door}.", door if "." in door else f"{door}.")):
                    opened[door].add(path.relative_to(PACKAGE).as_posix())
    assert opened == DOORS


def names_used(path: Path) -> set[str]:
    """What a module imports, wherever it stands, and `os.NAME` wherever it is used; not what only type checkers read."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            names.add(f"os.{node.attr}")
    return names


@pytest.mark.parametrize("path", sorted((PACKAGE / "control").rglob("*.py")), ids=name_of)
def test_what_verbs_python_and_a_page_share_neither_prints_nor_asks(path: Path) -> None:
    text = path.read_text()
    called = {node.func.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"print", "input"}
    assert not re.search(r"\b(stdout|stderr|stdin|isatty|argparse|argv|getcwd)\b", text)
    assert not any(module.startswith("trainconf.cli") for module in imported_by(".".join(path.relative_to(ROOT).with_suffix("").parts)))


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert project == [trainconf.__version__]
    assert released[:1] == [trainconf.__version__]
