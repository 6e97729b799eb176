"""A launcher in a package of its own, installed beside trainconf: found, composed, run, swept, and held to the contract."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from trainconf.files import RACY_NS
from trainconf.history.find import trials_of
from trainconf.paths import RunPaths

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).with_name("nice_launcher")
PRINTS_NICENESS = f"import os\nprint(os.nice(0) - {os.nice(0)})\n"
# Of each part of the suite what tells the most; `nightly` runs all of it.
SOME = (
    "ends_well or exit_code_is or variables_of_a_job or cancel_ends_a_running or survives or every_rank or "
    "plan_is_inert or does_not_exist or canceling_the_sweep"
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has trainconf, what it needs, and the wheel of the package."""
    folder = tmp_path_factory.mktemp("nice")
    source = shutil.copytree(PACKAGE, folder / "source")
    build: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", source]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    found = folder / "venv" / "bin" / "python"
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    ours = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
    (packages / "ours.pth").write_text(f"import site; {ours}\n")
    uv: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", found, wheel]
    done = subprocess.run(uv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return found


@pytest.fixture
def nice(workspace: Shell, python: Path) -> Shell:
    """trainconf in that environment, and a script that prints how nice it is."""
    workspace.python = str(python)
    workspace.write("train.py", PRINTS_NICENESS)
    return workspace


def submit(nice: Shell, *words: str) -> Any:
    return nice(*nice.script("compute=nice", *words))


def test_its_choice_is_in_the_help_and_its_settings_in_the_config(nice: Shell) -> None:
    assert "compute       docker, local, nice, slurm" in nice("--help").out
    answer = nice("config", "compute=nice")
    assert re.search(r"  niceness: 10 +# integer >= 0; how much lower the priority is, as in nice\(1\)\n", answer.out), answer


def test_hydras_own_flags_know_it(nice: Shell) -> None:
    answer = nice("--cfg", "job", "--package", "compute", "compute=nice", "compute.niceness=7")
    assert "niceness: 7\n" in answer.out, answer


def test_a_run_has_its_setting(nice: Shell) -> None:
    answer = submit(nice, "compute.niceness=8")
    assert (answer.code, answer.out) == (0, "8\n"), answer
    told = json.loads(nice("show", "last", "--json").out)
    assert (told["compute"], told["spec"]["compute"]["target"]) == ("nice", "nice")
    again = submit(nice, "compute.niceness=3")  # the second time from the cache of compositions
    assert (again.code, again.out) == (0, "3\n"), again
    assert "nice -n 3 " in nice("plan", *nice.script("compute=nice", "compute.niceness=3")).out
    assert nice("rerun", "last").out == "3\n"


@pytest.mark.parametrize(("word", "what", "facts"), [
    ("compute.niceness=x", "compute.niceness cannot be 'x'", {"allowed": "integer >= 0"}),
    ("compute.niceness=-1", "compute.niceness cannot be -1", {"allowed": "integer >= 0"}),
    ("compute.nicenes=1", "compute.nicenes is not a setting", {"nearest": "compute.niceness (integer >= 0, now 10 by default)"}),
    ("compute=nicer", "'nicer' is not a choice of compute", {"nearest": "compute=nice", "allowed": "docker, local, nice, slurm"}),
])  # fmt: skip
def test_a_mistake_in_its_settings_is_told_as_any_other(nice: Shell, word: str, what: str, facts: dict[str, str]) -> None:
    answer = submit(nice, word)
    assert answer.code == 2
    assert answer.told[what].items() >= facts.items(), answer
    assert not nice.run_dirs()


def test_a_sweep_runs_its_trials(nice: Shell) -> None:
    answer = nice("-m", *nice.script("compute=nice", "compute.niceness=4", "+params.lr=1,2,3"))
    assert answer.code == 0, answer
    trials = [folder for folder in nice.run_dirs() if (folder / "spec.json").exists()]
    assert [(folder / "logs" / "std_log.txt").read_text() for folder in trials] == ["4\n"] * 3
    (home,) = (folder for folder in nice.run_dirs() if (folder / "sweep.json").exists())
    assert json.loads((home / "sweep.json").read_text())["target"] == "nice"
    assert len(trials_of(RunPaths(str(home)))) == 3


def test_a_composition_from_before_its_package_changed_is_not_used(nice: Shell, tmp_path: Path) -> None:
    changed = tmp_path / "plugins"
    shutil.copytree(PACKAGE / "nice_launcher", changed / "nice_launcher", ignore=shutil.ignore_patterns("__pycache__"))
    env = {"PYTHONPATH": f"{nice.env['PYTHONPATH']}:{changed}", "PYTHONDONTWRITEBYTECODE": "1"}
    time.sleep(RACY_NS / 1e9)  # a composition of files that are younger is not kept
    nice.write(".trainconf/cache/here", "")
    assert "niceness: 10 " in nice("config", "compute=nice", env=env).out
    assert len(list(nice.root.glob(".trainconf/cache/compose/*.json"))) == 1
    module = changed / "nice_launcher" / "__init__.py"
    module.write_text(module.read_text().replace("setting(10,", "setting(11,"))
    assert "niceness: 11 " in nice("config", "compute=nice", env=env).out


def test_one_that_cannot_be_imported_stands_in_nobodys_way(nice: Shell, tmp_path: Path) -> None:
    broken = tmp_path / "plugins"
    shutil.copytree(PACKAGE / "nice_launcher", broken / "nice_launcher")
    (broken / "nice_launcher" / "__init__.py").write_text("raise SystemExit('no licence')\n")
    env = {"PYTHONPATH": f"{nice.env['PYTHONPATH']}:{broken}"}
    assert submit(nice).code == 0
    for words in (["ls"], ["show", "last"], ["--help"], nice.script("compute=local"), ["doctor"]):
        answer = nice(*words, env=env)
        assert answer.code == 0, answer
    assert "the launcher 'nice' cannot be loaded: SystemExit: no licence: compute=nice cannot be used" in answer.out
    assert "nice        a launcher of another package, nice_launcher:NiceLauncher" in nice("doctor").out
    answer = nice(*nice.script("compute=nice"), env=env)
    assert answer.code == 2
    facts = answer.told["the launcher 'nice' cannot be loaded: SystemExit: no licence"]
    assert facts["from"] == "entry point nice_launcher:NiceLauncher"


@pytest.mark.parametrize("which", [SOME, pytest.param("", marks=pytest.mark.nightly)], ids=["some", "all"])
def test_it_keeps_the_contract_under_a_pytest_configuration_of_its_own(python: Path, which: str, tmp_path: Path) -> None:
    source = shutil.copytree(PACKAGE, tmp_path / "source")
    shutil.rmtree(source / "nice_launcher")
    suite: list[str | Path] = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/tmp", "-k", which, "tests"]
    done = subprocess.run(suite, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_its_files_are_those_of_the_page_that_tells_how_to_add_a_launcher() -> None:
    blocks = re.findall(r"```(?:python|toml|yaml)\n(.*?)```\n", (ROOT / "docs" / "contributing.md").read_text(), re.DOTALL)
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "."], cwd=PACKAGE, capture_output=True, text=True, check=True)
    assert sorted(blocks) == sorted((PACKAGE / name).read_text() for name in done.stdout.split())
