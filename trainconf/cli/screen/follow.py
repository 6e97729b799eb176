"""Follows a run that this process submitted: changes of state as talk, the job's output as data, Ctrl-C as a wish to cancel.

The job writes into its own file and the terminal follows the file, so nothing here is in the job's way, and the death of this
process changes nothing for the run.
"""

from __future__ import annotations

import os
import signal

from trainconf.agent import leases
from trainconf.cli.screen.printer import duration, number, one_line, printer
from trainconf.files import write_all
from trainconf.history import events, record
from trainconf.history.follow import BUSY_PAUSE_S, Output, Watch, exit_code, has_ended
from trainconf.launchers.scheduled import Looking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.launchers.protocol import Launcher, LaunchPlan, RunHandle

IDLE_PAUSE_S = 0.1
WAITED_FOR = {"slot": "slot", "gpu": "GPU"}  # what an agent waits for, in words
HOLDERS_TOLD = 8
_UNREMARKABLE = {"NotStarted", "Starting", "Running", "Finalizing", *events.TERMINAL}


class Following:
    """One run being watched until it ends."""

    def __init__(self, launcher: Launcher, handle: RunHandle, plan: LaunchPlan, *, show_output: bool) -> None:
        self.launcher = launcher
        self.handle = handle
        self.paths = handle.paths
        self.slots_dir = "" if plan.slots is None else str(plan.slots.get("dir", ""))
        self.look = Looking(launcher)
        self.scheduler_told = ""
        self.output = Output(self.paths.log(0)) if show_output else None
        self.watch = Watch(self.paths)
        self.events_size = 0
        self.events_told = 0
        self.waiting_for = ""
        self.place: int | None = None
        self.interrupts = 0
        self.line_is_open = False

    def to_the_end(self) -> int:
        """Watch until the run has ended; the exit code it deserves."""
        kept = {number: signal.signal(number, self._interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            state = self._watch()
        finally:
            for number_, handler in kept.items():
                signal.signal(number_, handler)
            self.watch.close()
            if self.output is not None:
                self.output.close()
        self._tell_end(state)
        return exit_code(state)

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        """Ask for the end; the second time, at once."""
        self.interrupts += 1
        printer.alert("canceling; once more to kill it at once" if self.interrupts == 1 else "killing")
        self.launcher.cancel(self.handle, force=self.interrupts > 1)

    def _watch(self) -> State:
        pause_s = BUSY_PAUSE_S / 2
        while True:
            copied = self._copy_output()
            if not copied:
                self._tell_events()
                state = self.look(self.paths)
                if has_ended(state):
                    self._copy_output()  # what was written between the last look and the end
                    return state
                self._tell_scheduler(state)
            pause_s = BUSY_PAUSE_S / 2 if copied else min(IDLE_PAUSE_S, pause_s * 1.5)
            self.watch.pause(pause_s)

    def _copy_output(self) -> int:
        """Hand on what is new of the job's output; how many bytes. Raises BrokenPipeError when nobody reads it any more."""
        if self.output is None:
            return 0
        try:
            return self.output.copy(self._to_stdout)
        except OSError as error:
            self.output.close()
            self.output = None
            printer.talk(f"the output cannot be shown: {error.strerror}; the run goes on, and {self.paths.log(0)} has it all")
            if isinstance(error, BrokenPipeError):
                raise
            return 0

    def _tell_events(self) -> None:
        """Tell what has happened since the last look."""
        try:
            size = os.stat(self.paths.events).st_size
        except FileNotFoundError:
            return  # the run was removed, as its state will say
        if size != self.events_size:
            self.events_size = size
            history = events.read(self.paths)
            for event in history[self.events_told :]:
                self._tell(event)
            self.events_told = len(history)
        if self.waiting_for:
            self._tell_place()

    def _tell(self, event: dict[str, Any]) -> None:
        waiting_for = event.get("waiting_for")
        self.waiting_for = WAITED_FOR.get(str(waiting_for), "")
        if waiting_for == "retry":
            printer.talk(f"{event.get('reason')}; attempt {event['attempt']} starts in {duration(event.get('seconds'))}")
        elif not waiting_for and event["state"] not in _UNREMARKABLE and event.get("reason"):
            printer.talk(f"{event['state']}: {event['reason']}")

    def _tell_scheduler(self, state: State) -> None:
        """What the scheduler says of a run that waits for it, or has gone quiet."""
        if state.scheduler is not None and state.reason and state.reason != self.scheduler_told:
            self.scheduler_told = state.reason
            printer.talk(state.reason)

    def _tell_place(self) -> None:
        place = leases.place(self.slots_dir, self.paths.run_id)
        if place is not None and place != self.place:
            self.place = place
            held = "".join(f"\n  {holder}" for holder in leases.holders(self.slots_dir)[:HOLDERS_TOLD])
            printer.talk(f"waiting for a {self.waiting_for} of this machine, place {place} in the queue{held}")

    def _to_stdout(self, chunk: bytes) -> None:
        write_all(1, chunk)
        self.line_is_open = not chunk.endswith(b"\n")

    def _tell_end(self, state: State) -> None:
        if self.line_is_open and os.isatty(1) and os.isatty(2):
            printer.talk()  # our words begin a line of their own on a screen that shows both
        if state.event.get("rank"):
            from trainconf.cli.screen.ranks import tell_failed_rank

            tell_failed_rank(self.paths, state.event)
        if state.event.get("left_in_code"):
            from trainconf.cli.screen.beside_outputs import told

            printer.talk(f"note: {told(state.event)}")
        row = record.describe(self.paths)
        facts = [state.status, *([state.reason] if state.reason else [])]
        if row["duration_s"] is not None:
            facts.append(f"in {duration(row['duration_s'])}")
        for note in record.notes(state.event):
            printer.talk(one_line(f"note: {note}"))
        printer.talk(one_line(", ".join([*facts, *self._metric(row)])))

    def _metric(self, row: dict[str, Any]) -> list[str]:
        """The experiment's metric, where it names one and the run ended well enough to have it."""
        name = record.metric(self.paths)
        value = row["metrics"].get(name)
        return [f"{name} {number(value)}"] if value is not None else []
