"""Starts the processes of a run: one per rank, each in a session of its own, with its log file as standard output and error.

The child is handed the file itself; nothing stands between the job and its log. It does not use `subprocess`, which would
double the agent's start-up time.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
# What the agent, its Python or its submitter may have set to "ignore"; a job starts with the system's defaults.
RESET_SIGNALS = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD]


def environment(plan: Mapping[str, Any], rank: Mapping[str, Any], attempt: int, gpus: Sequence[str]) -> dict[str, str]:
    """The variables of one rank. CUDA_VISIBLE_DEVICES is touched only when devices were leased."""
    env = {**os.environ, **plan["env"], **rank["env"], "TRAINCONF_ATTEMPT": str(attempt)}
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return env


def start(argv: list[str], env: Mapping[str, str], cwd: str, log: str) -> int:
    """Start one process; its pid. Raises OSError: no such program, not executable, no such folder, log not writable."""
    os.chdir(cwd)  # posix_spawn(3) has no working directory
    log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        return os.posix_spawn(
            find_program(argv[0], env), argv, env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log_fd, 1),
                (os.POSIX_SPAWN_DUP2, log_fd, 2),
            ],
            setsid=True, setsigmask=[], setsigdef=RESET_SIGNALS,
        )  # fmt: skip
    finally:
        os.close(log_fd)
        os.chdir("/")


def find_program(name: str, env: Mapping[str, str]) -> str:
    """The file that `name` means on the job's own PATH, as execvp(3) searches.

    Raises FileNotFoundError, or PermissionError when only files that are not executable were found.
    """
    if "/" in name:
        return name
    denied = False
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            denied = True
    raise PermissionError(13, "not executable", name) if denied else FileNotFoundError(2, "not found", name)
