"""Starts the controller of a sweep as a process that goes on by itself, and passes the sweep's lock on to it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trainconf.agent.signals import LOCK_FD
from trainconf.errors import LaunchError
from trainconf.fast.spawn import let_go, spawn
from trainconf.files import FileLock, open_regular
from trainconf.paths import RunPaths
from trainconf.sweeps import places


def detach(sweep: RunPaths, deed: str, words: Sequence[str], held: FileLock) -> None:
    """Start a controller that goes on by itself; what it says is in logs/controller.log. `words` are those of `trainconf sweep DEED`.

    It gets the controller's lock, which this process holds, so there is no moment in which nobody has the sweep. Raises LaunchError.
    """
    command = [*places.command_of(sweep, deed), *words, "--has-lock"]
    fds: list[int] = []
    try:
        os.makedirs(sweep.logs, exist_ok=True)
        fds.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        fds.append(open_regular(sweep.controller_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        given = [fds[0], fds[1], fds[1], held.fd]
        assert given[LOCK_FD] == held.fd
        let_go(spawn(command[0], command, os.environ, given))
    except OSError as error:
        where = ("path", os.fspath(error.filename)) if error.filename else ("program", command[0])
        raise LaunchError(f"the controller cannot be started: {error.strerror}", where) from error
    finally:
        held.release()
        for fd in fds:
            os.close(fd)
