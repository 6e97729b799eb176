"""What differs between runs: the parts first, then params, config, metrics, code and software, each value with what set it."""

from __future__ import annotations

import re
import shlex
from math import isfinite, isnan

from trainconf.control import diff
from trainconf.control.results.worth import rule_of_run
from trainconf.errors import RunNotFoundError, UserError
from trainconf.history import record
from trainconf.history.logged.courses import courses_of
from trainconf.page import summaries
from trainconf.page.answers import patches
from trainconf.page.answers.chosen import find_run, search_of, split, whole
from trainconf.resolve.origins import leaves
from trainconf.search.values import best as ahead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from trainconf.history.series import Series
    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

MOST_RUNS = 50
MOST_ROWS, LEAST_ROWS = 200, 20  # of one section; `limit` asks for fewer
MOST_CELLS = 2000  # of one section: an answer has at most 1 MB
MOST_FILES = 1000  # of all runs together
MOST_CODES = 12  # different trees of code whose lines are compared with the first one
SEED = re.compile(r"(?:^|[._])seed$")
NAMES = frozenset({"display_name", "experiment_name"})
PLACES = re.compile(r"(?:^|[._])(?:path|file|folder|dir|directory)$")
PARTS = {  # of a run's identity, by the name that people read, and the one in its record
    "params": "params", "code": "code", "data": "", "environment": "environment", "compute": "compute", "distributed": "distributed",
}  # fmt: skip


def compare(request: Request) -> dict[str, Any]:
    """GET /api/compare. Without `all` only what differs; a section has `limit` rows whose keys hold `search`.

    Raises UserError for fewer than two runs that are there, or for more than MOST_RUNS.
    """
    runs, missing = _runs(request)
    everything, wanted, limit = request.query.get("all") == "1", search_of(request), whole(request.query, "limit", MOST_ROWS, MOST_ROWS)
    limit = min(limit, max(LEAST_ROWS, MOST_CELLS // len(runs)))
    known = [_Known(paths) for paths in runs]
    shown = _sections(known, everything=everything)
    code = _code(known)
    parts = _parts(known, shown, code)
    judged = {(each.metric, each.goal) for each in known}
    return {
        "runs": [each.row() for each in known], "missing": missing, "parts": parts, "words": _words(parts),
        "metric": {"name": known[0].metric, "goal": known[0].goal} if len(judged) == 1 and known[0].metric else None,
        "params": _cut(shown["params"], wanted, limit), "config": _cut(shown["config"], wanted, limit),
        "packages": _cut(shown["packages"], wanted, limit), "environment": _cut(shown["environment"], wanted, limit),
        "data": _cut(shown["data"], wanted, limit), "metrics": _metrics(known, wanted, limit, everything=everything), "code": code,
        "damage": {each.paths.run_id: each.damage for each in known if each.damage},
        "command": shlex.join(["trainconf", "compare", *(["--all"] if everything else []), *(paths.run_id for paths in runs)]),
    }  # fmt: skip


def code(request: Request) -> dict[str, Any]:
    """GET /api/compare/code: the changed lines of one path from run a to run b. Raises UserError, also for a path that neither has."""
    ids = split(request.query.get("runs", ""))
    if len(ids) != 2:
        raise UserError("the lines of a file are compared between two runs", ("given", str(len(ids))))
    path = request.query.get("path", "")
    found = diff.code_of_runs(*(find_run(request.workspace, each) for each in ids), only=[path] if path else [])
    return patches.answer(found)


def _runs(request: Request) -> tuple[list[RunPaths], list[dict[str, str]]]:
    """The runs that are there, each once, and what is said of those that are not."""
    ids = list(dict.fromkeys(split(request.query.get("runs", ""))))
    if len(ids) > MOST_RUNS:
        raise UserError(f"{len(ids)} runs are too many to compare here", ("allowed", f"2 to {MOST_RUNS}"),
                        hint="`trainconf compare --where EXPRESSION` compares any number")
    runs, missing = [], []
    for each in ids:
        try:
            runs.append(find_run(request.workspace, each))
        except RunNotFoundError as error:
            missing.append({"id": each, "words": error.mistakes[0].what})
    if len(runs) < 2:
        said = [("not there", "\n".join(each["id"] for each in missing))] if missing else []
        raise UserError("at least two runs are needed for a comparison", ("there are", str(len(runs))), *said,
                        hint="choose runs in the table with x, then press c")
    return runs, missing


class _Known:
    """What is known of one run, read once. A damaged file costs what it held."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.recorded = record.read_mapping(paths.record)
        self.spec = record.read_mapping(paths.spec)
        self.damage = record.damage(paths, self.recorded)
        hashes = self.recorded.get("hashes")
        self.hashes: dict[str, Any] = hashes if isinstance(hashes, dict) else {}
        origins = self.recorded.get("origins")
        self.origins: dict[str, Any] = origins if isinstance(origins, dict) else {}
        metric = self.recorded.get("metric")
        judged: dict[str, Any] = metric if isinstance(metric, dict) else {}
        self.metric = judged.get("name") if isinstance(judged.get("name"), str) else None
        self.goal = "minimize" if judged.get("goal") == "minimize" else "maximize"
        self.rule = rule_of_run(paths, self.recorded)
        self.logged = summaries.of(paths).values
        code = self.spec.get("code")
        self.code: dict[str, Any] = code if isinstance(code, dict) else {}
        self.snapshot = diff.snapshot_of(paths)

    def row(self) -> dict[str, Any]:
        from trainconf.history import labels, liveness

        said = labels.read(self.paths)
        name = self.recorded.get("display_name")
        return {
            "id": self.paths.run_id, "experiment": self.recorded.get("experiment_name"),
            "name": said.display_name or (name if isinstance(name, str) else None), "state": liveness.state_of(self.paths).status,
            "created": self.recorded.get("created"), "sweep": self.recorded.get("parent"), "snapshot": self.snapshot,
        }  # fmt: skip

    def values(self, group: str) -> dict[str, Any]:
        """The values of a section by key."""
        if group == "params":
            return dict(_tree(self.recorded.get("params")))
        if group == "config":
            return {key: value for key, value in _tree(self.recorded.get("config")) if not key.startswith("params.") and value is not None}
        if group == "packages":
            return dict(diff.packages(self.paths))
        if group == "environment":
            return dict(diff.software(self.spec))
        return _inputs(self.code)

    def origin(self, group: str, key: str) -> str | None:
        found = self.origins.get(f"params.{key}" if group == "params" else key) if group in ("params", "config") else None
        return found if isinstance(found, str) else None


def _tree(value: Any) -> Iterator[tuple[str, Any]]:
    return leaves(value) if isinstance(value, dict) and value else iter(())


def _inputs(code: dict[str, Any]) -> dict[str, Any]:
    """Each input: the hash of its content, else its path."""
    try:
        digests = dict(code.get("input_digests", ()))
        return {name: digests.get(name, path) for name, path in code.get("inputs", ())}
    except (TypeError, ValueError):
        return {}  # a damaged spec costs these


# ------------------------------------------------------------ rows


def _sections(known: Sequence[_Known], *, everything: bool) -> dict[str, list[dict[str, Any]]]:
    return {group: list(_rows(known, group, everything=everything)) for group in ("params", "config", "packages", "environment", "data")}


def _rows(known: Sequence[_Known], group: str, *, everything: bool) -> Iterator[dict[str, Any]]:
    """A row for each key: a cell [value, origin] for each run, null where a run has none, and why the row is folded."""
    values = [each.values(group) for each in known]
    for key in sorted({key for each in values for key in each}):
        cells = [[each[key], run.origin(group, key)] if key in each else None for each, run in zip(values, known, strict=True)]
        differs = len({repr(cell and cell[0]) for cell in cells}) > 1
        if differs or everything:
            yield {"key": key, "cells": cells, "differs": differs, "folded": _why_folded(key, cells) if differs else None}


def _why_folded(key: str, cells: Iterable[Any]) -> str | None:
    """Why a difference matters to few: seed, name or path; None for what decides."""
    if SEED.search(key):
        return "seed"
    if key in NAMES or key.startswith("tags."):
        return "name"
    texts = [cell[0] for cell in cells if cell]
    return "path" if PLACES.search(key) and all(isinstance(text, str) and "/" in text for text in texts) else None


def _cut(rows: Sequence[dict[str, Any]], wanted: str, limit: int) -> dict[str, Any]:
    found = [row for row in rows if wanted in row["key"].lower()] if wanted else rows
    return {"rows": found[:limit], "more": max(0, len(found) - limit)}


# ------------------------------------------------------------ what differs


def _parts(known: Sequence[_Known], shown: dict[str, list[dict[str, Any]]], code: dict[str, Any]) -> list[dict[str, Any]]:
    """Each part of the runs' identity: `same`, `differ` or `unknown`, and in words how far."""
    counts = {group: sum(row["differs"] for row in rows) for group, rows in shown.items()}
    packages, software = counts["packages"], counts["environment"]
    words = {
        "params": _counted(counts["params"], "param"), "code": _code_words(code), "data": _counted(counts["data"], "input"),
        "environment": _counted(packages, "package") if packages else _counted(software, "fact"),
    }  # fmt: skip
    found = []
    for part, name in PARTS.items():
        hashes = [each.hashes.get(name) for each in known]
        if part == "data":
            state = "differ" if counts["data"] else "same" if all(each.code for each in known) else "unknown"
        elif all(isinstance(each, str) for each in hashes):
            state = "same" if len({*hashes}) == 1 else "differ"
        else:  # an older record has no hashes: what can be seen decides
            state = "differ" if words.get(part) else "unknown"
        if part == "code" and state == "differ" and not words["code"]:
            words["code"] = "command or arguments"
        found.append({"part": part, "state": state, "words": words.get(part, "") if state == "differ" else ""})
    settings = [row for row in shown["config"] if row["differs"] and not row["folded"]]
    return [*found, {"part": "config", "state": "differ" if settings else "same", "words": _counted(len(settings), "setting")}]


def _words(parts: Iterable[dict[str, Any]]) -> str:
    """`differ: 1 param, 2 files; same: data, compute, environment`"""
    by_state: dict[str, list[str]] = {"differ": [], "same": [], "unknown": []}
    for each in parts:
        by_state[each["state"]].append(each["words"] or each["part"])
    return "; ".join(f"{state}: {', '.join(found)}" for state, found in by_state.items() if found)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}" if count else ""


# ------------------------------------------------------------ code


def _code(known: Sequence[_Known]) -> dict[str, Any]:
    """For each run but the first, the files that differ from the first one's. Equal trees are compared once."""
    first = known[0]
    told: dict[str | None, tuple[list[dict[str, Any]], str]] = {}
    if first.snapshot is not None:
        told[first.snapshot] = [], ""
    for each in known[1:]:
        if each.snapshot not in told:
            if len(told) > MOST_CODES:
                told[each.snapshot] = [], f"it has other code, which is not compared here: {MOST_CODES} others are"
            else:
                found = diff.code_of_runs(first.paths, each.paths, patch=False)
                told[each.snapshot] = [patches.file(change) for change in found.files], found.trouble
    most = MOST_FILES // (len(known) - 1)
    of = []
    for each in known[1:]:
        files, trouble = told[each.snapshot]
        of.append({"run": each.paths.run_id, "files": files[:most], "more": max(0, len(files) - most), "trouble": trouble})
    return {"base": first.paths.run_id, "of": of}


def _code_words(code: dict[str, Any]) -> str:
    paths = {file["path"] for each in code["of"] for file in each["files"]}
    return _counted(len(paths) + max((each["more"] for each in code["of"]), default=0), "file")


# ------------------------------------------------------------ metrics


def _metrics(known: Sequence[_Known], wanted: str, limit: int, *, everything: bool) -> dict[str, Any]:
    """A row for each metric: what each run logged last, and of the one that runs are judged by what it is worth and where that was."""
    judged = {each.metric for each in known}
    names = sorted({name for each in known for name in each.logged if wanted in name.lower()}, key=lambda name: (name not in judged, name))
    differing = [name for name in names if everything or len({repr(each.logged.get(name)) for each in known}) > 1]
    shown = differing[:limit]
    series = [courses_of(each.paths, shown) for each in known]
    rows = []
    for name in shown:
        cells = [_logged(each, name, found.get(name)) for each, found in zip(known, series, strict=True)]
        rows.append({"key": name, "cells": cells, "best": _best(known, name, cells), "differs": True})
    return {"rows": rows, "more": len(differing) - len(shown)}


def _logged(run: _Known, name: str, series: Series | None) -> dict[str, Any] | None:
    if name not in run.logged:
        return None
    cell: dict[str, Any] = {"last": run.logged[name], "last_at": None, "best": None, "best_at": None, "nan_at": None}
    if series is not None and len(series):
        values, steps = series.values, series.steps
        cell["last_at"] = steps[-1]
        places: Sequence[int] = range(len(values))
        if not isfinite(sum(values)):
            cell["nan_at"] = next((steps[place] for place in places if isnan(values[place])), None)
            places = [place for place in places if isfinite(values[place])]
        if name == run.metric and places:
            choose: Callable[..., int] = min if run.goal == "minimize" else max
            place = places[-1] if run.rule == "last" else choose(places, key=values.__getitem__)
            cell |= {"best": values[place], "best_at": steps[place]}
    return cell


def _best(known: Sequence[_Known], name: str, cells: Sequence[dict[str, Any] | None]) -> int | None:
    """The place of the best run, where all are judged by this metric and one goal."""
    if {(each.metric, each.goal) for each in known} != {(name, known[0].goal)}:
        return None
    values = [None if cell is None else cell["best"] for cell in cells]
    return ahead(values, known[0].goal) if len(values) - values.count(None) > 1 else None
