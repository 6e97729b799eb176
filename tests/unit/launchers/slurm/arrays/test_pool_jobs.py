"""Which job is given a trial, when another one is sent, and what becomes of a trial when its job ends or its feeder is killed."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.errors import ConfigError, LaunchError, NoRoomError
from trainconf.history import events, liveness
from trainconf.history.find import given_to_the_last_agent, trials_of
from trainconf.launchers.protocol import LaunchPlan, RankPlan, RunHandle, replace
from trainconf.launchers.slurm.arrays.pool_jobs import MOST_JOBS, PoolJob, PoolJobs
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.launchers.slurm.reconcile import given_to
from trainconf.paths import RunPaths
from trainconf.process import Completed, Processes
from trainconf.search.progress import Trial
from trainconf.sweeps.hands import Feeding


class Slurm(Processes):
    """Takes jobs, as [state, comment] by number; `refusal` is what sbatch says instead, once the job is taken or before."""

    def __init__(self) -> None:
        self.jobs: dict[str, list[str]] = {}
        self.refusal = ""
        self.loses_replies = False
        self.told: list[tuple[str, ...]] = []

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, input: bytes | None = None, timeout_s: float | None = None
    ) -> Completed:
        if argv[0] == "sbatch":
            return self._submit(argv, (input or b"").decode())
        if argv[0] == "squeue":
            layout = next(word for word in argv if word.startswith("--format=")).removeprefix("--format=")
            rows = (
                layout.replace("%i", number).replace("%F", number).replace("%T", state).replace("%k", comment)
                for number, (state, comment) in self.jobs.items()
            )
            return Completed(argv, 0, re.sub("%.", "", "\n".join(rows)).encode(), b"")
        if argv[0] == "scancel":
            self.told.append(tuple(argv[1:]))
            for number in argv[2:] if argv[1] == "--state=PENDING" else ():
                if self.jobs[number][0] == "PENDING":
                    self.jobs[number][0] = "CANCELLED"
        return Completed(argv, 0, b"", b"")

    def _submit(self, argv: Sequence[str], script: str) -> Completed:
        if self.refusal:
            return Completed(argv, 1, b"", self.refusal.encode())
        number = str(len(self.jobs) + 1)
        comment = re.search(r"--comment='?([^'\n]*)", script)
        assert comment is not None
        self.jobs[number] = ["PENDING", comment[1]]
        if self.loses_replies:
            raise KeyboardInterrupt  # its submitter is gone
        return Completed(argv, 0, f"{number}\n".encode(), b"")


class Sweep:
    """A sweep with two trials in a job."""

    def __init__(self, root: Path) -> None:
        self.slurm = Slurm()
        self.launcher = SlurmLauncher({"PATH": ""}, self.slurm)
        self.home = RunPaths(str(root / "runs" / "exp" / "s"))
        os.makedirs(self.home.run_dir)
        files.write_atomic(self.home.sweep, files.dumps({"target": "slurm", "pack": 2, "has_controller": True}))
        self.pool = self.open()

    def open(self) -> PoolJobs:
        """What another controller has."""
        made = self.launcher.open_pool(self.home, {})
        assert made is not None
        return made

    def open_again(self) -> None:
        self.pool._lock.release()
        self.pool = self.open()

    def plan(self, number: int, **options: Any) -> LaunchPlan:
        paths = RunPaths(f"{self.home.run_dir}_{number}")
        shutil.rmtree(paths.run_dir, ignore_errors=True)
        os.makedirs(paths.run_dir)
        files.write_atomic(paths.record, files.dumps({"run_id": paths.run_id, "parent": "s", "lock": paths.lock}))
        events.append(paths, "NotStarted")
        batch = {
            "options": {"nodes": 1, "cpus-per-task": 1, **options}, "setup": [], "builder": [], "agent": ["python", "agent"],
            "mem_mib": None, "cluster": {"conf": ""}, "nodes": 1, "cpus_per_task": 1,
        }  # fmt: skip
        return LaunchPlan(
            target="slurm", run_id=paths.run_id, run_dir=paths.run_dir, cwd=paths.code, ranks=[RankPlan(0, [sys.executable], {})], env={},
            secret_env=[], max_run_duration_seconds=None, grace_seconds=1.0, retries=0, retry_backoff_seconds=1.0, slots=None, gpus={},
            stdout_metrics={}, batch=batch,
        )  # fmt: skip

    def add(self, *numbers: int) -> list[RunPaths]:
        for number in numbers:
            self.pool.add([self.plan(number)])
        return [RunPaths(f"{self.home.run_dir}_{number}") for number in numbers]

    def given(self) -> list[list[str]]:
        """The trials of each job."""
        folders = sorted(Path(self.home.run_dir).glob("pool_jobs/*"))
        return [[run.run_id.partition("_")[2] for run in given_to(RunPaths(str(folder)))] for folder in folders]

    def look_again(self) -> None:
        """Forget what Slurm said before."""
        self.launcher.clusters._queues.clear()
        for path in Path(self.home.workspace.cache).glob("slurm-*.json"):
            path.unlink()

    def status(self, paths: RunPaths) -> str:
        self.look_again()
        return self.launcher.state(RunHandle(paths)).status


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Sweep(tmp_path)
    yield made
    made.pool._lock.release()


def test_a_job_is_filled_before_another_one_is_sent_and_has_room_when_a_trial_ends(sweep: Sweep) -> None:
    first, *_ = sweep.add(0, 1, 2)
    assert (sweep.given(), len(sweep.slurm.jobs)) == ([["0", "1"], ["2"]], 2)
    sweep.add(3)
    events.append(first, "Completed")
    sweep.add(4)
    assert (sweep.given(), len(sweep.slurm.jobs)) == ([["0", "1", "4"], ["2", "3"]], 2)
    assert [paths.run_id for paths in trials_of(sweep.home)] == [f"s_{number}" for number in range(5)]
    assert len({comment for _, comment in sweep.slurm.jobs.values()}) == 2, "each can be looked up"


def test_a_job_that_has_begun_is_given_a_trial_rather_than_one_that_waits(sweep: Sweep) -> None:
    trials = sweep.add(0, 1, 2, 3)
    events.append(sweep.home.pool_job(2), "Running", agent={"pid": 1}, scheduler={"kind": "slurm", "job_id": "2"})
    sweep.slurm.jobs["2"][0] = "RUNNING"
    for paths in (trials[0], trials[2]):
        events.append(paths, "Completed")
    sweep.add(4)
    assert sweep.given() == [["0", "1"], ["2", "3", "4"]]


def test_trials_that_ask_for_something_else_get_a_job_of_their_own_and_gpus_are_refused(sweep: Sweep) -> None:
    sweep.add(0)
    sweep.pool.add([sweep.plan(1, partition="big")])
    assert sweep.given() == [["0"], ["1"]]
    with pytest.raises(ConfigError, match="GPUs cannot share a job"):
        sweep.pool.add([sweep.plan(2, **{"gpus-per-node": 1})])


@pytest.mark.parametrize(("refusal", "kind"), [
    ("sbatch: error: QOSMaxSubmitJobPerUserLimit", NoRoomError), ("sbatch: error: invalid partition specified: x", ConfigError),
])  # fmt: skip
def test_a_job_that_slurm_does_not_take_leaves_nothing(sweep: Sweep, refusal: str, kind: type[ConfigError]) -> None:
    sweep.slurm.refusal = refusal
    with pytest.raises(kind) as caught:
        sweep.add(0)
    assert (type(caught.value), sweep.given(), trials_of(sweep.home)) == (kind, [], [])
    sweep.slurm.refusal = ""
    sweep.add(0)
    assert sweep.given() == [["0"]]


def test_a_trial_that_its_job_has_not_begun_is_given_to_another_one(sweep: Sweep) -> None:
    begun, unbegun = sweep.add(0, 1)
    events.append(begun, "Running", agent={"pid": 1}, scheduler={"kind": "slurm", "job_id": "1"})
    assert (sweep.status(unbegun), sweep.launcher.has_job(unbegun)) == ("Queued", True)
    sweep.slurm.jobs["1"][0] = "NODE_FAIL"
    assert [sweep.status(paths) for paths in (begun, unbegun)] == ["Failed", "NotResponding"]
    assert sweep.pool.takes_back(unbegun)
    assert not sweep.launcher.has_job(unbegun)
    assert (events.last(sweep.home.pool_job(1)) or {})["state"] == "Canceled", "should it come back, it begins nothing"
    sweep.add(1)
    assert sweep.given() == [["0", "1"], ["1"]]
    assert sweep.status(unbegun) == "Queued"
    assert [paths.run_id for paths in trials_of(sweep.home)] == ["s_0", "s_1"], "it is listed once"


def test_a_job_that_ends_by_itself_before_its_agent_begins_is_the_end_of_its_trials(sweep: Sweep) -> None:
    first, second = sweep.add(0, 1)
    Path(sweep.home.pool_job(1).agent_log).write_text("module: command not found\n")
    sweep.slurm.jobs["1"][0] = "OUT_OF_MEMORY"
    assert [sweep.status(paths) for paths in (first, second)] == ["Failed"] * 2
    sweep.add(2)
    assert sweep.given() == [["0", "1"], ["2"]]
    sweep.slurm.jobs["2"][0] = "CANCELLED"
    assert sweep.status(RunPaths(f"{sweep.home.run_dir}_2")) == "NotResponding"


def test_a_trial_that_no_job_begins_is_given_to_so_many_jobs_and_no_more(sweep: Sweep) -> None:
    (paths,) = sweep.add(0)
    for number in range(1, MOST_JOBS):
        sweep.slurm.jobs[str(number)][0] = "NODE_FAIL"
        assert (sweep.status(paths), sweep.pool.takes_back(paths)) == ("NotResponding", True)
        sweep.add(0)
    sweep.slurm.jobs[str(MOST_JOBS)][0] = "NODE_FAIL"
    assert (sweep.status(paths), sweep.pool.takes_back(paths)) == ("NotResponding", False)


def test_a_feeder_that_is_killed_after_it_has_taken_a_trial_back_gives_it_afterwards(sweep: Sweep) -> None:
    """The list of the sweep names it from the first time on."""
    (paths,) = sweep.add(0)
    assert paths.run_dir in given_to_the_last_agent(sweep.home)
    events.append(sweep.home.pool_job(1), "Completed")
    assert sweep.pool.takes_back(paths)
    for pool_job in (None, 1, 2):
        plan = sweep.plan(0)
        if pool_job is not None:
            sweep.launcher.stage(replace(plan, batch={**(plan.batch or {}), "pool_job": pool_job}))
        sweep.open_again()
        hands = Feeding(sweep.home, sweep.home.workspace, None, sweep.pool, None)  # type: ignore[arg-type]
        assert not hands.has(Trial(0, 0, 0, {}, ["exp", "s_0"]))
    sweep.add(0)
    assert Feeding(sweep.home, sweep.home.workspace, None, sweep.pool, None).has(Trial(0, 0, 0, {}, ["exp", "s_0"]))  # type: ignore[arg-type]
    assert [paths.run_id for paths in trials_of(sweep.home)] == ["s_0"]


@pytest.mark.parametrize("word", ["Finalizing", "Completed"])
def test_slurm_need_not_tell_that_a_job_has_ended_or_takes_no_more(sweep: Sweep, word: str) -> None:
    _, unbegun = sweep.add(0, 1)
    events.append(sweep.home.pool_job(1), word)
    assert sweep.status(unbegun) == "NotResponding"
    assert sweep.pool.takes_back(unbegun)
    sweep.add(1)
    assert sweep.given() == [["0", "1"], ["1"]]


def test_a_living_job_keeps_what_it_was_given_whatever_slurm_says(sweep: Sweep) -> None:
    (paths,) = sweep.add(0)
    sweep.slurm.jobs.clear()
    with files.FileLock(sweep.home.pool_job(1).lock):
        assert sweep.status(paths) == "NotStarted"
        assert not sweep.pool.takes_back(paths)


def test_another_feeder_goes_on_with_the_jobs_there_are(sweep: Sweep) -> None:
    first, _ = sweep.add(0, 1)
    sweep.open_again()
    events.append(first, "Completed")
    sweep.add(2)
    assert (sweep.given(), len(sweep.slurm.jobs)) == ([["0", "1", "2"]], 1)


def test_a_feeder_that_is_killed_over_sbatch_has_sent_one_job(sweep: Sweep) -> None:
    sweep.slurm.loses_replies = True
    with pytest.raises(KeyboardInterrupt):
        sweep.add(0)
    sweep.slurm.loses_replies = False
    sweep.open_again()
    sweep.add(0, 1)
    assert (sweep.given(), len(sweep.slurm.jobs)) == ([["0", "1"]], 1)


def test_a_feeder_that_is_killed_before_it_has_given_a_trial_gives_it_afterwards(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(PoolJob, "give", is_killed)
        with pytest.raises(KeyboardInterrupt):
            sweep.add(0)
    assert not sweep.launcher.has_job(RunPaths(f"{sweep.home.run_dir}_0"))
    with monkeypatch.context() as context:
        context.setattr(sweep.pool, "adopt", is_killed)
        with pytest.raises(KeyboardInterrupt):
            sweep.add(1)
    second = RunPaths(f"{sweep.home.run_dir}_1")
    assert sweep.launcher.has_job(second), "it was given"
    sweep.open_again()
    sweep.pool.adopt(second)
    assert [paths.run_id for paths in trials_of(sweep.home)] == ["s_1"]


def test_canceling_the_only_trial_of_a_job_that_waits_takes_the_job_out_of_the_queue(sweep: Sweep) -> None:
    first, second = sweep.add(0, 1)
    sweep.launcher.cancel(RunHandle(first))
    assert ((events.last(first) or {})["state"], sweep.slurm.jobs["1"][0]) == ("Canceled", "PENDING")
    sweep.launcher.cancel(RunHandle(second), force=True)
    assert ((events.last(second) or {})["state"], sweep.slurm.jobs["1"][0]) == ("Canceled", "CANCELLED")
    sweep.add(2)
    assert sweep.given() == [["0", "1"], ["2"]]


def test_canceling_a_trial_tells_the_job_that_runs_and_ends_none_of_the_others(sweep: Sweep) -> None:
    (paths,) = sweep.add(0)
    events.append(paths, "Running", agent={"pid": 1}, scheduler={"kind": "slurm", "job_id": "1"})
    sweep.slurm.jobs["1"][0] = "RUNNING"
    sweep.launcher.cancel(RunHandle(paths), force=True)
    assert sweep.slurm.told == [("--batch", "--signal=USR1", "1")]


def test_a_trial_whose_lost_job_is_forgotten_can_be_canceled(sweep: Sweep) -> None:
    (paths,) = sweep.add(0)
    sweep.slurm.jobs.clear()
    sweep.launcher.cancel(RunHandle(paths))
    assert (events.last(paths) or {})["state"] == "Canceled"


def test_the_end_is_told_to_jobs_that_take_trials(sweep: Sweep) -> None:
    sweep.add(0, 1, 2)
    events.append(sweep.home.pool_job(1), "Completed")
    sweep.pool.close("Completed")
    sweep.pool.close("Completed")
    ends = [{"end": True} in list(files.read_lines(sweep.home.pool_job(number).trials)) for number in (1, 2)]
    assert ends == [False, True]
    assert liveness.state_of(sweep.home).status == "Completed"


def test_a_sweep_whose_record_has_no_pack_has_a_job_for_each_trial(sweep: Sweep) -> None:
    files.write_atomic(sweep.home.sweep, files.dumps({"target": "slurm"}))
    assert sweep.launcher.open_pool(sweep.home, {}) is None
    files.write_atomic(sweep.home.sweep, files.dumps({"target": "slurm", "pack": "many"}))
    assert sweep.launcher.open_pool(sweep.home, {}) is None


def test_a_submission_that_nobody_answers_is_told(sweep: Sweep) -> None:
    sweep.slurm.refusal = "sbatch: error: Unable to contact slurm controller"
    with pytest.raises(LaunchError):
        sweep.add(0)
    assert sweep.given() == []
