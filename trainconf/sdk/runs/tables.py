"""Runs and metrics as pandas tables. pandas is loaded when a table is asked for."""

from __future__ import annotations

from typing import cast

from trainconf.control import metrics as control
from trainconf.errors import UserError
from trainconf.history.index.columns import flattened
from trainconf.sdk.place import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType
    from typing import Any

    import pandas

    from trainconf.history.index.rows import Row
    from trainconf.paths import RunPaths

TIMES = ("created", "started", "ended")
PLAIN = (
    "run_id", "experiment_name", "display_name", "status", *TIMES, "duration_s", "exit_code", "attempt", "compute", "env", "distributed",
    "spec_hash", "parent", "note", "run_dir",
)  # fmt: skip
OF_GIT = ("commit", "branch", "dirty")
GROUPS = ("params", "metrics", "tags")
SIMPLE = (float, int, str, bool)


def pandas_module() -> ModuleType:
    """pandas. Raises UserError, with what to type, where it is not installed."""
    try:
        import pandas
    except ImportError as error:
        what = "a table needs pandas, which is not installed"
        raise UserError(what, ("from", caller()), ("because", str(error)), hint="pip install pandas") from error
    return cast("ModuleType", pandas)


def of_runs(rows: Iterable[Row]) -> pandas.DataFrame:
    """A line for each run: its stable fields; `params.lr`, `metrics.loss`, `tags.team`, `git.commit` as columns of their own."""
    pd = pandas_module()
    columns: dict[str, list[Any]] = {name: [] for name in (*PLAIN, *(f"git.{name}" for name in OF_GIT))}
    plain = [(name, columns[name].append) for name in PLAIN]
    further: dict[str, list[Any]] = {}
    count = 0
    for count, row in enumerate(rows, 1):
        fields = row.fields
        for name, append in plain:
            append(fields[name])
        git = fields["git"] or {}
        for name in OF_GIT:
            columns[f"git.{name}"].append(git.get(name))
        for name, value in _named_values(fields):
            column = further.get(name)
            if column is None:
                column = further[name] = []
            if len(column) < count - 1:
                column.extend([None] * (count - 1 - len(column)))
            column.append(value)
    for column in further.values():
        column.extend([None] * (count - len(column)))
    table = pd.DataFrame({**columns, **{name: further[name] for name in sorted(further)}})
    for name in TIMES:
        table[name] = pd.to_datetime(table[name], utc=True, errors="coerce", format="ISO8601")
    return table


def _named_values(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Params, last metrics and tags under their whole names."""
    for group in GROUPS:
        prefix = f"{group}."
        for name, value in fields[group].items():
            if type(value) in SIMPLE:
                yield prefix + name, value
            else:
                yield from flattened(group, {name: value})


def of_metrics(paths: RunPaths, names: Sequence[str]) -> pandas.DataFrame:
    """The logged series of a run, a line for each value. Raises UserError for a name that it has not logged."""
    pd = pandas_module()
    series = control.read([paths], names)[0].series
    table = pd.DataFrame({
        "metric": [each.name for each in series for _ in range(len(each))],
        "step": [step for each in series for step in each.steps],
        "value": [value for each in series for value in each.values],
        "time": [time for each in series for time in each.times],
    })  # fmt: skip
    table["time"] = pd.to_datetime(table["time"], unit="s", utc=True)
    return table
