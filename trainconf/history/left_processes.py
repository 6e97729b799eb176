"""Which processes of this machine belong to a run, found without their parents: by what they were started with, and where they work.

Two marks: TRAINCONF_RUN_ID in the environment a process was started with; and for one whose environment was emptied or overwritten, a
working directory inside the run's. A shell or an editor that somebody opened there has a HOME or a terminal, and is none of them.
"""

from __future__ import annotations

import os
import time

from trainconf.fast.records import Record
from trainconf.fast.stdlib import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

FRESH_SECONDS = 1.0  # for words about many runs, which are told of one look
_DEAD = (b"Z", b"X", b"x")
_MARK = b"\0TRAINCONF_RUN_ID="


class Process(Record):
    """A living process, or a zombie that is a child of this one. The last two are empty where they say nothing of a run."""

    parent: int
    session: int
    run_id: bytes
    workdir: str


def scan() -> dict[int, Process]:
    """Every living process, and zombies that are children of this one."""
    me = os.getpid()
    found = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        fields = read_stat(pid)
        if fields is not None and (fields[0] not in _DEAD or int(fields[1]) == me):
            found[pid] = Process(int(fields[1]), int(fields[3]), *_marks(pid, has_terminal=fields[4] != b"0"))
    return found


def read_stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the state on (proc(5): field 3 is at 0 here), or None."""
    try:
        text = read_bytes(f"/proc/{pid}/stat")
    except OSError:
        return None
    return text[text.rindex(b")") + 2 :].split()


def _marks(pid: int, *, has_terminal: bool) -> tuple[bytes, str]:
    """The run that a process says it is of, and where it works if it says nothing of itself."""
    try:
        environ = b"\0" + read_bytes(f"/proc/{pid}/environ")
        _, has_mark, rest = environ.partition(_MARK)
        if has_mark or has_terminal or b"\0HOME=" in environ:
            return rest.partition(b"\0")[0], ""
        return b"", os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return b"", ""


def of_run(living: dict[int, Process], run_dir: str) -> set[int]:
    """Those that carry the marks of a run, this process excepted."""
    run_id, inside = os.fsencode(os.path.basename(run_dir)), os.path.realpath(run_dir) + "/"
    me = os.getpid()
    return {pid for pid, each in living.items() if pid != me and (each.run_id == run_id or each.workdir.startswith(inside))}


def with_descendants(living: dict[int, Process], found: Collection[int]) -> set[int]:
    """Processes and all that descend from them, this process excepted."""
    mine = set(found)
    me = os.getpid()
    grown = True
    while grown:
        heirs = {pid for pid, each in living.items() if each.parent in mine and pid not in mine and pid != me}
        mine |= heirs
        grown = bool(heirs)
    return mine


_seen: tuple[float, dict[int, Process]] = (-FRESH_SECONDS, {})


def left_of(run_dir: str) -> set[int]:
    """What lives of a run that has no agent, as of a moment ago."""
    global _seen
    now = time.monotonic()
    if now - _seen[0] > FRESH_SECONDS:
        _seen = now, scan()
    found = with_descendants(_seen[1], of_run(_seen[1], run_dir))
    if found:  # it may have ended since
        _seen = time.monotonic(), scan()
        found = with_descendants(_seen[1], of_run(_seen[1], run_dir))
    return found
