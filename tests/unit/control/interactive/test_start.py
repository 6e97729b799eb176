"""A run that a process is: what is recorded of it while it goes on, and however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainconf.control import history, runs
from trainconf.control.interactive.logged import get_metrics
from trainconf.control.interactive.start import start
from trainconf.control.workspace.half_made import half_made_runs, needed_snapshots
from trainconf.errors import ConfigError, RunNotFoundError, UserError
from trainconf.history import events, record
from trainconf.job_api import Run
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.submission.replay import recorded

ROOT = Path(__file__).parents[4]


@pytest.fixture
def space(tmp_path: Path) -> WorkspacePaths:
    (tmp_path / ".trainconf").mkdir()
    return WorkspacePaths(str(tmp_path))


def described(run: Run) -> dict[str, Any]:
    return record.details(RunPaths(run.run_dir))


def in_process(space: WorkspacePaths, text: str) -> subprocess.CompletedProcess[str]:
    """Begin a run in another process, do something with it; its directory is the first line that is printed."""
    script = f"""
import os, signal, sys
from trainconf.control.interactive.start import start
from trainconf.paths import WorkspacePaths
run = start(WorkspacePaths({space.root!r}), "exp")
print(run.run_dir, flush=True)
run.log("loss", 0.5)
{text}
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=300)


def test_it_is_a_run_like_any_other_while_it_goes_on(space: WorkspacePaths) -> None:
    run = start(space, "exp", display_name="mine", tags={"a": "b"}, params={"lr": 0.1})
    run.log("loss", 0.5)
    run.log_row("cost", eur=3)
    with open(os.path.join(run.run_dir, "outputs", "x"), "w") as stream:
        stream.write("x")
    (row,) = history.ls(space)
    assert (row.fields["status"], row.fields["type"], row.fields["display_name"]) == ("Running", "interactive", "mine")
    assert (row.fields["tags"], row.fields["params"], row.fields["metrics"]) == ({"a": "b"}, {"lr": 0.1}, {"loss": 0.5, "cost/eur": 3})
    assert (run.status, run.type, run.number, run.experiment, run.get_file_names()) == ("Running", "interactive", 1, "exp", ["outputs/x"])
    assert run.get_metrics() == get_metrics(RunPaths(run.run_dir)) == {"loss": [0.5], "cost": {"eur": [3]}}
    run.complete()
    run.complete()
    assert (run.status, described(run)["status"], described(run)["exit_code"]) == ("Completed", "Completed", 0)
    assert not [*half_made_runs(space)]


@pytest.mark.parametrize(
    ("end", "state", "reason"),
    [("fail", "Failed", "it went wrong (E1)"), ("cancel", "Canceled", "its script canceled it"), ("complete", "Completed", "")],
)
def test_it_ends_as_it_is_told_and_the_first_end_stands(end: str, state: str, reason: str, space: WorkspacePaths) -> None:
    run = start(space, "exp")
    if end == "fail":
        run.fail("it went wrong", "E1")
    else:
        getattr(run, end)()
    run.complete()
    run.fail("later")
    assert (run.status, described(run)["status"], described(run)["reason"]) == (state, state, reason)
    with pytest.raises(RuntimeError, match=rf"has ended \({state}\)"):
        run.log("loss", 1)
    run.tag("after", "its end")
    assert described(run)["tags"] == {"after": "its end"}
    assert [event["state"] for event in events.read_all(RunPaths(run.run_dir))] == ["Running", state]


def test_a_with_block_ends_it_and_an_exception_fails_it(space: WorkspacePaths) -> None:
    with start(space, "exp") as run:
        run.log("loss", 1)
    assert described(run)["status"] == "Completed"
    with pytest.raises(ZeroDivisionError), start(space, "exp") as run:
        1 / 0  # noqa: B018
    found = described(run)
    assert (found["status"], found["reason"]) == ("Failed", "ZeroDivisionError: division by zero")
    assert "1 / 0" in found["errors"][0]["trace"]


@pytest.mark.parametrize(
    ("text", "state", "reason"),
    [
        ("", "Completed", ""),
        ("sys.exit(0)", "Completed", ""),
        ("raise ValueError('odd')", "Failed", "ValueError: odd"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "NotResponding", "has ended without a word"),
        ("os._exit(0)", "NotResponding", "has ended without a word"),
        ("pid = os.fork()\nif pid == 0: sys.exit(0)\nos.waitpid(pid, 0); os.kill(os.getpid(), signal.SIGKILL)", "NotResponding", ""),
        ("pid = os.fork()\nif pid == 0:\n    run.complete(); os._exit(0)\nos.waitpid(pid, 0); run.fail('own')", "Failed", "own"),
    ],
)
def test_its_state_is_honest_however_its_process_ends(text: str, state: str, reason: str, space: WorkspacePaths) -> None:
    done = in_process(space, text)
    found = record.details(RunPaths(done.stdout.splitlines()[0]))
    assert found["status"] == state
    assert reason in found["reason"]
    assert found["metrics"]["loss"] == 0.5


def test_children_of_a_run_without_an_agent_end_with_its_process(space: WorkspacePaths) -> None:
    done = in_process(space, "child = run.child_run('below'); child.log('x', 1)")
    (child,) = [row.fields for row in history.ls(space) if row.fields["parent"]]
    assert (child["status"], child["parent"], child["type"]) == ("Completed", os.path.basename(done.stdout.splitlines()[0]), "child")


def test_last_is_the_run_itself_and_no_child_of_it(space: WorkspacePaths) -> None:
    with start(space, "exp") as run, run.child_run("below") as child, child.child_run("deeper"):
        assert runs.find(space, "last").run_id == run.id
    assert runs.find(space, "last").run_id == run.id
    assert runs.find(space, child.id).run_id == child.id


def test_cancel_asks_a_living_process_and_sends_it_no_signal(space: WorkspacePaths) -> None:
    run = start(space, "exp")
    runs.cancel(RunPaths(run.run_dir))
    assert (run.status, described(run)["status"]) == ("CancelRequested", "CancelRequested")
    run.complete()
    assert (run.status, described(run)["status"]) == ("Canceled", "Canceled")


def test_cancel_ends_a_run_whose_process_is_gone(space: WorkspacePaths) -> None:
    paths = RunPaths(in_process(space, "os.kill(os.getpid(), signal.SIGKILL)").stdout.splitlines()[0])
    runs.cancel(paths)
    found = record.details(paths)
    assert found["status"] == "Canceled"
    assert "its process was gone" in found["reason"]
    runs.cancel(paths)
    assert [event["state"] for event in events.read_all(paths)].count("Canceled") == 1


def test_what_cannot_be_begun_leaves_nothing(space: WorkspacePaths) -> None:
    run = start(space, "exp", run_id="mine-1")
    run.complete()
    with pytest.raises(UserError, match="a run 'mine-1' already"):
        start(space, "exp", run_id="mine-1")
    for bad in ("../x", "", "last", "a b", ".x", "x" * 300):
        with pytest.raises(UserError, match="id of a run"):
            start(space, "exp", run_id=bad)
    with pytest.raises(ConfigError, match="experiment_name cannot be"):
        start(space, "../exp")
    assert os.listdir(space.runs) == ["exp"]
    assert os.listdir(os.path.join(space.runs, "exp")) == ["mine-1"]


def test_its_snapshot_is_kept_for_it(space: WorkspacePaths, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "a.py").write_text("x = 1\n")
    run = start(space, "exp", snapshot_directory=str(source))
    run.complete()
    snapshot = json.loads(Path(run.run_dir, "run.json").read_text())["snapshot"]
    assert len(snapshot) == 64
    assert needed_snapshots(space) == {snapshot}


def test_a_signal_that_ends_the_process_leaves_a_run_that_says_so(space: WorkspacePaths) -> None:
    done = in_process(space, "os.kill(os.getpid(), signal.SIGTERM)")
    assert done.returncode == -signal.SIGTERM
    assert record.details(RunPaths(done.stdout.splitlines()[0]))["status"] == "NotResponding"


def test_a_run_that_a_process_was_says_that_it_cannot_be_run_again(space: WorkspacePaths) -> None:
    with start(space, "exp") as run, run.child_run("below") as child:
        child.add_properties({"fold": "1"})
    with pytest.raises(RunNotFoundError, match="nothing to run again") as caught:
        recorded(RunPaths(run.run_dir))
    assert "start its program again" in str(caught.value)
    with pytest.raises(RunNotFoundError, match=f"trainconf rerun {run.id}"):
        recorded(RunPaths(child.run_dir))
    assert [row.paths.run_id for row in history.ls(space, where='type == "child" and properties.fold == "1"')] == [child.id]
