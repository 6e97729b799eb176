"""What of a sweep's own files cannot be read, and what that costs."""

from __future__ import annotations

import os

from trainconf.errors import StorageError, UserError
from trainconf.history import record
from trainconf.history.find import trials_of
from trainconf.paths import RunPaths
from trainconf.sweeps import journal

UNKNOWN = "unknown"  # the kind of a sweep whose record cannot be read


def damage(sweep: RunPaths) -> str:
    """What of a sweep's own files cannot be read, in words; "" when all can be."""
    found = []
    if not record.read_mapping(sweep.sweep):
        what = "by what its trials are compared, and which is the best, is not known"
        found.append(f"its sweep.json {record.why_unreadable(sweep.sweep)}: {what}")
    what = "which values its trials had, their own records tell"
    try:
        if not journal.Journal(sweep, is_only_read=True).lines and trials_of(sweep):
            found.append(f"its journal.jsonl has no whole line: {what}")
    except StorageError as error:
        if os.path.isfile(sweep.journal):
            found.append(error.mistakes[0].what)
        elif trials_of(sweep):  # else it is just being made
            found.append(f"its journal.jsonl {record.why_unreadable(sweep.journal)}: {what}")
    return "; ".join(found)


def refuse_damaged(sweep: RunPaths) -> None:
    """Raises UserError for a sweep whose record cannot be read: by what its trials are compared is not known."""
    if not record.read_mapping(sweep.sweep):
        why = f"it {record.why_unreadable(sweep.sweep)}"
        raise UserError(f"the record of {sweep.run_id} is damaged", ("from", sweep.sweep), ("because", why),
                        hint=f"restore the file from a copy; `trainconf ls --where 'sweep == \"{sweep.run_id}\"'` lists its trials")


def what_is_lost(trial: RunPaths, is_made: bool) -> dict[str, str]:
    """How a trial without events stands in a sweep that is over; empty where it was never made. is_made: whether it has been for sure."""
    if os.path.exists(trial.record):
        return {"status": "NotResponding", "reason": f"its events.jsonl {record.why_unreadable(trial.events)}"}
    return {"status": "Removed", "reason": "its folder was removed"} if is_made else {}
