"""A sweep while it goes on: a line for each trial that ends, and on a terminal below them a block of what is going on."""

from __future__ import annotations

import sys
import time

from trainconf.cli.screen.block import Block
from trainconf.cli.screen.printer import measure, one_line, printer, short_duration, whole_duration, width
from trainconf.cli.screen.sparkline import shows_blocks, sparkline
from trainconf.cli.screen.sweep import short_value
from trainconf.cli.screen.terminal import redraws
from trainconf.control.sweeps.overview import Overview
from trainconf.control.words.failures import Failures
from trainconf.history import metrics, record
from trainconf.search.policies import why_stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.control.sweeps.overview import Ended
    from trainconf.control.sweeps.steer import AnySweep

SHOWN_RUNNING = 12
SHOWN_ENDS = 100  # of a sweep with more trials, a terminal shows the ends of those that failed or were ahead
TOLD_FAILURES = 5  # whose last lines a terminal shows
LAST_LINES, LAST_LINES_ON_SCREEN = 10, 3
REDRAW_S = 0.25  # while nothing changes but the metrics
OF_ALL = ", for the whole sweep"  # the end of a reason that each trial has
STATES = {"Completed": "completed", "Stopped": "stopped", "Failed": "failed", "Canceled": "canceled", "NotResponding": "lost"}


class LiveTable:
    """Shows a sweep on standard error until it is closed."""

    def __init__(self, sweep: AnySweep) -> None:
        self._sweep_id = sweep.sweep_id
        self._overview = Overview(sweep)
        self._block = Block() if redraws(sys.stderr) else None
        self._shows_every_end = self._block is None or sweep.total <= SHOWN_ENDS
        self._drawn_at = float("-inf")
        self._told_count = 0
        self._has_noted = False
        self._failures = Failures(LAST_LINES if self._block is None else LAST_LINES_ON_SCREEN)

    def update(self, changed: Sequence[Any]) -> None:
        """Tell which trials have ended, and draw the block anew."""
        now = time.monotonic()
        if not changed and now < self._drawn_at + REDRAW_S:
            return
        self._drawn_at = now
        lines = [line for ended in self._overview.update(changed) for line in [*self._end(ended), *self._note(ended)]]
        if self._block is not None:
            self._block.draw(lines, self._lines(*self._block.size))
        elif lines:
            printer.info("\n".join(lines))

    def alert(self, text: str) -> None:
        """Say something from a signal handler."""
        (printer if self._block is None else self._block).alert(text)

    def close(self) -> None:
        """Take the block away."""
        if self._block is not None:
            self._block.close()

    # ------------------------------------------------------------ what stays

    def _end(self, ended: Ended) -> list[str]:
        """The line of a trial that has ended, and below it why it failed."""
        trial, failed = ended.trial, ended.trial.state.status in ("Failed", "NotResponding")
        if not (self._shows_every_end or failed or ended.is_best):
            return []
        reason = trial.state.reason
        if ended.stop is not None and trial.state.status == "Canceled":
            reason = why_stopped(ended.stop, self._overview.goal)
        elif self._block is not None and reason.endswith(OF_ALL):
            reason = ""
        took = short_duration((trial.state.event.get("resources") or {}).get("wall_s"))
        facts = [trial.paths.run_id if self._block is None else f"{trial.number:>{self._digits}}", f"{trial.state.status:<9}"]
        facts += [f"{measure(self._overview.metric, ended.shown_value):<9}", f"{took:<6}"]
        facts += [" ".join(trial.overrides) if self._block is None else _values(trial)]
        line = one_line("  ".join(facts).rstrip() + (f": {reason}" if reason else ""))
        if not failed:
            return [line]
        self._told_count += 1
        has_room = self._block is None or self._told_count <= TOLD_FAILURES
        why = self._failures.lines(trial.paths, trial.state.event) if has_room else []
        if self._block is not None and self._told_count == TOLD_FAILURES:
            why.append(f"of further ones: trainconf logs {self._sweep_id} --failed")
        return [line, *(f"      {word}" for word in why)]

    def _note(self, ended: Ended) -> list[str]:
        """What to say of the first trial that completed without the metric: the others would hardly be better."""
        trial, metric = ended.trial, self._overview.metric
        if self._has_noted or ended.value is not None or trial.state.status != "Completed":
            return []
        told = record.missing_metric(metric, {entry["name"] for entry in metrics.read_since(trial.paths, metrics.Cursor())}, "Completed")
        self._has_noted = bool(told)
        return [f"note: trial {trial.number}: {told}"] if told else []

    # ------------------------------------------------------------ what is drawn again

    def _lines(self, columns: int, rows: int) -> list[str]:
        head = ["", self._progress(columns), *_wrapped(self._counts(), columns)]
        found = self._overview.best()
        if found is not None:
            value, trial = measure(self._overview.metric, found.value), found.trial
            head.append(f"best {self._overview.metric} {value}, trial {trial.number}{self._state_of(trial)}: {_values(trial)}")
        return [*head, *self._running(columns, min(SHOWN_RUNNING, rows - len(head)))]

    def _progress(self, columns: int) -> str:
        overview = self._overview
        share = overview.ended_count / max(1, overview.total)
        full, empty = ("━", "─") if shows_blocks(getattr(sys.stderr, "encoding", None)) else ("#", "-")
        wide = max(4, min(30, columns // 4))
        bar = full * int(share * wide) + empty * (wide - int(share * wide))
        rest = overview.rest_s
        left = "" if rest is None else f", about {whole_duration(rest)} left"
        return f"{bar}  {overview.ended_count}/{overview.total}  {whole_duration(overview.elapsed_s)} elapsed{left}"

    def _counts(self) -> list[str]:
        overview = self._overview
        counts = {"running": len(overview.running), "waiting": overview.waiting_count}
        counts |= {word: overview.counts.get(state, 0) for state, word in STATES.items()}
        parts = [f"{count} {word}" for word, count in counts.items() if count]
        if overview.saved is not None and overview.policy != "none":
            parts.append(f"{overview.saved:.0%} of logs saved".replace("%", " %"))
        if not self._shows_every_end:
            parts.append(f"only failed trials and new bests have a line, `trainconf show {self._sweep_id}` lists all")
        return parts

    def _state_of(self, trial: Any) -> str:
        """What is said of the state of the best trial: nothing where it has completed."""
        if trial.number in self._overview.running:
            return ", running"
        return "" if trial.state is None or trial.state.status == "Completed" else f", {trial.state.status.lower()}"

    def _running(self, columns: int, rows: int) -> list[str]:
        overview = self._overview
        trials = [overview.running[number] for number in sorted(overview.running)]
        left_out = 0 if len(trials) <= rows else len(trials) - max(0, rows - 1)
        shown = trials[: len(trials) - left_out]
        wide = 8 if columns < 78 else 12 if columns < 110 else 24
        encoding = getattr(sys.stderr, "encoding", None)
        cells = [
            (f"{trial.number:>{self._digits}}", sparkline(overview.course(trial).points(), wide, encoding),
             measure(overview.metric, overview.shown_value(trial)), whole_duration(overview.running_s(trial)))
            for trial in shown
        ]  # fmt: skip
        widths = [max((width(row[column]) for row in cells), default=0) for column in range(4)]
        lines = []
        for row, trial in zip(cells, shown, strict=True):
            padded = [cell + " " * (fill - width(cell)) for cell, fill in zip(row, widths, strict=True) if fill]
            lines.append("  ".join([*padded, _values(trial)]))
        return [*lines, *([f"and {left_out} more running"] if left_out and rows > 0 else [])]

    @property
    def _digits(self) -> int:
        return max(3, len(str(self._overview.total - 1)))


def _values(trial: Any) -> str:
    """What makes a trial differ, in short: `lr=0.0287764 opt=adam`. `trainconf sweep show` has every digit."""
    pairs = [override.lstrip("+").removeprefix("params.").partition("=") for override in trial.overrides]
    return " ".join(f"{key}{equals}{short_value(value)}" for key, equals, value in pairs)


def _wrapped(parts: Sequence[str], columns: int) -> list[str]:
    """Parts with commas between them, on as many lines as they need."""
    lines: list[str] = []
    for part in parts:
        if lines and width(lines[-1]) + 2 + width(part) <= columns:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines
