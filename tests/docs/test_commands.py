"""The pages of the commands and of their JSON are what the parsers and real runs say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from tests.docs.test_pages import load

ROOT = Path(__file__).parents[2]
TRAIN = """\
import argparse
import sys
from trainconf import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
lr = parser.parse_args().lr
run = Run.get_context()
for step in range(3):
    run.log("loss", lr / (step + 1), step=step)
run.log_row("cost", epoch=1, eur=3.5)
if lr > 0.4:
    run.fail("it went wrong", "E1")
    sys.exit(3)
"""
WORDS = ["experiment=train", "env=current", "submit.stream=false"]
PRINTED = {
    "ls": "ls --json", "group": "ls --group sweep --json", "show": "show {bad} --json", "sweep": "show last --json",
    "sweeps": "sweep ls --json", "metrics": "metrics {good} {bad} --json", "compare": "compare {good} {bad} --json",
    "diff": "diff {good} {bad} --json", "watch": "watch --json", "config": "config --json experiment=train",
    "plan": "plan --json experiment=train env=current", "check": "check --json", "doctor": "doctor --json",
}  # fmt: skip

commands = load(ROOT / "docs" / "commands.py")
json_fields = load(ROOT / "docs" / "json_fields.py")


def test_the_page_of_commands_is_what_the_parsers_say() -> None:
    assert (ROOT / "docs/commands.md").read_text() == commands.rendered(), "run `python docs/reference.py`"


@pytest.mark.parametrize("verb", commands.VERBS)
def test_every_argument_of_a_verb_has_a_meaning_and_each_verb_an_example(verb: str) -> None:
    parser = commands.parser_of(verb)
    below = [sub for action in commands.shown(parser) for sub in (action.choices.values() if action.dest == "action" else ())]
    for each in [parser, *below]:
        assert [action.dest for action in commands.shown(each) if not action.help and action.dest != "action"] == [], each.prog
    assert {"console", "sh"} & set(commands.NOTES[verb])


def test_the_page_of_json_is_what_its_fields_say() -> None:
    assert (ROOT / "docs/json.md").read_text() == json_fields.rendered(), "run `python docs/reference.py`"


def test_verbs_print_the_json_that_the_page_describes(shell: Shell) -> None:
    shell.write("train.py", TRAIN)
    experiment = "# @package _global_\nexperiment_name: train\nscript: train.py\nargument_style: argparse\nparams: {lr: 0.1}\n"
    shell.write("conf/experiment/train.yaml", experiment + "metric: {name: loss, goal: minimize}\ntags: {stage: first}\n")
    good = shell(*WORDS, "params.lr=0.2")
    shell.write("train.py", TRAIN + "# changed\n")
    bad = shell(*WORDS, "params.lr=0.5")
    sweep = shell("-m", *WORDS, "params.lr=0.1,0.2", "sweep=random", "sweep.max_total_runs=2", "sweep/policy=median")
    assert (good.code, bad.code, sweep.code) == (0, 3, 0), (good, bad, sweep)
    rows: list[dict[str, Any]] = json.loads(shell("ls", "--json").out)
    names = {"good": rows[-1]["run_id"], "bad": rows[-2]["run_id"]}
    assert list(PRINTED) == list(json_fields.FORMS)
    wrong: list[str] = []
    for form, words in PRINTED.items():
        said = shell(*words.format(**names).split())
        assert said.out, said
        printed = json.loads(said.out)
        wrong += json_fields.mistakes(form, printed)
    assert wrong == []


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ([{"name": "n", "verdict": "ok", "detail": "", "meaning": "", "new": 1}], "doctor has new, which"),
        ([{"name": "n", "verdict": "ok", "detail": ""}], "doctor has no meaning"),
        ([{"name": 3, "verdict": "ok", "detail": "", "meaning": ""}], "doctor has 3 at name"),
        ({"name": 3}, "doctor is no list"),
    ],
)
def test_a_field_that_is_new_gone_or_of_another_type_is_told(printed: Any, told: str) -> None:
    assert any(line.startswith(told) for line in json_fields.mistakes("doctor", printed))
