"""Config in; spec, plan and batch script out, as files to read.

`pytest tests/golden --refresh-golden` writes them anew; a missing one fails.

A case is a folder with `words.txt` (one word of the command line a line), `workspace/` (what `trainconf init` gives, when there is none),
and what is expected, in which what differs from machine to machine stands as <its name>:

    spec.json, plan.json    what `trainconf plan --json` says
    sbatch.sh               compute=slurm: the script
    sbatch_<n>.sh           -m: how sbatch was called the n-th time, and the script that it was sent

No engine and no cluster is needed: `stand_ins` answers for them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import trainconf
from tests.conftest import Answer, Shell
from tests.golden import stand_ins
from trainconf.launchers.docker.request import user_name

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/words.txt"))
SWEEPS = [case for case in CASES if "-m" in (case / "words.txt").read_text().split()]
RUNS = [case for case in CASES if case not in SWEEPS]


@pytest.fixture
def words(
    case: Path, here: Callable[..., Answer], workspace: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """The words of a case, in its workspace, with an engine and a cluster that any machine has."""
    shutil.rmtree(workspace.root)
    if (case / "workspace").is_dir():
        shutil.copytree(case / "workspace", workspace.root)
        os.chdir(workspace.root)
    else:
        workspace.root.mkdir()
        os.chdir(workspace.root)
        here("init")
        workspace.write("train.py", "import sys\nprint(sys.argv[1:])\n")
    found = (case / "words.txt").read_text().splitlines()
    if "compute=slurm" in found:
        (tmp_path / "sent").mkdir()
        monkeypatch.setenv("PATH", f"{stand_ins.SLURM_COMMANDS}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("STAND_IN_KEEPS", str(tmp_path / "sent"))
        monkeypatch.delenv("SLURM_CONF", raising=False)
    else:
        found += [f"compute.lease_dir={workspace.leases}", "compute.slots=4"]
    if "compute=docker" not in found:
        yield found
        return
    with stand_ins.engine() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        yield found


@pytest.mark.parametrize("case", RUNS, ids=lambda case: case.name)
def test_words_and_files_become_this_spec_and_this_plan(
    case: Path, words: list[str], here: Callable[..., Answer], workspace: Shell, request: pytest.FixtureRequest
) -> None:
    answer = here("plan", *words, "--json")
    assert answer.code == 0, answer
    made = json.loads(answer.out)
    names = machine_of(made, workspace, has_own_files=(case / "workspace").is_dir())
    if made["spec"]["environment"]["kind"] == "current":
        made["plan"]["first_on_path"] = ["<programs>"]
    found = {}
    if made["plan"]["batch"]:
        found["sbatch.sh"] = made["plan"]["batch"]["script"]
        made["plan"]["batch"]["script"] = "<sbatch.sh>"
    found |= {f"{name}.json": json.dumps(made[name], indent=2) + "\n" for name in ("spec", "plan")}
    compare(case, {name: without_machine(text, names) for name, text in found.items()}, request)


@pytest.mark.parametrize("case", SWEEPS, ids=lambda case: case.name)
def test_a_sweep_becomes_these_batch_scripts(
    case: Path, words: list[str], here: Callable[..., Answer], workspace: Shell, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    answer = here(*words, "submit.detach=true")
    assert answer.code == 0, answer
    names = {**shared_names(workspace), "<sweep>": answer.out.strip()}
    found = {}
    for argv in sorted((tmp_path / "sent").glob("*.argv")):
        called = "".join(f"# {word}\n" for word in argv.read_text().splitlines())
        found[f"sbatch_{argv.stem}.sh"] = without_machine(called + argv.with_suffix(".sh").read_text(), names)
    assert found
    compare(case, found, request)


def compare(case: Path, found: dict[str, str], request: pytest.FixtureRequest) -> None:
    """Raises AssertionError where a file says something else, is missing, or is not made any more."""
    for name, text in found.items():
        if request.config.getoption("--refresh-golden"):
            (case / name).write_text(text)
        assert (case / name).exists(), "no such golden file: write it with --refresh-golden, and read it"
        assert text.splitlines() == (case / name).read_text().splitlines()
    assert {path.name for path in case.iterdir()} - {"words.txt", "workspace"} == set(found)


def shared_names(workspace: Shell) -> dict[str, str]:
    """By their names, texts that only this machine has, whatever the run; the longer ones first."""
    return {
        "<workspace>": str(workspace.root),
        "<home>": str(workspace.home),
        "<package>": os.path.dirname(os.path.abspath(trainconf.__file__)),
        "<python>": sys.executable,
        "-Xutf8=<mode>": f"-Xutf8={sys.flags.utf8_mode}",
    }


def machine_of(made: dict[str, Any], workspace: Shell, *, has_own_files: bool) -> dict[str, str]:
    """By their names, texts of this spec and this plan that only this machine has. The user of a container is replaced in place."""
    environment, plan = made["spec"]["environment"], made["plan"]
    python = plan["ranks"][0]["argv"][0]
    for rank in plan["ranks"]:
        if rank["container"]:
            name_user(rank["container"])
    tag = (plan["ranks"][0]["container"] or {"Image": ""})["Image"].partition("trainconf/minimal:")[2]
    engine = plan["engine"] or {}
    if engine.get("umask"):
        engine["umask"] = "<umask>"
    if engine.get("network"):
        engine["network"]["Labels"]["trainconf.uid"] = "<uid>"
    return {
        "<job path>": plan["env"].get("PYTHONPATH", ""),
        "<environment>": python.split("/envs/")[1].split("/")[0] if "/envs/" in python else "",
        "trainconf/minimal:<identity>": tag and f"trainconf/minimal:{tag}",
        "<engine>": engine.get("address", ""),
        **shared_names(workspace),
        "<spec hash>": made["spec"]["spec_hash"],
        "<shipped code>": "" if has_own_files else made["spec"]["code"]["snapshot"],
        "<packages>": environment["packages"],
        '"python": "<python version>"': f'"python": "{environment["python"]}"',
        '"USER": "<user>"': f'"USER": "{user_name(None)}"',
        '"LOGNAME": "<user>"': f'"LOGNAME": "{user_name(None)}"',
    }


def name_user(request: dict[str, Any]) -> None:
    """A container is the submitter's: who that is, and which groups they have, is the machine's."""
    assert request["User"] == f"{os.getuid()}:{os.getgid()}"
    request["User"] = "<uid>:<gid>"
    request["Labels"]["trainconf.uid"] = "<uid>"
    request["HostConfig"]["GroupAdd"] = ["<groups>"]


def without_machine(text: str, names: dict[str, str]) -> str:
    """The text with what only this machine has named instead."""
    for name, found in names.items():
        for written in {found, found if found.startswith('"') else json.dumps(found)[1:-1]} - {""}:
            text = text.replace(written, name)
    return re.sub(r"(trainconf \S+) [0-9a-f]{12}\b", r"\1 <hash>", text)  # of the run's folder
