"""What a run's own processes record besides the values of metrics, as `trainconf.job_api.in_run` writes it.

    records.jsonl            one line for each row, table, image, chart, label, error and child run
    metrics/<host>.records   the same on a disk that several machines write to, one file for each

A line is {"<kind>": {...}, "time": ...}. The job may have written anything there: what is of another form is passed over.
"""

from __future__ import annotations

import os

from trainconf.fast.json import loads
from trainconf.history import metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.paths import RunPaths

    Record = tuple[str, dict[str, Any]]  # what kind it is, and what it says

SUFFIX = ".records"
LINE_BYTES = 1 << 24  # a chart has at most half of it
LONGEST_TEXT = 1 << 16  # of a label
LABEL = b'{"label":'
LABELS = ("tags", "untag", "note", "display_name", "properties")  # what a run may say of itself


def files_of(paths: RunPaths) -> list[str]:
    """The files there are, in an order that stays; open them with `files.open_regular`, for a job may have put anything there."""
    found = [paths.records] if os.path.lexists(paths.records) else []
    try:
        names = os.listdir(paths.metrics_folder)
    except OSError:
        return found
    return [*found, *(os.path.join(paths.metrics_folder, name) for name in sorted(names) if name.endswith(SUFFIX))]


def read(paths: RunPaths) -> list[Record]:
    """All records but labels, in the order of their times."""
    found: list[tuple[str, str, dict[str, Any]]] = []

    def take(lines: bytes) -> None:
        for line in lines.split(b"\n"):
            entry = {} if line.startswith(LABEL) else _decode(line)
            kind = next((kind for kind in _IS_WELL_FORMED if kind in entry), None)
            if kind is not None and isinstance(entry[kind], dict) and _IS_WELL_FORMED[kind](entry[kind]):
                found.append((str(entry.get("time")), kind, entry[kind]))

    for path in files_of(paths):
        metrics.read_from(path, take, LINE_BYTES)
    found.sort(key=lambda record: record[0])
    return [(kind, facts) for _, kind, facts in found]


def labels(paths: RunPaths) -> list[dict[str, Any]]:
    """What the run's processes have said of it, as the lines of labels.jsonl: with "time", and some of LABELS."""
    found: list[dict[str, Any]] = []

    def take(lines: bytes) -> None:
        if LABEL not in lines:
            return
        for line in lines.split(b"\n"):
            entry = _decode(line) if line.startswith(LABEL) else {}
            label = entry.get("label")
            if isinstance(label, dict) and all(_is_short(label.get(key)) for key in LABELS):
                found.append({**{key: label[key] for key in LABELS if key in label}, "time": entry.get("time")})

    for path in files_of(paths):
        metrics.read_from(path, take, LINE_BYTES)
    return found


def summary(records: list[Record]) -> dict[str, Any]:
    """What `show --json` has of them: `tables` as their columns' names and the number of rows, `images`, `charts`, `errors`, `children`,
    and the `descriptions` of metrics."""
    found: dict[str, Any] = {"tables": {}, "images": [], "charts": [], "errors": [], "children": [], "descriptions": {}}
    for kind, facts in records:
        if kind in ("row", "table"):
            table = found["tables"].setdefault(facts["name"], {"rows": 0, "columns": []})
            table["columns"] += [column for column in facts["columns"] if column not in table["columns"]]
            table["rows"] += 1 if kind == "row" else max(map(len, facts["columns"].values()), default=0)
        elif kind == "described":
            found["descriptions"][facts["name"]] = facts["text"]
        elif kind == "child":
            found["children"].append(facts["id"])
        elif kind != "cancel":
            found[f"{kind}s"].append(facts)
    return found


def _decode(line: bytes) -> dict[str, Any]:
    try:
        entry = loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_short(value: Any) -> bool:
    """Whether a label has only texts that are not too long."""
    if isinstance(value, dict):
        return all(isinstance(each, str) and len(key) + len(each) <= LONGEST_TEXT for key, each in value.items())
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return value is None or (isinstance(value, str) and len(value) <= LONGEST_TEXT)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _is_named(facts: dict[str, Any], key: str = "name") -> bool:
    return isinstance(facts.get(key), str) and bool(facts[key])


def _is_row(facts: dict[str, Any]) -> bool:
    columns = facts.get("columns")
    return _is_named(facts) and isinstance(columns, dict) and all(map(_is_plain, columns.values()))


def _is_table(facts: dict[str, Any]) -> bool:
    columns = facts.get("columns")
    if not _is_named(facts) or not isinstance(columns, dict):
        return False
    return all(isinstance(column, list) and all(map(_is_plain, column)) for column in columns.values())


def _is_chart(facts: dict[str, Any]) -> bool:
    chart = facts.get("value")
    is_chart = isinstance(chart, dict) and isinstance(chart.get("schema_type"), str) and isinstance(chart.get("data"), dict)
    return is_chart and _is_named(facts)


def _is_id(facts: dict[str, Any]) -> bool:
    """Whether it names a run beside this one, and nothing else."""
    name = facts.get("id")
    return isinstance(name, str) and os.path.basename(name) == name and name not in ("", ".", "..") and "\0" not in name


_IS_WELL_FORMED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "row": _is_row,
    "table": _is_table,
    "image": lambda facts: _is_named(facts) and _is_named(facts, "file"),
    "chart": _is_chart,
    "described": lambda facts: _is_named(facts) and _is_named(facts, "text"),
    "error": lambda facts: _is_named(facts, "text") and all(_is_plain(value) for value in facts.values()),
    "child": _is_id,
    "cancel": lambda facts: True,
}
