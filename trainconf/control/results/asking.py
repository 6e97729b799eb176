"""What one can ask of a sweep's controller, and what is done here where there is none."""

from __future__ import annotations

from trainconf.control.results.sweep import is_paused, is_plain, needs_controller, progress_of
from trainconf.errors import UserError
from trainconf.files import FileLock
from trainconf.history import events, record
from trainconf.paths import RunPaths
from trainconf.search.progress import Progress
from trainconf.sweeps import hands, journal
from trainconf.sweeps.presence import presence, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def ask_for(sweep: RunPaths, deed: str, **facts: Any) -> bool:
    """Have a sweep's controller do something; without one it is written down for the next, and a pause is carried out here.

    Whether there is a controller. Raises UserError for a plain grid that nothing can hold, for a damaged record, and for a pause of a sweep
    whose trials are in one job; StorageError, LaunchError.
    """
    from trainconf.sweeps.resuming import search_of

    found = record.read_mapping(sweep.sweep)
    is_pause = deed in ("pause", "resume")
    if is_plain(found):
        _refuse_pause(sweep, deed)
    if not (is_pause and is_plain(found) and can_pause(sweep)):
        search_of(sweep, found)
    lock = FileLock(sweep.controller_lock)
    while not lock.acquire(blocking=presence(sweep) is None and not needs_controller(sweep)):  # who makes it hears nothing and lets go soon
        _refuse_pause(sweep, deed)
        if tell(sweep, [(deed, facts)]):
            return True
    try:
        log = journal.Journal(sweep)
        _refuse_pause(sweep, deed)
        log.write(deed, **facts)
        if is_pause:
            _hold(sweep, log, progress_of(sweep, found, ""))
        log.close()
    finally:
        lock.release()
    return False


def end_paused(sweep: RunPaths) -> None:
    """Write down that a paused search which nobody controls is cancelled. Raises StorageError."""
    lock = FileLock(sweep.controller_lock)
    if is_plain(record.read_mapping(sweep.sweep)) or not lock.acquire(blocking=False):
        return  # its controller hears of it
    try:
        if is_paused(sweep):
            log, reason = journal.Journal(sweep), events.why_canceled(sweep)
            log.write("close", reason=reason)
            log.write("end", state="Canceled", reason=reason)
            log.close()
    finally:
        lock.release()


def _hold(sweep: RunPaths, log: journal.Journal, progress: Progress) -> None:
    """Keep trials in their scheduler's queue, or let them begin, as the journal says. Raises ConfigError, LaunchError, StorageError."""
    if progress.is_held:
        waiting = [trial for trial in progress.running.values() if events.waits(journal.paths_of(sweep, trial.run))]
        if waiting and hands.can_hold(sweep):
            log.write("hold", numbers=[trial.number for trial in waiting])
            hands.hold(sweep, waiting, is_held=True)
    elif progress.held:
        hands.hold(sweep, [progress.trials[number] for number in sorted(progress.held)], is_held=False)
        log.write("release", numbers=sorted(progress.held))


def can_pause(sweep: RunPaths) -> bool:
    """Whether there are trials that can be held back."""
    return not journal.is_handed_over(sweep) or hands.can_hold(sweep)


def can_hold(sweep: RunPaths) -> bool:
    """Whether its trials that were handed over and wait can be kept waiting."""
    return hands.can_hold(sweep)


def _refuse_pause(sweep: RunPaths, deed: str) -> None:
    if deed == "pause" and not can_pause(sweep):
        what = f"{sweep.run_id}, a plain grid," if is_plain(record.read_mapping(sweep.sweep)) else sweep.run_id
        raise UserError(f"{what} cannot be paused: all its trials are in one job", ("from", sweep.trials),
                        hint=f"`trainconf sweep stop {sweep.run_id}` takes back those that wait; those that run go on")
