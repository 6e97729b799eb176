"""Runs of the history, found by experiment, tags, properties and conditions, newest first; and what is below a run."""

from __future__ import annotations

from heapq import merge
from itertools import islice

from trainconf.control import history, labels, runs
from trainconf.errors import Mistake, UserError
from trainconf.fast.records import Record
from trainconf.history.index.index import Index
from trainconf.history.index.query import Asked
from trainconf.history.record import read_mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.history.index.rows import Row
    from trainconf.paths import RunPaths, WorkspacePaths

SWEEP = "sweep"  # the type of a sweep; a run's is `script`, `interactive` or `child`


class Wanted(Record):
    """Which runs: see `Experiment.get_runs`."""

    type: str | None
    tags: Any
    properties: Any
    include_children: bool
    where: str
    sort: str
    limit: int | None
    archived: bool
    place: str = ""  # the line that asks


def runs_of(workspace: WorkspacePaths, experiment: str, wanted: Wanted) -> Iterator[RunPaths]:
    """The folders of runs and sweeps. Raises UserError for a wrong expression."""
    if wanted.where or wanted.sort or wanted.type not in (None, SWEEP):
        found: Iterator[tuple[RunPaths, Row | None]] = (
            (row.paths, row)
            for row in rows(workspace, experiment, wanted.where, wanted.sort, None, archived=wanted.archived, place=wanted.place)
        )
    else:
        found = newest_first(workspace, experiment, archived=wanted.archived)
    return islice((paths for paths, row in found if _is_wanted(paths, row, wanted)), wanted.limit)


def _is_wanted(paths: RunPaths, row: Row | None, wanted: Wanted) -> bool:
    if row is None:
        return wanted.type in (None, SWEEP) and not wanted.properties and (not wanted.tags or has(wanted.tags, labels.read(paths).tags))
    if wanted.type == SWEEP or (row.fields["parent"] and not wanted.include_children):
        return False
    if wanted.tags and not has(wanted.tags, row.fields["tags"]):
        return False
    if wanted.type not in (None, row.fields["type"]):
        return False
    return not wanted.properties or has(wanted.properties, labels.read(paths).properties)


def has(wanted: Any, there: dict[str, str]) -> bool:
    """Whether texts hold those that are wanted: a dict, in which None is any value, or one name, or several."""
    if isinstance(wanted, str):
        return wanted in there
    if isinstance(wanted, dict):
        return all(key in there and value in (None, there[key]) for key, value in wanted.items())
    return all(name in there for name in wanted)


def rows(
    workspace: WorkspacePaths, experiment: str, where: str, sort: str, limit: int | None, *, archived: bool | None = False,
    place: str = "",
) -> Iterator[Row]:  # fmt: skip
    """Rows of the history, newest first or sorted; sweeps are no rows. Raises UserError for a wrong expression, which stands at `place`."""
    try:
        yield from history.each(workspace, Asked(limit, experiment, None, where, sort, (), archived))
    except UserError as error:
        raise UserError([_of_python(mistake, place) for mistake in error.mistakes]) if place else error from None


def _of_python(mistake: Mistake, place: str) -> Mistake:
    """A mistake in an expression, as somebody reads it who has typed no option of a command line."""
    facts = [(label, f"{place}, {text[2:]}" if text.startswith(("--where", "--sort")) else text) for label, text in mistake.facts]
    return Mistake(mistake.what, *facts, hint=mistake.hint)


def newest_first(workspace: WorkspacePaths, experiment: str, *, archived: bool | None = False) -> Iterator[tuple[RunPaths, Row | None]]:
    """Runs, and the sweeps among them, which have no row."""
    found = ((str(row.fields["created"] or ""), row.paths, row) for row in rows(workspace, experiment, "", "", None, archived=archived))
    sweeps = sorted(_sweeps(workspace, experiment, archived=archived), key=lambda each: each[0], reverse=True)
    if not sweeps:
        yield from ((paths, row) for _, paths, row in found)
        return
    for _, paths, row in merge(found, ((created, paths, None) for created, paths in sweeps), key=lambda each: each[0], reverse=True):
        yield paths, row


def _sweeps(workspace: WorkspacePaths, experiment: str, *, archived: bool | None) -> Iterator[tuple[str, RunPaths]]:
    with Index(workspace) as index:
        found = index.sweeps()
    for paths in found:
        if paths.run_dir.split("/")[-2] == experiment and archived in (None, labels.read(paths).archived):
            yield str(read_mapping(paths.sweep).get("created") or ""), paths


def children_of(paths: RunPaths) -> list[RunPaths]:
    """The runs below a run, oldest first; of a sweep its trials, in their order."""
    if runs.is_sweep(paths):
        return runs.runs_of(paths)
    return [row.paths for row in history.ls(paths.workspace, where=f"sweep == {paths.run_id!r}", sort="created", archived=None)]
