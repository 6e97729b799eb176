"""A Bayesian search whose trials share jobs (`compute.pack`), on a real cluster: jobs are given trials as long as there are any."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from tests.contract.slurm_runs import slurm, slurm_state, until
from tests.testbed.cluster import Cluster
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.paths import RunPaths

pytestmark = pytest.mark.slurm
SCRIPT = """
import os, sys, time
from trainconf import Run
values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
Run.get_context().log("loss", abs(float(values["--lr"]) - 0.3))
give_up_at = time.monotonic() + 600
while not os.path.exists(values["--gate"]) and time.monotonic() < give_up_at:
    time.sleep(0.05)
"""
LEARNS = SCRIPT.replace("Run.get_context()", """
def pass_gate(path):
    give_up_at = time.monotonic() + 600
    while not os.path.exists(path) and time.monotonic() < give_up_at:
        time.sleep(0.05)
lr, learned = float(values["--lr"]), values["--gate"] + ".learned"
if lr == 0.9:
    pass_gate(learned)
for epoch in range(6):
    Run.get_context().log("loss", abs(lr - 0.3) + 1 / (epoch + 1), step=epoch)
open(learned, "a").close()
pass_gate(values["--gate"])
sys.exit()
#""")
PATIENCE_S = 400.0
SHORT_IDLE = """find runs -path '*/pool_jobs/*/plan.json' -exec sed -i 's/"idle_seconds": *60.0/"idle_seconds": 2.0/' {} +"""


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    """A workspace whose runs go to the cluster; what is left of them goes with it."""
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    shell.env["SLURM_CONF"] = slurm_cluster.conf
    shell.write("train.py", SCRIPT)
    yield shell
    for record in (*shell.root.glob("runs/*/*/run.json"), *shell.root.glob("runs/*/*/sweep.json")):
        slurm("scancel", "--quiet", f"--name={record.parent.name}")


def words(space: Shell, total: int, at_a_time: int, *more: str) -> list[str]:
    return [
        "-m", "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "compute.pack=2", "sweep=bayes", "sweep.seed=5",
        "metric.name=loss", "metric.goal=minimize", f"sweep.max_total_runs={total}", f"sweep.max_concurrent_runs={at_a_time}",
        "+params.lr=uniform(0, 1)", f"+params.gate={space.root}/gate", *more,
    ]  # fmt: skip


def home_of(space: Shell) -> RunPaths:
    return RunPaths(str(next(space.root.glob("runs/*/*/sweep.json")).parent))


def states(space: Shell) -> list[str]:
    return [str((events.last(paths) or {}).get("state")) for paths in trials_of(home_of(space))]


def reasons(space: Shell) -> str:
    return str([(paths.run_id, events.last(paths)) for paths in trials_of(home_of(space))])


def jobs(space: Shell) -> list[str]:
    """The job of each beginning of a trial."""
    return [e["scheduler"]["job_id"] for paths in trials_of(home_of(space)) for e in events.read(paths) if "agent" in e]


def pool_jobs(space: Shell) -> list[RunPaths]:
    return [RunPaths(str(folder)) for folder in sorted(Path(home_of(space).run_dir).glob("pool_jobs/*"))]


def number_of(pool_job: RunPaths) -> str | None:
    """Slurm's number of one of these jobs, as it is recorded."""
    found: str | None = liveness.scheduler_of(pool_job).get("job_id")
    return found


def shown(space: Shell) -> dict[str, Any]:
    answer = space("sweep", "show", "last", "--json")
    assert answer.code == 0, answer
    found: dict[str, Any] = json.loads(answer.out)
    return found


def begun(space: Shell, count: int) -> None:
    until(lambda: states(space).count("Running") == count, f"{count} to run", PATIENCE_S, told=lambda: reasons(space))


@pytest.mark.parametrize("place", ["here", "job"])
def test_two_jobs_are_given_the_trials_of_a_search_two_at_a_time_each(space: Shell, place: str) -> None:
    (space.root / "gate").touch()
    answer = space(*words(space, 9, 4, f"sweep.controller={place}"))
    assert answer.code == 0, answer
    assert space("wait", home_of(space).run_id).code == 0
    assert states(space) == ["Completed"] * 9
    assert [len(names) for names in (set(jobs(space)), pool_jobs(space), jobs(space))] == [2, 2, 9]
    assert {f"JobName={home_of(space).run_id} " in slurm("scontrol", "show", "job", "-o", job) for job in jobs(space)} == {True}
    assert {"NumCPUs=2 " in slurm("scontrol", "show", "job", "-o", job) for job in jobs(space)} == {True}
    until(lambda: {slurm_state(job) for job in jobs(space)} <= {"COMPLETED", ""}, "the jobs, which are told that no more will come")
    agent_log = Path(trials_of(home_of(space))[0].agent_log)
    assert agent_log.resolve().parent.parent in [Path(paths.run_dir).resolve() for paths in pool_jobs(space)]


def test_a_killed_controller_and_a_killed_job_lose_no_trial_and_begin_none_twice(space: Shell) -> None:
    """The controller dies first; then one job, with what runs in it. Another controller gives what had not begun to another job."""
    child = space.start(*words(space, 7, 4))
    until(lambda: len(list(space.root.glob("runs/*/*_3/plan.json"))) == 1, "the trials", PATIENCE_S)
    begun(space, 4)
    child.kill()
    child.communicate()
    first, second = (str(number_of(paths)) for paths in pool_jobs(space))
    in_first = Counter(jobs(space))[first]
    assert in_first == 2, jobs(space)
    slurm("scancel", "--batch", "--signal=KILL", first)
    until(lambda: slurm_state(first) not in ("RUNNING", "COMPLETING"), "the end of the job")
    answer = space("sweep", "resume", "last", "sweep.controller=detached")
    assert answer.code == 0, answer
    until(lambda: states(space).count("Failed") == 2, "the trials of the killed job", PATIENCE_S, told=lambda: reasons(space))
    begun(space, 4)
    (space.root / "gate").touch()
    assert space("wait", home_of(space).run_id).code == 0
    assert Counter(states(space)) == {"Completed": 5, "Failed": 2}
    assert "by signal 9" in reasons(space)
    assert len(jobs(space)) == 7, "no trial was begun twice"
    assert len(set(jobs(space))) == len(pool_jobs(space)) == 3
    assert second in jobs(space)


@pytest.mark.slurm(cluster="bare")
def test_what_a_lost_job_had_not_begun_is_given_to_another_one(space: Shell) -> None:
    """Both jobs wait in the queue of a cluster without accounting; one is taken out of it by hand."""
    (space.root / "gate").touch()
    child = space.start(*words(space, 5, 4, "+compute.sbatch.hold=true"))
    until(lambda: len(list(space.root.glob("runs/*/*_3/plan.json"))) == 1, "the trials", PATIENCE_S)
    until(lambda: len(trials_of(home_of(space))) == 4, "their list")
    ids = [str(number_of(paths)) for paths in pool_jobs(space)]
    until(lambda: [row["status"] for row in shown(space)["trials"]] == ["Queued"] * 4, "the queue")
    slurm("scancel", ids[0])
    until(lambda: len(pool_jobs(space)) == 3, "another job", PATIENCE_S, told=lambda: reasons(space))
    until(lambda: None not in map(number_of, pool_jobs(space)), "its number")
    for paths in pool_jobs(space)[1:]:
        slurm("scontrol", "release", str(number_of(paths)))
    child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0
    assert states(space) == ["Completed"] * 5
    assert ids[0] not in jobs(space)
    assert len(jobs(space)) == 5


def test_a_job_without_a_trial_ends_and_a_trial_that_comes_later_gets_another_one(space: Shell) -> None:
    (space.root / "gate").touch()
    child = space.start(*words(space, 2, 2, f"compute.setup=[{json.dumps(SHORT_IDLE)}]"))
    until(lambda: states(space) == ["Completed"] * 2 if list(space.root.glob("runs/*/*/sweep.json")) else False, "two", PATIENCE_S)
    child.communicate(timeout=PATIENCE_S)
    (job,) = set(jobs(space))
    until(lambda: slurm_state(job) in ("COMPLETED", ""), "its end")
    answer = space("sweep", "extend", "last", "sweep.max_total_runs=4")
    assert answer.code == 0, answer
    assert states(space) == ["Completed"] * 4
    assert len(set(jobs(space))) == 2


def test_one_trial_is_canceled_alone_and_the_sweep_with_all_its_jobs(space: Shell) -> None:
    """One job runs, and the other waits in the queue."""
    answer = space(*words(space, 8, 4, "submit.detach=true", "+compute.sbatch.nodelist=node1", "compute.exclusive=true"))
    assert answer.code == 0, answer
    until(lambda: len(list(space.root.glob("runs/*/*_3/plan.json"))) == 1, "the trials", PATIENCE_S)
    begun(space, 2)
    running = next(paths for paths in trials_of(home_of(space)) if (events.last(paths) or {})["state"] == "Running")
    assert space("cancel", running.run_id).code == 0
    until(lambda: (events.last(running) or {})["state"] == "Canceled", "its end")
    begun(space, 2)  # its place is another one's, in the same job
    waiting = next(paths for paths in trials_of(home_of(space)) if (events.last(paths) or {})["state"] == "NotStarted")
    assert space("cancel", waiting.run_id).code == 0
    assert (events.last(waiting) or {})["state"] == "Canceled", "nobody needs to wait for its job"
    assert space("cancel", home_of(space).run_id).code == 0
    assert space("wait", home_of(space).run_id).code == 130
    assert set(states(space)) == {"Canceled"}
    assert len(set(jobs(space))) == 1
    until(lambda: slurm("squeue", "--noheader", f"--name={home_of(space).run_id}") == "", "the jobs")


def test_jobs_that_cannot_begin_fail_their_trials_and_are_not_sent_again_and_again(space: Shell) -> None:
    answer = space(*words(space, 20, 2, "compute.setup=[exit 3]"))
    assert answer.code == 1, answer
    assert "with exit code 3, before its agent began" in reasons(space)
    assert set(states(space)) == {"Failed"}
    assert len(pool_jobs(space)) < 6, "as of any search whose first trials all fail"


@pytest.mark.nightly
def test_a_job_whose_time_is_nearly_up_begins_no_trial_and_another_one_does(space: Shell) -> None:
    space.write("train.py", SCRIPT.partition("give_up_at")[0] + "time.sleep(12)")
    answer = space(*words(space, 8, 2, "compute.partition=short", "compute.time_minutes=1"))
    assert answer.code == 0, answer
    assert states(space) == ["Completed"] * 8
    assert len(jobs(space)) == 8
    assert len(set(jobs(space))) > 1


def test_a_policy_stops_a_weak_trial_and_the_others_in_its_job_go_on(space: Shell) -> None:
    space.write("train.py", LEARNS)
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.2", "sweep.policy.delay_evaluation=2"]
    child = space.start(*words(space, 3, 2, *policy, "sweep.first=[{params.lr: 0.3}, {params.lr: 0.9}, {params.lr: 0.31}]"))
    until(lambda: len(list(space.root.glob("runs/*/*_1/plan.json"))) == 1, "the trials", PATIENCE_S)
    until(lambda: states(space) == ["Running", "Canceled", "Running"], "the stop of the weak one", PATIENCE_S, told=lambda: reasons(space))
    (space.root / "gate").touch()
    child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0
    assert states(space) == ["Completed", "Canceled", "Completed"]
    assert shown(space)["trials"][1]["stop"]["own"] > shown(space)["trials"][1]["stop"]["bound"]
    assert len(set(jobs(space))) == 1


def test_a_requeued_job_goes_on_with_its_trials(space: Shell) -> None:
    child = space.start(*words(space, 3, 2, "compute.requeue=interrupted"))
    until(lambda: len(list(space.root.glob("runs/*/*_1/plan.json"))) == 1, "the trials", PATIENCE_S)
    begun(space, 2)
    slurm("scontrol", "requeue", jobs(space)[0])
    until(lambda: len(jobs(space)) == 4, "their second attempts", PATIENCE_S, told=lambda: reasons(space))
    (space.root / "gate").touch()
    child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0
    assert states(space) == ["Completed"] * 3
    assert len(set(jobs(space))) == len(pool_jobs(space)) == 1


def test_a_search_over_the_limit_of_jobs_has_what_slurm_takes(space: Shell) -> None:
    """The quality of service `few` lets a user have two jobs at a time (tests/testbed/slurm.sh)."""
    (space.root / "gate").touch()
    answer = space(*words(space, 8, 6, "compute.qos=few"))
    assert answer.code == 0, answer
    assert states(space) == ["Completed"] * 8
    assert len(set(jobs(space))) == 2


def test_a_pause_holds_the_job_that_waits_and_a_resume_lets_it_begin(space: Shell) -> None:
    answer = space(*words(space, 4, 4, "submit.detach=true", "+compute.sbatch.nodelist=node1", "compute.exclusive=true"))
    assert answer.code == 0, answer
    until(lambda: len(list(space.root.glob("runs/*/*_3/plan.json"))) == 1, "the trials", PATIENCE_S)
    begun(space, 2)
    assert space("sweep", "pause", "last").code == 0
    (space.root / "gate").touch()
    assert space("wait", home_of(space).run_id).code == 130
    assert Counter(states(space)) == {"Completed": 2, "NotStarted": 2}
    assert space("sweep", "resume", "last").code == 0
    assert states(space) == ["Completed"] * 4
    assert len(set(jobs(space))) == 2
