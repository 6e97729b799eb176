"""A sweep as text: what it would do, and what has become of it."""

from __future__ import annotations

import sys

from trainconf.cli.screen.printer import measure, number, one_line, printer, short_duration, utc_time
from trainconf.cli.screen.tables import table
from trainconf.control.results import sweep as sweeps
from trainconf.control.results.asking import can_hold
from trainconf.control.results.damage import damage
from trainconf.control.results.sweep import Results, TrialResult
from trainconf.control.results.whereabouts import controller_now
from trainconf.control.words.end import printed
from trainconf.control.words.sweeps import in_words, trial_named, without_a_best
from trainconf.history import labels, record
from trainconf.history.events import seconds
from trainconf.launchers.plan_text import batch_text
from trainconf.paths import RunPaths
from trainconf.search.expressions import text_of
from trainconf.search.policies import why_stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.sweeps.steer import PlannedSweep

PLACES = {"here": "this command", "detached": "a process of its own", "job": "a job of its own, as below"}
SHOWN_TRIALS = 50  # of a sweep on a terminal; of more than that those that matter
SHOWN_BEST, SHOWN_FAILED = 20, 10
SHOWN_STOPS = 20


def print_plan(planned: PlannedSweep, *, as_json: bool) -> None:
    """What each key can be, the first trials, and how many there will be."""
    if as_json:
        import json

        printer.verbatim(json.dumps(planned._asdict(), indent=2))
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
    rows = [[str(place), *(_shown(values[key]) if key in values else "" for key in keys)] for place, values in enumerate(planned.trials)]
    table(["trial", *keys], rows, cuttable=keys, rest="`--json` has all")
    if planned.kind == "bayes" and planned.total > len(planned.trials):
        printer.info("further trials depend on what these are worth")
    elif planned.total > len(planned.trials):
        printer.info(f"these are the first {len(planned.trials)} of {planned.total} trials")
    if planned.controller_job is not None:
        printer.verbatim("\n" + batch_text(planned.controller_job, "its controller's"))


def _shown(value: Any) -> str:
    return text_of(value) if isinstance(value, str) else str(value)


def print_sweep(results: Results, *, every: bool) -> None:
    """All about a sweep: what it is, every trial, the best one, and why trials were stopped."""
    found, home = record.read_mapping(results.sweep.sweep), results.sweep
    state = sweeps.state(home)
    states = list(dict.fromkeys(trial.status for trial in results.trials))
    counts = ", ".join(f"{results.count(status)} {status}" for status in states)
    best, value = results.best, measure(results.metric, results.best_value)
    said = labels.read(home)
    facts = {
        "name": said.display_name, "note": said.note, "tags": ", ".join(f"{name}={value}" for name, value in said.tags.items()),
        "archived": "yes" if said.archived else "", "experiment": found.get("experiment_name"),
        "created": f"{utc_time(moment)} UTC" if (moment := seconds(found.get("created"))) is not None else "",
        "overrides": " ".join(map(str, found.get("overrides") or ())),
        "trials": f"{len(results.trials)} of {results.total}" + (f": {counts}" if counts else ""),
        "metric": f"{results.goal} {results.metric}" if results.metric else "",
        "best": "" if best is None else f"{value}, {trial_named(best.number, best.status)}, {_run_of(best)}",
        "words": "" if best is None else one_line(" ".join(best.overrides)), "run dir": home.run_dir,
    }  # fmt: skip
    shown = {label: str(value) for label, value in facts.items() if value}
    printer.data(f"{home.run_id}  {results.kind}  {printer.status(state)}\n")
    printer.data("\n".join(f"  {label:<10}  {one_line(value)}" for label, value in shown.items()) + "\n")
    if state in ("NoController", "Starting", "Running") and sweeps.needs_controller(home):
        printer.info(controller_now(home).words(home))
    print_results(results, every=every)


def _waiting(results: Results) -> str:
    """How many trials of a paused sweep were handed over and are held, in words; "" for none."""
    count = results.count("NotStarted", "Queued") if can_hold(results.sweep) else 0
    one_or_more = "1 trial that waits in the queue is" if count == 1 else f"{count} trials that wait in the queue are"
    return f"{one_or_more} held, and " if count else ""


def _tell_pause(results: Results) -> None:
    if sweeps.is_paused(results.sweep):
        goes_on = f"`trainconf sweep resume {results.sweep.run_id}` goes on"
        printer.info(f"paused: {_waiting(results)}no further trial begins; {goes_on}")


def print_results(results: Results, *, every: bool = False) -> None:
    """Every trial in order: its values, how it ended, how long it took, and the metric; the best is named below.

    On a terminal the table fits it, and of many trials it has the best ones and some that failed, unless `every` is asked for.
    """
    if not results.trials:  # somebody has removed the sweep, or it came to none
        for line in summary(results):
            printer.info(line)
        _tell_pause(results)
        return
    is_screen = sys.stdout is not None and sys.stdout.isatty()
    trials = results.trials if every or not is_screen else that_matter(results)
    keys = list(dict.fromkeys(override.partition("=")[0].lstrip("+") for trial in results.trials for override in trial.overrides))
    rows = []
    for trial in trials:
        values = {override.partition("=")[0].lstrip("+"): override.partition("=")[2] for override in trial.overrides}
        status = f"stopped at {trial.stop['interval']}" if trial.stop is not None and trial.status == "Canceled" else trial.status
        rows.append([str(trial.number), *(values.get(key, "") for key in keys), status, short_duration(trial.row.get("duration_s")),
                     measure(results.metric, trial.shown_value(results.metric))])
    headers = ["trial", *keys, "status", "duration", results.metric or "metric"]
    if is_screen:
        headers, rows = _shortened(headers, rows)
    needed, keys = ("status", headers[-1]), headers[1:-3]
    table(
        headers, rows, needed=needed, cuttable=keys, status="status", rest=f"`trainconf sweep show {results.sweep.run_id} --json` has all"
    )
    if len(trials) < len(results.trials):
        printer.info(f"these are {len(trials)} of {len(results.trials)} trials, the best and some that failed; "
                     f"`trainconf show {results.sweep.run_id} --all` lists all")  # fmt: skip
    for line in summary(results, every=every or not is_screen):
        printer.info(line)
    _tell_pause(results)


def that_matter(results: Results) -> list[TrialResult]:
    """All trials, or of very many the best ones, best first, and then some that failed."""
    if len(results.trials) <= SHOWN_TRIALS:
        return results.trials
    valued = [trial for trial in results.trials if trial.value is not None]
    valued.sort(key=lambda trial: -(trial.value or 0.0) if results.goal == "maximize" else trial.value or 0.0)
    failed = [trial for trial in results.trials if trial.status in ("Failed", "NotResponding") and trial not in valued[:SHOWN_BEST]]
    return [*valued[:SHOWN_BEST], *failed[:SHOWN_FAILED]] or results.trials[:SHOWN_BEST]


def _shortened(headers: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """A table for a terminal: keys without `params.`, numbers short."""
    keys = range(1, len(headers) - 3)
    short = [header.removeprefix("params.") for header in headers]
    if len({*short}) == len(short):
        headers = short
    return headers, [[short_value(cell) if place in keys else cell for place, cell in enumerate(row)] for row in rows]


def short_value(value: str) -> str:
    """A value as it stands in a table on a terminal: six significant digits."""
    try:
        return number(float(value)) if "." in value and len(value) > len("0.123456") else value
    except ValueError:
        return value


def summary(results: Results, *, every: bool = True) -> list[str]:
    """What is said below the table: the policy's stops, why a search failed, and the best trial."""
    lines = [one_line(f"damaged: {broken}")] if (broken := damage(results.sweep)) else []
    stopped = [trial for trial in results.trials if trial.stop is not None]
    failed_count = results.count("Failed", "NotResponding")
    if results.policy != "none" or results.policy_changes:
        saved = "" if results.saved is None else f", {100 * results.saved:.0f} % of logs saved"
        count = f"{len(stopped)} of {len(results.trials)} trials stopped early"
        lines.append(f"{results.policy}: {count}, {results.verdict_count} decisions{saved}")
        lines += [f"  since trial {first}: {in_words(settings)}" for first, settings in results.policy_changes]
        shown = stopped if every else stopped[:SHOWN_STOPS]
        lines += [f"  trial {trial.number} {why_stopped(trial.stop or {}, results.goal)}" for trial in shown]
        lines += [f"  and {len(stopped) - len(shown)} more"] if len(shown) < len(stopped) else []
        if results.policy == "bandit" and any(trial.stop and trial.stop.get("bound") == 0 for trial in stopped):
            lines.append("  the best value was 0 there, which leaves no slack to sweep.policy.slack_factor: sweep.policy.slack_amount does")
    if failed_count:
        lines.append(f"{failed_count} failed: `trainconf logs {results.sweep.run_id} --failed` shows their last lines")
    if results.failure:
        lines.append(one_line(f"the search failed: {results.failure}"))
    if results.reason:
        lines.append(f"the search has ended: {results.reason}")
    if results.best is None and any(trial.status == "Completed" for trial in results.trials):
        names = {name for trial in results.trials for name in trial.row.get("metrics", ())}
        if results.metric in names:
            lines.append(without_a_best(results))
        if missing := record.missing_metric(results.metric, names, "Completed"):
            first = next(trial for trial in results.trials if trial.status == "Completed")
            lines += [missing, *printed(RunPaths(str(first.row.get("run_dir"))), results.metric)]
    if results.best is not None:
        best = results.best
        value = f"{results.metric} {measure(results.metric, results.best_value)}"
        facts = [trial_named(best.number, best.status), value, " ".join(best.overrides), f"run {_run_of(best)}"]
        lines.append(one_line(f"best: {', '.join(filter(None, facts))}"))
    return lines


def _run_of(trial: TrialResult) -> str:
    """The id of a trial's run."""
    return str(trial.row.get("run_id") or "(its folder was removed)")
