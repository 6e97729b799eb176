"""Sweeps on a real cluster: arrays, split where they are too large, and packs; whole from any shell, with nobody waiting anywhere."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.contract.slurm_runs import slurm, until
from tests.testbed.cluster import Cluster
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.history.liveness import State
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.launchers.slurm.queue_cache import QueueCache
from trainconf.launchers.slurm.reconcile import reconcile_jobs, reconcile_sweep
from trainconf.paths import RunPaths

pytestmark = pytest.mark.slurm
SCRIPT = "import os, sys, time\nprint(sys.argv[1:], os.environ['TRAINCONF_ATTEMPT'])\n"


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    """A workspace whose runs go to the cluster; what is left of them goes with it."""
    shell.env["SLURM_CONF"] = slurm_cluster.conf
    shell.write("train.py", SCRIPT)
    yield shell
    for home in shell.root.glob("runs/*/*/sweep.json"):
        slurm("scancel", "--quiet", f"--name={home.parent.name}")


def words(*more: str) -> list[str]:
    return ["-m", "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", *more]


def home_of(space: Shell) -> RunPaths:
    return RunPaths(str(next(space.root.glob("runs/*/*/sweep.json")).parent))


def detach(space: Shell, *more: str) -> RunPaths:
    """A sweep that was submitted and left alone."""
    answer = space(*words("submit.detach=true", *more))
    assert answer.code == 0, answer
    return home_of(space)


def states(home: RunPaths) -> list[str]:
    return [str((events.last(paths) or {}).get("state")) for paths in trials_of(home)]


def jobs(home: RunPaths) -> list[str]:
    """The job each trial that has begun is in, by its own events."""
    return [e["scheduler"]["job_id"] for paths in trials_of(home) for e in events.read(paths) if "agent" in e]


def arrays(home: RunPaths) -> list[list[int]]:
    found: list[list[int]] = liveness.scheduler_of(home)["arrays"]
    return [[first, count] for _, first, count in found]


def test_a_grid_is_one_array_and_every_trial_a_task_of_it(space: Shell) -> None:
    answer = space(*words("+params.lr=1,2,3"))
    assert answer.code == 0, answer
    home = home_of(space)
    assert arrays(home) == [[0, 3]]
    assert len({job_id.partition("_")[0] for job_id in jobs(home)}) == 1
    assert [Path(paths.log(0)).read_text() for paths in trials_of(home)] == [f"['--lr', '{n}'] 1\n" for n in (1, 2, 3)]
    assert (events.last(home) or {})["state"] == "Completed"


def test_a_failing_trial_stops_no_other_and_is_the_exit_code(space: Shell) -> None:
    space.write("train.py", "import sys; sys.exit(int(sys.argv[2]))")
    answer = space(*words("+params.code=0,3,0,4"))
    assert answer.code == 1
    assert states(home_of(space)) == ["Completed", "Failed", "Failed"], "equal values are one"


@pytest.mark.slurm(cluster="bare")
def test_more_trials_than_an_array_can_have_are_several_arrays(space: Shell) -> None:
    home = detach(space, "+params.n=range(0,23)", "sweep.max_concurrent_runs=2", "sweep.max_total_runs=100")
    until(lambda: states(home) == ["Completed"] * 23, "the trials", told=lambda: str(states(home)))
    assert arrays(home) == [[0, 10], [10, 10], [20, 3]]
    assert [Path(paths.log(0)).read_text() for paths in trials_of(home)] == [f"['--n', '{n}'] 1\n" for n in range(23)]
    assert most_at_once(home) <= 2
    until(lambda: (events.last(home) or {})["state"] == "Completed", "the sweep's own end")


def most_at_once(home: RunPaths) -> int:
    found = [events.read(paths) for paths in trials_of(home)]
    marks = sorted((event["time"], step) for history in found for event in history for state, step in MARKS if event["state"] == state)
    running = [sum(step for _, step in marks[: n + 1]) for n in range(len(marks))]
    return max(running)


MARKS = (("Starting", 1), ("Finalizing", -1))


def test_a_detached_sweep_is_seen_and_ended_from_another_shell(space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(600)")
    home = detach(space, "+params.lr=1,2,3", "sweep.max_concurrent_runs=1")
    until(lambda: "Running" in states(home), "one to run")
    rows = json.loads(space("ls", "--json").out)
    assert sorted(row["status"] for row in rows) == ["Queued", "Queued", "Running"]
    answer = space("cancel", home.run_id)
    assert answer.code == 0, answer
    until(lambda: [row["status"] for row in json.loads(space("ls", "--json").out)] == ["Canceled"] * 3, "the trials")
    assert space("wait", home.run_id).code == 130


def test_one_trial_that_waits_can_be_cancelled_alone(space: Shell) -> None:
    gate = space.root / "go"
    space.write("train.py", f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)")
    home = detach(space, "+params.lr=1,2,3", "sweep.max_concurrent_runs=1")
    until(lambda: "Running" in states(home), "one to run")
    answer = space("cancel", trials_of(home)[2].run_id)
    assert answer.code == 0, answer
    assert json.loads(space("show", "--json", trials_of(home)[2].run_id).out)["status"] == "Canceled"
    gate.touch()
    until(lambda: states(home) == ["Completed", "Completed", "Canceled"], "the others", told=lambda: str(states(home)))
    assert space("wait", home.run_id).code == 1


def test_a_task_that_is_taken_out_of_the_queue_by_hand_is_canceled_though_slurm_keeps_nothing_of_it(space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(600)")
    home = detach(space, "+params.lr=1,2,3", "sweep.max_concurrent_runs=1")
    until(lambda: states(home) == ["Running", "NotStarted", "NotStarted"], "one to run")
    last = trials_of(home)[2]
    slurm("scancel", f"{liveness.scheduler_of(home)['job_id']}_2")
    moved = time.time()
    queue = QueueCache(Controller(space.env), home.workspace, lambda: moved)
    assert reconcile_jobs(queue, [(last, liveness.state_of(last))])[0].status == "NotStarted"
    moved += 60
    queue.refresh([jobs(home)[0]], {os.getuid()})  # somebody else asks about another
    assert reconcile_jobs(queue, [(last, liveness.state_of(last))])[0].reason.endswith("was canceled in Slurm")
    assert states(home) == ["Running", "NotStarted", "Canceled"]
    space("cancel", home.run_id)


def test_a_sweep_whose_last_trials_are_lost_is_not_waited_for_without_end(space: Shell) -> None:
    class Lost(SlurmLauncher):
        def reconcile(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
            return [State("NotResponding", "", state.event, state.scheduler) for _, state in runs]

    home = detach(space, "+params.lr=1,2", "+compute.sbatch.begin=now+1hour")
    state = reconcile_sweep(home, Lost().reconcile)
    assert (state.status, state.is_final) == ("NotResponding", False)
    assert all(paths.run_id in state.reason for paths in trials_of(home))


def test_when_a_packs_agent_is_killed_no_trial_is_said_not_to_see_its_folder(space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(600)")
    home = detach(space, "+params.n=range(0,3)", "compute.pack=2")
    until(lambda: states(home) == ["Running", "Running", "NotStarted"], "two to run")
    slurm("scancel", "--batch", "--signal=KILL", jobs(home)[0])
    assert space("wait", home.run_id).code == 1
    reasons = [str((events.last(paths) or {}).get("reason")) for paths in trials_of(home)]
    assert ["by signal 9, before its agent" in reason for reason in reasons] == [True] * 3, reasons


def test_a_pack_is_one_job_and_so_many_trials_at_a_time(space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(0.2)")
    answer = space(*words("+params.n=range(0,5)", "compute.pack=2"))
    assert answer.code == 0, answer
    home = home_of(space)
    assert len(set(jobs(home))) == 1
    assert most_at_once(home) == 2
    assert f"JobName={home.run_id} " in slurm("scontrol", "show", "job", "-o", jobs(home)[0])
    assert "NumCPUs=2 " in slurm("scontrol", "show", "job", "-o", jobs(home)[0])


def test_a_requeued_pack_goes_on_with_what_is_left(space: Shell) -> None:
    space.write("train.py", f"{SCRIPT}if sys.argv[2] != '0' and os.environ['TRAINCONF_ATTEMPT'] == '1': time.sleep(600)\n")
    home = detach(space, "+params.n=range(0,4)", "compute.pack=2", "compute.requeue=interrupted")
    until(lambda: states(home) == ["Completed", "Running", "Running", "NotStarted"], "two to run", told=lambda: str(states(home)))
    slurm("scontrol", "requeue", jobs(home)[0])
    until(lambda: states(home)[:3] == ["Completed"] * 3 and states(home)[3] == "Running", "the rest", told=lambda: str(states(home)))
    starts = [[e["attempt"] for e in events.read(paths) if e["state"] == "Starting"] for paths in trials_of(home)]
    assert starts == [[1], [1, 2], [1, 2], [1]]
    assert space("cancel", home.run_id).code == 0
    until(lambda: states(home)[3] == "Canceled", "the last")


def test_a_sweep_that_slurm_refuses_leaves_nothing(space: Shell) -> None:
    answer = space(*words("+params.lr=1,2", "compute.partition=nowhere"))
    assert answer.code == 2
    assert "nowhere" in answer.err or "partition" in answer.err
    assert space.run_dirs() == []


def test_when_the_submitter_is_killed_nothing_is_lost(space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(2)")
    child = space.start(*words("+params.lr=1,2"))
    until(lambda: any((file.parent / "events.jsonl").exists() for file in space.root.glob("runs/*/*/sweep.json")), "the sweep")
    home = home_of(space)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    until(lambda: states(home) == ["Completed"] * 2, "the trials", told=lambda: str(states(home)))
    assert space("wait", home.run_id).code == 0


def test_packing_what_cannot_share_is_refused(space: Shell) -> None:
    answer = space(*words("+params.lr=1,2", "compute.pack=2", "compute.gpus_per_node=1"))
    assert answer.code == 2
    assert "compute.pack=2: trials with GPUs cannot share a job" in answer.told


def test_a_sweep_over_the_limit_of_jobs_is_sent_as_there_is_room(space: Shell) -> None:
    """The quality of service `few` lets a user have two jobs at a time, tasks of arrays among them (tests/testbed/slurm.sh)."""
    space.write("train.py", f"{SCRIPT}time.sleep(0.5)")
    answer = space(*words("+params.n=range(0,5)", "compute.qos=few"))
    assert answer.code == 0, answer
    assert "3 runs are not sent yet; this command sends them when there is room" in answer.err
    home = home_of(space)
    assert states(home) == ["Completed"] * 5
    assert [Path(paths.log(0)).read_text() for paths in trials_of(home)] == [f"['--n', '{n}'] 1\n" for n in range(5)]
    assert (events.last(home) or {})["state"] == "Completed"


def test_what_was_not_sent_says_so_and_who_waits_from_any_shell_sends_it(space: Shell) -> None:
    gate = space.root / "go"
    space.write("train.py", f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)")
    home = detach(space, "+params.n=range(0,4)", "compute.qos=few")
    until(lambda: states(home) == ["Running"] * 2 + ["NotStarted"] * 2, "two to run", told=lambda: str(states(home)))
    shown = json.loads(space("show", "--json", trials_of(home)[2].run_id).out)
    assert shown["status"] == "NotStarted"
    assert f"`trainconf wait {home.run_id}` sends it when there is room" in shown["reason"]
    refused = space("experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "compute.qos=few")
    assert refused.code == 2
    (facts,) = refused.told.values()
    assert "QOSMaxSubmitJobPerUserLimit" in facts["Slurm says"]
    assert "few|2" in facts["limits"]
    assert "submit again when some of them have ended" in facts["hint"]
    assert space("cancel", trials_of(home)[3].run_id).code == 0
    assert states(home)[3] == "Canceled"
    gate.touch()
    assert space("wait", home.run_id).code == 1  # one was canceled
    assert states(home) == ["Completed"] * 3 + ["Canceled"]


def test_canceling_a_sweep_ends_also_what_was_not_sent(space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(600)")
    home = detach(space, "+params.n=range(0,4)", "compute.qos=few")
    until(lambda: states(home)[:2] == ["Running"] * 2, "two to run", told=lambda: str(states(home)))
    assert space("cancel", home.run_id).code == 0
    until(lambda: states(home) == ["Canceled"] * 4, "all", told=lambda: str(states(home)))
    assert space("wait", home.run_id).code == 130
