"""Shows a sweep: a line for each trial that ends, on a terminal also a block of what is going on, and a table at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from trainconf.cli.screen.printer import cut, number, one_line, printer, short_duration
from trainconf.control.sweeps.results import Results, TrialResult
from trainconf.history import metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.control.sweeps.steer import AnySweep, PlannedSweep

LIVE_ROWS = 12
REDRAW_S = 0.1  # while nothing changes but the metrics


class LiveTable:
    """The trials of a sweep while it goes on. `metric` is the name of what they are compared by."""

    def __init__(self, sweep: AnySweep, metric: str | None) -> None:
        self._sweep = sweep
        self._metric = metric
        self._is_screen = sys.stderr is not None and sys.stderr.isatty()
        self._drawn_lines = 0
        self._drawn_at = 0.0
        self._told: set[int] = set()
        self._summaries: dict[int, metrics.Summary] = {}  # of each trial's metrics, as far as they were read

    def update(self, changed: Sequence[Any]) -> None:
        """Tell which trials have ended, and draw the block anew."""
        now = time.monotonic()
        if not changed and now < self._drawn_at + REDRAW_S:
            return
        self._drawn_at = now
        self.erase()
        for trial in changed:
            if trial.state is not None and trial.state.is_final and trial.number not in self._told:
                self._told.add(trial.number)
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
        trials = self._sweep.live
        states = [trial.state.status if trial.state is not None else "NotStarted" for trial in trials]
        running = [trial for trial, state in zip(trials, states, strict=True) if state in ("Running", "Starting", "Finalizing")]
        counts = {status: states.count(status) for status in ("Completed", "Failed", "Canceled", "Running", "Queued")}
        done = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        lines = [f"{done or 'none started'} of {self._sweep.total}"]
        lines += [f"{trial.number:>4}  Running    {' '.join(trial.overrides)}  {self._value(trial)}" for trial in running[:LIVE_ROWS]]
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        printer.info("\n".join(cut(one_line(line), columns - 1) for line in lines))  # a longer one would take two rows, and one is erased
        self._drawn_lines = len(lines)

    def _value(self, trial: Any) -> str:
        if not self._metric or trial.paths is None:
            return ""
        summary = self._summaries[trial.number] = metrics.summarise(trial.paths, self._summaries.get(trial.number))
        return number(summary.values.get(self._metric))


def print_plan(planned: PlannedSweep, *, as_json: bool) -> None:
    """What each key can be, the first trials, and how many there will be."""
    if as_json:
        import json

        printer.data(json.dumps(planned._asdict(), indent=2))
        return
    facts = [("sweep", planned.kind), *((key, text) for key, text in planned.keys)]
    facts += [("earlier", note) for note in planned.earlier]
    facts += [("policy", planned.policy)] if planned.policy != "none" else []
    facts += [("metric", f"{planned.goal} {planned.metric}")] if planned.metric else []
    facts += [("seed", str(planned.seed))] if planned.seed is not None and planned.kind != "grid" else []
    facts += [("trials", f"{planned.total}, {planned.at_a_time} at a time")]
    width = max(len(name) for name, _ in facts)
    printer.data("\n".join(f"{name:<{width}}  {text}" for name, text in facts) + "\n")
    keys = list(dict.fromkeys(key for values in planned.trials for key in values))
    rows = [[str(place), *(str(values.get(key, "")) for key in keys)] for place, values in enumerate(planned.trials)]
    printer.table(["trial", *keys], rows)
    if planned.kind == "bayes" and planned.total > len(planned.trials):
        printer.info("further trials depend on what these are worth")


def print_results(results: Results) -> None:
    """Every trial in order: its values, how it ended, how long it took, and the metric; the best is named below."""
    if not results.trials:
        return  # somebody has removed the sweep
    keys = list(dict.fromkeys(override.partition("=")[0].lstrip("+") for trial in results.trials for override in trial.overrides))
    rows = []
    for trial in results.trials:
        values = {override.partition("=")[0].lstrip("+"): override.partition("=")[2] for override in trial.overrides}
        status = f"stopped at {trial.stop['interval']}" if trial.stop is not None and trial.status == "Canceled" else trial.status
        rows.append([str(trial.number), *(values.get(key, "") for key in keys), status, short_duration(trial.row.get("duration_s")),
                     number(trial.value)])
    printer.table(["trial", *keys, "status", "duration", results.metric or "metric"], rows, status_column=1 + len(keys))
    for line in summary(results):
        printer.info(line)


def summary(results: Results) -> list[str]:
    """What is said below the table: the policy's stops, why a search failed, and the best trial."""
    lines = []
    stopped = [trial for trial in results.trials if trial.stop is not None]
    if results.policy != "none":
        lines.append(f"{results.policy}: {len(stopped)} of {len(results.trials)} trials stopped early, {results.verdict_count} decisions")
        lines += [f"  trial {trial.number} {why_stopped(trial, results)}" for trial in stopped]
    if results.failure:
        lines.append(f"the search failed: {results.failure}")
    if results.best is not None:
        state = "" if results.best.status == "Completed" else f" ({results.best.status})"
        lines.append(
            f"best: trial {results.best.number}{state}, {results.metric} {number(results.best_value)}, {' '.join(results.best.overrides)}"
        )
    return lines


def why_stopped(trial: TrialResult, results: Results) -> str:
    """`stopped at log 5: 0.61 < 0.70, 12 compared`"""
    stop = trial.stop or {}
    sign = "<" if results.goal == "maximize" else ">"
    values = f"{number(stop.get('own'))} {sign} {number(stop.get('bound'))}"
    return f"stopped at log {stop.get('interval')}: {values}, {stop.get('compared')} compared"
