"""Shows a run that this process submitted: its output as data, its changes of state as talk. Ctrl-C cancels the run."""

from __future__ import annotations

import os
from contextlib import closing

from trainconf.cli.screen.end import tell_leftovers, tell_why
from trainconf.cli.screen.interrupts import Interrupts
from trainconf.cli.screen.printer import duration, number, one_line, printer
from trainconf.control import follow as following
from trainconf.files import write_all
from trainconf.history import events, record
from trainconf.history.follow import Output, exit_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.follow import Event
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths
    from trainconf.submission.submit import Submitted

RESOURCES = {"slot": "slot", "gpu": "GPU"}
SHOWN_HOLDERS = 8
_UNREMARKABLE = {"NotStarted", "Starting", "Running", "Finalizing", *events.TERMINAL}


def show_to_end(submitted: Submitted, *, show_output: bool) -> int:
    """Show the run until it has ended; the exit code it deserves."""
    screen = _Screen(submitted.paths, shows_output=show_output)
    output = Output(submitted.paths.log(0), submitted.output_start) if show_output else None
    cancel = Interrupts(lambda force: submitted.cancel(force=force), "canceling; press Ctrl-C again to kill it")
    with cancel, closing(following.follow(submitted.paths, output, agent_pid=submitted.agent_pid)) as found:
        for event in found:
            screen.show(event)
    return exit_code(screen.end)


class _Screen:
    """A terminal, or what stands for it, that shows one run."""

    end: State

    def __init__(self, paths: RunPaths, *, shows_output: bool) -> None:
        self._paths = paths
        self._shows_output = shows_output
        self._line_is_open = False

    def show(self, event: Event) -> None:
        """Show one event. Raises BrokenPipeError when nobody reads the output any more."""
        if isinstance(event, following.Written):
            self._write(event.chunk)
        elif isinstance(event, following.Unreadable):
            self._no_output(event.error)
        elif isinstance(event, following.Changed):
            self._changed(event.event)
        elif isinstance(event, following.Waiting):
            held = "".join(f"\n  {holder}" for holder in event.holders[:SHOWN_HOLDERS])
            printer.info(f"waiting for a {RESOURCES[event.resource]} of this machine, place {event.place} in the queue{held}")
        elif isinstance(event, following.Scheduled):
            printer.info(event.reason)
        elif isinstance(event, following.Ended):
            self._ended(event.state)

    def _write(self, chunk: bytes) -> None:
        if not self._shows_output:
            return
        try:
            write_all(1, chunk)
        except OSError as error:
            self._no_output(error)
            if isinstance(error, BrokenPipeError):
                raise
        self._line_is_open = not chunk.endswith(b"\n")

    def _no_output(self, error: OSError) -> None:
        self._shows_output = False
        printer.info(f"the output cannot be shown: {error.strerror}; the run goes on, and {self._paths.log(0)} has it all")

    def _changed(self, event: dict[str, Any]) -> None:
        waiting_for = event.get("waiting_for")
        if waiting_for == "retry":
            printer.info(f"{event.get('reason')}; attempt {event['attempt']} starts in {duration(event.get('seconds'))}")
        elif not waiting_for and event["state"] not in _UNREMARKABLE and event.get("reason"):
            printer.info(f"{event['state']}: {event['reason']}")

    def _ended(self, state: State) -> None:
        self.end = state
        if self._line_is_open and os.isatty(1) and os.isatty(2):
            printer.info()  # the terminal shows both: begin a new line
        tell_leftovers(self._paths, state.event)
        tell_why(self._paths, state, has_shown=self._shows_output)
        row = record.describe(self._paths)
        for note in record.notes(state.event):
            printer.info(one_line(f"note: {note}"))
        if missing := record.missing_metric(record.metric(self._paths), row["metrics"], state.status):
            printer.info(one_line(f"note: {missing}"))
        took = f" in {duration(row['duration_s'])}" if row["duration_s"] is not None else ""
        why = f": {state.reason}" if state.reason else ""
        printer.info(one_line(f"{state.status}{took}{why}{self._metric(row)}"))

    def _metric(self, row: dict[str, Any]) -> str:
        """The experiment's metric, where it names one and the run logged it."""
        name = record.metric(self._paths)
        value = row["metrics"].get(name)
        return "" if value is None else f", {name} {number(value)}"
