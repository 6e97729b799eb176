"""A sweep that is cancelled while its trials are still being made, and one whose trials have completed before."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf import files
from trainconf.history import liveness
from trainconf.paths import RunPaths

Here = Callable[..., Answer]


def trials(workspace: Shell) -> list[Path]:
    return sorted(workspace.root.glob("runs/adhoc/*_*"))


def test_ctrl_c_while_trials_are_being_made_makes_no_more_and_leaves_none_without_an_end(workspace: Shell) -> None:
    workspace.write("train.py", "import time\ntime.sleep(120)\n")
    child = workspace.start("-m", *workspace.script("+params.a=range(2000)", "sweep.max_concurrent_runs=2"))
    while not trials(workspace):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=300)
    assert child.returncode == 130, err
    assert len(trials(workspace)) < 2000
    assert Counter(liveness.state_of(RunPaths(str(trial))).status for trial in trials(workspace)).keys() == {"Canceled"}


@pytest.mark.parametrize("what", ["the sweep", "one trial"])
def test_cancelled_from_another_shell_it_ends_as_wait_does(here: Here, workspace: Shell, what: str) -> None:
    workspace.write("train.py", "import sys, time\ntime.sleep(0 if sys.argv[2] == '1' else 120)\n")
    child = workspace.start("-m", *workspace.script("+params.a=1,2"))
    wait_for(lambda: [liveness.state_of(RunPaths(str(trial))).status for trial in trials(workspace)] == ["Completed", "Running"])
    sweep_id = trials(workspace)[0].name.removesuffix("_0")
    assert here("cancel", sweep_id if what == "the sweep" else f"{sweep_id}_1").code == 0
    _, err = child.communicate(timeout=300)
    assert (child.returncode, here("wait", sweep_id).code) == ((130, 130) if what == "the sweep" else (1, 1)), err


def test_sigterm_while_a_run_goes_on_cancels_it(workspace: Shell) -> None:
    workspace.write("train.py", "import time\nopen('outputs/up', 'w').close()\ntime.sleep(120)\n")
    child = workspace.start(*workspace.script())
    wait_for(lambda: list(workspace.root.glob("runs/adhoc/*/outputs/up")))
    child.terminate()
    _, err = child.communicate(timeout=300)
    assert (child.returncode, b"Canceled" in err) == (130, True), err


def test_sigterm_while_a_run_is_prepared_leaves_nothing_and_ends_as_ctrl_c_does(workspace: Shell) -> None:
    """It waits for the lock of the snapshot store, which is held here."""
    workspace.write("train.py", "")
    assert workspace(*workspace.script()).code == 0
    before = list(workspace.root.glob("runs/adhoc/*"))
    workspace.write("train.py", "# new")
    with files.FileLock(str(workspace.root / ".trainconf/snapshots/lock")):
        child = workspace.start(*workspace.script())
        wait_for(lambda: f"/proc/{child.pid}" in waiting_for_a_lock() or child.poll() is not None)
        child.terminate()
        _, err = child.communicate(timeout=300)
    assert (child.returncode, b"interrupted" in err) == (130, True), err
    assert list(workspace.root.glob("runs/adhoc/*")) == before


def waiting_for_a_lock() -> set[str]:
    return {f"/proc/{line.split()[5]}" for line in Path("/proc/locks").read_text().splitlines() if "->" in line}


def test_trials_that_completed_before_are_not_run_again_when_that_is_wished(here: Here, workspace: Shell) -> None:
    words = ["-m", *workspace.script("metric.name=loss", "+stdout_metrics.loss='loss=(.*)'")]
    workspace.write("train.py", "import sys\nprint('loss=' + sys.argv[2])\n")
    assert here(*words, "+params.a=1,2").code == 0
    before = trials(workspace)
    answer = here(*words, "+params.a=1,2,3", "submit.reuse=true")
    assert answer.code == 0, answer
    assert "3 runs, 4 at a time, 2 of them completed before" in answer.err
    (new,) = set(trials(workspace)) - set(before)
    assert new.name.endswith("_2")
    assert [line.split()[1:3] for line in answer.out.splitlines()[1:]] == [["1", "Completed"], ["2", "Completed"], ["3", "Completed"]]
    assert "best: trial 2, loss 3" in answer.err


def test_a_trial_whose_metric_is_no_number_is_not_the_best(here: Here, workspace: Shell) -> None:
    code = "from trainconf import Run\nimport sys\nRun.get_context().log('loss', float(sys.argv[2]))\n"
    workspace.write("train.py", code)
    answer = here("-m", *workspace.script("metric.name=loss"), "+params.a='nan',2")
    assert answer.code == 0, answer
    assert "best: trial 1, loss 2" in answer.err


@pytest.mark.parametrize("more", [
    [], ["sweep/policy=bandit", "sweep.policy.slack_amount=1", "sweep.policy.delay_evaluation=1"],
    ["sweep/policy=median", "sweep.policy.min_trials=1", "sweep.policy.unit=step"],
])  # fmt: skip
def test_a_whole_number_that_is_too_large_is_no_value_and_stops_nobody_from_reading_a_sweep(
    here: Here, workspace: Shell, tmp_path: Path, more: list[str]
) -> None:
    workspace.write("train.py", "import sys\nfrom trainconf import Run\n\n"
                    "Run.get_context().log('loss', int(sys.argv[2]) ** 400, step=10**30)\n")
    answer = here("-m", *workspace.script("metric.name=loss", *more), "+params.a=-10,2", "sweep.max_concurrent_runs=1")
    assert answer.code == 0, answer
    assert "best: trial 1, loss 2.58" in answer.err
    for verb in (["sweep", "show", "last"], ["sweep", "export", "last", "--csv"], ["compare", "last:0", "last:1"], ["metrics", "last:0"],
                 ["tensorboard", "last:0", "--export", str(tmp_path / "folder")]):
        answer = here(*verb)
        assert (answer.code, "Traceback" in answer.err) == (0, False), answer
