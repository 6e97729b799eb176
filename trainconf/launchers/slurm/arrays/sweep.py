"""The trials of a sweep as jobs of Slurm: arrays, each task of which is one trial, or one job that is a pool of them.

Nothing is sent before every trial is there, and nothing of ours stays behind on this machine. trials.jsonl has the trials in the order of
their numbers: a task finds its own by the number at which its array begins. The sweep's folder says all that is to be sent before anything
is, so that others can go on with it (`slurm_parts`); a lock on trials.jsonl says that somebody is at it.
"""

from __future__ import annotations

import os
import re

from trainconf import files
from trainconf.agent.pool import end_sweep
from trainconf.errors import ConfigError, LaunchError, Mistake, StorageError
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.launchers.protocol import RunHandle
from trainconf.launchers.slurm import ours
from trainconf.launchers.slurm import script as slurm_script
from trainconf.launchers.slurm import submission as slurm_submission
from trainconf.launchers.slurm.arrays import chunks as slurm_parts
from trainconf.launchers.slurm.commands import in_chunks
from trainconf.launchers.slurm.reconcile import batch_of
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.launchers.protocol import LaunchPlan
    from trainconf.launchers.slurm.commands import Controller
    from trainconf.launchers.slurm.submission import Sent

    class Jobs(Protocol):
        """What a sweep needs of the launcher of its trials."""

        def reconcile(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]: ...

        def controller(self, conf: str = "") -> Controller: ...

        def record_sent(self, paths: RunPaths, sent: Sent, scheduler: Mapping[str, Any]) -> None: ...

        def tell_jobs(self, controller: Controller, run_id: str, job_ids: Sequence[str], *, force: bool = False) -> None: ...

        def end_left_here(self, paths: RunPaths, *, force: bool) -> None: ...


MAX_ARRAY_SIZE = 1001  # Slurm's own default (slurm.conf(5))


class JobPool:
    """A sweep's trials, as given to Slurm all at once by `close`. See `trainconf.launchers.machine.sweep.TrialPool`."""

    def __init__(
        self, launcher: Jobs, home: RunPaths, lock: FileLock, secrets: Mapping[str, str], controller: Controller, width: int
    ) -> None:  # fmt: skip
        self.handle = RunHandle(home)
        self._launcher = launcher
        self._width = width  # trials at a time; 0 leaves it to Slurm
        self._controller = controller
        self._lock = lock
        self._secrets = secrets
        self._plans: list[LaunchPlan] = []
        self._is_open = True
        self.is_unsent = True
        self.unsent_count = 0
        self._sending: slurm_parts.Sending | None = None  # where something is left to send
        self._sender = files.FileLock(home.trials)
        try:
            files.write_atomic(home.plan, files.dumps({"target": "slurm", "batch": None}), durable=False)
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep cannot be prepared") from error

    @property
    def trial_lock(self) -> str:
        """What minds a trial: empty for a lock of its own."""
        return ""

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Hand over trials whose directories exist."""
        self._plans += plans

    def close(self) -> None:
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
            self._sender.release()
            self._lock.release()

    def _send(self) -> Iterator[str]:
        """Write down all that the jobs will read, and send them; their ids, each as soon as it is known."""
        raise NotImplementedError

    def _hand_over(self, **what: Any) -> dict[str, Any]:
        """Write down what is to be sent; the scheduler's facts. Its own lock is let go, for its agents, however long sbatch takes."""
        home = self.handle.paths
        self._sender.acquire()
        ours.note(ours.CLUSTER, self._controller.configuration)
        if "chunks" in what:
            ours.note(ours.SWEEP, home.run_dir)
        files.write_atomic(home.plan, files.dumps({"target": "slurm", "batch": None, **what}))
        self._lock.release()
        return liveness.scheduler_of(home)

    def _write_trials(self, plans: list[LaunchPlan]) -> None:
        home = self.handle.paths
        for index, plan in enumerate(plans):
            assert plan.batch is not None
            data = plan.to_dict()
            data["batch"] = {**data["batch"], "task": index}
            files.write_new(RunPaths(plan.run_dir).plan, files.dumps(data), durable=False)
        lines = [*({"run_dir": plan.run_dir} for plan in plans), {"end": True}]
        files.write_atomic(home.trials, "".join(files.dumps(line) + "\n" for line in lines))

    def cancel(self, *, force: bool = False) -> None:
        """End every trial, running or not; none is sent any more."""
        self._is_open = False
        self._lock.release()
        if not self.is_unsent:
            cancel(self._launcher, self.handle.paths, force=force)

    def has_ended(self) -> bool:
        """Whether every trial has ended, or is lost."""
        return self._look(self.handle.paths).status in (*events.TERMINAL, "NotResponding")

    def wait(self) -> State:
        """Wait until every trial is over; the state of the sweep."""
        from trainconf.history import follow

        return follow.wait(self.handle.paths, look=self._look)

    def _look(self, home: RunPaths) -> State:
        if self._sending is not None:
            self._sending()
        return settle(self._launcher, home)


class ArrayPool(JobPool):
    """Every trial is a task of an array. Trials that ask for different resources are in different ones."""

    def _send(self) -> Iterator[str]:
        home = self.handle.paths
        groups: dict[str, list[LaunchPlan]] = {}
        for plan in self._plans:
            assert plan.batch is not None
            groups.setdefault(slurm_script.for_sweep(plan.batch, home)["script"], []).append(plan)
        ordered = [plan for plans in groups.values() for plan in plans]
        self._write_trials(ordered)
        chunks = list(_chunks([len(plans) for plans in groups.values()], max_array_size(self._controller)))
        lanes = min(len(chunks), self._width) if self._width else len(chunks)
        first_batch = ordered[0].batch
        assert first_batch is not None
        scheduler = self._hand_over(
            chunks=chunks, width=self._width, cluster=first_batch["cluster"], environment=sorted({*os.environ, *self._secrets})
        )  # fmt: skip
        door = slurm_parts.Arrays(home, self._controller, self._secrets, [RunPaths(plan.run_dir) for plan in ordered])
        arrays: list[list[Any]] = []
        last: list[str] = []  # array of each chunk
        for number, (first, count) in enumerate(chunks):
            batch = ordered[first].batch
            assert batch is not None
            after = [last[number - lanes]] if number >= lanes else []
            for array in door.send(batch, first, count, max(1, self._width // lanes) if self._width else 0, after):
                arrays.append(array)
                yield array[0]
                slurm_parts.record(home, scheduler, arrays)
            if slurm_parts.left([(first, count)], arrays):
                if not arrays:
                    raise door.refusal()
                self.unsent_count = sum(count for _, count in slurm_parts.left(chunks, arrays))
                self._sending = slurm_parts.Sending(home, self._launcher.controller, self._secrets)
                return
            last.append(arrays[-1][0])
        ours.forget(ours.SWEEP, home.run_dir)


class PackedPool(JobPool):
    """One job, whose agent carries out so many trials at a time."""

    @property
    def trial_lock(self) -> str:
        return self.handle.paths.lock

    def _send(self) -> Iterator[str]:
        home = self.handle.paths
        self._write_trials(self._plans)
        scripts: dict[str, dict[str, Any]] = {}
        for plan in self._plans:
            assert plan.batch is not None
            batch = slurm_script.for_sweep(plan.batch, home, times=self._width)
            scripts.setdefault(batch["script"], batch)
        if len(scripts) > 1:
            raise ConfigError(Mistake("trials that ask for different resources cannot be packed into one job", hint="use compute.pack=1"))
        for batch in scripts.values():
            argv = ["sbatch", "--parsable", f"--chdir={home.workspace.root}", f"--output={slurm_script.pattern(home.agent_log)}"]
            scheduler = self._hand_over(batch={**batch, "argv": argv})
            sent = slurm_submission.send(self._controller, {**batch, "argv": argv}, self._secrets)
            yield slurm_parts.known(sent, batch)
            self._launcher.record_sent(home, sent, scheduler)


def _chunks(sizes: list[int], limit: int) -> Iterator[tuple[int, int]]:
    """Where each array begins, and how many tasks it has. MaxArraySize is one more than the highest number of a task."""
    first = 0
    for size in sizes:
        for start in range(0, size, limit):
            yield first + start, min(limit, size - start)
        first += size


def max_array_size(controller: Controller) -> int:
    """How many tasks an array can have here."""
    done = controller.call("scontrol", "show", "config")
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.text(), re.MULTILINE) if done.ok else None
    return max(1, int(found[1])) if found else MAX_ARRAY_SIZE


def settle(launcher: Jobs, home: RunPaths) -> State:
    """The honest state of a sweep: over when each of its trials is, and lost when it would be but for lost ones."""
    from trainconf.history.follow import has_ended

    state = liveness.state_of(home)
    if state.scheduler is None:
        return state
    open_trials = [(paths, found) for paths in trials_of(home) if not (found := liveness.state_of(paths)).is_final]
    asked = [run for run in open_trials if run[1].scheduler is not None]
    settled = launcher.reconcile(asked) if asked else []
    if len(asked) < len(open_trials) or not all(has_ended(found) for found in settled):
        return state
    lost = [paths.run_id for (paths, _), found in zip(asked, settled, strict=True) if not found.is_final]
    if lost:
        names = ", ".join(lost[:3]) + " …" * (len(lost) > 3)
        return liveness.State("NotResponding", f"nobody can tell how {names} ended", state.event, state.scheduler)
    end_sweep(home)
    return liveness.state_of(home)


def cancel(launcher: Jobs, home: RunPaths, *, force: bool = False) -> None:
    """End all trials of a sweep: those that wait at once, those that run through their agents."""
    events.request_cancel(home, force=force)
    scheduler = liveness.scheduler_of(home)
    controller = launcher.controller(scheduler.get("conf") or "")
    trials = trials_of(home) or _trial_folders(home)
    if scheduler and "arrays" not in scheduler:
        jobs = _jobs_of_pack(controller, home, scheduler)
        if jobs is None:  # whoever is sending it looks for requests then
            return
    else:
        jobs = [str(job_id) for job_id, *_ in scheduler.get("arrays") or []]
        for paths in trials:
            latest = events.last(paths)
            if latest is not None and latest["state"] not in events.TERMINAL:
                events.request_cancel(paths, force=force)
    if jobs:
        launcher.tell_jobs(controller, home.run_id, jobs, force=force)
    if not jobs or "arrays" in scheduler:
        record_taken_out(controller, [(paths, str(liveness.scheduler_of(paths).get("job_id") or "")) for paths in trials])
    if not jobs:
        end_unless_held(home, "cancellation was requested before it was sent")
    for paths in trials:
        launcher.end_left_here(paths, force=force)
    settle(launcher, home)


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


def record_taken_out(controller: Controller, trials: list[tuple[RunPaths, str]]) -> None:
    """Record the end of canceled trials that Slurm has no task of, or has none any more: of one that never began it forgets all at once."""
    arrays = sorted({job_id.partition("_")[0] for _, job_id in trials if job_id})
    there = _tasks_of(controller, arrays) if arrays else set()
    if there is None:
        return
    for paths, job_id in trials:
        if job_id not in there and (latest := events.last(paths)) is not None and latest["state"] not in events.TERMINAL:
            end_unless_held(paths, "cancellation was requested before it began")


def end_unless_held(paths: RunPaths, reason: str) -> None:
    """Record that a run was canceled, unless its agent is there, or it has ended meanwhile."""
    lock = files.FileLock(liveness.lock_of(paths))
    if lock.acquire(blocking=False):
        try:
            latest = events.last(paths)
            if latest is None or latest["state"] not in events.TERMINAL:
                events.append(paths, "Canceled", 1 if latest is None else int(latest["attempt"]), exit_code=None, reason=reason)
        finally:
            lock.release()


def _tasks_of(controller: Controller, arrays: list[str]) -> set[str] | None:
    """The tasks that Slurm has not taken out of its queue; None when it does not answer."""
    found: set[str] = set()
    for some in in_chunks(arrays):
        done = controller.call("squeue", "--noheader", "--all", "--array", "--states=all", f"--jobs={','.join(some)}", "--format=%i|%T")
        if not done.ok and "nvalid job id" not in done.last_lines():
            return None
        found |= {line.partition("|")[0] for line in done.text().splitlines() if not line.endswith("|CANCELLED")}
    return found
