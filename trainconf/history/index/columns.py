"""The values of runs that can be asked for, one column for each name: `params.lr`, `metrics.loss`, `git.branch`.

Names are as many as users like, and a table of SQLite has at most 2000 columns: so each `block` has WIDTH of them. A run has a row in each
block that holds a value of it. A scan of one block, for what `--where` asks of 100,000 runs, takes a few hundredths of a second, with
no SQL index to be kept for every name.
"""

from __future__ import annotations

from trainconf.fast.json import canonical
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from trainconf.fast.sqlite import sqlite3

WIDTH = 64
MOST_NAMES = 16_384  # the names that come later cannot be asked for
LONGEST_NAME = 500
DEEPEST = 20  # mappings within mappings
NUMBER, TEXT, LIST = 1, 2, 4  # which types a name's values have; True and False are the numbers 1 and 0
LARGEST_INTEGER = (1 << 63) - 1
GOALS = ("maximize", "minimize")
GROUPS = ("params", "metrics", "tags", "properties")

# What every index knows: these are in the first block, in which every run has a row. `metric` is the last value of the metric that the
# run's experiment is judged by, `metric.best` its best one by the goal, or the last one where there is no goal.
FIXED = {
    "created": NUMBER, "started": NUMBER, "ended": NUMBER, "exit_code": NUMBER, "attempt": NUMBER, "metric": NUMBER,
    "archived": NUMBER, "status": TEXT, "type": TEXT,
    "metric.name": TEXT, "metric.goal": TEXT, "experiment": TEXT, "name": TEXT, "note": TEXT, "compute": TEXT, "env": TEXT,
    "distributed": TEXT, "sweep": TEXT, "spec": TEXT, "reason": TEXT, "git.commit": TEXT, "git.branch": TEXT, "git.repository": TEXT,
    "git.dirty": NUMBER, "metric.best": NUMBER,
}  # fmt: skip

def facts_of(fields: dict[str, Any], reason: str, metric: str | None, goal: str, best: float | None) -> dict[str, Any]:
    """The values of a run by name, from its stable fields."""
    found: dict[str, Any] = {
        "experiment": fields["experiment_name"], "name": fields["display_name"], "sweep": fields["parent"], "spec": fields["spec_hash"],
        "reason": reason or None, "archived": bool(fields["archived"]), "status": fields["status"], "type": fields["type"],
        "metric.name": metric, "metric.goal": goal,
        **{name: fields[name] for name in ("note", "exit_code", "attempt", "compute", "env", "distributed")},
        **{name: events.seconds(fields[name]) for name in ("created", "started", "ended")},
    }  # fmt: skip
    if isinstance(value := fields["metrics"].get(metric), (int, float)):
        found["metric"] = value
    found["metric.best"] = best if goal in GOALS else found.get("metric")
    for name in ("commit", "branch", "repository", "dirty"):
        found[f"git.{name}"] = (fields["git"] or {}).get(name)
    for group in GROUPS:
        found.update(flattened(group, fields[group]))
    return found


def series_name(function: str, metric: str) -> str:
    """Under which name there is a value of a metric's whole series; no field has such a one."""
    return f"({function}){metric}"


def ordered_by(sql: str, *, is_downwards: bool) -> str:
    """An order with missing values last. For SQLite they are the least ones (datatype3.html), so downwards an index may have the order."""
    return f"{sql} DESC" if is_downwards else f"{sql} IS NULL, {sql}"


def flattened(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """A mapping's values under their whole names: `params.optim.lr`."""
    if not isinstance(value, dict) or depth > DEEPEST:
        yield name, value
        return
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from flattened(f"{name}.{key}", inner, depth + 1)
        else:
            yield f"{name}.{key}", inner


def stored(value: Any) -> tuple[Any, int]:
    """A value as a column has it, and its type; (None, 0) for what counts as none: NaN among them, as SQLite does not have it."""
    if value is None or value != value:
        return None, 0
    if isinstance(value, (bool, int)):
        return (int(value), NUMBER) if abs(value) <= LARGEST_INTEGER else (as_float(value), NUMBER)
    if isinstance(value, float):
        return value, NUMBER
    if isinstance(value, str):
        return storable(value), TEXT
    try:
        return canonical(value).encode(), LIST
    except (TypeError, ValueError, RecursionError):
        return None, 0


def storable(text: str) -> str:
    """As SQLite can hold it: half a surrogate pair is no text."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def as_float(value: int) -> float:
    """Of a whole number that is too large for SQLite."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")


def store(db: sqlite3.Connection, runs: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """Add values to runs that have none under these names yet. Within a transaction."""
    known = {name: (number, kinds) for number, name, kinds in db.execute("SELECT id, name, kinds FROM names")}
    before = dict(known)
    rows: dict[tuple[int, ...], list[tuple[Any, ...]]] = {}
    for run, facts in runs:
        blocks: dict[int, dict[int, Any]] = {}
        for name, value in facts.items():
            if value is None:
                continue
            kept, kind = (value, NUMBER) if type(value) is float and value == value else stored(value)
            found = known.get(name)
            number = found[0] if found is not None and kind and kind & found[1] else _number(known, name, kind)
            if number is None:
                continue
            block = number // WIDTH
            if block in blocks:
                blocks[block][number] = kept
            else:
                blocks[block] = {number: kept}
        for kept_by_number in blocks.values():
            rows.setdefault(tuple(kept_by_number), []).append((run, *kept_by_number.values()))
    changed = [(number, name, kinds) for name, (number, kinds) in known.items() if before.get(name) != (number, kinds)]
    db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", changed)
    for block in {number // WIDTH for number, name, _ in changed if name not in before}:
        db.execute(block_table(block))
        db.execute(block_trigger(block))
    for numbers, values in rows.items():
        columns = [f"c{number}" for number in numbers]
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns)
        db.executemany(
            f"INSERT INTO block{numbers[0] // WIDTH} (run, {', '.join(columns)}) VALUES (?{', ?' * len(columns)})"
            f" ON CONFLICT (run) DO UPDATE SET {updates}", values,
        )  # fmt: skip


def _number(known: dict[str, tuple[int, int]], name: str, kind: int) -> int | None:
    """The number of a name's column, a new one where it has none; None when there is nothing to store, or no room."""
    name = storable(name)
    found = known.get(name)
    if found is None:
        if not kind or len(known) >= MOST_NAMES or len(name) > LONGEST_NAME:
            return None
        known[name] = len(known), kind
        return len(known) - 1
    if kind & ~found[1]:
        known[name] = found[0], found[1] | kind
    return found[0] if kind else None


def block_table(block: int) -> str:
    """The statement that makes a block."""
    columns = ", ".join(f"c{number}" for number in range(block * WIDTH, (block + 1) * WIDTH))
    return f"CREATE TABLE IF NOT EXISTS block{block} (run INTEGER PRIMARY KEY, {columns})"


def block_trigger(block: int) -> str:
    """The statement by which a block forgets a run with the table of runs."""
    return f"CREATE TRIGGER IF NOT EXISTS forget{block} AFTER DELETE ON runs BEGIN DELETE FROM block{block} WHERE run = old.id; END"


SCHEMA = (
    "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kinds INTEGER NOT NULL)",
    *(f"INSERT INTO names VALUES ({number}, '{name}', {kinds})" for number, (name, kinds) in enumerate(FIXED.items())),
    block_table(0),
    block_trigger(0),
    f"CREATE INDEX by_best ON block0 ({', '.join(f'c{[*FIXED].index(name)}' for name in ('archived', 'metric.best', 'created'))})",
)
