"""Doing a recorded run again: on this machine, from this shell, with the settings that today's trainconf has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]
INPUTS = "import os\nprint(os.environ['TRAINCONF_INPUT_DATA'])\n"


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count == 1, path
    path.write_text(text)


def test_whether_to_wait_is_asked_anew(here: Here, workspace: Shell) -> None:
    detached = here(*workspace.script("submit.detach=true")).out.strip()
    assert here("wait", detached).code == 0
    assert here("rerun", detached).out == "[]\n"
    again = here("rerun", detached, "submit.detach=true")
    assert again.out.startswith("adhoc-"), again
    here("wait", again.out.strip())


def test_an_input_named_from_another_folder_is_found_again(workspace: Shell) -> None:
    workspace.write("train.py", INPUTS)
    (workspace.root / ".trainconf").mkdir()
    data = workspace.write("sub/data.csv", "1")
    submitted = workspace(*workspace.script("source_directory=..", "+inputs.data=data.csv"), cwd=data.parent)
    assert submitted.out == f"{data}\n", submitted
    for words in ([], ["+params.lr=0.5"], ["inputs.data=sub/data.csv"]):
        again = workspace("rerun", "last", *words)
        assert again.out == f"{data}\n", again


@pytest.mark.parametrize("words", [[], ["+params.lr=0.5"]])
def test_an_input_that_has_gone_is_told(words: list[str], here: Here, workspace: Shell) -> None:
    data = workspace.write("data.csv", "1")
    here(*workspace.script("+inputs.data=data.csv"))
    data.unlink()
    answer = here("rerun", "last", *words)
    assert (answer.code, list(answer.told)) == (2, ["the input data does not exist"]), answer
    assert len(workspace.run_dirs()) == 1


def test_a_script_that_the_recorded_code_does_not_have_is_told(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    workspace.write("later.py", "")
    answer = here("rerun", "last", "script=later.py")
    assert (answer.code, list(answer.told)) == (2, ["the script 'later.py' is not in the run's code"]), answer
    assert "train.py" in answer.told["the script 'later.py' is not in the run's code"]["there are"]


def test_a_record_without_a_setting_of_today_or_with_one_of_earlier_can_be_run_again(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    (run_dir,) = workspace.run_dirs()
    record = json.loads((run_dir / "run.json").read_text())
    del record["config"]["retries"]
    record["config"]["snapshot"]["materialize"] = "auto"
    (run_dir / "run.json").write_text(json.dumps(record))
    answer = here("rerun", run_dir.name)
    assert answer.code == 0, answer


def test_a_record_with_other_types_is_told_and_not_run_again(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    (run_dir,) = workspace.run_dirs()
    record = json.loads((run_dir / "run.json").read_text())
    config = {**record["config"], "distributed": {**record["config"]["distributed"], "kind": "mars"}}
    wrong: list[dict[str, Any]] = [
        *({key: value} for key in ("source_directory", "choices", "origins") for value in (None, [[1]])), {"overrides": [1]},
        {"overrides": 5}, {"origins": {"script": 5}}, {"config": config},
    ]  # fmt: skip
    for change in wrong:
        (run_dir / "run.json").write_text(json.dumps({**record, **change}))
        answer = here("rerun", run_dir.name)
        assert answer.code == 2, (change, answer)
        assert "is damaged" in next(iter(answer.told)), (change, answer)
    assert len(workspace.run_dirs()) == 1


def test_a_frozen_file_can_be_submitted_and_left(here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "f.yaml").code == 0
    submitted = here("run", "f.yaml", "--detach").out.strip()
    assert here("wait", submitted).code == 0
    assert "submit.detach = true" in here("show", submitted, "--origin").out


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [("^  retries: 0$", "  retries: many"), ("^  retries: 0$", "  retriez: 0"), ("^config:$", "config:\n  hm: 1")],
)
def test_a_frozen_file_whose_config_was_edited_is_told(pattern: str, replacement: str, here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "f.yaml").code == 0
    edit(workspace.root / "f.yaml", pattern, replacement)
    answer = here("run", "f.yaml")
    (facts,) = answer.told.values()
    assert (answer.code, facts["from"]) == (2, "f.yaml"), answer
    assert workspace.run_dirs() == []


DERIVED = """# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: run_${params.lr}
script: train.py
params:
  lr: 1
  checkpoint: ck/${.lr}
  twice: [1, '${params.checkpoint}']
  optimizer: {name: sgd, rate: '${params.lr}'}
  copy: ${params.optimizer}
  place: ${oc.env:PLACE,home}/${params.lr}
  kept: \\${params.lr}
tags: {rate: 'lr=${params.lr}'}
env: {variables: {RATE: '${params.lr}', PLACE: '${oc.env:PLACE,home}'}}
"""


def test_values_that_are_made_of_others_are_made_anew(here: Here, workspace: Shell) -> None:
    workspace.write("conf/experiment/mine.yaml", DERIVED)
    workspace.write("train.py", "import os\nprint(os.environ['RATE'], os.environ['PLACE'])\n")
    words = [f"compute.lease_dir={workspace.leases}", "compute.slots=4"]
    assert here("experiment=mine", *words).out == "1 home\n"
    first = workspace.run_dirs()[0].name
    again = here("rerun", first, "params.lr=5", "submit.detach=true")
    assert "note: params.place keeps its value of then" in again.err
    run_id = again.out.strip()
    assert run_id.startswith("run_5-")
    here("wait", run_id)
    record = json.loads((workspace.root / "runs/run_5" / run_id / "run.json").read_text())
    assert record["params"] == {
        "lr": 5, "checkpoint": "ck/5", "twice": [1, "ck/5"], "optimizer": {"name": "sgd", "rate": 5}, "copy": {"name": "sgd", "rate": 5},
        "place": "home/1", "kept": "${params.lr}",
    }  # fmt: skip
    assert record["tags"] == {"rate": "lr=5"}
    assert here("logs", run_id).out == "5 home\n"
    third = here("rerun", run_id, "params.checkpoint=mine", "params.optimizer.rate=7")
    assert third.code == 0, third
    record = json.loads((max((workspace.root / "runs/run_5").iterdir(), key=lambda path: path.stat().st_mtime_ns) / "run.json").read_text())
    assert record["params"]["twice"] == [1, "mine"]
    assert record["params"]["copy"] == {"name": "sgd", "rate": 7}
    assert record["params"]["optimizer"]["rate"] == 7
    fourth = here("rerun", record["run_id"], "params.lr=9")
    assert "params.checkpoint" not in fourth.err
    record = json.loads((next((workspace.root / "runs/run_9").iterdir()) / "run.json").read_text())
    assert (record["params"]["checkpoint"], record["params"]["copy"]["rate"], record["tags"]) == ("mine", 7, {"rate": "lr=9"})


def test_a_trial_of_a_sweep_is_composed_anew_too(here: Here, workspace: Shell) -> None:
    workspace.write("conf/experiment/mine.yaml", DERIVED)
    workspace.write("train.py", "import os\nprint(os.environ['RATE'])\n")
    assert here("experiment=mine", "experiment_name=x", f"compute.lease_dir={workspace.leases}", "params.lr=1,2", "-m").code == 0
    trial = next(path.name for path in workspace.run_dirs() if path.name.endswith("_1"))
    assert here("rerun", trial, "params.lr=5").out == "5\n"


def test_a_run_of_an_older_trainconf_says_that_such_values_are_kept(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    (run_dir,) = workspace.run_dirs()
    record = json.loads((run_dir / "run.json").read_text())
    del record["derived"]
    (run_dir / "run.json").write_text(json.dumps(record))
    assert "note" not in here("rerun", run_dir.name).err
    assert "values that were made of others keep what they were" in here("rerun", run_dir.name, "+params.a=1").err


def test_a_rerun_of_a_frozen_run_makes_derived_values_anew(here: Here, workspace: Shell) -> None:
    words = workspace.script("+params.lr=1", "+params.ck='ck/${params.lr}'", "+params.fixed=2")
    assert here("freeze", *words, "-o", "f.lock").code == 0
    assert here("run", "f.lock", "display_name=x").out == "['--ck', 'ck/1', '--fixed', '2', '--lr', '1']\n"
    assert here("rerun", "last", "params.lr=5").out == "['--ck', 'ck/5', '--fixed', '2', '--lr', '5']\n"
    assert here("rerun", "last", "params.lr=6").out == "['--ck', 'ck/6', '--fixed', '2', '--lr', '6']\n"


def test_a_run_of_a_file_that_does_not_tell_how_values_were_made_says_so_at_every_rerun(here: Here, workspace: Shell) -> None:
    here("freeze", *workspace.script("+params.lr=1", "+params.ck='ck/${params.lr}'"), "-o", "f.lock")
    text = (workspace.root / "f.lock").read_text().replace("frozen_version: 2", "frozen_version: 1")
    (workspace.root / "f.lock").write_text(text[: text.index("derived:")])
    assert here("run", "f.lock").code == 0
    for _ in range(2):
        answer = here("rerun", "last", "params.lr=5")
        assert answer.out == "['--ck', 'ck/1', '--lr', '5']\n", answer
        assert "values that were made of others keep what they were" in answer.err


def test_several_runs_are_run_again_and_one_that_cannot_be_is_told(here: Here, workspace: Shell) -> None:
    workspace.write("data", "x")
    here(*workspace.script("+params.lr=1"))
    here(*workspace.script("+params.lr=2"))
    here(*workspace.script("+params.lr=3", "+inputs.data=data"))
    (workspace.root / "data").unlink()
    said = here("rerun", "--where", "params.lr > 1", "params.lr=5")
    assert said.code == 2
    assert "is not run again:" in said.err
    assert "the input data does not exist" in said.err
    (run_id,) = said.out.split()
    assert here("wait", run_id).code == 0
    assert here("logs", run_id).out == "['--lr', '5']\n"
    ids = [row["run_id"] for row in json.loads(here("ls", "--where", "params.lr < 3", "--json").out)]
    said = here("rerun", *ids)
    assert (said.code, len(said.out.split())) == (0, 2)
    assert here("wait", *said.out.split()).code == 0
    assert len(workspace.run_dirs()) == 6
