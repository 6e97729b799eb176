"""A run that this process is, begun from an experiment; and what is said of runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainconf import Experiment, Run, SubmittedRun, Workspace
from trainconf.errors import RunNotFoundError, UserError


def test_this_process_is_the_run(ws: Workspace, tmp_path: Path) -> None:
    experiment = Experiment(ws, "by-hand")
    (tmp_path / "outputs").mkdir()
    run = experiment.start_logging(tags={"a": 1}, params={"lr": 0.1}, display_name="mine")
    (tmp_path / "outputs" / "model.txt").write_text("weights")
    run.log("loss", 0.5)
    assert SubmittedRun.get(ws, run.id).status == "Running"
    run.complete()
    found = SubmittedRun.get(ws, run.id)
    assert (found.status, found.type, found.get_tags(), found.params) == ("Completed", "interactive", {"a": "1"}, {"lr": 0.1})
    assert found.get_metrics() == {"loss": [0.5]}
    assert "outputs/model.txt" in found.get_file_names()
    assert (Path(found.restore_snapshot(path=tmp_path / "then")) / "train.py").exists()
    assert list(experiment.get_runs(type="interactive")) == [found]


def test_a_closed_run_takes_nothing_more(ws: Workspace) -> None:
    run = Experiment(ws, "by-hand").start_logging(outputs=False, snapshot_directory=None)
    run.complete()
    with pytest.raises(RuntimeError, match="has ended"):
        run.log("loss", 0.5)
    with pytest.raises(RunNotFoundError, match="no snapshot"):
        SubmittedRun.get(ws, run.id).get_snapshot_id()


def test_an_error_in_its_block_fails_it(ws: Workspace) -> None:
    experiment = Experiment(ws, "by-hand")
    with pytest.raises(ZeroDivisionError), experiment.start_logging(snapshot_directory=None) as run:
        raise ZeroDivisionError
    assert SubmittedRun.get(ws, run.id).status == "Failed"


def test_a_process_that_was_killed_leaves_a_run_that_says_so(ws: Workspace) -> None:
    program = (
        "import os, signal\nfrom trainconf import *\n"
        "run = Experiment(Workspace(), 'by-hand').start_logging(snapshot_directory=None)\n"
        "print(run.id, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert SubmittedRun.get(ws, done.stdout.strip()).status == "NotResponding"


def test_wrong_arguments_are_named(ws: Workspace) -> None:
    with pytest.raises(UserError) as raised:
        Experiment(ws, "by-hand").start_logging(outputs=3, snapshot_directory="missing", params="x", tags=3)  # type: ignore[arg-type]
    assert [name for name in ("outputs", "snapshot_directory", "params", "tags") if name not in str(raised.value)] == []
    assert not Path(ws._paths.runs).exists()


def test_params_that_no_file_can_hold_are_named(ws: Workspace) -> None:
    with pytest.raises(UserError, match=r"params.a cannot be an object[\s\S]*params.b.c cannot be nan[\s\S]*the key 1"):
        Experiment(ws, "new").start_logging(params={"a": object(), "b": {"c": float("nan")}, "d": {1: 2}})


def test_a_run_that_cannot_be_made_leaves_no_experiment(ws: Workspace) -> None:
    with pytest.raises(UserError, match="the id of a run has letters"):
        Experiment(ws, "new").start_logging(run_id="a/b")
    assert Experiment.list(ws) == []


def test_what_is_said_of_a_run_is_what_the_command_line_says(ws: Workspace) -> None:
    run = Experiment(ws, "by-hand").start_logging(snapshot_directory=None, tags={"a": "1"})
    run.complete()
    found = SubmittedRun.get(ws, run.id)
    found.tag("b", 2)
    found.set_tags({"c": "3"})
    found.remove_tags(["a", "never"])
    found.display_name = "mine"
    found.description = "what it is about"
    found.add_properties({"data": "v1"})
    again = SubmittedRun.get(ws, run.id)
    assert again.tags == {"b": "2", "c": "3"}
    assert (again.display_name, again.name, again.description, again.properties) == ("mine", "mine", "what it is about", {"data": "v1"})
    with pytest.raises(ValueError, match="never changes"):
        again.add_properties({"data": "v2"})
    with pytest.raises(UserError, match="display_name"):
        found.display_name = 3  # type: ignore[assignment]
    shown = subprocess.run([sys.executable, "-m", "trainconf", "show", run.id], capture_output=True, text=True).stdout
    assert "what it is about" in shown
    assert isinstance(again, Run)
