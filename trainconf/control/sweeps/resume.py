"""Takes over sweeps: they go on, with other limits or another policy, and run trials again, in this process or in a scheduler's job."""

from __future__ import annotations

import math
from typing import Any

from trainconf.control.sweeps.steer import AnySweep
from trainconf.errors import UserError
from trainconf.files import FileLock, is_locked
from trainconf.history import record
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.sweeps import journal, places, presence
from trainconf.sweeps.resuming import RETRIES, ResumedSweep, checked, config_of, deeds_of, search_of, withdraw_cancellation


def resume(
    sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any] | None = None, retry: str = "", reporter: Reporter = SILENT, *,
    lock_fd: int = -1,
) -> AnySweep | None:  # fmt: skip
    """Control a sweep from this process: it goes on, with other limits, and with trials that run again. None: its controller was told.

    A controller whose trials were all handed over cannot ask for more: the end of that one is waited for, however long it takes.
    lock_fd: where the process that has started this one left the controller's lock, held; see `detach`.
    Raises UserError for a plain grid, ConfigError for a change that would make other trials, StorageError, LaunchError.
    """
    held = presence.inherited(sweep, lock_fd)
    if held.fd < 0 and is_locked(sweep.controller_lock) and not retry:
        from trainconf.control.results.sweep import needs_controller

        if presence.presence(sweep) is None and not needs_controller(sweep):
            raise presence.has_one(sweep)  # whoever makes it, who hears of nothing
        found = check(sweep, workspace, changes or {})
        if found.get("max_total_runs") and journal.is_handed_over(sweep):
            reporter.info(f"{sweep.run_id} goes on with further trials when those that its agent or scheduler has are over")
            return _taken_over(sweep, workspace, changes, retry, reporter, held, patience_s=math.inf)
        if presence.tell(sweep, _deeds(found)):
            return None
    return _taken_over(sweep, workspace, changes, retry, reporter, held)


def _taken_over(
    sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any] | None, retry: str, reporter: Reporter, held: FileLock,
    patience_s: float = 0.0,
) -> AnySweep:  # fmt: skip
    """A sweep that this process controls, once whoever controls it now has ended within `patience_s`."""
    if not patience_s:  # else it is here, and ends by itself
        places.end_job(sweep)  # one that waits in the queue would find its place taken
    found = ResumedSweep(sweep, workspace, reporter, held=held, patience_s=patience_s)
    found.start(changes, retry)
    return found


def change_of(word: str, source: str) -> tuple[str, Any]:
    """A word such as `sweep.max_total_runs=60` as a change. Raises UserError, which tells the source."""
    key, equals, text = word.partition("=")
    if not equals:
        allowed = "sweep.LIMIT=NUMBER, sweep/policy=CHOICE, sweep.policy.SETTING=VALUE"
        raise UserError(f"{word} changes nothing", ("from", source), ("allowed", allowed))
    for read in (int, float):
        try:
            return key, read(text)
        except ValueError:
            continue
    return key, None if text == "null" else text


def check(sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any]) -> dict[str, Any]:
    """What of a sweep shall change, as its journal tells it. Raises UserError for a plain grid, ConfigError with all mistakes."""
    return checked(changes, search_of(sweep, record.read_mapping(sweep.sweep)), sweep, workspace)


def _deeds(changes: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What a controller is to do that goes on with changes that were checked."""
    return [("resume", {}), *deeds_of(changes)]


def resume_as_job(sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any], retry: str = "") -> str:
    """Have a sweep controlled by a scheduler's job again, with other limits, and with trials that run again; the job's id.

    Raises ConfigError for a change that would make other trials, StorageError, LaunchError.
    """
    found = check(sweep, workspace, changes)
    config = config_of(sweep)
    places.plan_job(config, sweep)
    withdraw_cancellation(sweep)
    for deed, facts in [*_deeds(found), *([("again", {"states": RETRIES[retry]})] if retry else [])]:
        journal.request(sweep, deed, **facts)
    return places.send_job(config, sweep)
