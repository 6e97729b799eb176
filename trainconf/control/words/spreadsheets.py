"""Runs, series and sweeps as the lines of a CSV file, header first: whoever writes one has the same columns. Made as they are taken."""

from __future__ import annotations

from itertools import chain

from trainconf.control.words.values import number, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from trainconf.control.compare import Comparison
    from trainconf.control.metrics import RunSeries
    from trainconf.control.results.sweep import Results
    from trainconf.history.index.rows import Row

    Column = tuple[str, Callable[[Row], Any]]  # its header, and its value of a run

# Of every run, before its params, metrics and tags; as `show --json` names them.
FIELDS = (
    "run_id", "experiment_name", "display_name", "status", "created", "started", "ended", "duration_s", "exit_code", "attempt", "compute",
    "env", "distributed", "parent", "note",
)  # fmt: skip


def columns_of(rows: Iterable[Row], chosen: Sequence[str], *, changed: bool) -> list[Column]:
    """The columns of runs: those that were chosen, or all; of the params only those in which the runs differ, with `changed`."""
    from trainconf.control.history import params_of, varying

    if chosen:
        return [(each, lambda row, each=each: row.values[each]) for each in chosen]  # type: ignore[misc]
    fields = [(each, lambda row, each=each: row.fields[each]) for each in FIELDS]
    names: dict[str, dict[str, None]] = {"params": {}, "metrics": {}, "tags": {}}
    for row in rows:
        names["params"].update(dict.fromkeys(params_of(row)))
        names["metrics"].update(dict.fromkeys(row.fields["metrics"]))
        names["tags"].update(dict.fromkeys(row.fields["tags"]))
    params = varying(rows) if changed else list(names["params"])
    return [
        *fields,
        ("reason", lambda row: row.reason),
        *((name, lambda row, name=name: params_of(row).get(name)) for name in params),
        *((f"{group}.{name}", lambda row, group=group, name=name: row.fields[group].get(name)) for group in ("metrics", "tags")
          for name in names[group]),
    ]  # fmt: skip


def of_runs(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[Sequence[Any]]:
    """A line for each run."""
    return lines_of([header for header, _ in columns], ([value(row) for _, value in columns] for row in rows))


def of_series(found: Sequence[RunSeries]) -> Iterator[Sequence[Any]]:
    """A line for each point."""
    from trainconf.history.events import text as time_text

    yield "run_id", "metric", "source", "step", "time", "value"
    for run in found:
        for series in run.series:
            for step, moment, value in zip(series.steps, series.times, series.values, strict=True):
                yield run.paths.run_id, series.name, series.source, step, "" if moment != moment else time_text(moment), repr(value)


def of_sweep(results: Results) -> Iterator[Sequence[Any]]:
    """A line for each trial: its values, then what else its overrides give it, as its repeat's own."""
    others = [dict(word.lstrip("+").partition("=")[::2] for word in trial.overrides) for trial in results.trials]
    searched = dict.fromkeys(key for trial in results.trials for key in trial.values)
    keys = [*searched, *dict.fromkeys(key for other in others for key in other if key not in searched)]
    yield "trial", "run_id", "status", results.metric or "metric", "duration_s", *keys
    for trial, other in zip(results.trials, others, strict=True):
        values = [_searched(trial.values[key]) if key in trial.values else other.get(key) for key in keys]
        yield trial.number, trial.row.get("run_id"), trial.status, trial.value, trial.row.get("duration_s"), *values


def _searched(value: Any) -> Any:
    """A value of a key of the space, so that null is told from a key that the trial has not."""
    from trainconf.fast.json import dumps

    return dumps(value) if value is None or isinstance(value, (dict, list, bool)) else value


def of_comparison(found: Comparison, names: Iterable[str]) -> Iterator[Sequence[Any]]:
    """A line for each run."""
    from trainconf.fast.json import dumps

    names = list(names)
    yield "run_id", *names
    for place, paths in enumerate(found.runs):
        values = [found.facts[name][place] for name in names]
        yield paths.run_id, *(dumps(value) if isinstance(value, (list, dict, bool)) else value for value in values)


def lines_of(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """A header and lines whose values fit a cell each."""
    return chain([header], (list(map(_plain, row)) for row in rows))


def _plain(value: Any) -> Any:
    return text(value) if isinstance(value, (bytes, list, dict)) else one_line(value) if isinstance(value, str) else value


def text(value: Any) -> str:
    """A value in a cell."""
    if isinstance(value, bytes):  # a list, as the index has it
        return value.decode()
    if isinstance(value, (list, dict)):
        from trainconf.fast.json import dumps

        return dumps(value)
    return number(value)
