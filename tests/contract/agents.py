"""The agent of a run, for tests that end it."""

from __future__ import annotations

import os
import signal
import time

from trainconf import files
from trainconf.history import events, liveness
from trainconf.launchers.protocol import RunHandle


def agent_of(handle: RunHandle) -> int:
    """The pid of the agent; what was started is its watchdog."""
    return int(next(event["agent"]["pid"] for event in reversed(events.read(handle.paths)) if "agent" in event))


def kill_agent(handle: RunHandle) -> None:
    """End the agent with nobody to end what it leaves: its watchdog is killed before it."""
    agent = liveness.identity(agent_of(handle))
    assert handle.agent_pid is not None
    os.kill(handle.agent_pid, signal.SIGKILL)
    os.waitpid(handle.agent_pid, 0)
    os.kill(agent["pid"], signal.SIGKILL)
    while liveness.is_alive(agent):
        time.sleep(0.005)
    for _ in range(1000):  # its other threads have its files open for a moment longer
        if not files.is_locked(liveness.lock_of(handle.paths)):
            break
        time.sleep(0.005)
