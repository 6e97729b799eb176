"""The signals that an agent takes, for the agent and whoever starts one."""

from __future__ import annotations

from trainconf.fast.stdlib import signal

__all__ = ["FREED_SIGNAL", "GO_FD", "LOCK_FD", "SIGNALS", "WAKE_SIGNAL", "signal"]

WAKE_SIGNAL = signal.SIGUSR2  # the ticket before ours has gone
FREED_SIGNAL = signal.SIGIO  # somebody let go; the kernel's default for F_NOTIFY
SIGNALS: set[int] = {  # an agent starts with these blocked
    signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, WAKE_SIGNAL, FREED_SIGNAL,
}  # fmt: skip
GO_FD = 4  # of an agent with `--wait`: it begins when there is a byte to read, and ends when there is none
LOCK_FD = 3  # where the submitter leaves the open, locked file of `RunPaths.lock`
