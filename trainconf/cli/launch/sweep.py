"""`-m`: submits a sweep and shows it to its end; a summary table with the experiment's metric.

Exit code 1 if any trial failed, 130 when the sweep was cancelled.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from trainconf.cli.screen.printer import cut, number, one_line, printer, short_duration
from trainconf.history import events, metrics, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from trainconf.cli.arguments.compose import Words
    from trainconf.sweeps.controller import Sweep, Trial

LOOK_PAUSE_S = 0.05
LIVE_ROWS = 12


def run(asked: Words) -> int:
    """Expand, prepare, start and watch; the exit code."""
    from trainconf.cli.arguments.compose import config_dir_of, find_and_name_workspace, tell_notes
    from trainconf.composition.grid import grid
    from trainconf.sweeps.controller import plan_sweep

    workspace = find_and_name_workspace()
    combinations = grid(asked.overrides, workspace, config_dir=config_dir_of(asked), config_name=asked.config_name)
    tell_notes(combinations.base)
    sweep = plan_sweep(combinations, workspace, asked.overrides)
    sweep.prepare(printer)
    watching = Watching(sweep)
    with watching:
        sweep.start()
        before = f", {sweep.reused_count} of them completed before" if sweep.reused_count else ""
        before += f"; {sweep.not_looked_at}" if sweep.not_looked_at else ""
        printer.info(f"sweep {sweep.sweep_id}: {len(sweep.trials)} runs, {sweep.max_concurrent_runs} at a time{before}")
        if sweep.unsent_count:
            sends = "its own jobs send" if sweep.config.submit.detach else "this command sends"
            left = f"{sweep.unsent_count} runs are not sent yet"
            printer.info(f"Slurm takes no more jobs of yours now: {left}; {sends} them when there is room")
        if sweep.config.submit.detach:
            printer.data(sweep.sweep_id)
            return 130 if watching.interrupts else 0
        watching.to_the_end()
    _print_summary(sweep)
    failed = [trial for trial in sweep.trials if trial.state is None or trial.state.status != "Completed"]
    return 130 if watching.interrupts or _was_canceled(sweep) else 1 if failed else 0


def _was_canceled(sweep: Sweep) -> bool:
    """Whether somebody has asked for the end of all its runs, from wherever."""
    return any(event["state"] in ("CancelRequested", "Canceled") for event in events.read(sweep.paths))


class Watching:
    """A sweep on a terminal: one line per trial that ends, and on a screen a block of what is going on."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.interrupts = 0
        self.is_screen = sys.stderr is not None and sys.stderr.isatty()
        self.drawn = 0
        self._read: dict[int, metrics.Summary] = {}  # of each trial's metrics, as far as they were read
        self._kept: dict[int, object] = {}

    def __enter__(self) -> Watching:
        self._kept = {wanted: signal.signal(wanted, self._interrupted) for wanted in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for wanted, handler in self._kept.items():
            signal.signal(wanted, handler)  # type: ignore[arg-type]

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        if not self.sweep.has_started:
            raise KeyboardInterrupt
        self.interrupts += 1
        self.sweep.cancel(force=self.interrupts > 1)
        printer.alert("canceling all runs; once more to kill them at once" if self.interrupts == 1 else "killing")

    def to_the_end(self) -> None:
        """Look, tell, pause, until the agent is done."""
        ended = False
        while not ended:
            ended = self.sweep.has_ended()
            changed = self.sweep.look()
            self._erase()
            for trial in changed:
                if trial.state is not None and trial.state.is_final:
                    printer.info(one_line(f"{trial.number:>4}  {trial.state.status:<9}  {' '.join(trial.words)}" + _why(trial)))
            if not ended:
                self._draw()
                time.sleep(LOOK_PAUSE_S)

    def _draw(self) -> None:
        if not self.is_screen:
            return
        states = [trial.state.status if trial.state is not None else "NotStarted" for trial in self.sweep.trials]
        going = [trial for trial, state in zip(self.sweep.trials, states, strict=True) if state in ("Running", "Starting", "Finalizing")]
        counts = {status: states.count(status) for status in ("Completed", "Failed", "Canceled", "Running", "Queued")}
        done = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        lines = [f"{done or 'none started'} of {len(states)}"]
        lines += [f"{trial.number:>4}  Running    {' '.join(trial.words)}  {self._metric(trial)}" for trial in going[:LIVE_ROWS]]
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        printer.info("\n".join(cut(one_line(line), columns - 1) for line in lines))  # a longer one would take two rows, and one is erased
        self.drawn = len(lines)

    def _metric(self, trial: Trial) -> str:
        name = self.sweep.metric["name"]
        if not name or trial.paths is None:
            return ""
        summary = self._read[trial.number] = metrics.summarise(trial.paths, self._read.get(trial.number))
        return number(summary.values.get(name))

    def _erase(self) -> None:
        if self.drawn:
            sys.stderr.write(f"\x1b[{self.drawn}A\x1b[J")
            self.drawn = 0


def _why(trial: Trial) -> str:
    return f": {trial.state.reason}" if trial.state is not None and trial.state.reason else ""


def _print_summary(sweep: Sweep) -> None:
    """Every trial in order: its values, how it ended, how long it took, and the metric; the best is named below."""
    name = sweep.metric["name"]
    rows, scores = [], {}
    for trial in sweep.trials:
        row = record.describe(trial.paths) if trial.paths is not None else {}
        values = [word.partition("=")[2] for word in trial.words]
        metric = row.get("metrics", {}).get(name) if name else None
        if isinstance(metric, (int, float)) and metric == metric and row.get("status") == "Completed":  # NaN is no score
            scores[trial.number] = metric
        rows.append([str(trial.number), *values, row.get("status", "NotStarted"), short_duration(row.get("duration_s")), number(metric)])
    keys = [word.partition("=")[0].lstrip("+") for word in sweep.trials[0].words]
    printer.table(["trial", *keys, "status", "duration", name or "metric"], rows, status_column=1 + len(keys))
    if scores:
        better = max if sweep.metric["goal"] == "maximize" else min
        best = better(scores, key=lambda trial: scores[trial])
        printer.info(f"best: trial {best}, {name} {number(scores[best])}, {' '.join(sweep.trials[best].words)}")
