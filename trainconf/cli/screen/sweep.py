"""A sweep as text: what it would do, and what has become of it."""

from __future__ import annotations

from typing import Any

from trainconf.cli.screen.printer import number, printer, short_duration
from trainconf.control.sweeps.results import Results
from trainconf.launchers.plan_text import batch_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.control.sweeps.steer import PlannedSweep

PLACES = {"here": "this command", "detached": "a process of its own", "job": "a job of its own, as below"}


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
    facts += [("controller", PLACES[planned.controller])] if planned.controller else []
    width = max(len(name) for name, _ in facts)
    printer.data("\n".join(f"{name:<{width}}  {text}" for name, text in facts) + "\n")
    keys = list(dict.fromkeys(key for values in planned.trials for key in values))
    rows = [[str(place), *(str(values.get(key, "")) for key in keys)] for place, values in enumerate(planned.trials)]
    printer.table(["trial", *keys], rows)
    if planned.kind == "bayes" and planned.total > len(planned.trials):
        printer.info("further trials depend on what these are worth")
    if planned.controller_job is not None:
        printer.data("\n" + batch_text(planned.controller_job, "its controller's"))


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
        lines += [f"  trial {trial.number} {why_stopped(trial.stop or {}, results.goal)}" for trial in stopped]
    if results.failure:
        lines.append(f"the search failed: {results.failure}")
    if results.best is not None:
        state = "" if results.best.status == "Completed" else f" ({results.best.status})"
        lines.append(
            f"best: trial {results.best.number}{state}, {results.metric} {number(results.best_value)}, {' '.join(results.best.overrides)}"
        )
    return lines


def why_stopped(stop: dict[str, Any], goal: str) -> str:
    """`stopped at log 5: 0.61 < 0.70, 12 compared`"""
    sign = "<" if goal == "maximize" else ">"
    values = f"{number(stop.get('own'))} {sign} {number(stop.get('bound'))}"
    return f"stopped at log {stop.get('interval')}: {values}, {stop.get('compared')} compared"
