"""What the end of a run shows besides its state: the last output of a failed rank, and files that were left in the working directory."""

from __future__ import annotations

from trainconf.control.words.failures import Failures, more, what_to_do
from trainconf.control.words.ranks import failed_rank
from trainconf.control.words.values import duration, measure, one_line
from trainconf.fast.stdlib import re
from trainconf.history import ranks, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

LAST_LINES = 10
SEARCHED_LINES = 200  # of a log, for a metric that was only printed


def leftovers(paths: RunPaths, event: dict[str, Any]) -> list[str]:
    """The last output of the rank that failed, and the files that the script left in its working directory."""
    found = failed_rank(paths, event) if event.get("rank") else []
    return [*found, f"note: {left}"] if (left := files_left(event)) else found


def why(paths: RunPaths, state: State, *, has_shown: bool) -> list[str]:
    """Of a run that failed: the last lines of rank 0, unless its output was shown, and where all of it is."""
    if state.status not in ("Failed", "NotResponding") or state.event.get("rank"):
        return []
    if has_shown:
        return [*what_to_do(paths), more(paths, state.event)]
    return [f"  {line}" for line in Failures(LAST_LINES).lines(paths, state.event)]


def summary(paths: RunPaths, state: State) -> list[str]:
    """What a run that has ended is told by: its notes, and its state with its duration, its reason and its metric."""
    row = record.describe(paths)
    found = [f"note: {note}" for note in record.notes(state.event)]
    name = record.metric(paths)
    if missing := record.missing_metric(name, row["metrics"], state.status):
        found += [f"note: {missing}", *printed(paths, name)]
    took = f" in {duration(row['duration_s'])}" if row["duration_s"] is not None else ""
    reason = f": {state.reason}" if state.reason else ""
    value = row["metrics"].get(name)
    metric = "" if value is None else f", {name} {measure(name, value)}"
    return [one_line(line) for line in (*found, f"{state.status}{took}{reason}{metric}")]


def printed(paths: RunPaths, name: str | None) -> list[str]:
    """How a metric is read that a run prints, and has not logged; empty where it prints none."""
    if not name or not re.fullmatch(r"\w+", name):
        return []
    try:
        lines = ranks.last_lines(paths.log(0), SEARCHED_LINES)
    except OSError:
        return []
    pattern = name + r"[\s:=]+([-+0-9.eE]+)"
    if not any(re.search(rf"\b{pattern}", line.decode("utf-8", "replace")) for line in lines):
        return []
    return [f"hint: it prints {name}; to have that as a metric: \"+stdout_metrics.{name}='{pattern}'\""]


def files_left(event: dict[str, Any]) -> str:
    """Such as: 13 files were left in code/ beside outputs/: lightning_logs/, model.pt; empty when there is nothing to tell."""
    left = event.get("left_in_code")
    if not isinstance(left, dict) or not isinstance(left.get("count"), int) or not isinstance(left.get("names"), list):
        return ""
    count = f"{'at least ' if left.get('is_cut') else ''}{left['count']} file{' was' if left['count'] == 1 else 's were'}"
    names = ", ".join(one_line(str(name)) + (" (no folder any more)" if name in ("outputs", "logs") else "") for name in left["names"])
    return f"{count} left in code/ beside outputs/: {names}" + (f" and {left['more']} more" if left.get("more") else "")
