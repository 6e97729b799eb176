"""Following a run that goes on: its output as it grows, and its end as it comes.

Reads bytes, never lines; `interleave` reads lines of several ranks. The agent's end wakes a waiter at once through a process descriptor.
"""

from __future__ import annotations

import os
import select
import time

from trainconf import files
from trainconf.history import events, liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

    Look = Callable[[RunPaths], State]

CHUNK_BYTES = 65536
BUSY_PAUSE_S = 0.02
IDLE_PAUSE_S = 0.15  # the end of a job on another machine only shows in files
EXIT_CODES = {"Completed": 0, "Canceled": 130}


class Output:
    """A file that grows, and how far it was read. It may not exist yet. `start` bytes of it are passed over."""

    def __init__(self, path: str, start: int = 0) -> None:
        self.path = path
        self._start = start
        self._fd = -1

    def read(self) -> Iterator[bytes]:
        """All that is new."""
        if self._fd < 0:
            try:
                self._fd = files.open_regular(self.path)
            except FileNotFoundError:
                return
            os.lseek(self._fd, self._start, os.SEEK_SET)
        while chunk := os.read(self._fd, CHUNK_BYTES):
            yield chunk

    def finish(self) -> Iterator[bytes]:
        """What came before the end."""
        return self.read()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Watch:
    """Pauses that end early when the run's agent does.

    `reader_fd`: where output goes; its reader's end is noticed too. `agent_pid`: the agent, if it is a child of ours that nobody has
    waited for; the run's events name it a little later.
    """

    def __init__(self, paths: RunPaths, reader_fd: int | None = None, agent_pid: int | None = None) -> None:
        self._paths = paths
        self._poll = select.poll()
        self._pidfd = -1
        self._seen_pid = 0
        if reader_fd is not None:
            self._poll.register(reader_fd, 0)
        if agent_pid is not None:
            self._register(agent_pid)

    def pause(self, seconds: float) -> None:
        """Sleep, at most so long. Raises BrokenPipeError when nobody reads the output any more."""
        if self._pidfd < 0:
            self._open()
        for fd, what in self._poll.poll(seconds * 1000):
            if fd == self._pidfd:
                self._close_pidfd()  # if a further agent takes the run on, its own descriptor is found next time
            elif what & select.POLLERR:
                raise BrokenPipeError
            else:
                self._poll.unregister(fd)
                time.sleep(seconds)

    def close(self) -> None:
        """Let go of the agent's descriptor."""
        self._close_pidfd()

    def _open(self) -> None:
        agent = next((event["agent"] for event in reversed(events.read(self._paths)) if isinstance(event.get("agent"), dict)), None)
        if agent is None or agent.get("pid") == self._seen_pid or not liveness.is_alive(agent):
            return
        self._register(agent["pid"])
        if not liveness.is_alive(agent):  # asked again, for the pid may have changed hands in between
            self._close_pidfd()

    def _register(self, pid: int) -> None:
        try:
            self._pidfd = os.pidfd_open(pid)
        except (OSError, AttributeError):
            return  # it has just ended, or this kernel or this Python has no such call: files tell, a little later
        self._seen_pid = pid
        self._poll.register(self._pidfd, select.POLLIN)

    def _close_pidfd(self) -> None:
        if self._pidfd >= 0:
            self._poll.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def wait(paths: RunPaths, until: float | None = None, look: Look = liveness.state_of) -> State:
    """The state once the run has ended or its agent is lost; its state at the time `until` (time.monotonic) when that comes first."""
    watch = Watch(paths)
    pause_s = BUSY_PAUSE_S
    try:
        while True:
            state = look(paths)
            left = pause_s if until is None else min(pause_s, until - time.monotonic())
            if has_ended(state) or left <= 0:
                return state
            watch.pause(left)
            pause_s = min(pause_s * 1.5, IDLE_PAUSE_S)
    finally:
        watch.close()


def has_ended(state: State) -> bool:
    """Whether waiting longer is pointless: it is final, or nobody is left who could make it so."""
    return state.is_final or state.status == "NotResponding"


def exit_code(state: State) -> int:
    """What a command that waited for the run ends with: the script's own code, 124 time limit, 130 canceled, 1 lost."""
    if state.status in EXIT_CODES:
        return EXIT_CODES[state.status]
    code = state.event.get("exit_code") if state.is_final else None
    return code if isinstance(code, int) and 0 < code < 256 else 1
