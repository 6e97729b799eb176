"""Verbs of `trainconf sweep` that find nothing to do say so, and leave the journal as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf.control.results import sweep as sweeps
from trainconf.paths import RunPaths
from trainconf.search.progress import STOPPED
from trainconf.sweeps.journal import Journal

Here = Callable[..., Answer]
SEARCH = ["sweep=random", "sweep.max_total_runs=3", "sweep.seed=1", "metric.name=loss"]


def begin(here: Here, workspace: Shell, *words: str, script: str = "") -> RunPaths:
    workspace.write("train.py", script or "from trainconf import Run\nRun.get_context().log('loss', 1.0)\n")
    assert here("-m", *workspace.script(*SEARCH, *words)).code == 0
    return RunPaths(str(next(workspace.root.glob("runs/*/*/sweep.json")).parent))


@pytest.fixture
def ended(here: Here, workspace: Shell) -> RunPaths:
    return begin(here, workspace, "+params.lr=uniform(0, 1)")


@pytest.mark.parametrize(("words", "said"), [
    (["sweep.max_total_runs=3"], ["sweep.max_total_runs=3 does not extend", "its total is 3 already", "integer > 3", "runs=6"]),
    (["sweep.max_total_runs=2"], ["sweep.max_total_runs=2 does not extend", "its total is 3 already", "integer > 3", "runs=6"]),
    (["sweep.max_total_runs=null"], ["sweep.max_total_runs cannot be null", "integer >= 1"]),
    (["sweep.target=null"], ["nothing of", "is extended: sweep.target is null already", "sweep.max_total_runs=6"]),
])
def test_an_extension_that_adds_nothing_is_refused(here: Here, ended: RunPaths, words: list[str], said: list[str]) -> None:
    before = Path(ended.journal).read_bytes()
    for more in ([], ["--detach"]):
        answer = here("sweep", "extend", "last", *words, *more)
        assert answer.code == 2
        assert [text for text in said if text not in answer.err] == []
    assert Path(ended.journal).read_bytes() == before


def test_a_space_that_is_exhausted_cannot_be_extended(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, "+params.lr=1,2,3")
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=9")
    assert answer.code == 2
    assert f"cannot extend {home.run_id}: its space gives 3 trials, and its total is 3 already" in answer.err


LIMITED = """
import argparse, sys
from trainconf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=int)
lr = parser.parse_args().lr
if lr == 0:
    sys.exit(3)
Run.get_context().log("loss", lr)
"""


def test_a_limit_that_is_reached_is_told_and_starts_no_trial_but_those_that_run_again(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    words = ["sweep.target=1", "metric.goal=minimize", "sweep.max_concurrent_runs=1", "+params.lr=1,2,3"]
    home = begin(here, workspace, *words, "sweep=bayes", "sweep.max_total_runs=4", "sweep.first=[{params.lr: 0},{params.lr: 1}]",
                 script=LIMITED)
    before = Path(home.journal).read_bytes()
    said = f"{home.run_id} starts no further trial: trial 1 has reached the target: 1"
    for verb, code in ((["resume", "last"], 0), (["extend", "last", "sweep.max_concurrent_runs=2"], 2)):
        answer = here("sweep", *verb)
        assert (answer.code, said in answer.err, "sweep.target=null" in answer.err) == (code, True, True), answer
    assert Path(home.journal).read_bytes() == before
    assert here("sweep", "retry", "last").code == 0
    found = sweeps.results(home)
    assert [(trial.status, trial.row["run_id"].rpartition("_")[2]) for trial in found.trials] == [("Failed", "0.2"), ("Completed", "1")]
    assert here("sweep", "resume", "last", "sweep.target=null").code == 0
    assert len(sweeps.results(home).trials) == 4


def test_a_retry_of_a_search_that_was_stopped_starts_nothing_else(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    first = "sweep.first=[{params.lr: 0},{params.lr: 1}]"
    home = begin(here, workspace, "sweep=bayes", "sweep.max_total_runs=2", "+params.lr=0,1,2,3", first, script=LIMITED)
    log = Journal(home)
    log.write("budget", max_total_runs=4)
    log.write("close", reason=STOPPED)
    log.write("end", state="Completed", reason=STOPPED)
    log.close()
    for verb, count in (("retry", 2), ("resume", 4)):
        assert here("sweep", verb, "last").code == 0
        assert len(sweeps.results(home).trials) == count
    assert sweeps.results(home).trials[0].row["run_id"].endswith("_0.2")


def test_a_retry_after_the_time_of_a_search_is_over_takes_no_value_away(here: Here, workspace: Shell) -> None:
    script = "import time\nfrom trainconf import Run\nRun.get_context().log('loss', 1.0)\ntime.sleep(600)\n"
    workspace.write("train.py", script)
    time_words = ["sweep.max_duration_minutes=0.05", "+params.lr=uniform(0,1)"]
    assert here("-m", *workspace.script(*SEARCH, *time_words, "sweep.max_total_runs=1")).code == 1
    (journal,) = workspace.root.glob("runs/*/*/journal.jsonl")
    before = journal.read_bytes()
    answer = here("sweep", "retry", "last", "--only", "canceled")
    assert "runs again: its time is over" in answer.err, answer
    assert journal.read_bytes() == before


def test_a_total_below_what_there_is_cannot_be_resumed_with(here: Here, ended: RunPaths) -> None:
    answer = here("sweep", "resume", "last", "sweep.max_total_runs=2")
    assert answer.code == 2
    assert f"sweep.max_total_runs cannot be 2: {ended.run_id} has 3 trials already" in answer.err


@pytest.mark.parametrize(("verb", "code", "said"), [
    (["pause"], 2, "has ended: Completed; there is nothing to pause"),
    (["stop"], 0, "had already ended: Completed"),
    (["cancel"], 0, "had already ended: Completed"),
    (["resume"], 0, "all 3 trials of {id} have ended; `trainconf sweep extend {id} sweep.max_total_runs=6` adds"),
    (["resume", "sweep/policy=none"], 0, "sweep/policy is none already, and all 3 trials of {id} have ended"),
    (["retry"], 0, "no trial of {id} is failed, so none runs again: there are 3 completed"),
    (["retry", "--only", "all"], 0, "no trial of {id} is failed or canceled or lost, so none runs again: there are 3 completed"),
])  # fmt: skip
def test_a_verb_says_that_a_sweep_has_ended(here: Here, ended: RunPaths, verb: list[str], code: int, said: str) -> None:
    before = Path(ended.journal).read_bytes()
    for more in ([], ["--detach"]) if verb[0] in ("resume", "retry") else ([],):
        answer = here("sweep", verb[0], "last", *verb[1:], *more)
        assert answer.code == code
        assert said.format(id=ended.run_id) in answer.err
    assert Path(ended.journal).read_bytes() == before
    assert sweeps.state(ended) == "Completed"


def test_a_plain_grid_that_has_ended_is_not_told_to_be_extended(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "")
    assert here("-m", *workspace.script("+params.lr=1,2")).code == 0
    answer = here("sweep", "pause", "last")
    assert (answer.code, "there is nothing to pause" in answer.err, "extend" in answer.err) == (2, True, False), answer


def test_a_sweep_that_goes_on_or_is_paused_already_says_so(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import os, time\nwhile not os.path.exists(os.environ['GO']): time.sleep(0.05)\n")
    go = workspace.root / "go"
    words = ["sweep=bayes", "sweep.max_total_runs=3", "sweep.max_concurrent_runs=1", "metric.name=loss", "+params.lr=uniform(0, 1)"]
    try:
        answer = workspace("-m", *workspace.script(*words, "submit.detach=true", f"+env.variables.GO='{go}'"))
        assert answer.code == 0, answer
        home = RunPaths(str(next(workspace.root.glob("runs/*/*/sweep.json")).parent))
        wait_for(lambda: sweeps.state(home) == "Running" or None)
        wait_for(lambda: list(workspace.root.glob("runs/*/*_0/events.jsonl")))
        answer = here("sweep", "resume", "last")
        assert "goes on already: controlled by" in answer.err
        assert here("sweep", "pause", "last").code == 0
        wait_for(lambda: sweeps.state(home) == "Paused" or None)
        answer = here("sweep", "pause", "last")
        assert f"{home.run_id} is paused already; `trainconf sweep resume last` goes on" in answer.err
        assert here("sweep", "retry", "last").code == 2, "it has a controller"
    finally:
        go.touch()
        here("sweep", "cancel", "last")
        here("wait", "last")
