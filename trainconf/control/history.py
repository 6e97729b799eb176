"""What is known of runs: a list of them, and everything about one. A scheduler is asked where a run's files leave its state open."""

from __future__ import annotations

from trainconf.history.index.index import Index
from trainconf.history.index.query import Asked
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from trainconf.history.index.rows import Row
    from trainconf.history.liveness import State
    from trainconf.history.metrics import Summary
    from trainconf.paths import WorkspacePaths

    Progress = Callable[[int, int], object]  # how many runs of how many were read

MANY_UNREAD = 2_000  # runs that take long enough for a first answer


def ls(
    workspace: WorkspacePaths, limit: int | None = None, *, experiment: str | None = None, status: str | None = None, where: str = "",
    sort: str = "", columns: tuple[str, ...] = (), archived: bool | None = False,
) -> list[Row]:  # fmt: skip
    """The latest runs, newest first or sorted by `sort`, at most `limit`. docs/history.md tells what an expression can say.

    `fields` of a row are those of `show --json`; `damage` says what of its files cannot be read; `values` has the `columns`.
    archived: only archived runs, or only the others, or None for both.

    Raises UserError for a wrong expression.
    """
    return list(each(workspace, Asked(limit, experiment, status, where, sort, columns, archived)))


def each(workspace: WorkspacePaths, asked: Asked, progress: Progress | None = None) -> Iterator[Row]:
    """The same, read from the index as they are taken, so that 100,000 take no memory. Raises UserError before the first one."""
    with Index(workspace, progress) as index:
        index.scheduled = scheduled(index.living())
        yield from index.each(asked)


def varying(rows: Iterable[Row]) -> list[str]:
    """The params in which the runs differ, in the order in which they are set: `params.lr`."""
    first: dict[str, Any] = {}
    seen_in: dict[str, int] = {}
    differing: set[str] = set()
    count = 0
    for row in rows:
        count += 1
        for name, value in params_of(row).items():
            seen_in[name] = seen_in.get(name, 0) + 1
            if first.setdefault(name, value) != value:
                differing.add(name)
    return [name for name in first if name in differing or seen_in[name] < count]


def params_of(row: Row) -> dict[str, Any]:
    """The params of a run under their whole names: `params.optim.lr`."""
    from trainconf.history.index.columns import flattened

    return dict(flattened("params", row.fields["params"]))


def first_answer(workspace: WorkspacePaths, count: int) -> list[Row]:
    """Where many runs must be read before the first list: the newest by the times in their ids, at once. Empty where nothing takes long."""
    import os

    from trainconf.history.index.rows import read_run, unpack

    if os.path.exists(workspace.index):
        return []
    try:
        folders = [(os.fsencode(entry.name), entry.path) for entry in os.scandir(workspace.runs) if entry.is_dir()]
        found = [experiment + b"/" + os.fsencode(name) for experiment, path in folders for name in os.listdir(path)]
    except OSError:
        return []
    if len(found) < MANY_UNREAD:
        return []
    newest = sorted(found, key=_time_in_id, reverse=True)[:count]
    read = [read_run(folder, RunPaths(os.path.join(workspace.runs, os.fsdecode(folder)))) for folder in newest]
    return [unpack(RunPaths(os.path.join(workspace.runs, os.fsdecode(run.columns[0]))), run.text) for run in read if run.text]


def _time_in_id(folder: bytes) -> tuple[bytes, bytes]:
    """The date and time in digits-20261123-0532-x7k2, and the folder: of a foreign name the folder alone."""
    parts = folder.split(b"-")
    dates = [place for place, part in enumerate(parts) if len(part) == 8 and part.isdigit()]
    return b"-".join(parts[dates[-1] :]) if dates else b"", folder


def reindex(workspace: WorkspacePaths, progress: Progress | None = None) -> int:
    """Read every run directory again; how many there are."""
    with Index(workspace, progress) as index:
        return index.rebuild()


def details(paths: RunPaths, summary: Summary | None = None) -> dict[str, Any]:
    """Everything about a run, in the fields of `show --json`. Never raises for what is in its folder.

    summary: what it has logged, where that was read already.
    """
    from trainconf.history import record
    from trainconf.launchers.states import state_of

    return record.details(paths, state_of(paths), summary)


def origins(paths: RunPaths) -> tuple[dict[str, Any], dict[str, str]] | None:
    """A run's config, and which file or override set each value; None when that was not recorded."""
    from trainconf.history.record import read_mapping

    record = read_mapping(paths.record)
    config, found = record.get("config"), record.get("origins")
    return (config, found) if isinstance(config, dict) and isinstance(found, dict) else None


def scheduled(living: Sequence[RunPaths]) -> dict[str, State]:
    """What schedulers say of runs that go on, by run directory: one question for all of them. An end that they tell is recorded."""
    if not living:
        return {}
    from trainconf.launchers.states import states_of

    states = zip(living, states_of(living), strict=True)
    return {paths.run_dir: state for paths, state in states if state.scheduler is not None}
