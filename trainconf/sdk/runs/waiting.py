"""Waiting for a run: until it has ended, for a time, in a coroutine; and showing what it writes meanwhile.

Nothing here changes the run. An interrupted wait leaves it going on.
"""

from __future__ import annotations

import codecs
import os
import sys
import time

from trainconf import files
from trainconf.control import follow, runs
from trainconf.control.words import end, progress
from trainconf.control.words.values import escaped
from trainconf.errors import RunFailedError, WaitTimeoutError
from trainconf.history.follow import Output, exit_code, has_ended
from trainconf.launchers.states import StatePoller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

SHORTEST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.5
OWN_SLOT_S = 1.0  # a job waits for a run before it is told that the run may wait for the job
LETTING_GO_S = 30.0  # between the last event of an agent and its end; longer, and something holds it that is not ours


def until_end(paths: RunPaths, timeout: float | None) -> State:
    """The state once a run or sweep has ended or lost its agent. Raises WaitTimeoutError."""
    left = timeout
    if os.environ.get("TRAINCONF_RUN_DIR") and (timeout is None or timeout > OWN_SLOT_S):
        first = next(runs.wait([paths], OWN_SLOT_S)).state
        if has_ended(first):
            return first
        _tell_own_slot(paths, first)
        left = None if timeout is None else timeout - OWN_SLOT_S
    waited = next(runs.wait([paths], left))
    if waited.exit_code == runs.TIMED_OUT and not has_ended(waited.state):
        raise timed_out(paths, waited.state, timeout)
    return waited.state


def _tell_own_slot(paths: RunPaths, state: State) -> None:
    """Say to a job that waits for a run which waits for a slot that the job holds one itself."""
    if state.event.get("waiting_for") == "slot":
        _talk(
            f"note: {paths.run_id} waits for a slot of this machine, and the job that waits for it holds one. Without another slot, "
            "both wait for ever: submit it with compute.slots=N, a larger number, or do not wait for it in the job"
        )


def showing(paths: RunPaths, timeout: float | None) -> State:
    """The same, with the run's output on `sys.stdout` and words about it on `sys.stderr`, as these are now: notebooks replace them."""
    until = None if timeout is None else time.monotonic() + timeout
    screen = Screen(paths)
    _talk(f"run {paths.run_id}  {os.path.relpath(paths.run_dir)}")
    for event in follow.follow(paths, Output(paths.log(0)), until=until):
        screen.show(event)
    if screen.end is None:
        raise timed_out(paths, runs.state(paths), timeout)
    return screen.end


class Screen:
    """Shows the events of a run. Bytes that are no text are shown escaped; a character may come in two pieces."""

    def __init__(self, paths: RunPaths) -> None:
        self.end: State | None = None
        self._paths = paths
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._has_shown = True

    def show(self, event: follow.Event) -> None:
        """Show one event."""
        if isinstance(event, follow.Written):
            self._write(self._decoder.decode(event.chunk))
            return
        if isinstance(event, follow.Unreadable):
            self._has_shown = False
        if isinstance(event, follow.Ended):
            self._write(self._decoder.decode(b"", True))
            self.end = event.state
        if lines := progress.of(self._paths, event, has_shown=self._has_shown):
            _talk("\n".join(lines))

    def _write(self, text: str) -> None:
        if text and sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()


def _talk(text: str) -> None:
    if sys.stderr is not None:
        print(escaped(text), file=sys.stderr, flush=True)


def tell_interrupted(paths: RunPaths) -> None:
    """Say that the run goes on."""
    _talk(f"{paths.run_id} goes on: run.wait_for_completion() waits again, run.cancel() ends it")


async def in_loop(paths: RunPaths) -> State:
    """`until_end` for a coroutine: it looks from a thread, now and then, so that the loop is free and a cancellation is heard."""
    import asyncio

    look = runs.look_of_a_wait(paths, StatePoller())
    loop = asyncio.get_running_loop()
    pause_s = SHORTEST_PAUSE_S
    tell_at = time.monotonic() + OWN_SLOT_S if os.environ.get("TRAINCONF_RUN_DIR") else float("inf")
    while True:
        state = await loop.run_in_executor(None, look, paths)
        if has_ended(state):
            return state
        if time.monotonic() > tell_at:
            _tell_own_slot(paths, state)
            tell_at = float("inf")
        await asyncio.sleep(pause_s)
        pause_s = min(LONGEST_PAUSE_S, pause_s * 1.5)


def until_let_go(paths: RunPaths) -> None:
    """Wait until the agent of a run that has ended is gone, too: then its slots are free and nothing writes to its folder any more."""
    until = time.monotonic() + LETTING_GO_S
    while files.is_locked(paths.lock) and time.monotonic() < until:
        time.sleep(SHORTEST_PAUSE_S)


def raise_if_failed(paths: RunPaths, state: State) -> None:
    """Raise RunFailedError for a run that failed or lost its agent, with the last lines it wrote; for a sweep, which writes none."""
    if state.status not in ("Failed", "NotResponding"):
        return
    is_sweep = runs.is_sweep(paths)
    lines = [] if is_sweep else [*end.leftovers(paths, state.event), *end.why(paths, state, has_shown=False)]
    facts = [("run", paths.run_dir), *([("its end", "\n".join(line.removeprefix("  ") for line in lines))] if lines else [])]
    reason = f": {state.reason}" if state.reason else ""
    hint = f"`trainconf logs {paths.run_id} --failed` shows the last lines of the trials that failed" if is_sweep else ""
    raise RunFailedError(f"{paths.run_id} is {state.status}{reason}", *facts, hint=hint, run_exit_code=exit_code(state))


def timed_out(paths: RunPaths, state: State, timeout: float | None) -> WaitTimeoutError:
    """The error of a wait whose time was up."""
    return WaitTimeoutError(
        f"{paths.run_id} is still {state.status} after {timeout:g} s; it goes on", ("run", paths.run_dir),
        hint="run.wait_for_completion() waits again, run.cancel() ends it",
    )
