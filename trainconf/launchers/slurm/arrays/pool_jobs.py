"""Gives the trials of a search to jobs that each carry out several at a time: pool jobs, fed over the disk that their nodes share.

Each has a folder of its own below the sweep's, `RunPaths.pool_job`: `trials.jsonl` is what it was given, its events say what became of it.
A job that has had nothing to do for a while ends (`trainconf.agent.nodes.pool_job`), and another one is sent when it is needed. A trial
stays with the job that it was given to. Only when that has ended, or is lost, and has not begun it, another one gets it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping

from trainconf import files
from trainconf.errors import ConfigError, StorageError, TrainconfError
from trainconf.fast.records import replace
from trainconf.history import events, liveness
from trainconf.history.record import read_mapping
from trainconf.launchers.protocol import Launcher, LaunchPlan
from trainconf.launchers.separate import SeparatePool
from trainconf.launchers.slurm import clusters, submission
from trainconf.launchers.slurm.cancel import end_unless_held
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.launchers.slurm.reconcile import given_to, pool_job_of, reconcile_jobs, takes_no_more
from trainconf.launchers.slurm.script import for_sweep, named, pattern
from trainconf.paths import RunPaths
from trainconf.spec import sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


IDLE_SECONDS = 60.0  # after which a job without a trial ends
MOST_JOBS = 5  # that a trial is given to, when none of them begins it


class PoolJob:
    """One of these jobs, as seen by who feeds it. `kind`: what its trials must agree on."""

    def __init__(self, paths: RunPaths, number: int) -> None:
        self.paths = paths
        self.number = number
        self.kind = str(read_mapping(paths.plan).get("kind") or "")
        self._given = given_to(paths)

    def open_count(self) -> int:
        """Trials that it was given and that are not over."""
        self._given = [run for run in self._given if (events.last(run) or {"state": "Canceled"})["state"] not in events.TERMINAL]
        return len(self._given)

    def give(self, paths: RunPaths) -> None:
        """Have it carry out a trial whose plan names this job. Raises OSError."""
        files.append_line(self.paths.trials, {"run_dir": paths.run_dir})
        self._given.append(paths)


class PoolJobs(SeparatePool):
    """See `trainconf.launchers.protocol.Pool`. `pack`: trials at a time in one job."""

    def __init__(self, launcher: Launcher, known: Clusters, home: RunPaths, secrets: Mapping[str, str], pack: int) -> None:
        """Raises StorageError, also when another process has the sweep."""
        super().__init__(launcher, home, secrets)
        self._clusters = known
        self._pack = pack
        self._jobs = [PoolJob(home.pool_job(number), number) for number in _numbers(home)]
        self._sent_count = max((job.number for job in self._jobs), default=0)

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Give trials whose directories exist to jobs that have room, or to further ones. Raises StorageError, LaunchError, ConfigError."""
        for plan in plans:
            self._refuse_unpackable(plan)
            job = self._with_room(plan) or self._send(plan)
            paths = self._launcher.stage(replace(plan, batch={**_batch(plan), "pool_job": job.number}))
            try:
                os.symlink(os.path.relpath(job.paths.agent_log, paths.logs), paths.agent_log)
                job.give(paths)
            except OSError as error:
                raise StorageError.from_os_error(error, "the trial cannot be handed over") from error
            self.adopt(paths)

    def takes_back(self, paths: RunPaths) -> bool:
        """Whether the job that a trial was given to has not begun it, and never will; not when that has happened MOST_JOBS times."""
        pool_job = pool_job_of(paths)
        jobs = (given_to(self.handle.paths.pool_job(number)) for number in _numbers(self.handle.paths))
        if pool_job is None or sum(paths.run_dir in [run.run_dir for run in given] for given in jobs) >= MOST_JOBS:
            return False
        try:
            end_unless_held(pool_job, "it was lost")  # should it come back, it leaves its trials alone
            if takes_no_more(pool_job):  # whoever is killed from here on has not handed it over
                files.append_line(self.handle.paths.trials, {"taken_back": paths.run_dir})
        except OSError as error:
            raise StorageError.from_os_error(error, "the end of a job cannot be recorded") from error
        return takes_no_more(pool_job)

    def close(self, state: str = "Completed", reason: str = "") -> None:
        """As of any pool; the jobs need not wait for more."""
        try:
            for job in self._jobs if self._lock.fd >= 0 else ():
                if not takes_no_more(job.paths):
                    files.append_line(job.paths.trials, {"end": True})
        except OSError as error:
            raise StorageError.from_os_error(error, "the end of the sweep cannot be recorded") from error
        finally:
            super().close(state, reason)

    def _refuse_unpackable(self, plan: LaunchPlan) -> None:
        options = _batch(plan)["options"]
        mistakes = self._launcher.check_sweep({"pack": self._pack, "gpus_per_node": options.get("gpus-per-node")}, int(options["nodes"]))
        if mistakes:
            raise ConfigError(mistakes)

    def _with_room(self, plan: LaunchPlan) -> PoolJob | None:
        """A job for trials like this that has room and is not lost: rather one that has begun, and rather a fuller one."""
        kind = _kind(plan)
        for job in self._by_preference(job for job in self._jobs if job.kind == kind and job.open_count() < self._pack):
            state = self._state(job.paths)
            if takes_no_more(job.paths):
                self._jobs.remove(job)
            elif state.status in ("Queued", "Running"):
                return job
        return None

    def _by_preference(self, jobs: Iterator[PoolJob]) -> list[PoolJob]:
        return sorted(jobs, key=lambda job: ((events.last(job.paths) or {}).get("state") != "Running", -job.open_count()))

    def _state(self, paths: RunPaths) -> liveness.State:
        state = liveness.state_of(paths)
        if state.scheduler is None:
            return state
        queue = self._clusters.queue(self.handle.paths.workspace.root, state.scheduler.get("conf") or self._clusters.conf)
        return reconcile_jobs(queue, [(paths, state)])[0]

    def _send(self, plan: LaunchPlan) -> PoolJob:
        """Send a further job. Raises StorageError, LaunchError, ConfigError: nothing of it is left then."""
        home, controller = self.handle.paths, self._clusters.controller()
        number = self._sent_count + 1
        paths = home.pool_job(number)
        argv = ["sbatch", "--parsable", f"--chdir={home.workspace.root}", f"--output={pattern(paths.agent_log)}"]
        batch = named({**for_sweep(_batch(plan), home, times=self._pack), "argv": argv}, home.run_id, [paths.run_dir, "--pool"])
        being_sent = files.FileLock(paths.plan)
        try:
            os.makedirs(paths.logs)
            files.write_atomic(paths.trials, "", durable=False)
            files.write_atomic(paths.plan, files.dumps({
                "target": "slurm", "batch": batch, "pack": self._pack, "idle_seconds": IDLE_SECONDS, "number": number, "kind": _kind(plan),
            }))  # fmt: skip
            being_sent.acquire()
            events.append(paths, "NotStarted")
            clusters.note(clusters.CLUSTER, self._clusters.conf)
            sent = submission.send(controller, batch, self._secrets)
        except (TrainconfError, OSError) as error:
            shutil.rmtree(paths.run_dir, ignore_errors=True)
            if isinstance(error, OSError):
                raise StorageError.from_os_error(error, "a job for trials cannot be prepared") from error
            raise
        finally:
            being_sent.release()
        self._sent_count = number
        submission.record_sent(controller, paths, sent, {"kind": "slurm", **batch["cluster"]})
        self._jobs.append(PoolJob(paths, number))
        return self._jobs[-1]


def _batch(plan: LaunchPlan) -> dict[str, Any]:
    assert plan.batch is not None
    return plan.batch


def _kind(plan: LaunchPlan) -> str:
    """What trials must agree on to share a job: what it asks for, its `setup`, and the environment that it builds, if it does."""
    batch = _batch(plan)
    built = plan.ranks[0].argv[0] if batch["builder"] else ""
    return sha256_hex(files.dumps([batch["options"], batch["setup"], batch["agent"], built]))[:12]


def _numbers(home: RunPaths) -> list[int]:
    """Of the jobs that were sent for a sweep, in order."""
    names = files.names_in(os.path.dirname(home.pool_job(0).run_dir))
    found = (re.fullmatch(rf"{re.escape(home.run_id)}_pool(\d+)", name) for name in names)
    return sorted(int(match[1]) for match in found if match)
