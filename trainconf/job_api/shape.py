"""The one shape of what was logged: for each name a list of its values in order, for each table its columns as lists of one length.

    {"loss": [0.5, 0.25], "cost": {"epoch": [1, 2], "eur": [3.5, None]}, "curve": ["outputs/images/curve.png"]}

An image is the name of its file, and a chart the mapping that was logged. `last` is the last value of each name that has one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Tuple

    Record = Tuple[str, Dict[str, Any]]  # what kind it is, and what it says


def of(entries: Iterable[Dict[str, Any]], records: Iterable[Record]) -> Dict[str, Any]:
    """Everything that was logged, from the metrics' lines and the records."""
    found: Dict[str, Any] = {}
    tables = tables_of(records)
    for entry in entries:
        name = entry["name"]
        if not is_of_table(name, tables):
            found.setdefault(name, []).append(entry["value"])
    for kind, facts in records:
        if kind == "image":
            found.setdefault(facts["name"], []).append(facts["file"])
        elif kind == "chart":
            found.setdefault(facts["name"], []).append(facts["value"])
    found.update(tables)
    return found


def last_of(entries: Iterable[Dict[str, Any]]) -> Dict[str, Any]:
    """The last value of each name; a column of a table is called `table/column`."""
    return {entry["name"]: entry["value"] for entry in entries}


def tables_of(records: Iterable[Record]) -> Dict[str, Dict[str, List[Any]]]:
    """Each table's columns. What a row does not have is None, so that the columns stay of one length."""
    tables: Dict[str, Dict[str, List[Any]]] = {}
    for kind, facts in records:
        if kind not in ("row", "table"):
            continue
        columns = facts["columns"]
        table = tables.setdefault(facts["name"], {})
        before = max(map(len, table.values())) if table else 0
        added = max((len(each) for each in columns.values()), default=0) if kind == "table" else 1
        for column, each in columns.items():
            values = table.setdefault(column, [None] * before)
            values += each if kind == "table" else [each]
        for short in table.values():
            short.extend([None] * (before + added - len(short)))
    return tables


def is_of_table(name: str, tables: Dict[str, Dict[str, List[Any]]]) -> bool:
    """Whether a metric is a column of a table, which is there as a series as well."""
    table, slash, column = name.rpartition("/")
    return bool(slash) and column in tables.get(table, ())
