"""`SweepRun`: a sweep as a run, whose children are its trials."""

from __future__ import annotations

import sys
import time

from trainconf.control import history, runs
from trainconf.control.results import sweep as control
from trainconf.control.words.values import measure, number, one_line
from trainconf.history.follow import has_ended
from trainconf.sdk.notes import note
from trainconf.sdk.place import caller
from trainconf.sdk.run import SubmittedRun, words_given
from trainconf.sdk.runs import facts, waiting
from trainconf.sdk.runs.talk import Talk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.results.sweep import Results
    from trainconf.history.liveness import State

LOOK_S = 0.25  # between two looks at the trials of a sweep that is shown
ENDED = ("Completed", "Failed", "Canceled", "NotResponding", "Removed")


class SweepRun(SubmittedRun):
    """A sweep. Its children are its trials, and its files those of its controller."""

    @property
    def type(self) -> str:
        """`sweep`."""
        return "sweep"

    @property
    def status(self) -> str:
        """The state: `Running`, `Paused`, `NoController`, or how it has ended."""
        return control.state(self._paths)

    @property
    def results(self) -> Results:
        """What became of its trials until now: the best one, their values, why any was stopped."""
        return control.results(self._paths)

    def get_detailed_status(self) -> dict[str, Any]:
        """`status`, and `details`: how many trials are in which state."""
        found = self.results
        counts = {status: found.count(status) for status in dict.fromkeys(trial.status for trial in found.trials)}
        return {"status": self.status, "details": ", ".join(f"{count} {status}" for status, count in counts.items())}

    def get_details(self) -> dict[str, Any]:
        """What `trainconf sweep show --json` prints, with the stable fields of a run and `log_files`."""
        return {**history.details(self._paths), **self.results.to_dict(), "log_files": facts.log_files(self._paths)}

    @property
    def metrics(self) -> dict[str, Any]:
        """The last values of its best trial so far; empty without one."""
        best = self.results.best
        return dict(best.row.get("metrics") or {}) if best is not None else {}

    def get_metrics(self, name: str | None = None, recursive: bool = False) -> dict[str, Any]:
        """What each trial has logged, by its id."""
        return {child.id: child.get_metrics(name) for child in self.get_children(recursive=recursive)}

    def rerun(self, *overrides: str) -> SubmittedRun:
        """The sweep once more, with the points it had, or with words of the command line that say otherwise."""
        from trainconf.control.sweeps import again, steer

        words = words_given("rerun", overrides)
        sweep = again.rerun(self._paths, [*words, "submit.detach=true"], self.workspace._paths, Talk())
        sweep.start()
        steer.hand_over(sweep)
        return type(self)(self.workspace, sweep.paths)

    def resume(self, *overrides: str) -> SubmittedRun:
        """Go on with a sweep that was paused or lost its controller; words such as "sweep.max_total_runs=40" change its limits.

        A note says why, where there is nothing to go on with. A sweep that a job of a scheduler controlled gets a job again, unless
        "sweep.controller=detached" is among the words.
        """
        from trainconf.control.sweeps import going_on

        words = words_given("resume", overrides)
        done = going_on.go_on(self._paths, self.workspace._paths, "resume", words, caller())
        if not done.is_done:
            note(done.words)
        return self

    def _show_to_end(self, timeout: float | None) -> State:
        """A line for each trial that ends, and the best one at the end."""
        until = None if timeout is None else time.monotonic() + timeout
        shown: set[int] = set()
        while True:
            state = next(runs.wait([self._paths], LOOK_S)).state
            self._show(shown)
            if has_ended(state):
                return state
            if until is not None and time.monotonic() >= until:
                raise waiting.timed_out(self._paths, state, timeout)

    def _show(self, shown: set[int]) -> None:
        found = self.results
        for trial in found.trials:
            if trial.number not in shown and trial.status in ENDED:
                shown.add(trial.number)
                values = " ".join(f"{key}={number(value)}" for key, value in trial.values.items())
                metric = f", {found.metric} {measure(found.metric, trial.value)}" if trial.value is not None else ""
                print(one_line(f"trial {trial.number}: {trial.status}{metric}  {values}"), file=sys.stdout, flush=True)
