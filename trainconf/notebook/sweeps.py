"""What is shown of a sweep: its trials, the best one, what a policy has stopped and why."""

from __future__ import annotations

from trainconf.cli.screen.printer import measure, short_duration, utc_time
from trainconf.cli.screen.sweep import short_value, summary, that_matter
from trainconf.control.results.sweep import results, state
from trainconf.control.words.sweeps import trial_named
from trainconf.history import events, record
from trainconf.history.logged.courses import courses_of
from trainconf.notebook.chart import COLOURS
from trainconf.notebook.runs import course, folder, labelled, line
from trainconf.notebook.view import TONES, Chart, Table, View
from trainconf.paths import RunPaths
from trainconf.search.policies import why_stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.control.results.sweep import Results, TrialResult
    from trainconf.history.series import Series

DRAWN_TRIALS = len(COLOURS)
WAITS = ("NotStarted", "Queued")
GOES_ON = ("Running", "NoController", "NotStarted", "Queued", "Preparing", "Starting", "Paused", "CancelRequested", "Finalizing")


def view_of(sweep: RunPaths) -> View:
    """The sweep as it is now. Never raises for what is in its directory."""
    found = results(sweep)
    status = state(sweep)
    shown = that_matter(found)
    courses = {trial.number: _course(trial, found.metric) for trial in shown}
    drawn = _drawn(found, shown, courses)
    table = _table(found, shown, courses, drawn)
    notes = summary(found, every=False)
    if len(shown) < len(found.trials):
        notes.insert(0, f"these are {len(shown)} of {len(found.trials)} trials, the best and some that failed; "
                        f"`trainconf show {sweep.run_id} --all` lists all")  # fmt: skip
    lines = [line(f"trial {number}", place, one) for number, place in drawn.items() if (one := courses[number]) is not None]
    charts = [Chart(found.metric, lines)] if found.metric and lines else []
    has_living = any(trial.status not in events.TERMINAL and trial.status not in ("NotResponding", "Removed") for trial in found.trials)
    is_over = status not in GOES_ON or (status in ("Paused", "NoController") and not has_living)
    return View("sweep", sweep.run_id, status, "", list(_facts(found)), [table] if table.rows else [], charts, notes, is_over=is_over)


def _facts(found: Results) -> list[tuple[str, str]]:
    asked = record.read_mapping(found.sweep.sweep)
    states = list(dict.fromkeys(trial.status for trial in found.trials))
    counts = ", ".join(f"{found.count(status)} {status}" for status in states)
    best = found.best
    facts = [
        *labelled(found.sweep), ("experiment", str(asked.get("experiment_name") or "")), ("kind", found.kind),
        ("created", f"{utc_time(moment)} UTC" if (moment := events.seconds(asked.get("created"))) is not None else ""),
        ("metric", f"{found.goal} {found.metric}" if found.metric else ""),
        ("trials", f"{len(found.trials)} of {found.total}" + (f": {counts}" if counts else "")),
        ("best", "" if best is None else f"{measure(found.metric, found.best_value)}, {trial_named(best.number, best.status)}"),
        ("folder", folder(found.sweep)),
    ]  # fmt: skip
    return [(label, value) for label, value in facts if value]


def _table(found: Results, shown: list[TrialResult], courses: dict[int, Series | None], drawn: dict[int, int]) -> Table:
    keys = list(dict.fromkeys(_key(override) for trial in found.trials for override in trial.overrides))
    headers = ["trial", *(key.removeprefix("params.") for key in keys), "status", "duration", found.metric or "metric", "course", "why"]
    rows, tones = [], {}
    for place, trial in enumerate(shown):
        values = {_key(override): override.partition("=")[2] for override in trial.overrides}
        is_stopped = trial.stop is not None and trial.status == "Canceled"
        status = "stopped" if is_stopped else trial.status
        why = why_stopped(trial.stop, found.goal).removeprefix("stopped ") if trial.stop is not None else ""
        why = why or (str(trial.row.get("reason") or "") if trial.status != "Completed" else "")
        rows.append([str(trial.number), *(short_value(values.get(key, "")) for key in keys), status,
                     short_duration(trial.row.get("duration_s")), measure(found.metric, trial.shown_value(found.metric)),
                     course(courses[trial.number]), why])  # fmt: skip
        tones[place, headers.index("status")] = "off" if is_stopped else TONES.get(trial.status, "")
    empty = [column for column in (-1, -2, -3) if not any(row[column] for row in rows)]
    for column in sorted(empty):  # from the left: the places that follow count from the end
        headers, rows = _without(headers, column), [_without(row, column) for row in rows]
    best = next((place for place, trial in enumerate(shown) if found.best is not None and trial.number == found.best.number), None)
    swatches = {place: drawn[trial.number] for place, trial in enumerate(shown) if trial.number in drawn}
    return Table("", headers, rows, tones, row_swatches=swatches, best_row=best)


def _drawn(found: Results, shown: list[TrialResult], courses: dict[int, Series | None]) -> dict[int, int]:
    """The trials that are drawn, the best ones, with their colours."""
    drawable = [trial for trial in shown if len(courses[trial.number] or ()) > 1]
    if len(drawable) > DRAWN_TRIALS:
        worst = float("-inf") if found.goal == "maximize" else float("inf")
        drawable.sort(key=lambda trial: worst if trial.value is None else trial.value, reverse=found.goal == "maximize")
    return {trial.number: place for place, trial in enumerate(sorted(drawable[:DRAWN_TRIALS], key=lambda trial: trial.number))}


def _course(trial: TrialResult, metric: str | None) -> Series | None:
    run_dir = trial.row.get("run_dir")
    return courses_of(RunPaths(run_dir), [metric]).get(metric) if metric and isinstance(run_dir, str) else None


def _without(cells: list[str], column: int) -> list[str]:
    return [cell for place, cell in enumerate(cells) if place != len(cells) + column]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")
