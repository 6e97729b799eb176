"""Sends the trials of a sweep as arrays that are as large as Slurm takes now, and the others when there is room (such as MaxSubmitJobs).

Everything that is needed for it lies in the sweep's folder: trials.jsonl and the trials' plans, `chunks` and `width` in plan.json, and the
arrays in the events. So several may go on with it: the command that began the sweep, `trainconf wait SWEEP`, a process (`send_on`) that a
reader of its trials starts, and each of its jobs at its end. A lock on trials.jsonl lets one of them send at a time. An array's comment
says which trials it has: before anything is sent, Slurm is asked for arrays that nobody could record.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from trainconf import files
from trainconf.agent.pool import has_unsent
from trainconf.errors import ConfigError, LaunchError, SecretError
from trainconf.fast.spawn import own_command, spawn
from trainconf.history import events, liveness
from trainconf.history.record import read_mapping
from trainconf.launchers.slurm import admission, clusters, script
from trainconf.launchers.slurm.arrays.holding import is_paused
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.submission import Sent, send_where_there_is_room
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POLL_PAUSE_S = 1.0
JOBS_PATIENCE_S = 15.0  # of a job that has ended but for this: Slurm counts others that have just ended for some seconds
RETRY_PAUSE_S = 30.0  # at most, after a refusal; a second after a trial has ended, doubled each time, for Slurm counts it a while longer


class ArraySender:
    """Sends arrays of one sweep."""

    def __init__(self, home: RunPaths, controller: Controller, secrets: Mapping[str, str], trials: Sequence[RunPaths]) -> None:
        self._home = home
        self._controller = controller
        self._secrets = secrets
        self._trials = trials
        self._refused: tuple[Mapping[str, Any], str] | None = None

    def send(self, batch: Mapping[str, Any], first: int, count: int, at_a_time: int, after: Sequence[str]) -> Iterator[list[Any]]:
        """Send as many of these trials as fit, in order: [job id, first trial, count] of each array.

        `batch` is that of the first trial. `at_a_time` of them run at a time, also where they are several arrays; 0 leaves it to Slurm.
        None starts before the jobs `after`. Raises ConfigError, LaunchError.
        """
        size, begin = count, first
        before: list[str] = []
        while count:
            is_chained = before and 0 < at_a_time < first + size - begin
            wanted = self._array(batch, first, size, at_a_time, before if is_chained else after)
            sent = send_where_there_is_room(self._controller, wanted, self._secrets)
            if not isinstance(sent, str):
                job_id = known(sent, wanted)
                yield [job_id, first, size]
                self._link(first, size)
                first, count = first + size, count - size
                before = [job_id]
                size = min(size, count)
            elif size == 1:
                self._refused = wanted, sent
                return
            else:
                size //= 2

    def refusal(self) -> ConfigError:
        """Why the last trial was not taken, and the limits of the cluster."""
        assert self._refused is not None
        return admission.refusal(self._controller, *self._refused)

    def _array(self, batch: Mapping[str, Any], first: int, count: int, at_a_time: int, after: Sequence[str]) -> dict[str, Any]:
        limit = f"%{at_a_time}" if at_a_time else ""
        argv = [
            "sbatch", "--parsable", f"--chdir={self._home.workspace.root}", f"--output={script.pattern(self._log(first))}%a.log",
            f"--array=0-{count - 1}{limit}", *([f"--dependency=afterany:{':'.join(after)}"] if after else []),
        ]
        arguments = [self._home.run_dir, "--task", str(first)]
        return {**script.named(batch, self._home.run_id, arguments, f"{first}+{count}"), "argv": argv}

    def _log(self, first: int) -> str:
        return os.path.join(self._home.logs, f"agent_{first}_")

    def _link(self, first: int, count: int) -> None:
        """Slurm writes the logs of an array's agents into the sweep's folder; a link shows each in its trial's folder."""
        for task in range(count):
            agent_log = self._trials[first + task].agent_log
            with suppress(FileExistsError):  # of an array that Slurm turned out not to have
                os.symlink(os.path.relpath(f"{self._log(first)}{task}.log", os.path.dirname(agent_log)), agent_log)


def record(home: RunPaths, scheduler: Mapping[str, Any], arrays: Sequence[Sequence[Any]]) -> None:
    """Write down which arrays there are. Raises OSError."""
    facts = {**scheduler, "job_id": arrays[0][0], "arrays": arrays}
    events.append(home, "Queued", waiting_for="scheduler", scheduler=facts)


def known(sent: Sent, batch: Mapping[str, Any]) -> str:
    """The id of a job that was sent for a sweep. Raises LaunchError when nobody knows whether there is one."""
    if sent.job_id is None:
        raise LaunchError("Slurm has not answered; whether it has a job of the sweep shows when it does", ("name", batch["job_name"]),
                          hint="`squeue --me` tells; `scancel` those with this name before the sweep is sent again")
    return sent.job_id


def left(chunks: Sequence[Sequence[int]], arrays: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """The part of each chunk, [first trial, count], that no array has: arrays take a chunk from its beginning."""
    ends = {int(first): int(first) + int(count) for _, first, count in arrays}
    found = []
    for first, count in chunks:
        at = first
        while at in ends and at < first + count:
            at = ends[at]
        if at < first + count:
            found.append((at, first + count - at))
    return found


class ChunkSubmitter:
    """Sends the rest of a sweep while somebody keeps calling it. It looks rarely, and asks Slurm only when there may be room."""

    def __init__(self, home: RunPaths, controller_of: Callable[[str], Controller], secrets: Mapping[str, str] | None = None) -> None:
        self._home = home
        self._controller_of = controller_of
        self._secrets = secrets
        self._is_needed = "chunks" in read_mapping(home.plan)
        self._next_poll = self._retry_at = self._pause_s = 0.0
        self._open_count = -1

    def __call__(self) -> None:
        """Raises ConfigError, SecretError: Slurm does not want it any more, or this process cannot send it."""
        if not self._is_needed or time.monotonic() < self._next_poll:
            return
        self._next_poll = time.monotonic() + POLL_PAUSE_S
        lock = files.FileLock(self._home.trials)
        if not is_paused(self._home) and lock.acquire(blocking=False):  # else another process sends it, or cancels it
            try:
                self._is_needed = self._send()
            except LaunchError:
                # The runs' states tell that Slurm does not answer. It is asked again; an array that it has after all finds its trials over.
                self._is_needed = True
            finally:
                lock.release()

    def from_a_job(self) -> None:
        """As a call, from a job of the sweep at its end. It waits for the room of jobs that end beside it; those must not wait, too.

        Raises ConfigError, LaunchError, SecretError.
        """
        lock = files.FileLock(self._home.trials)
        if not self._is_needed or is_paused(self._home) or not lock.acquire(blocking=False):
            return
        try:
            before = len(liveness.scheduler_of(self._home).get("arrays") or [])
            give_up_at = time.monotonic() + JOBS_PATIENCE_S
            while self._send() and len(liveness.scheduler_of(self._home)["arrays"]) == before and time.monotonic() < give_up_at:
                time.sleep(POLL_PAUSE_S)
                self._open_count = -1
        finally:
            lock.release()

    def _send(self) -> bool:
        """Whether something is left."""
        plan = files.read_json(self._home.plan)
        scheduler = liveness.scheduler_of(self._home)
        arrays = list(scheduler.get("arrays") or [])
        rest = left(plan.get("chunks") or [], arrays)
        latest = events.last(self._home)
        if not rest or (latest is not None and latest["state"] in events.TERMINAL) or events.cancel_request(self._home) is not None:
            clusters.forget(clusters.SWEEP, self._home.run_dir)
            return False
        trials = trials_in_order(self._home)
        sent = (trials[number] for _, first, count in arrays for number in range(first, first + count))
        open_count = sum((events.last(paths) or {}).get("state") not in events.TERMINAL for paths in sent)
        now = time.monotonic()
        if open_count == self._open_count and now < self._retry_at:
            return True
        self._pause_s = min(2 * self._pause_s, RETRY_PAUSE_S) if open_count == self._open_count else POLL_PAUSE_S
        self._open_count, self._retry_at = open_count, now + self._pause_s
        room = plan["width"] - open_count if plan["width"] else len(trials)
        if room <= 0:
            return True
        unrecorded = self._unrecorded(scheduler, arrays)
        if unrecorded is None:
            return True  # Slurm does not answer
        if unrecorded:
            record(self._home, scheduler, sorted([*arrays, *unrecorded], key=lambda array: int(array[1])))
            self._open_count = -1
            return self._send()
        return self._send_chunks(rest, room, scheduler, trials)

    def _unrecorded(self, scheduler: Mapping[str, Any], arrays: Sequence[Sequence[Any]]) -> list[list[Any]] | None:
        """Arrays that Slurm has and that are not recorded: their sender was ended meanwhile. None when Slurm does not answer."""
        name = script.job_name(self._home.run_id)
        named = self._controller_of(scheduler.get("conf") or "").named(name)
        if named is None:
            return None
        found = []
        for job_id, comment in sorted(set(named)):
            trials = re.search(r" (\d+)\+(\d+)$", comment)
            is_ours = trials and comment == script.comment(name, [self._home.run_dir, "--task", trials[1]], trials[0].strip())
            if trials and is_ours and int(trials[1]) not in {int(first) for _, first, _ in arrays}:
                found.append([job_id, int(trials[1]), int(trials[2])])
        return found

    def _send_chunks(self, rest: list[tuple[int, int]], room: int, scheduler: Mapping[str, Any], trials: list[RunPaths]) -> bool:
        """At most `room` trials, until Slurm refuses; whether something is left."""
        arrays = list(scheduler.get("arrays") or [])
        size = 1  # doubled as long as they are taken: a refusal costs Slurm one call, and much room not many
        for begin, count in rest:
            first = begin
            while first < begin + count:
                trial = files.read_json(trials[first].plan)
                secrets = _secrets(trial["secret_env"]) if self._secrets is None else self._secrets
                sender = ArraySender(self._home, self._controller_of(scheduler.get("conf") or ""), secrets, trials)
                wanted = min(size, begin + count - first, room)
                taken = 0
                if events.cancel_request(self._home) is not None:
                    return False
                for array in sender.send(trial["batch"], first, wanted, 0, ()):
                    arrays.append(array)
                    record(self._home, scheduler, arrays)
                    taken += array[2]
                first, room, size = first + taken, room - taken, 2 * size
                if taken < wanted or (room == 0 and first < begin + count):
                    return True
        return False


def trials_in_order(home: RunPaths) -> list[RunPaths]:
    """The trials by their numbers in arrays."""
    return [RunPaths(os.path.join(home.run_dir, line["run_dir"])) for line in files.read_lines(home.trials) if "run_dir" in line]


def _secrets(names: Sequence[str]) -> dict[str, str]:
    """Their values, from the environment: they are saved nowhere."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise SecretError("trials of the sweep that Slurm does not have yet need secrets, which are saved nowhere",
                          ("unset", ", ".join(missing)), hint="export them, then `trainconf wait` again")
    return {name: os.environ[name] for name in names}


def send_on(home: RunPaths) -> None:
    """Start a process that sends the rest of this user's sweep, so that no reader has to wait for it."""
    if not clusters.is_noted(clusters.SWEEP, home.run_dir) or not has_unsent(home):
        return
    command = [*own_command("launchers/slurm/send_on.py"), home.run_dir]
    with open(files.open_regular(home.agent_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log, open(os.devnull, "rb") as nothing:
        spawn(sys.executable, command, os.environ, (nothing.fileno(), log.fileno(), log.fileno()))
