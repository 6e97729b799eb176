"""What is shown, as a file for other programs: CSV and JSON, with the columns of `ls`, `metrics`, `compare` and `sweep export`.

A file is written beside before it is sent, line by line: 100,000 runs take no memory.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile

from trainconf.control import compare, history, metrics
from trainconf.control.results import sweep as results
from trainconf.control.view import filter as filters
from trainconf.control.view.table import narrowed
from trainconf.control.words import spreadsheets
from trainconf.errors import UserError
from trainconf.history.index.query import Asked
from trainconf.page.answers.chosen import find_run, find_sweep, split
from trainconf.page.answers.runs import expression
from trainconf.page.request import File
from trainconf.page.wire import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
MOST_RUNS = 1000  # that are named


class Rows:
    """Runs of the index, which can be gone through again."""

    def __init__(self, request: Request, asked: Asked) -> None:
        self._request, self._asked = request, asked

    def __iter__(self) -> Iterator[Any]:
        return history.each(self._request.workspace, self._asked)


def export(request: Request) -> File:
    """GET /api/export. `view`: runs, metrics, compare or sweep; `format`: csv or json. Raises UserError, RunNotFoundError."""
    view, form = request.query.get("view", ""), request.query.get("format", "csv")
    if view not in VIEWS or form not in TYPES:
        raise UserError(f"there is no export of {view!r} as {form!r}", ("allowed", f"view: {', '.join(VIEWS)}; format: {', '.join(TYPES)}"))
    lines, objects = VIEWS[view](request)
    with tempfile.TemporaryFile("w+b") as stream:
        for block in _csv(lines()) if form == "csv" else _json(objects()):
            stream.write(block)
        stream.flush()
        fd = os.dup(stream.fileno())
    return File(TYPES[form], fd, os.fstat(fd).st_size, name=f"{view}.{form}")


def _csv(lines: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    block = io.StringIO()
    writer = csv.writer(block, lineterminator="\n")
    for line in lines:
        writer.writerow(line)
        yield block.getvalue().encode("utf-8", "backslashreplace")
        block.seek(0)
        block.truncate()


def _json(objects: Iterable[Any]) -> Iterator[bytes]:
    """An array, one value after the other."""
    between = b"["
    for value in objects:
        yield between + encode(value)
        between = b",\n"
    yield b"[]\n" if between == b"[" else b"]\n"


# ------------------------------------------------------------ views

Made = tuple["Callable[[], Iterable[Sequence[Any]]]", "Callable[[], Iterable[Any]]"]  # lines of CSV, and objects of JSON


def _runs(request: Request) -> Made:
    """The whole table that is shown: its filter, its order, and the columns that were chosen or all."""
    query = request.query
    columns, sort = tuple(map(expression, split(query.get("columns", "")))), expression(query.get("sort", ""))
    order = f"-{sort}" if sort and query.get("order", "desc") == "desc" else sort
    asked = narrowed(Asked(sort=order, columns=columns, archived=query.get("archived") == "1"), filters.parse(query.get("filter", "")))
    rows = Rows(request, asked)
    return (
        lambda: spreadsheets.of_runs(spreadsheets.columns_of(rows, columns, changed=False), rows),
        lambda: (row.values if columns else row.fields for row in rows),
    )


def _metrics(request: Request) -> Made:
    """Every point of the chosen runs."""
    found = metrics.read(_named(request), split(request.query.get("names", "")))
    return lambda: spreadsheets.of_series(found), lambda: (run.to_dict() for run in found)


def _compare(request: Request) -> Made:
    found = compare.compare(_named(request))
    names = [name for name in found.facts if request.query.get("all") == "1" or name in found.differing]
    return lambda: spreadsheets.of_comparison(found, names), lambda: [found.to_dict(everything=request.query.get("all") == "1")]


def _sweep(request: Request) -> Made:
    found = results.results(find_sweep(request.workspace, request.query.get("id", "")))
    return lambda: spreadsheets.of_sweep(found), lambda: [found.to_dict()]


VIEWS: dict[str, Callable[[Request], Made]] = {"runs": _runs, "metrics": _metrics, "compare": _compare, "sweep": _sweep}


def _named(request: Request) -> list[RunPaths]:
    ids = list(dict.fromkeys(split(request.query.get("runs", ""))))
    if not ids or len(ids) > MOST_RUNS:
        raise UserError("say which runs are meant", ("allowed", f"runs=ID,ID, 1 to {MOST_RUNS} of them"))
    return [find_run(request.workspace, each) for each in ids]
