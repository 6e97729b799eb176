"""Which columns `trainconf ls` shows of runs and groups, and what stands in them."""

from __future__ import annotations

from trainconf.cli.screen import tables
from trainconf.cli.screen.printer import measure, printer, short_duration, utc_time
from trainconf.control.words.spreadsheets import lines_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from trainconf.history.index.query import Group
    from trainconf.history.index.rows import Row

class Column:
    """A column of a table of runs: how it is drawn, and its cell of a run."""

    __slots__ = ("cell", "drawn", "value")

    def __init__(self, header: str, value: Callable[[Row], Any], cell: Callable[[Row], str] | None = None, **drawn: bool) -> None:
        self.drawn = tables.Column(header, **drawn)
        self.value = value
        self.cell = cell or (lambda row: text(value(row)))


def split(expressions: str) -> list[str]:
    """Expressions with commas between them; one within brackets or quotes belongs to its expression."""
    found, depth, quote = [""], 0, ""
    for character in expressions:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character in "([") - (character in ")]")
        if character == "," and not depth and not quote:
            found.append("")
        else:
            found[-1] += character
    return [each.strip() for each in found if each.strip()]


def for_table(rows: Iterable[Row], chosen: Sequence[str], *, changed: bool) -> list[Column]:
    """The columns that were chosen; else what every run has, the metric, and the params in which the runs differ."""
    if chosen:
        return [_expression(each) for each in chosen]
    run, status, experiment, created, duration = _run_columns()
    params = _params(rows)
    reasons = [Column("reason", _reason, is_cut=True)] if any(map(_reason, rows)) else []
    if changed:
        differing = [each for each in (status, experiment) if len({each.cell(row) for row in rows}) > 1]
        return [run, *differing, *_metric(rows), *params, *reasons]
    return [run, status, experiment, created, duration, *_metric(rows), *params, *reasons]


def widen(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Make every column as wide as its widest cell."""
    for row in rows:
        for column in columns:
            column.drawn.measure(column.cell(row))


def _run_columns() -> list[Column]:
    from trainconf.history.events import seconds

    return [
        Column("run", lambda row: row.fields["run_id"], is_needed=True),
        Column("status", lambda row: row.fields["status"], is_needed=True, is_status=True),
        Column("experiment", lambda row: row.fields["experiment_name"]),
        Column("created (UTC)", lambda row: row.fields["created"], lambda row: utc_time(seconds(row.fields["created"]))),
        Column("duration", lambda row: row.fields["duration_s"], lambda row: short_duration(row.fields["duration_s"])),
    ]


def _metric(rows: Iterable[Row]) -> list[Column]:
    """The metric by which the runs are judged; where they have several, its name stands in each cell."""
    names = {row.metric for row in rows if row.metric is not None}
    only = next(iter(names)) if len(names) == 1 else None

    def cell(row: Row) -> str:
        value = measure(row.metric, row.fields["metrics"].get(row.metric))
        return f"{row.metric} {value}" if only is None and value else value

    return [Column(only or "metric", lambda row: row.fields["metrics"].get(row.metric), cell, is_needed=True)]


def _params(rows: Iterable[Row]) -> list[Column]:
    """The params in which the runs differ. Those of a run are taken apart once for all of its cells."""
    from trainconf.control.history import params_of, varying

    latest: list[Any] = [None, {}]

    def of(row: Row) -> dict[str, Any]:
        if latest[0] is not row:
            latest[:] = row, params_of(row)
        return latest[1]  # type: ignore[no-any-return]

    return [Column(name.removeprefix("params."), lambda row, name=name: of(row).get(name)) for name in varying(rows)]  # type: ignore[misc]


def _expression(expression: str) -> Column:
    """A value that the index was asked for; times and durations as the table has them."""
    cells: dict[str, Callable[[Any], str]] = dict.fromkeys(("created", "started", "ended"), utc_time)
    cells |= {"duration": short_duration, "age": short_duration}
    inner = expression.removesuffix(")").rpartition("(")[2]  # of max(metrics.loss)
    metric = inner.removeprefix("metrics.") if inner.startswith("metrics.") else ""

    def shown(value: Any) -> str:
        return measure(metric, value) if metric and isinstance(value, (int, float)) else cells.get(expression, text)(value)

    return Column(expression, lambda row: row.values[expression], lambda row: shown(row.values[expression]),
                  is_needed=expression == "run", is_status=expression == "status", is_cut=expression in ("reason", "note"))


def _reason(row: Row) -> str:
    """Why a run failed, was canceled, or does not answer."""
    return row.reason if row.fields["status"] in ("Failed", "NotResponding") else ""


# -- groups --------------------------------------------------------------------------------------------------------------


def group_object(group: Group) -> dict[str, Any]:
    """A group in the stable form of `ls --group --json`."""
    best = None if group.best is None else {"run_id": group.best, "value": group.best_value}
    return {
        "name": group.name, "kind": group.kind, "experiment_name": group.experiment, "runs": group.total, "statuses": group.counts,
        "newest": utc_time(group.newest) or None, "metric": group.metric, "best": best,
    }  # fmt: skip


def print_group_csv(groups: Sequence[Group]) -> None:
    """A line for each group, with a header."""
    header = ("name", "kind", "experiment_name", "runs", "statuses", "newest", "metric", "best_run_id", "best_value")
    printer.csv(lines_of(header, [
        (each.name, each.kind, each.experiment, each.total, _counts(each), utc_time(each.newest), each.metric, each.best, each.best_value)
        for each in groups
    ]))  # fmt: skip


def group_table(groups: Sequence[Group], by: str, room: int | None) -> tuple[Iterator[str], list[str]]:
    """The lines of a table of groups, and the columns that had no room."""
    columns = [
        tables.Column(by if by == "experiment" else "sweep or run", is_needed=True), tables.Column("runs", is_needed=True),
        tables.Column("statuses", is_cut=True, is_needed=True), tables.Column("best"), tables.Column("best run"),
        tables.Column("newest (UTC)"),
    ]  # fmt: skip
    rows = [
        [each.name, str(each.total), _counts(each), f"{each.metric} {measure(each.metric, each.best_value)}" if each.best else "",
         each.best or "", utc_time(each.newest)]
        for each in groups
    ]  # fmt: skip
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            column.measure(cell)
    places, left = tables.fitting(columns, room)
    lines = tables.lines([columns[place] for place in places], [[row[place] for place in places] for row in rows])
    return iter(lines), [columns[place].header for place in left]


def _counts(group: Group) -> str:
    return ", ".join(f"{count} {status}" for status, count in group.counts.items())
