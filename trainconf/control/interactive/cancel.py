"""Cancels a run that a process is: its process is asked, and a run whose process is gone ends at once."""

from __future__ import annotations

from trainconf import files
from trainconf.errors import StorageError
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths


def cancel(paths: RunPaths, *, force: bool) -> None:
    """Ask for its end. The process sees `run.status` as CancelRequested, and the run that it completes is Canceled. Raises StorageError.

    No signal is sent: the process is a notebook's kernel, or has other runs.
    """
    lock = files.FileLock(paths.lock)
    try:
        attempt = events.request_cancel(paths, force=force)
        if attempt is None or not lock.acquire(blocking=False):
            return
        try:
            latest = events.last(paths)
            if latest is None or latest["state"] not in events.TERMINAL:
                events.append(paths, "Canceled", attempt, exit_code=None, reason=f"{events.why_canceled(paths)}; its process was gone")
        finally:
            lock.release()
    except OSError as error:
        raise StorageError.from_os_error(error, "the cancellation cannot be recorded") from error
