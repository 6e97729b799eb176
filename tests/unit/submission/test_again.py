"""Doing a recorded run again: on this machine, from this shell, with the settings that today's trainconf has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

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
