"""Shows a run that this process submitted: its output as data, its changes of state as talk. Ctrl-C cancels the run."""

from __future__ import annotations

import os
from contextlib import closing

from trainconf.cli.screen.interrupts import Interrupts
from trainconf.cli.screen.printer import printer
from trainconf.control import follow as following
from trainconf.control.words import progress
from trainconf.files import write_all
from trainconf.history.follow import Output, exit_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.control.follow import Event
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths
    from trainconf.submission.submit import Submitted

CANCELING = "canceling; press Ctrl-C again to kill it"


def show_to_end(submitted: Submitted, *, show_output: bool, is_canceled: bool = False) -> int:
    """Show the run until it has ended; the exit code it deserves. is_canceled: by a Ctrl-C that came before this."""
    screen = _Screen(submitted.paths, shows_output=show_output)
    output = Output(submitted.paths.log(0), submitted.output_start) if show_output else None
    cancel = Interrupts(lambda force: submitted.cancel(force=force), CANCELING)
    if is_canceled:
        cancel.count = 1
        cancel.tell(CANCELING)
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
            return
        if isinstance(event, following.Unreadable):
            self._shows_output = False
        if isinstance(event, following.Ended):
            self.end = event.state
            if self._line_is_open and os.isatty(1) and os.isatty(2):
                printer.info()  # the terminal shows both: begin a new line
        printer.lines(progress.of(self._paths, event, has_shown=self._shows_output))

    def _write(self, chunk: bytes) -> None:
        if not self._shows_output:
            return
        try:
            write_all(1, chunk)
        except OSError as error:
            self.show(following.Unreadable(error))
            if isinstance(error, BrokenPipeError):
                raise
        self._line_is_open = not chunk.endswith(b"\n")
