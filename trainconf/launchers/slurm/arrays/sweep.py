"""Runs the trials of a sweep as jobs of Slurm: arrays, each task of which is one trial, or one job that is a pool of them.

Nothing is sent before every trial is there, and no process of ours stays behind on this machine. trials.jsonl has the trials in the order
of their numbers: a task finds its own by the number at which its array begins. Before anything is sent, the sweep's folder says all that
is to be sent, so that others can go on with it (`chunks`). A lock on trials.jsonl says that somebody is sending.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from trainconf import files
from trainconf.errors import ConfigError, LaunchError, Mistake, StorageError
from trainconf.files import FileLock
from trainconf.history import events, follow, liveness
from trainconf.history.find import trials_of
from trainconf.history.liveness import State
from trainconf.launchers.protocol import LaunchPlan, RunHandle
from trainconf.launchers.slurm import clusters, submission
from trainconf.launchers.slurm.arrays import chunks
from trainconf.launchers.slurm.cancel import end_jobs, end_left_here, end_unless_held, record_taken_out
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.launchers.slurm.commands import Controller, in_chunks
from trainconf.launchers.slurm.reconcile import batch_of, reconcile, reconcile_sweep
from trainconf.launchers.slurm.script import for_sweep, pattern
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_ARRAY_SIZE = 1001  # Slurm's own default (slurm.conf(5))


class JobPool:
    """A sweep's trials, given to Slurm all at once by `close`. See `trainconf.launchers.protocol.Pool`."""

    trial_lock = ""  # each trial has its own

    def __init__(self, known: Clusters, home: RunPaths, lock: FileLock, secrets: Mapping[str, str], width: int) -> None:
        self.handle = RunHandle(home)
        self._clusters = known
        self._width = width  # trials at a time; 0 leaves it to Slurm
        self._controller = known.controller()
        self._lock = lock
        self._secrets = secrets
        self._plans: list[LaunchPlan] = []
        self._is_open = True
        self.is_unsent = True
        self.unsent_count = 0
        self._submit_chunks: chunks.ChunkSubmitter | None = None  # where something is left to send
        self._being_sent = FileLock(home.trials)
        try:
            files.write_atomic(home.plan, files.dumps({"target": "slurm", "batch": None}), durable=False)
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep cannot be prepared") from error

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Hand over trials whose directories exist."""
        self._plans += plans

    def adopt(self, paths: RunPaths) -> None:
        """Never called: the trials of this pool are handed over at once."""

    def takes_back(self, paths: RunPaths) -> bool:
        """Never called, either."""
        return False

    def close(self, state: str = "Completed", reason: str = "") -> None:
        """Send them. May be called twice. Raises ConfigError, LaunchError, StorageError: nothing is left in the queue then."""
        if not self._is_open:
            return
        self._is_open = False
        sent: list[str] = []
        try:
            os.makedirs(self.handle.paths.logs, exist_ok=True)
            for job_id in self._send():
                sent.append(job_id)
            self.is_unsent = False
        except BaseException as error:
            for some in in_chunks(sent):
                self._controller.call("scancel", *some)
            if isinstance(error, OSError):
                raise StorageError.from_os_error(error, "the sweep cannot be handed over") from error
            raise
        finally:
            self._being_sent.release()
            self._lock.release()

    def _send(self) -> Iterator[str]:
        """Write down all that the jobs will read, and send them; their ids, each as soon as it is known."""
        raise NotImplementedError

    def _hand_over(self, **plan: Any) -> dict[str, Any]:
        """Write down what is to be sent; the scheduler's facts. The sweep's lock is released for its agents, however long sbatch takes."""
        home = self.handle.paths
        self._being_sent.acquire()
        clusters.note(clusters.CLUSTER, self._controller.configuration)
        if "chunks" in plan:
            clusters.note(clusters.SWEEP, home.run_dir)
        files.write_atomic(home.plan, files.dumps({"target": "slurm", "batch": None, **plan}))
        self._lock.release()
        return liveness.scheduler_of(home)

    def _write_trials(self, plans: list[LaunchPlan]) -> None:
        home = self.handle.paths
        for index, plan in enumerate(plans):
            data = {**plan.to_dict(), "batch": {**_batch(plan), "task": index}}
            files.write_new(RunPaths(plan.run_dir).plan, files.dumps(data), durable=False)
        lines = [*({"run_dir": plan.run_dir} for plan in plans), {"end": True}]
        files.write_atomic(home.trials, "".join(files.dumps(line) + "\n" for line in lines))

    def cancel(self, *, force: bool = False) -> None:
        """End every trial, running or not; none is sent any more."""
        self._is_open = False
        self._lock.release()
        if not self.is_unsent:
            cancel_sweep(self._clusters, self.handle.paths, force=force)

    def has_ended(self) -> bool:
        """Whether every trial has ended, or is lost."""
        return self._poll(self.handle.paths).status in (*events.TERMINAL, "NotResponding")

    def wait(self) -> State:
        """Wait until every trial is over; the state of the sweep."""
        return follow.wait(self.handle.paths, look=self._poll)

    def _poll(self, home: RunPaths) -> State:
        if self._submit_chunks is not None:
            self._submit_chunks()
        return reconcile_sweep(home, lambda trials: reconcile(self._clusters, trials))


class ArrayPool(JobPool):
    """Every trial is a task of an array. Trials that ask for different resources are in different ones."""

    def _send(self) -> Iterator[str]:
        home = self.handle.paths
        groups: dict[str, list[LaunchPlan]] = {}
        for plan in self._plans:
            groups.setdefault(for_sweep(_batch(plan), home)["script"], []).append(plan)
        ordered = [plan for plans in groups.values() for plan in plans]
        self._write_trials(ordered)
        parts = list(_chunks([len(plans) for plans in groups.values()], max_array_size(self._controller)))
        lanes = min(len(parts), self._width) if self._width else len(parts)
        environment = sorted({*os.environ, *self._secrets})
        scheduler = self._hand_over(chunks=parts, width=self._width, cluster=_batch(ordered[0])["cluster"], environment=environment)
        sender = chunks.ArraySender(home, self._controller, self._secrets, [RunPaths(plan.run_dir) for plan in ordered])
        arrays: list[list[Any]] = []
        last: list[str] = []  # array of each chunk
        for number, (first, count) in enumerate(parts):
            after = [last[number - lanes]] if number >= lanes else []
            at_a_time = max(1, self._width // lanes) if self._width else 0
            for array in sender.send(_batch(ordered[first]), first, count, at_a_time, after):
                arrays.append(array)
                yield array[0]
                chunks.record(home, scheduler, arrays)
            if chunks.left([(first, count)], arrays):
                if not arrays:
                    raise sender.refusal()
                self.unsent_count = sum(count for _, count in chunks.left(parts, arrays))
                self._submit_chunks = chunks.ChunkSubmitter(home, self._clusters.controller, self._secrets)
                return
            last.append(arrays[-1][0])
        clusters.forget(clusters.SWEEP, home.run_dir)


class PackedPool(JobPool):
    """One job, whose agent carries out so many trials at a time."""

    @property
    def trial_lock(self) -> str:  # type: ignore[override]
        return self.handle.paths.lock

    def _send(self) -> Iterator[str]:
        home = self.handle.paths
        self._write_trials(self._plans)
        batches = {batch["script"]: batch for batch in (for_sweep(_batch(plan), home, times=self._width) for plan in self._plans)}
        if len(batches) > 1:
            raise ConfigError(Mistake("trials that ask for different resources cannot be packed into one job", hint="use compute.pack=1"))
        for batch in batches.values():
            argv = ["sbatch", "--parsable", f"--chdir={home.workspace.root}", f"--output={pattern(home.agent_log)}"]
            scheduler = self._hand_over(batch={**batch, "argv": argv})
            sent = submission.send(self._controller, {**batch, "argv": argv}, self._secrets)
            yield chunks.known(sent, batch)
            submission.record_sent(self._controller, home, sent, scheduler)


def _batch(plan: LaunchPlan) -> dict[str, Any]:
    assert plan.batch is not None
    return plan.batch


def _chunks(sizes: list[int], limit: int) -> Iterator[tuple[int, int]]:
    """The first trial of each array, and how many tasks it has. MaxArraySize is one more than the highest number of a task."""
    first = 0
    for size in sizes:
        for start in range(0, size, limit):
            yield first + start, min(limit, size - start)
        first += size


def max_array_size(controller: Controller) -> int:
    """How many tasks an array can have on this cluster."""
    done = controller.call("scontrol", "show", "config")
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.text(), re.MULTILINE) if done.ok else None
    return max(1, int(found[1])) if found else MAX_ARRAY_SIZE


def cancel_sweep(known: Clusters, home: RunPaths, *, force: bool = False) -> None:
    """End all trials of a sweep: those that wait at once, those that run through their agents."""
    events.request_cancel(home, force=force)
    scheduler = liveness.scheduler_of(home)
    controller = known.controller(scheduler.get("conf") or "")
    trials = trials_of(home) or _trial_folders(home)
    if scheduler and "arrays" not in scheduler:
        jobs = _jobs_of_pack(controller, home, scheduler)
        if jobs is None:  # whoever is sending it looks for requests then
            return
    else:
        jobs = [str(job_id) for job_id, *_ in scheduler.get("arrays") or []]
        for paths in trials:
            if events.exists(paths):
                events.request_cancel(paths, force=force)
    if jobs:
        end_jobs(controller, home.run_id, jobs, force=force)
    if not jobs or "arrays" in scheduler:
        record_taken_out(controller, [(paths, str(liveness.scheduler_of(paths).get("job_id") or "")) for paths in trials])
    if not jobs:
        end_unless_held(home, f"{events.why_canceled(home)}, before it was sent")
    for paths in trials:
        end_left_here(paths, force=force)
    reconcile_sweep(home, lambda open_trials: reconcile(known, open_trials))


def _jobs_of_pack(controller: Controller, home: RunPaths, scheduler: Mapping[str, Any]) -> list[str] | None:
    """The one job that a sweep is, if Slurm has it; None while it is being sent. Raises LaunchError when Slurm does not answer."""
    if scheduler.get("job_id"):
        return [str(scheduler["job_id"])]
    if files.is_locked(home.trials):
        return None
    batch = batch_of(home)
    found = controller.find(batch["job_name"], batch["comment"])
    if found is None:
        raise LaunchError("Slurm does not answer by now; the sweep is canceled when it does", ("sweep", home.run_id))
    return found


def _trial_folders(home: RunPaths) -> list[RunPaths]:
    """The trials of a sweep whose submitter was ended before it had listed them."""
    folder, sweep_id = os.path.split(home.run_dir)
    found = (RunPaths(os.path.join(folder, name)) for name in os.listdir(folder) if re.fullmatch(re.escape(sweep_id) + r"_\d+", name))
    return [paths for paths in found if events.exists(paths)]
