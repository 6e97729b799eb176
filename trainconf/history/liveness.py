"""Whether what a run's history says is still true: process identities that cannot be reused, and the honest state.

A pid alone proves nothing: it counts together with the process' start time and the machine's boot id. An agent holds its
run's lock for as long as it lives, so a run that is not final and whose lock is free has lost its agent.
"""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.fast.stdlib import read_bytes
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

LETTING_GO_S = 5.0  # between the last event of an agent and its end
RECORD_BYTES = 1 << 24  # of run.json and what is as small; a larger one is damaged
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class State:
    """What a run is in. `reason` says in words why, where there is something to say; `event` is the last recorded one.

    `scheduler` says which job of which scheduler it is, where only that can tell whether what is recorded still holds.
    `is_unanswered`: that was asked and does not answer, as `reason` says.
    """

    __slots__ = ("event", "is_unanswered", "reason", "scheduler", "status")

    def __init__(
        self, status: str, reason: str = "", event: dict[str, Any] | None = None, scheduler: dict[str, Any] | None = None, *,
        is_unanswered: bool = False,
    ) -> None:  # fmt: skip
        self.status = status
        self.reason = reason
        self.event: dict[str, Any] = event or {}
        self.scheduler = scheduler
        self.is_unanswered = is_unanswered

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more: Completed, Failed or Canceled."""
        return self.status in events.TERMINAL


def boot_id() -> str:
    """The kernel's id of this boot; empty where the system does not tell."""
    try:
        return read_bytes(BOOT_ID).strip().decode()
    except OSError:
        return ""


def identity(pid: int | None = None) -> dict[str, Any]:
    """What tells a process from every other, ever: pid, start time in clock ticks, boot id, host. Default: this process.

    Raises ProcessLookupError when there is no such process.
    """
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "start_ticks": start_ticks(pid), "boot_id": boot_id(), "host": os.uname().nodename}


_own: dict[int, dict[str, Any]] = {}


def own_identity() -> dict[str, Any]:
    """The identity of this process, which never changes, for whoever needs it again and again."""
    pid = os.getpid()  # a fork has another one
    if pid not in _own:
        _own[pid] = identity(pid)
    return _own[pid]


def start_ticks(pid: int) -> int:
    """When a process of this machine was started. Raises ProcessLookupError."""
    return _stat(pid)[1]


def is_alive(who: dict[str, Any]) -> bool | None:
    """Whether that very process lives; a zombie does not. None: it is another host's, or the identity is incomplete."""
    pid, start_ticks = who.get("pid"), who.get("start_ticks")
    if who.get("host") != os.uname().nodename or not isinstance(pid, int) or not isinstance(start_ticks, int):
        return None
    if who.get("boot_id") != boot_id():
        return False
    try:
        state, ticks = _stat(pid)
    except ProcessLookupError:
        return False
    return ticks == start_ticks and state not in "ZX"


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start time of a process (proc(5), /proc/PID/stat fields 3 and 22)."""
    try:
        text = read_bytes(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(pid) from None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold spaces and parentheses
    return fields[0].decode("ascii"), int(fields[19])


def hold_ended(paths: RunPaths, lock: files.FileLock) -> bool:
    """Take the lock of a run that has ended; False when it has not, or not any more. Its agent may be about to let go. Raises OSError."""
    give_up_at = time.monotonic() + LETTING_GO_S
    while not lock.acquire(blocking=False):
        if not _has_ended(paths) or time.monotonic() >= give_up_at:
            return False
        time.sleep(0.02)
    if _has_ended(paths):
        return True
    lock.release()
    return False


def _has_ended(paths: RunPaths) -> bool:
    latest = events.last(paths)
    return latest is not None and latest["state"] in events.TERMINAL


def lock_of(paths: RunPaths) -> str:
    """The lock that the run's agent holds: the run's own, or its sweep's. Follows a run or workspace that was moved or copied.

    A path in run.json never leads out of the runs/ folder that the run lies in.
    """
    try:
        record = files.read_json(paths.record, RECORD_BYTES)
        experiment, owner, name = record["lock"].split("/")[-3:]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return paths.lock
    if owner == record.get("run_id") or name != os.path.basename(paths.lock) or not {experiment, owner}.isdisjoint({"", ".", ".."}):
        return paths.lock
    runs, beside = os.path.split(os.path.dirname(paths.run_dir))
    for folder in (os.path.join(runs, beside), os.path.join(runs, experiment)):
        lock = os.path.join(folder, owner, name)
        if os.path.exists(lock):
            return lock
    return paths.lock


def state_of(paths: RunPaths) -> State:
    """The honest state of a run that exists. Never Running without a living agent; never Failed out of silence."""
    event = events.last(paths) or _before_the_first(paths)
    if event is None:
        unread = "holds no readable state" if os.path.exists(paths.events) else "was removed"
        what = events.damage(paths) or f"its events.jsonl {unread}"
        return State("NotResponding", what)
    if event["state"] in events.TERMINAL:
        return _as_recorded(event)
    lock = lock_of(paths)
    if files.is_locked(lock) and not _was_left_behind(paths, lock, event):
        return _as_recorded(event)
    event = events.last(paths) or event  # the agent may have written its last line since, and then let go
    if event["state"] in events.TERMINAL:
        return _as_recorded(event)
    history = events.read(paths)
    agent = agent_in(history)
    if agent is not None and is_alive(agent):
        return _as_recorded(event)  # the lock file was deleted or replaced; the process itself is the better proof
    scheduler = scheduler_of(paths, history)
    if scheduler:
        return State(event["state"], _as_recorded(event).reason, event, scheduler)
    if agent is None and _is_sweep_being_made(paths):
        return _as_recorded(event)
    return State("NotResponding", _why_silent(paths, event, agent, history), event)


def _was_left_behind(paths: RunPaths, lock: str, event: dict[str, Any]) -> bool:
    """Whether a trial had begun under an agent that is gone, and another one has the lock of all trials of its sweep now."""
    if lock == paths.lock or not events.has_begun(event) or event.get("waiting_for") == "requeue":
        return False
    own, latest = agent_in(events.read(paths)), agent_in(events.read(type(paths)(os.path.dirname(lock))))
    return own is not None and latest is not None and own != latest


def agent_in(history: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The identity of the latest agent in these events; None without one."""
    return next((event["agent"] for event in reversed(history) if isinstance(event.get("agent"), dict)), None)


def _before_the_first(paths: RunPaths) -> dict[str, Any] | None:
    """A sweep is there before it has events: its scheduler must have a job of it first."""
    return {"state": "NotStarted", "attempt": 1} if os.path.exists(paths.sweep) and not events.exists(paths) else None


def _as_recorded(event: dict[str, Any]) -> State:
    reason = event.get("reason")
    return State(event["state"], reason if isinstance(reason, str) else "", event)


def scheduler_of(paths: RunPaths, history: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The job the run is; from its plan when the submitter was ended before it could record that. Empty for a run of this machine."""
    found: dict[str, Any] = {}
    for event in events.read(paths) if history is None else history:
        if isinstance(event.get("scheduler"), dict):
            found |= event["scheduler"]
    if found:
        return found if _is_well_formed(found) else {}
    try:
        plan = files.read_json(paths.plan)
        batch = plan["batch"]
        if "chunks" in plan:  # a sweep whose arrays are being sent
            found = {"kind": plan["target"], "job_id": None, "arrays": [], **plan["cluster"]}
        elif batch:
            found = {"kind": plan["target"], "job_id": _job_in_sweep(paths, batch), **batch["cluster"]}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return found if _is_well_formed(found) else {}


def _is_well_formed(scheduler: dict[str, Any]) -> bool:
    """Whether these facts have the types that launchers rely on, and no job's number is an option to a scheduler's command."""
    job_ids = [scheduler.get("job_id")]
    arrays = scheduler.get("arrays", [])
    if not isinstance(arrays, list) or not all(isinstance(array, list) and len(array) == 3 for array in arrays):
        return False
    for job_id, first, count in arrays:
        job_ids.append(job_id)
        if type(first) is not int or type(count) is not int:
            return False
    texts = [scheduler.get("kind"), scheduler.get("conf", ""), *(job_id for job_id in job_ids if job_id is not None)]
    return all(isinstance(text, str) for text in texts) and not any(
        job_id.startswith("-") or any(not sign.isalnum() and sign not in "._-[]" for sign in job_id) for job_id in job_ids if job_id
    )


def _job_in_sweep(paths: RunPaths, batch: dict[str, Any]) -> str | None:
    """The job of a trial that has not begun: its sweep knows which arrays, [job id, first trial, count], its trials are.

    Empty when it is in none of them yet.
    """
    task, pool_job = batch.get("task"), batch.get("pool_job")
    home = _sweep_of(paths) if type(task) is int or type(pool_job) is int else None
    if home is None:
        return None
    if type(pool_job) is int:
        return scheduler_of(home.pool_job(pool_job)).get("job_id")
    assert type(task) is int
    sent = scheduler_of(home)
    if sent and "arrays" not in sent:  # all trials are one job
        return sent.get("job_id")
    return next((f"{job_id}_{task - first}" for job_id, first, count in sent.get("arrays") or [] if first <= task < first + count), "")


def _sweep_of(paths: RunPaths) -> RunPaths | None:
    from trainconf.paths import RunPaths as Paths

    parent = files.read_json(paths.record, RECORD_BYTES).get("parent")
    return None if parent is None or os.path.basename(parent) != parent else Paths(os.path.join(os.path.dirname(paths.run_dir), parent))


def _is_sweep_being_made(paths: RunPaths) -> bool:
    """Whether the run is a trial that its submitter has made, and has yet to hand over with the others."""
    try:
        home = _sweep_of(paths)
    except (OSError, ValueError, TypeError, AttributeError):
        return False
    return home is not None and files.is_locked(home.lock)


def _why_silent(paths: RunPaths, event: dict[str, Any], agent: dict[str, Any] | None, history: list[dict[str, Any]]) -> str:
    last_word = f"its last word was {event['state']} at {event.get('time', 'an unknown time')}"
    if agent is None:
        return f"{_who_did_not_start_it(paths)}; {last_word}"
    if agent.get("is_own"):  # no agent: a process was the run
        return f"the process that was this run, pid {agent.get('pid')} on {agent.get('host')}, has ended without a word; {last_word}"
    if event.get("is_lost"):
        return f"{event.get('reason')}; {last_word}"
    if agent.get("host") != os.uname().nodename:
        return f"it runs on {agent.get('host')}, and from here nobody can tell whether its agent lives; {last_word}"
    if agent.get("boot_id") != boot_id():
        return f"the machine was restarted since; {last_word}"
    ranks = _ranks(history)
    left = [rank for rank in ranks if "pid" in rank and is_alive({**agent, **rank})]
    unknown = [rank for rank in ranks if "pid" not in rank]
    if any("container" in rank for rank in left + unknown):
        names = ", ".join(dict.fromkeys(str(rank.get("container"))[:12] for rank in left + unknown))
        sure = "still runs" if left else "may still run, on an engine whose processes are not seen from here,"
        return f"its agent was ended, but the job {sure} in container {names}: `trainconf cancel` ends it; {last_word}"
    pids = _pids_left(paths, left)
    if pids:
        return f"its agent was ended, but the job still runs as pid {pids}: `trainconf cancel` ends it; {last_word}"
    told = "; `trainconf gc` asks the engine how it ended" if any("container" in rank for rank in ranks) else ""
    return f"its agent was ended, and no process of the job is found any more{told}; {last_word}"


def _who_did_not_start_it(paths: RunPaths) -> str:
    """Why a run has no agent: nobody came to start one, or the agent of its sweep is gone."""
    from trainconf.paths import RunPaths as Paths

    home = Paths(os.path.dirname(lock_of(paths)))
    if home.run_dir != paths.run_dir and any("agent" in event for event in events.read(home)):
        return "the agent of its sweep was ended before this trial began"
    if os.path.exists(home.agent_log) and (os.path.exists(home.sweep) or os.path.exists(home.plan)):  # written before the agent may begin
        return "its agent was ended before it took over"
    return "the submitter was ended before an agent took over"


def _pids_left(paths: RunPaths, ranks: list[dict[str, Any]]) -> str:
    """The ranks that still live, and whatever else carries the run's marks."""
    from trainconf.history import left_processes

    found = {int(rank["pid"]) for rank in ranks} | left_processes.left_of(paths.run_dir)
    return ", ".join(map(str, sorted(found)))


def _ranks(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The processes or containers of the latest attempt that was started."""
    found: list[Any] = next((e["ranks"] for e in reversed(history) if isinstance(e.get("ranks"), list)), [])
    return [rank for rank in found if isinstance(rank, dict) and ("container" in rank or ("pid" in rank and "start_ticks" in rank))]
