"""Shows a sweep: a line for each trial that ends, on a terminal also a block of what is going on, and a table at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from trainconf.cli.screen.printer import cut, number, one_line, printer, short_duration
from trainconf.control.sweeps import Results
from trainconf.history import metrics
from trainconf.sweeps.controller import Trial

LIVE_ROWS = 12


class LiveTable:
    """The trials of a sweep while it goes on. `metric` is the name of what they are compared by."""

    def __init__(self, trials: Sequence[Trial], metric: str | None) -> None:
        self._trials = trials
        self._metric = metric
        self._is_screen = sys.stderr is not None and sys.stderr.isatty()
        self._drawn_lines = 0
        self._summaries: dict[int, metrics.Summary] = {}  # of each trial's metrics, as far as they were read

    def update(self, changed: Sequence[Trial]) -> None:
        """Tell which trials have ended, and draw the block anew."""
        self.erase()
        for trial in changed:
            if trial.state is not None and trial.state.is_final:
                why = f": {trial.state.reason}" if trial.state.reason else ""
                printer.info(one_line(f"{trial.number:>4}  {trial.state.status:<9}  {' '.join(trial.overrides)}{why}"))
        if self._is_screen:
            self._draw()

    def erase(self) -> None:
        """Take the block away."""
        if self._drawn_lines:
            sys.stderr.write(f"\x1b[{self._drawn_lines}A\x1b[J")
            self._drawn_lines = 0

    def _draw(self) -> None:
        states = [trial.state.status if trial.state is not None else "NotStarted" for trial in self._trials]
        running = [trial for trial, state in zip(self._trials, states, strict=True) if state in ("Running", "Starting", "Finalizing")]
        counts = {status: states.count(status) for status in ("Completed", "Failed", "Canceled", "Running", "Queued")}
        done = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        lines = [f"{done or 'none started'} of {len(states)}"]
        lines += [f"{trial.number:>4}  Running    {' '.join(trial.overrides)}  {self._value(trial)}" for trial in running[:LIVE_ROWS]]
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        printer.info("\n".join(cut(one_line(line), columns - 1) for line in lines))  # a longer one would take two rows, and one is erased
        self._drawn_lines = len(lines)

    def _value(self, trial: Trial) -> str:
        if not self._metric or trial.paths is None:
            return ""
        summary = self._summaries[trial.number] = metrics.summarise(trial.paths, self._summaries.get(trial.number))
        return number(summary.values.get(self._metric))


def print_results(results: Results) -> None:
    """Every trial in order: its values, how it ended, how long it took, and the metric; the best is named below."""
    if not results.trials:
        return  # somebody has removed the sweep
    keys = [override.partition("=")[0].lstrip("+") for override in results.trials[0].overrides]
    rows = [
        [str(trial.number), *(override.partition("=")[2] for override in trial.overrides), trial.status,
         short_duration(trial.row.get("duration_s")), number(trial.metric)]
        for trial in results.trials
    ]  # fmt: skip
    printer.table(["trial", *keys, "status", "duration", results.metric or "metric"], rows, status_column=1 + len(keys))
    if best := results.best:
        printer.info(f"best: trial {best.number}, {results.metric} {number(best.metric)}, {' '.join(best.overrides)}")
