"""The curves of a chart, and where their points go on in the stream."""

from __future__ import annotations

from math import isfinite

from trainconf.control.curves.read import RELATIVE, STEP, TIME, Asked, read
from trainconf.errors import UserError
from trainconf.page.answers.chosen import find_run, split, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

MOST_RUNS, MOST_NAMES = 100, 200
AXES = (STEP, TIME, RELATIVE)


def series(request: Request) -> dict[str, Any]:
    """The curves of some names of some runs, or of groups of them. Raises UserError, RunNotFoundError.

    group: the band of a mean, `std` or `range`; but: params that do not count besides seeds, with commas between them.
    """
    query = request.query
    ids, names = split(query.get("runs", "")), split(query.get("names", ""))
    if len(ids) > MOST_RUNS or len(names) > MOST_NAMES:
        raise UserError("too many curves are asked for", ("allowed", f"at most {MOST_RUNS} runs and {MOST_NAMES} names"))
    axis = query.get("x", STEP)
    if axis not in AXES:
        raise UserError(f"x={axis} is no axis", ("allowed", ", ".join(AXES)))
    smooth = _number(request, "smooth")
    if smooth is not None and not 0 <= smooth < 1:
        raise UserError(f"smooth={smooth:g} is no weight", ("allowed", "0 to below 1"))
    buckets = max(1, whole(query, "buckets", 1000, 10_000))
    asked = Asked(axis, _number(request, "from"), _number(request, "to"), buckets, smooth or None)
    runs = [find_run(request.workspace, name) for name in ids]
    if band := query.get("group", ""):
        return _grouped(request, runs, names, asked, band)
    curves, cursors = read(request.site.points, runs, names, asked)
    return {"series": [curve.to_dict() for curve in curves], "cursors": cursors}


def _grouped(request: Request, runs: list[RunPaths], names: list[str], asked: Asked, band: str) -> dict[str, Any]:
    from trainconf.control.curves.groups import BANDS, groups_of, read_groups

    if band not in BANDS:
        raise UserError(f"group={band} is no band", ("allowed", ", ".join(BANDS)))
    groups = groups_of(runs, split(request.query.get("but", "")))
    curves, cursors = read_groups(request.site.points, groups, names, asked, band)
    told = [{"id": group.label, "runs": [paths.run_id for paths in group.runs]} for group in groups]
    return {"series": [curve.to_dict() for curve in curves], "cursors": cursors, "groups": told}


def _number(request: Request, name: str) -> float | None:
    """A finite number of the query, None where it is not there. Raises UserError."""
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise UserError(f"{name}={text} is no number", ("from", "the address"))
    return value
