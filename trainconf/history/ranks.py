"""The ranks of a run as its directory tells of them: which there are, where each one runs or ran, and the end of its output.

What its plan says of a rank is known from the submission on, its place from the moment the run is Running. A damaged file costs
what it held, and nothing else.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.history import events
from trainconf.history.record import read_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from trainconf.paths import RunPaths

TAIL_BYTES = 65536
LINE_BYTES = 2000  # of a line among the last ones
LOG_NAME = "std_log_rank_{}.txt"


class Rank:
    """One process of a run. `node` counts from 0; `host`, `pid` and `container` are empty or None where nobody recorded them.

    `task` is its part in a job of unequal processes, such as "worker 1".
    """

    __slots__ = ("container", "host", "node", "number", "pid", "task")

    def __init__(self, planned: dict[str, Any], record: dict[str, Any]) -> None:
        env, task = planned.get("env"), planned.get("task")
        node = env.get("NODE_RANK") if isinstance(env, dict) else None
        self.number: int = planned["rank"]
        self.node = int(node) if isinstance(node, str) and node.isdecimal() and len(node) < 10 else None
        self.task = f"{task.get('type')} {task.get('index')}" if isinstance(task, dict) else ""
        self.host = str(record.get("host") or "")
        self.pid = record["pid"] if isinstance(record.get("pid"), int) else None
        self.container = str(record.get("container") or "")


def planned(paths: RunPaths) -> dict[int, dict[str, Any]]:
    """What plan.json says of each rank, by number; empty before it is written."""
    return _by_number(read_plan(paths).get("ranks"))


def of_run(paths: RunPaths) -> list[Rank]:
    """Every planned rank, in order, with what the latest attempt that was started tells of its place.

    The one that failed may have done so before all had started, and its end is then all that was recorded.
    """
    history = events.read(paths)
    records = _by_number(next((event["ranks"] for event in reversed(history) if isinstance(event.get("ranks"), list)), []))
    for event in history:
        number = failed(event)
        if number is not None and "host" in event:
            records[number] = {**records.get(number, {}), "host": event["host"]}
    plan = planned(paths)
    return [Rank(plan[number], records.get(number, {})) for number in sorted(plan)]


def command(paths: RunPaths) -> str:
    """The first rank's command as a shell line, and how many ranks there are when they are several; empty where no plan tells."""
    import shlex

    listed = read_plan(paths).get("ranks")
    if not isinstance(listed, list) or not listed:
        return ""
    try:
        line = shlex.join(listed[0]["argv"])
    except (TypeError, KeyError):
        return ""
    return line if len(listed) == 1 else f"{line}  (one of {len(listed)} ranks)"


def with_log(paths: RunPaths) -> list[int]:
    """The ranks that have written a log, or begun to."""
    before, after = LOG_NAME.split("{}")
    try:
        names = os.listdir(paths.logs)
    except OSError:
        return []
    found = [0] if os.path.basename(paths.log(0)) in names else []
    texts = (name[len(before) : -len(after)] for name in names if name.startswith(before) and name.endswith(after))
    return sorted([*found, *(int(text) for text in texts if text.isdecimal() and str(int(text)) == text)])


def failed(event: dict[str, Any]) -> int | None:
    """The rank that a run failed through, by its last event; None when it did not fail, or not through a rank."""
    rank = event.get("rank")
    return rank if event.get("state") == "Failed" and _is_number(rank) else None


def last_lines(path: str, count: int) -> list[bytes]:
    """The end of a log as a terminal would show it: of a line that was written over, its last state. Empty lines at the end are left out.

    Long lines are cut. Raises OSError when the log is not there or cannot be read.
    """
    fd = files.open_regular(path)
    try:
        size = os.fstat(fd).st_size
        start = max(0, size - TAIL_BYTES)
        lines = os.pread(fd, size - start, start).rstrip(b"\r\n").split(b"\n")
    finally:
        os.close(fd)
    whole = lines[1:] if start and len(lines) > 1 else lines
    shown = [line.rstrip(b"\r").rpartition(b"\r")[2] for line in whole[-count:]]
    return [line if len(line) <= LINE_BYTES else line[:LINE_BYTES] + b" ..." for line in shown] if whole != [b""] else []


def _by_number(entries: Any) -> dict[int, dict[str, Any]]:
    listed: Iterable[Any] = entries if isinstance(entries, list) else []
    return {entry["rank"]: entry for entry in listed if isinstance(entry, dict) and _is_number(entry.get("rank"))}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
