"""The table of runs: one screen of it, found, sorted and counted by the index that `ls` asks; and what its columns may show."""

from __future__ import annotations

import shlex
import time

from trainconf.control.view import filter as filters
from trainconf.page.answers.chosen import split, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.view.table import Screen, Table
    from trainconf.history.index.rows import Row
    from trainconf.page.request import Request
    from trainconf.page.site import Site
    from trainconf.page.sparks import Spark

LIMIT, MOST = 60, 500
PATIENCE_S = 0.08  # for which a table waits for the courses of its runs; the stream brings the others


def table(request: Request) -> dict[str, Any]:
    """Rows from `offset` on, newest first or sorted by a column; how many runs there are, and how many of them match.

    unread: runs whose series are yet to be read for what was asked: ask again. without: where nothing matches, how many runs would
    without one part of the filter. unknown: columns that no run has. reading: where the index is being made, how many runs of how many
    are in it.
    """
    site = request.site
    if (reading := site.reading()) is not None:
        rows, done, expected = reading
        count = max(expected, len(rows))
        return {
            "total": count, "matching": count, "offset": 0, "rows": [row_of(row, None) for row in rows], "without": [], "unread": 0,
            "unknown": [], "reading": {"done": done, "total": count},
        }  # fmt: skip
    query = {**request.query, "offset": whole(request.query, "offset", 0, 1 << 31), "limit": whole(request.query, "limit", LIMIT, MOST)}
    screen = site.ask(lambda table: screen_of(table, query))
    return {**to_dict(site, screen, PATIENCE_S), "offset": query["offset"], "command": command_of(query)}


def command_of(query: dict[str, Any]) -> str:
    """What lists the same runs in a terminal, in the same order."""
    where, sort = filters.condition(str(query.get("filter") or "")), expression(str(query.get("sort") or ""))
    words = [f"--where={where}"] if where else []
    words += [f"--sort={'-' if query.get('order', 'desc') == 'desc' else ''}{sort}"] if sort else []
    return shlex.join(["trainconf", "ls", *words, *(["--archived"] if query.get("archived") == "1" else [])])


def columns(request: Request) -> dict[str, Any]:
    """Names that a column may show, those that hold all words of `search`; `more` is how many are left out."""
    limit = whole(request.query, "limit", 50, MOST)
    found, more = request.site.ask(lambda table: table.columns(request.query.get("search", ""), limit))
    return {"columns": found, "more": more}


def screen_of(table: Table, query: dict[str, Any]) -> Screen:
    """A screen as a query asks for it; the query of a stream is of the same form. Raises UserError."""
    is_downwards = query.get("order", "desc") == "desc"
    names = tuple(expression(name) for name in split(str(query.get("columns") or "")))
    return table.screen(
        str(query.get("filter") or ""), sort=expression(str(query.get("sort") or "")), is_downwards=is_downwards, columns=names,
        offset=int(query.get("offset") or 0), limit=int(query.get("limit") or LIMIT),
        archived=str(query.get("archived") or "0") in ("1", "True"),
    )  # fmt: skip


def to_dict(site: Site, screen: Screen, patience_s: float) -> dict[str, Any]:
    """A screen in the form that the page reads."""
    until = time.monotonic() + patience_s
    rows = []
    for row in screen.rows:
        spark = site.sparks.known(row)
        if spark is None and row.metric is not None and time.monotonic() < until and site.sparks.is_quick(row):
            spark = site.sparks.read(row)
        rows.append(row_of(row, spark))
    return {
        "total": screen.total, "matching": screen.matching, "rows": rows, "unread": screen.unread, "unknown": list(screen.unknown),
        "without": [{"words": words, "matching": matching} for words, matching in screen.without],
    }  # fmt: skip


def row_of(row: Row, spark: Spark | None) -> dict[str, Any]:
    """A run as the table shows it. `spark` is null where its series is yet to be read."""
    fields = row.fields
    metric = None
    if row.metric is not None:
        best = row.best if row.best is not None or spark is None else spark.best  # what the index sorts by, where it is known
        at = spark.at if spark is not None and spark.best == best else None
        metric = {"name": row.metric, "goal": row.goal, "best": best, "at": at, "last": fields["metrics"].get(row.metric)}
    return {
        "id": fields["run_id"], "experiment": fields["experiment_name"], "name": fields["display_name"],
        "state": fields["status"], "state_words": row.reason,
        **{name: fields[name] for name in ("created", "started", "ended", "duration_s", "attempt", "tags", "note", "archived", "type")},
        "sweep": fields["parent"], "damage": row.damage or None, "metric": metric, "spark": None if spark is None else spark.points,
        "values": {_column(name): value for name, value in row.values.items()},
    }  # fmt: skip


def expression(name: str) -> str:
    """`metrics.loss:min` as the index has it: min(metrics.loss)."""
    metric, colon, function = name.rpartition(":")
    if not colon or function not in ("min", "max", "mean", "last"):
        return name
    return metric if function == "last" else f"{function}({metric})"


def _column(expression: str) -> str:
    function, bracket, metric = expression.removesuffix(")").partition("(")
    return f"{metric}:{function}" if bracket else expression
