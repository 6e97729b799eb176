"""Which unfinished runs use something."""

from __future__ import annotations

import os

from trainconf import files
from trainconf.history import events, liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.paths import RunPaths, WorkspacePaths


def users(workspace: WorkspacePaths, text: str) -> Iterator[str]:
    """Ids of the runs whose plan holds `text` and that go on: somebody holds their lock, or a scheduler has them.

    Nobody holds the lock of a job that waits in a queue. Raises OSError.
    """
    quoted = files.dumps(text)[1:-1]
    for experiment in files.names_in(workspace.runs):
        for run_id in files.names_in(os.path.join(workspace.runs, experiment)):
            run = workspace.run(experiment, run_id)
            try:
                with open(files.open_regular(run.plan), encoding="utf-8", errors="replace") as stream:
                    plan = stream.read()
            except FileNotFoundError:
                continue
            if quoted in plan and (files.is_locked(liveness.lock_of(run)) or ('"batch":{' in plan and not _has_ended(run))):
                yield run_id


def _has_ended(run: RunPaths) -> bool:
    last = events.last(run)
    return last is not None and last["state"] in events.TERMINAL
