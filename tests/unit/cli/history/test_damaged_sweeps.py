"""A sweep whose own files, or those of a trial, were emptied, damaged or removed: every verb says so, and nothing that is false."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from trainconf import files
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry

from ...history.build import make_run, time_text, write_json
from ..conftest import Verb

OLD, NEW = "digits-20261122-0532-aaaa", "digits-20261123-0532-bbbb"
SEARCH = {"kind": "random", "search": {"settings": {"value": "best"}}, "trial_count": 2}


def become_a_folder(path: str) -> None:
    os.unlink(path)
    os.mkdir(path)


def hold(text: str) -> Callable[[str], None]:
    def write(path: str) -> None:
        with open(path, "w") as stream:
            stream.write(text)

    return write


DAMAGE: dict[str, tuple[Callable[[str], None], str]] = {
    "empty": (hold(""), "is empty"), "no JSON": (hold('{"a": '), "is no JSON"), "a list": (hold("[1]"), "is no JSON object"),
    "null": (hold("null"), "is no JSON object"), "missing": (os.unlink, "is missing"), "a folder": (become_a_folder, "is a folder"),
}  # fmt: skip


@pytest.fixture
def two(workspace: WorkspacePaths) -> RunPaths:
    """An older sweep and a newer one, which minimizes the loss; the best trial of the newer one is its first."""
    return [sweep_of(workspace, OLD, 0, (1.0, 2.0)), sweep_of(workspace, NEW, 60_000_000, (0.25, 0.75))][1]


def sweep_of(workspace: WorkspacePaths, name: str, at: int, losses: tuple[float, ...]) -> RunPaths:
    home, metric = workspace.run("digits", name), {"name": "loss", "goal": "minimize"}
    os.makedirs(home.run_dir)
    write_json(home.sweep, {"sweep_id": name, "experiment_name": "digits", "created": time_text(at), "metric": metric, **SEARCH})
    for number, loss in enumerate(losses):
        made = make_run(workspace, f"{name}_{number}", at=at + number, parent=name, metric=metric, metrics={"loss": loss})
        journal.ask(home, [Entry(number, {"params.a": number}, [f"params.a={number}"], made)])
        files.append_line(home.trials, {"run_dir": f"../../digits/{name}_{number}"})
    for place, state in enumerate(("Running", "Completed")):
        files.append_line(home.events, {"time": time_text(at + 1_000_000 * place), "state": state, "attempt": 1})
    return home


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["last", NEW])
def test_a_sweep_without_its_record_is_told_as_damaged_by_every_verb(two: RunPaths, verb: Verb, damage: str, name: str) -> None:
    wreck, why = DAMAGE[damage]
    wreck(two.sweep)
    shown = verb("sweep", "show", name)
    assert (shown.code, f"{NEW}  unknown" in shown.out, f"damaged: its sweep.json {why}" in shown.err) == (0, True, True), shown.err
    assert "best " not in shown.out + shown.err.partition("damaged")[0]
    told = json.loads(verb("sweep", "show", name, "--json").out)
    assert (told["sweep_id"], told["kind"], told["best"]) == (NEW, "unknown", None)
    assert why in told["damage"]
    assert [trial["value"] for trial in told["trials"]] == [None, None]
    for words in (("best",), ("resume",), ("extend", "sweep.max_total_runs=9"), ("retry",), ("importance",), ("export", "--optuna", "x")):
        said = verb("sweep", words[0], name, *words[1:])
        assert said.code == 2, words
        assert f"the record of {NEW} is damaged" in said.err, (words, said.err)
        assert f"because  it {why}" in said.err
        assert "Traceback" not in said.err
    export = verb("sweep", "export", name, "--csv")
    assert (export.code, f"{NEW} is damaged: its sweep.json {why}" in export.err, len(export.out.splitlines())) == (0, True, 3)
    for command in (["show", name], ["logs", name], ["wait", name, "--timeout", "20"], ["cancel", name], ["compare", name]):
        said = verb(*command)
        assert said.code == 0, (command, said.err)
        assert OLD not in said.out + said.err
    assert verb("show", f"{NEW}:1").out.startswith(f"{NEW}_1")


@pytest.mark.parametrize("damage", DAMAGE)
def test_lists_have_a_damaged_sweep_at_its_place_and_name_no_best_of_it(two: RunPaths, verb: Verb, damage: str) -> None:
    wreck, why = DAMAGE[damage]
    wreck(two.sweep)
    found = verb("sweep", "ls")
    assert [line.split()[:2] for line in found.out.splitlines()[1:]] == [[NEW, "unknown"], [OLD, "random"]]
    assert f"{NEW} is damaged: its sweep.json {why}" in found.err
    groups = json.loads(verb("ls", "--group", "sweep", "--json").out)
    assert [(group["name"], group["best"] and group["best"]["value"]) for group in groups] == [(NEW, None), (OLD, 1.0)]
    assert len(json.loads(verb("ls", "--json").out)) == 4  # the sweep itself is no run
    for words in (["show", "best"], ["show", "last:best"], ["sweep", "best", "last"]):
        said = verb(*words)
        assert (said.code, f"the record of {NEW} is damaged" in said.err) == (2, True), said.err


@pytest.mark.parametrize("damage", ["empty", "missing", "a folder"])
def test_a_sweep_without_its_journal_is_told_so_and_its_trials_are_compared(two: RunPaths, verb: Verb, damage: str) -> None:
    DAMAGE[damage][0](two.journal)
    shown = verb("sweep", "show", "last")
    assert "damaged: its journal.jsonl" in shown.err
    assert f"best: trial 0, loss 0.25, run {NEW}_0" in shown.err
    assert json.loads(verb("sweep", "show", "last", "--json").out)["best"]["value"] == 0.25


def test_a_line_of_the_journal_that_was_changed_is_told(two: RunPaths, verb: Verb) -> None:
    with open(two.journal) as stream:
        lines = stream.read()
    hold(lines.replace('"params.a":1', '"params.a":7'))(two.journal)
    assert "damaged: line 2 of the sweep's journal does not follow" in verb("sweep", "show", "last").err


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["record", "spec", "events", "metrics"])
def test_a_trial_with_a_damaged_file_raises_nothing_and_the_others_are_told(two: RunPaths, verb: Verb, damage: str, file: str) -> None:
    trial = RunPaths(f"{two.run_dir}_1")
    DAMAGE[damage][0](getattr(trial, file))
    for words in (
        ("sweep", "show", "last"), ("sweep", "best", "last"), ("sweep", "export", "last", "--csv"), ("sweep", "ls"), ("show", "last"),
        ("logs", "last"), ("compare", f"{NEW}_0", f"{OLD}_1"), ("ls", "--group", "sweep"), ("ls",),
    ):  # fmt: skip
        said = verb(*words)
        assert "Traceback" not in said.err, said.err
        assert said.code == 0, (words, said.err)
    told = json.loads(verb("sweep", "show", "last", "--json").out)
    assert (told["best"]["run_id"], told["best"]["value"]) == (f"{NEW}_0", 0.25)
    if file == "events" and damage in ("empty", "missing"):
        status, reason = told["trials"][1]["status"], told["trials"][1]["reason"]
        assert (status, reason) == ("NotResponding", f"its events.jsonl is {damage}")
