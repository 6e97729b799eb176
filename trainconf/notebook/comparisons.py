"""What is shown of several runs side by side: what differs between them, and their curves over each other."""

from __future__ import annotations

from trainconf.cli.compare.compare import cell
from trainconf.control.compare import compare
from trainconf.history.logged.courses import courses_of
from trainconf.history.metrics import summarise
from trainconf.notebook.runs import in_order, line
from trainconf.notebook.view import TONES, Chart, Table, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.control.compare import Comparison
    from trainconf.paths import RunPaths

SHOWN_CHARTS = 6
DRAWN_RUNS = 24  # of which each has another colour or dash
NO_MORE = ("Completed", "Failed", "Canceled", "NotResponding")


def view_of(runs: Sequence[RunPaths]) -> View:
    """At least two runs as they are now. Raises UserError for fewer."""
    found = compare(runs)
    names = [name for name in found.facts if name in found.differing and any(_is_told(value) for value in found.facts[name])]
    table = _table(found, names)
    notes = [f"{found.runs[place].run_id} is damaged: {broken}" for place, broken in found.damage.items()]
    if not names:
        notes.append(f"nothing differs between these {len(runs)} runs")
    is_over = all(status in NO_MORE for status in found.facts["status"])
    drawn = runs[:DRAWN_RUNS]
    if len(drawn) < len(runs):
        notes.append(f"curves of the first {len(drawn)} of {len(runs)} runs")
    title = f"{len(runs)} runs"
    return View("comparison", title, "", tables=[table] if names else [], charts=_charts(found, drawn), notes=notes, is_over=is_over)


def _table(found: Comparison, names: Sequence[str]) -> Table:
    """Runs as columns, for facts are many and runs are few; as lines where they are not."""
    ids = [paths.run_id for paths in found.runs]
    swatches = dict(enumerate(range(min(len(ids), DRAWN_RUNS)), 0))
    tones = {
        (names.index("status"), place): TONES.get(str(value), "") for place, value in enumerate(found.facts["status"])
    } if "status" in names else {}  # fmt: skip
    tones |= {(names.index(name), place): "good" for name, place in found.best.items() if name in names}
    rows = [[cell(name, value) for value in found.facts[name]] for name in names]
    if len(ids) <= len(names):
        columns = {place + 1: colour for place, colour in swatches.items()}
        upright = [[name, *row] for name, row in zip(names, rows, strict=True)]
        return Table("", ["", *ids], upright, {(row, column + 1): tone for (row, column), tone in tones.items()}, column_swatches=columns)
    across = [[run_id, *(row[place] for row in rows)] for place, run_id in enumerate(ids)]
    return Table("", ["run", *names], across, {(column, row + 1): tone for (row, column), tone in tones.items()}, row_swatches=swatches)


def _charts(found: Comparison, runs: Sequence[RunPaths]) -> list[Chart]:
    """The metrics that at least two runs have, those that all have first; then the one that counts."""
    logged = [frozenset(summarise(paths).values) for paths in runs]
    counts = {name: sum(name in names for names in logged) for name in frozenset().union(*logged)}
    wanted = [name for name in in_order(counts, found.metric) if counts[name] > 1]
    wanted.sort(key=lambda name: (name != found.metric, -counts[name]))
    courses = [courses_of(paths, wanted) for paths in runs]
    charts = []
    for name in wanted:
        drawn = [place for place, course in enumerate(courses) if len(course.get(name, ())) > 1]
        lines = [line(runs[place].run_id, place, courses[place][name]) for place in drawn]
        charts += [Chart(name, lines)] if lines else []
    return charts[:SHOWN_CHARTS]


def _is_told(value: Any) -> bool:
    return value not in (None, "", [], {})
