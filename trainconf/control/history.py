"""What is known of runs: a list of them, and everything about one. A scheduler is asked where a run's files leave its state open."""

from __future__ import annotations

from trainconf.history.index.index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.history.index.rows import Row
    from trainconf.paths import RunPaths, WorkspacePaths


def ls(
    workspace: WorkspacePaths, limit: int | None = None, *, experiment: str | None = None, status: str | None = None
) -> list[Row]:
    """The latest runs, newest first. `fields` of a row are those of `show --json`; `damage` says what of its files cannot be read."""
    from trainconf.launchers.states import states_of

    with Index(workspace) as index:
        living = index.living()
        states = zip(living, states_of(living), strict=True)  # an end that a scheduler tells is recorded, and the index sees it there
        scheduled = {paths.run_dir: state.status for paths, state in states if state.scheduler is not None}
        rows = index.latest(limit, experiment=experiment, status=status)
    for row in rows:
        row.fields["status"] = scheduled.get(row.paths.run_dir, row.fields["status"])
    return rows


def reindex(workspace: WorkspacePaths) -> int:
    """Read every run directory again; how many there are."""
    with Index(workspace) as index:
        return index.rebuild()


def details(paths: RunPaths) -> dict[str, Any]:
    """Everything about a run, in the fields of `show --json`. Never raises for what is in its folder."""
    from trainconf.history import record
    from trainconf.launchers.states import state_of

    return record.details(paths, state_of(paths))


def origins(paths: RunPaths) -> tuple[dict[str, Any], dict[str, str]] | None:
    """A run's config, and which file or override set each value; None when that was not recorded."""
    from trainconf.history.record import read_mapping

    record = read_mapping(paths.record)
    config, found = record.get("config"), record.get("origins")
    return (config, found) if isinstance(config, dict) and isinstance(found, dict) else None
