"""What is shown of one run, read from its directory."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import duration, measure, number, utc_time
from trainconf.cli.screen.sparkline import sparkline
from trainconf.control.words.progress import RESOURCES, SHOWN_HOLDERS
from trainconf.history import events, labels, metrics, ranks, record
from trainconf.history.follow import has_ended
from trainconf.history.logged.courses import TOO_LARGE, courses_of
from trainconf.launchers.states import state_of
from trainconf.notebook import log_tail
from trainconf.notebook.view import Chart, Line, Table, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.history.series import Series
    from trainconf.paths import RunPaths

SPARKLINE_COLUMNS = 16
SHOWN_CHARTS = 6
SHOWN_METRICS = SHOWN_PARAMS = 30


def view_of(paths: RunPaths, state: State | None = None) -> View:
    """The run as it is now. Never raises for what is in its directory."""
    state = state_of(paths) if state is None else state
    recorded = record.read_mapping(paths.record)
    row = record.assemble(paths, state, metrics.summarise(paths).values, recorded)
    judged = record.metric(paths, recorded)
    courses = courses_of(paths, row["metrics"])
    names = in_order(row["metrics"], judged)
    notes = [*record.notes(state.event), record.missing_metric(judged, row["metrics"], state.status)]
    notes += [f"damaged: {broken}"] if (broken := record.damage(paths, recorded)) else []
    drawn = [name for name in names if len(courses.get(name, ())) > 1]
    if left_out := len(drawn) - SHOWN_CHARTS:
        notes += [f"{left_out} more curves: `trainconf metrics {paths.run_id}` draws them"] if left_out > 0 else []
    if courses is TOO_LARGE:
        notes.append(f"too many metrics to draw here: `trainconf metrics {paths.run_id}` draws them")
    failed = ranks.failed(state.event) or 0
    log = log_tail.read(paths, failed)
    return View(
        "run", paths.run_id, state.status, state.reason or _waiting(paths, state), list(_facts(row, paths)),
        [table for table in (_params(row["params"]), _metrics(names, row["metrics"], courses)) if table.rows],
        [Chart(name, [line(name, 0, courses[name])]) for name in drawn[:SHOWN_CHARTS]],
        [note for note in notes if note], log, f"the last lines of {os.path.relpath(paths.log(failed), paths.run_dir)}", has_ended(state),
    )  # fmt: skip


def line(name: str, colour: int, course: Series) -> Line:
    """A series as a line of a chart."""
    return Line(name, colour, course.steps, course.values)


def in_order(names: Iterable[str], judged: str | None) -> list[str]:
    """The metric that counts before the others."""
    return sorted(names, key=lambda name: (name != judged, name))


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The values of a tree under their whole names."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "null" if value is None else number(value)


def _facts(row: dict[str, Any], paths: RunPaths) -> Iterator[tuple[str, str]]:
    ended = events.seconds(row["ended"])
    known = {
        "name": row["display_name"], "experiment": row["experiment_name"], "started": _time(row["started"]),
        "took": "" if ended is None else duration(row["duration_s"]), "exit code": row["exit_code"],
        "attempt": row["attempt"] if row["attempt"] != 1 else "", "compute": row["compute"], "env": row["env"],
        "distributed": "" if row["distributed"] == "none" else row["distributed"], "sweep": row["parent"],
        "tags": ", ".join(f"{name}={value}" for name, value in row["tags"].items()), "note": row["note"],
    }  # fmt: skip
    yield from ((label, str(value)) for label, value in known.items() if value is not None and value != "")
    yield "folder", folder(paths)


def _waiting(paths: RunPaths, state: State) -> str:
    """What a run waits for on this machine, and who has it."""
    if state.status != "Queued":
        return ""
    from trainconf.control.watch import waiting

    found = waiting(paths)
    if found is None:
        return ""
    held = f", held by {'; '.join(found.holders[:SHOWN_HOLDERS])}" if found.holders else ""
    return f"waits for a {RESOURCES[found.resource]} of this machine, place {found.place} in the queue{held}"


def _time(text: str | None) -> str:
    moment = events.seconds(text)
    return "" if moment is None else f"{utc_time(moment)} UTC"


def _params(tree: dict[str, Any]) -> Table:
    rows = list(flat(tree))
    left_out = len(rows) - SHOWN_PARAMS
    return Table("params", ("", ""), rows[:SHOWN_PARAMS] + ([("and", f"{left_out} more")] if left_out > 0 else []))


def _metrics(names: Sequence[str], values: dict[str, Any], courses: dict[str, Series]) -> Table:
    rows = [(name, measure(name, values[name]), course(courses.get(name))) for name in names[:SHOWN_METRICS]]
    left_out = len(names) - SHOWN_METRICS
    return Table("metrics", ("name", "last", "course"), rows + ([("and", f"{left_out} more", "")] if left_out > 0 else []))


def course(found: Series | None) -> str:
    """A series as a word; empty where it has no course."""
    return "" if found is None or len(found) < 2 else sparkline(found.values, SPARKLINE_COLUMNS)


def folder(paths: RunPaths) -> str:
    """Where it is, from the workspace on: a notebook is shown to others, and names nobody's home."""
    return os.path.relpath(paths.run_dir, paths.workspace.root)


def labelled(paths: RunPaths) -> list[tuple[str, str]]:
    """What people have said of a run or sweep."""
    said = labels.read(paths)
    tags = ", ".join(f"{name}={value}" for name, value in said.tags.items())
    return [(label, str(value)) for label, value in (("name", said.display_name), ("tags", tags), ("note", said.note)) if value]
