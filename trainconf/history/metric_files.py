"""Which files hold the metrics of a run.

    metrics.jsonl          what the processes of one machine append; the kernel keeps their lines whole
    metrics/<host>.jsonl   on a disk that several machines write to, one file for each: appending is not atomic there (open(2), O_APPEND)

Every file only grows. A run has the first, or the second, or both.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths

SUFFIX = ".jsonl"
NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."  # what a file's name takes of a host's


def of_this_machine(paths: RunPaths) -> str:
    """The file that processes of this machine append to; `trainconf.job_api` decides likewise, by TRAINCONF_METRICS."""
    if not os.path.isdir(paths.metrics_folder):
        return paths.metrics
    host = "".join(c if c in NAME else "_" for c in os.uname().nodename)
    return os.path.join(paths.metrics_folder, f"{host}{SUFFIX}")


def of_run(paths: RunPaths) -> list[str]:
    """The files there are, in an order that stays; open them with `files.open_regular`, for a job may have put anything there."""
    found = [paths.metrics] if os.path.lexists(paths.metrics) else []
    try:
        names = os.listdir(paths.metrics_folder)
    except OSError:
        return found
    return [*found, *(os.path.join(paths.metrics_folder, name) for name in sorted(names) if name.endswith(SUFFIX))]
