"""Takes over sweeps: they go on, with other limits or another policy, and run trials again, in this process or in a scheduler's job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainconf.control.results.sweep import needs_controller
from trainconf.control.sweeps.detach import detach
from trainconf.control.sweeps.steer import AnySweep
from trainconf.errors import StorageError, UserError
from trainconf.files import FileLock
from trainconf.history import events, record
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.sweeps import journal, places, presence
from trainconf.sweeps.resuming import RETRIES, ResumedSweep, checked, config_of, deeds_of, is_of_compute, search_of, withdraw_cancellation


def resume(
    sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any] | None = None, retry: str = "", reporter: Reporter = SILENT, *,
    lock_fd: int = -1,
) -> AnySweep | None:  # fmt: skip
    """Control a sweep from this process: it goes on, with other limits, and with trials that run again. None: its controller was told.

    lock_fd: where the process that has started this one left the controller's lock, held; see `detach`.
    Raises UserError for a plain grid, ConfigError for a change that would make other trials, StorageError, LaunchError.
    """
    held = presence.inherited(sweep, lock_fd)
    if any(key.endswith("max_concurrent_runs") for key in changes or ()) and _is_with_others(sweep):
        reporter.info(f"sweep.max_concurrent_runs holds for further trials of {sweep.run_id}: those it has were all handed over")
    if held.fd < 0:
        found = _lock_or_tell(sweep, workspace, changes or {}, retry)
        if found is None:
            return None
        held = found
    try:
        places.end_job(sweep)  # one that waits in the queue would find its place taken
        resumed = ResumedSweep(sweep, workspace, reporter, held=held)
    except BaseException:
        held.release()
        raise
    resumed.start(changes, retry)
    return resumed


def _is_with_others(sweep: RunPaths) -> bool:
    """Whether an agent or a scheduler, which were told how many run at a time, have trials that have not ended."""
    if record.read_mapping(sweep.sweep).get("has_controller") or not journal.is_handed_over(sweep):
        return False
    paths = (run.paths for run in journal.read(sweep) if events.exists(run.paths))
    return any((events.last(run) or {}).get("state") not in events.TERMINAL for run in paths)


def resume_detached(sweep: RunPaths, workspace: WorkspacePaths, deed: str, words: Sequence[str], retry: str = "") -> bool:
    """Have a sweep controlled by a process of its own: see `resume`. Whether it had a controller, which was told what shall change.

    deed, words: those of `trainconf sweep DEED`. Raises what `resume` raises.
    """
    held = _lock_or_tell(sweep, workspace, dict(change_of(word, "command line") for word in words), retry)
    if held is not None:
        detach(sweep, deed, [*words, "sweep.controller=here", *(["--only", retry] if retry else [])], held)
    return held is None


def _lock_or_tell(sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any], retry: str) -> FileLock | None:
    """The controller's lock of a sweep, held; None where somebody controls it, who was told what shall change.

    So nobody can take the sweep for one that is over once a verb has returned. Raises StorageError for a retry where somebody controls it,
    UserError for a plain grid, ConfigError.
    """
    deeds = _deeds(check(sweep, workspace, changes))
    while True:
        try:
            return presence.acquire(sweep)
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep's folder cannot be written") from error
        except StorageError:
            is_being_made = presence.presence(sweep) is None and not needs_controller(sweep)  # by one who hears of nothing
            if retry or is_being_made:
                raise
        if presence.tell(sweep, deeds):
            return None


def change_of(word: str, source: str) -> tuple[str, Any]:
    """A word such as `sweep.max_total_runs=60` as a change. Raises UserError, which tells the source."""
    key, equals, text = word.partition("=")
    if not equals:
        allowed = "sweep.LIMIT=NUMBER, sweep/policy=CHOICE, sweep.policy.SETTING=VALUE, compute.SETTING=VALUE"
        raise UserError(f"{word} changes nothing", ("from", source), ("allowed", allowed))
    for read in (int, float):
        try:
            return key, read(text)
        except ValueError:
            continue
    return key, None if text == "null" else text


def of_compute(changes: Mapping[str, Any]) -> list[str]:
    """The settings among these changes that say what a trial may use."""
    return [key for key in changes if is_of_compute(key)]


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
    for deed, facts in [*deeds_of(found), ("again", {"states": RETRIES[retry]})] if retry else _deeds(found):
        journal.request(sweep, deed, **facts)
    return places.send_job(config, sweep)
