"""How an attempt ended: its state, its exit code and the reason for people. And what it consumed."""

from __future__ import annotations

import os
import time

from trainconf.agent.signals import signal
from trainconf.fast.records import Record, replace
from trainconf.fast.stdlib import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.paths import RunPaths

TIME_LIMIT_CODE = 124
NOT_FOUND_CODE = 127
NOT_EXECUTABLE_CODE = 126
LONGEST_AGE_SECONDS = 1.0  # of the count of killed processes that an attempt begins with: /proc/vmstat is slow


class Outcome(Record):
    """The end of an attempt, or of a rank."""

    state: str
    exit_code: int | None  # None for a run that was cancelled before anything of it had ended
    reason: str = ""
    rank: int | None = None  # the first that failed
    host: str | None = None  # of that rank, in a run of several nodes
    may_retry: bool = False  # the script failed by itself: a time limit, or a program that cannot start, would only repeat itself
    may_requeue: bool = False  # the scheduler interrupts the run, which goes on later; the rest says how it has ended if it cannot
    is_out_of_time: bool = False  # by the time limit of its job, which would repeat itself, too, if the script began anew
    note: str = ""  # what went wrong in a run that completed

    def facts(self) -> dict[str, Any]:
        """What an event tells of it."""
        known = {"rank": self.rank, "host": self.host}
        return {"exit_code": self.exit_code, "reason": self.reason} | {name: value for name, value in known.items() if value is not None}


def or_canceled(paths: RunPaths, end: Outcome) -> Outcome:
    """The end of a rank whose script has asked for the run's cancellation, and then ended itself: that is no failure."""
    if end.state != "Failed":
        return end
    from trainconf.history import events
    from trainconf.history.logged import records

    attempt = (events.last(paths) or {}).get("attempt")
    if not any(kind == "cancel" and facts.get("attempt") == attempt for kind, facts in records.read(paths)):
        return end
    reason = events.why_canceled(paths) if events.is_cancel_requested(paths) else "its script asked for it"
    return replace(end, state="Canceled", reason=reason, rank=None, may_retry=False, may_requeue=False)


def exit_code(status: int) -> int:
    """The code of a wait status as a shell has it: the process' own, or 128 + the signal that killed it."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def failure(status: int, rank: int, rank_count: int, oom_kills: int, oom_kills_of_job: int = 0) -> Outcome:
    """The failure of a rank that ended by itself. `oom_kills`: how many processes the kernel killed for memory meanwhile.

    `oom_kills_of_job`: how many of those belonged to the scheduler's job. They are the cause also when only a child was killed.
    """
    code = os.waitstatus_to_exitcode(status)
    reason = f"exit code {code}" if code >= 0 else f"killed by {signal_name(-code)}"
    if oom_kills_of_job:
        reason += "; the kernel's out-of-memory killer ended a process of the job: it used more memory than Slurm gave it (compute.mem_gib)"
    elif -code == signal.SIGKILL:
        reason += "; the kernel's out-of-memory killer ended a process at that time" if oom_kills else ", which trainconf did not send"
    if rank_count > 1:
        reason = f"rank {rank}: {reason}"
    return Outcome("Failed", exit_code(status), reason, rank, may_retry=True)


def success(oom_kills_of_job: int) -> Outcome:
    """The end of a rank that completed. The kernel may have ended other processes of its job for memory."""
    note = killed_for_memory(oom_kills_of_job, "Slurm gave the job (compute.mem_gib)") if oom_kills_of_job else ""
    return Outcome("Completed", 0, note=note)


def killed_for_memory(count: int, limit: str) -> str:
    """A note: the script may have gone on without what these processes were to do."""
    who = "a process" if count == 1 else f"{count} processes"
    return f"the script ended with exit code 0, but the kernel ended {who} of it that wanted more memory than {limit}"


def signal_name(number: int) -> str:
    """Such as SIGTERM; the number where it has no name."""
    from signal import Signals

    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


_oom_kills = -LONGEST_AGE_SECONDS, 0  # when they were counted last, by the monotonic clock


def count_oom_kills(*, age_s: float = 0.0) -> int:
    """How many processes the kernel has killed for memory since boot, on the whole machine; 0 where it does not tell.

    A count that is not older than `age_s` is not made again.
    """
    global _oom_kills
    now = time.monotonic()
    if now >= _oom_kills[0] + age_s:
        _oom_kills = now, _read_oom_kills("/proc/vmstat")
    return _oom_kills[1]


def count_oom_kills_of_job() -> int:
    """How many the kernel has killed for memory in the control group that a scheduler made for the job of this process.

    0 outside of jobs, and where Slurm uses no control groups (cgroup-v1/memory.rst and cgroup-v2.rst in the kernel's documentation).
    """
    if "SLURM_JOB_ID" not in os.environ:
        return 0
    try:
        lines = os.fsdecode(read_bytes("/proc/self/cgroup")).splitlines()
        groups = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in lines}
        group = groups.get("memory")
        path = f"/sys/fs/cgroup{groups['']}/memory.events" if group is None else f"/sys/fs/cgroup/memory{group}/memory.oom_control"
    except (OSError, KeyError):
        return 0
    return _read_oom_kills(path)


def _read_oom_kills(path: str) -> int:
    try:
        _, found, rest = read_bytes(path).partition(b"\noom_kill ")
    except OSError:
        return 0
    return int(rest.split(None, 1)[0]) if found else 0


class Usage:
    """What one attempt consumed: its processes, summed over ranks and over descendants that came back to the agent, or its containers."""

    __slots__ = ("cpu_s", "is_known", "peak_rss_bytes")

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.peak_rss_bytes = 0  # of the largest single process, or container
        self.is_known = True

    def add(self, rusage: Any) -> None:
        """Count one reaped process (getrusage(2); ru_maxrss is in KiB on Linux)."""
        self.cpu_s += rusage.ru_utime + rusage.ru_stime
        self.peak_rss_bytes = max(self.peak_rss_bytes, rusage.ru_maxrss * 1024)

    def add_container(self, cpu_s: float | None, peak_bytes: int | None) -> None:
        """Count a container by what its cgroup says, page cache included; None: it could not say, for it was killed."""
        self.is_known = self.is_known and None not in (cpu_s, peak_bytes)
        self.cpu_s += cpu_s or 0.0
        self.peak_rss_bytes = max(self.peak_rss_bytes, peak_bytes or 0)

    def facts(self, wall_s: float) -> dict[str, Any]:
        """The `resources` of an event."""
        return {"wall_s": round(wall_s, 6), **self.known()}

    def known(self) -> dict[str, Any]:
        """The time and memory of it; null for what nobody knows."""
        known = {"cpu_s": round(self.cpu_s, 6), "peak_rss_bytes": self.peak_rss_bytes}
        return known if self.is_known else dict.fromkeys(known)


def cannot_start(error: OSError, argv: Sequence[str], cwd: str, log: str, environ: Mapping[str, str]) -> Outcome:
    """The end of a program that could not be executed, with what its owner can mend. The codes are those of shells."""
    name = argv[0]
    if error.filename in (cwd, log):
        what = "working directory" if error.filename == cwd else "log file"
        return Outcome("Failed", NOT_EXECUTABLE_CODE, f"the {what} {error.filename!r} cannot be used: {error.strerror}")
    if isinstance(error, FileNotFoundError):
        if "/" in name and os.path.exists(os.path.join(cwd, name)):
            return Outcome("Failed", NOT_FOUND_CODE, f"{name!r} cannot start: the interpreter its first line names does not exist")
        node = f" of {environ['SLURMD_NODENAME']}" if "SLURMD_NODENAME" in environ else ""
        where = "" if "/" in name else f" on PATH ({environ.get('PATH', '')}){node}"
        return Outcome("Failed", NOT_FOUND_CODE, f"program {name!r} was not found{where}")
    if isinstance(error, PermissionError):
        return Outcome("Failed", NOT_EXECUTABLE_CODE, f"{name!r} is not executable")
    return Outcome("Failed", NOT_EXECUTABLE_CODE, f"{name!r} cannot be executed: {error.strerror}")
