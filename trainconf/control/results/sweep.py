"""What became of sweeps, read from their folders by any process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from trainconf.control.results.damage import UNKNOWN, damage, what_is_lost
from trainconf.control.results.worth import best_point, logged, repeats_of, rule_of, search_settings
from trainconf.errors import ConfigError, LaunchError
from trainconf.fast.tuples import NamedTuple
from trainconf.files import is_locked, names_in, read_lines
from trainconf.history import events, labels, record
from trainconf.launchers import states
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.search.progress import OUT_OF_TIME, Limits, Progress
from trainconf.search.samplers import PointSource
from trainconf.sweeps import journal
from trainconf.sweeps.presence import presence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.history.liveness import State

ALL = 1 << 30  # trials, where no number is known


class TrialResult(NamedTuple):
    """What became of a trial. `row` has of the stable fields of `show --json` those that `_row` reads, and is empty while it has no run.

    value: of the metric, None without one. stop: why the policy stopped it: interval, own, bound, compared; None when it did not.
    """

    number: int
    overrides: list[str]
    values: dict[str, Any]
    row: dict[str, Any]
    value: float | None
    stop: dict[str, Any] | None = None

    def shown_value(self, metric: str | None) -> Any:
        """The value for people: where it has none to be compared by, what was logged last, which is not finite."""
        logged = self.row.get("metrics", {}).get(metric) if self.value is None else None
        return logged if isinstance(logged, float) else self.value

    @property
    def status(self) -> str:
        """Its state."""
        return str(self.row.get("status", "NotStarted"))

    @property
    def has_ended(self) -> bool:
        """Whether it does not run and does not wait; one whose agent is gone has ended, too."""
        return self.status in (*events.TERMINAL, "NotResponding")


class Results(NamedTuple):
    """A sweep and its trials in order. `best` is the first trial of the best point, None without a value; `best_value` is the point's.

    is_search: whether failed trials are no failure of the sweep. failure: why a search failed, "" when it did not. reason: why one that
    did not fail has ended early, "" else. saved: see `saved_share`. policy_changes: see `Progress`.
    """

    sweep: RunPaths
    kind: str
    metric: str | None
    goal: str
    trials: list[TrialResult]
    total: int
    best: TrialResult | None
    best_value: float | None
    is_canceled: bool
    is_search: bool
    failure: str
    policy: str
    verdict_count: int
    saved: float | None = None
    policy_changes: Sequence[tuple[int, dict[str, Any]]] = ()
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """What a command that waited for it ends with: 130 canceled or paused; of a search 1 when it failed, else when a trial did."""
        if self.is_canceled:
            return 130
        if self.is_search:
            return 1 if self.failure or self.reason == OUT_OF_TIME else 0
        return 0 if all(trial.status == "Completed" for trial in self.trials) else 1

    def count(self, *states: str) -> int:
        """How many trials are in one of these states."""
        return sum(trial.status in states for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """The stable form of `sweep show --json`."""
        return {
            "sweep_id": self.sweep.run_id, "kind": self.kind, "status": state(self.sweep),
            **vars(labels.read(self.sweep)), "metric": {"name": self.metric, "goal": self.goal}, "total": self.total,
            "best": None if self.best is None else {
                "number": self.best.number, "value": self.best_value, "run_id": self.best.row.get("run_id"),
                "overrides": self.best.overrides,
            },
            "policy": self.policy, "policy_changes": [{"from_trial": first, "settings": now} for first, now in self.policy_changes],
            "decisions": self.verdict_count, "saved": self.saved, "failure": self.failure, "damage": damage(self.sweep),
            "controller": None if (found := presence(self.sweep)) is None else found._asdict(),
            "trials": [
                {"number": trial.number, "run_id": trial.row.get("run_id"), "status": trial.status, "values": trial.values,
                 "value": trial.value, "stop": trial.stop, "duration_s": trial.row.get("duration_s"), "reason": trial.row.get("reason")}
                for trial in self.trials
            ],
        }  # fmt: skip


def results(sweep: RunPaths) -> Results:
    """What became of a sweep, read from its folder by any process. A scheduler is asked, once for all trials, where files leave it open."""
    found = record.read_mapping(sweep.sweep)
    asked = found.get("metric")
    metric: dict[str, Any] = asked if isinstance(asked, dict) else {}
    name, goal = metric.get("name"), str(metric.get("goal") or "maximize")
    progress = progress_of(sweep, found, goal)
    trials = []
    is_over = (events.last(sweep) or {}).get("state") in events.TERMINAL
    settings = search_settings(found)
    rule = rule_of(found)
    entries = list(journal.read(sweep))
    there = [entry.paths for entry in entries if events.exists(entry.paths)]
    now = {paths.run_dir: found for paths, found in zip(there, states.states_of(there), strict=True)}
    lines = read_lines(sweep.trials) if is_over else ()
    listed = {os.path.basename(str(line["run_dir"])) for line in lines if isinstance(line, dict) and "run_dir" in line}
    for entry in entries:
        told = progress.trials[entry.number] if entry.number < len(progress.trials) else None
        has_ended = told is not None and bool(told.state)
        row, own = _row(entry.paths, now.get(entry.paths.run_dir), name, goal, rule if not has_ended else "last")
        if told is not None and told.state:
            row = {"status": told.state, **row, "reason": told.reason}  # it may never have had a run, or somebody has removed that
        elif not row and is_over and (lost := what_is_lost(entry.paths, "search" not in found and _was_made(sweep, entry.paths, listed))):
            row = lost
        value = told.value if told is not None and told.state else own
        value = value if found else None
        trials.append(TrialResult(entry.number, entry.overrides, dict(entry.values), row, value, told.stop if told is not None else None))
    best, best_value = _best(trials, repeats_of(found), goal) if found else (None, None)
    is_canceled = any(event["state"] == "CancelRequested" for event in events.read(sweep)) or events.is_cancel_requested(sweep)
    is_search, ended = "search" in found, progress.ended or {}
    reasons = {str(ended.get("state")): str(ended.get("reason", ""))}
    left = sum(trial.status == "NotResponding" and trial.row.get("started") is None for trial in trials)  # nobody has them any more
    if ended:  # since it was cancelled, it may have been resumed
        is_canceled = "Canceled" in reasons
    elif progress.is_reopened and found.get("has_controller"):  # and nobody controls it yet: it is not done
        is_canceled = True
    elif is_search and is_over and not is_canceled and not is_locked(sweep.controller_lock) and (count := _to_come(sweep, progress)):
        what = f"{count} of its trials are still to come" if count > 1 else "one of its trials is still to come"
        reasons = {"Failed": f"{what}, and nobody controls it; `trainconf sweep resume {sweep.run_id}` goes on"}
    elif is_search and left and not is_locked(sweep.controller_lock):
        what = f"{left} of its trials had not begun" if left > 1 else "a trial had not begun"
        reasons = {"Failed": f"{what} when their agent went; `trainconf sweep resume {sweep.run_id}` goes on"}
    elif is_search and trials and not is_canceled and {trial.status for trial in trials} <= {"Failed", "Canceled", "NotResponding"}:
        reasons = {"Failed": "no trial completed"}  # nobody compared them
    asked_policy = settings.get("policy")
    policy = (progress.policy or (asked_policy if isinstance(asked_policy, dict) else {})).get("kind", "none")
    planned = found.get("trial_count")
    total = max(len(trials), planned if isinstance(planned, int) else 0)
    return Results(
        sweep, str(found.get("kind", "grid")) if found else UNKNOWN, name if isinstance(name, str) else None, goal, trials,
        total, best, best_value, is_canceled, is_search, reasons.get("Failed", ""), policy,
        progress.verdict_count, saved_share(progress), progress.policy_changes, reasons.get("Completed", ""),
    )  # fmt: skip


def _row(paths: RunPaths, state: State | None, metric: Any, goal: str, rule: str) -> tuple[dict[str, Any], float | None]:
    """What is known of a trial's run, and what it is worth by all it has logged. state: None where there is no run."""
    if state is None:
        return {}, None
    started, ended = record.times(paths, state)
    values, value = logged(paths, metric, goal, rule)
    row = {"run_id": paths.run_id, "run_dir": paths.run_dir, "status": state.status, "started": started, "ended": ended, "metrics": values}
    return {**row, "duration_s": record.duration_s(row), "reason": state.reason}, value


def progress_of(sweep: RunPaths, found: dict[str, Any], goal: str) -> Progress:
    """What the journal amounts to; of a damaged one, as far as it can be read."""
    limits = Limits(max_total_runs=ALL, max_concurrent_runs=ALL, repeats=repeats_of(found))
    progress = Progress(PointSource(None, []), limits, goal)
    for line in read_lines(sweep.journal):
        try:
            progress.take(line)
        except (LookupError, TypeError, ValueError):
            break
    return progress


def _was_made(sweep: RunPaths, run: RunPaths, listed: set[str]) -> bool:
    """Whether a trial of a plain grid that is over had a folder: all had, unless whoever made them was ended. listed: handed over."""
    return not listed or run.run_id in listed or not run.run_id.startswith(f"{sweep.run_id}_")


def _to_come(sweep: RunPaths, progress: Progress) -> int:
    """How many trials of a sweep that nobody controls were asked for and never made."""
    total = progress.limits.max_total_runs
    lacking = 0 if progress.closed or total >= ALL else max(0, total - len(progress.trials))
    return lacking + sum(not events.exists(journal.paths_of(sweep, trial.run)) for trial in progress.running.values())


def _best(trials: list[TrialResult], repeats: int, goal: str) -> tuple[TrialResult | None, float | None]:
    """The first trial of the best point, and the point's value. All trials count that have ended with a value, told or not."""
    found = best_point([trial.value if trial.has_ended else None for trial in trials], repeats, goal)
    return (None, None) if found is None else (trials[found[0]], found[1])


def saved_share(progress: Progress) -> float | None:
    """The share of logs that trials did not make because a policy stopped them, as far as the journal tells; None when it cannot.

    A stopped trial would have made as many as the longest of those that completed.
    """
    stopped = [trial.stop["interval"] for trial in progress.trials if trial.stop is not None and trial.state == "Canceled"]
    completed = [progress.judged.get(trial.number, 0) for trial in progress.trials if trial.state == "Completed"]
    longest = max(completed, default=0)
    if not longest:
        return None
    saved: int = sum(max(0, longest - interval) for interval in stopped)
    return saved / (longest * (len(stopped) + len(completed)))


def state(sweep: RunPaths) -> str:
    """The state of a sweep in a word: `Starting`, `Running`, `Paused`, `NoController`, or how it has ended."""
    found = record.read_mapping(sweep.sweep)
    is_controlled = is_locked(sweep.controller_lock)
    recorded = states.state_of(sweep)
    lines = list(read_lines(sweep.journal))
    last = _last_deed(lines)
    now = presence(sweep)
    has_ended = recorded.is_final and last.get("deed") == "end" and now is not None and now.is_ending  # its controller has only to let go
    if is_controlled and not has_ended and (last.get("deed") != "pause" or recorded.is_final):
        return "Starting" if now is None and recorded.status == "NotStarted" else "Running"
    if last.get("deed") == "end":
        if journal.has_requests(sweep) and _is_in_queue(sweep):
            return "Starting"
        return "Paused" if str(last.get("reason", "")).startswith("paused") else str(last.get("state"))
    if recorded.status == "Canceled":  # while nobody controlled it
        return recorded.status
    if last.get("deed") == "pause" and not recorded.is_final:
        return "Paused"
    has_none = not found.get("has_controller") and (not _is_watched(found, lines) or recorded.is_final)
    lacks_some = recorded.is_final and "search" in found and _to_come(sweep, progress_of(sweep, found, "")) > 0
    if has_none and not lacks_some:
        is_failed = recorded.status == "Completed" and "search" in found and _has_none_completed(sweep)
        return "Failed" if is_failed else recorded.status  # whoever had its trials compared none of them
    return "Starting" if now is None and _is_in_queue(sweep) else "NoController"


def _has_none_completed(sweep: RunPaths) -> bool:
    """Whether a sweep has trials, and none of them completed."""
    made = [entry.paths for entry in journal.read(sweep) if events.exists(entry.paths)]
    return bool(made) and not any((events.last(run) or {}).get("state") == "Completed" for run in made)


def _is_in_queue(sweep: RunPaths) -> bool:
    """Whether its controller is a job that has not begun, as far as its scheduler tells."""
    if not os.path.exists(sweep.controller_job):
        return False
    from trainconf.sweeps import places

    try:
        job = places.look_at_job(sweep)
    except (ConfigError, LaunchError):
        return True
    return job is None or not job.is_over


def ls(workspace: WorkspacePaths) -> list[RunPaths]:
    """Every sweep of a workspace, newest first."""
    import glob

    found = [
        paths for folder in glob.glob(os.path.join(glob.escape(workspace.runs), "*"))
        for name in names_in(folder) if (paths := RunPaths(os.path.join(folder, name))).is_sweep
    ]
    return sorted(found, key=record.made_at, reverse=True)


def is_plain(found: dict[str, Any]) -> bool:
    """Whether a sweep's record is that of a plain grid, which no controller ever has."""
    return bool(found) and "search" not in found


def is_paused_grid(sweep: RunPaths) -> bool:
    """Whether somebody has paused a plain grid: its jobs are held, and nobody has to control it when they go on."""
    return is_plain(record.read_mapping(sweep.sweep)) and is_paused(sweep)


def is_paused(sweep: RunPaths) -> bool:
    """Whether a sweep is paused, as its journal says, or was when its controller went."""
    last = _last_deed(read_lines(sweep.journal))
    return last.get("deed") == "pause" or (last.get("deed") == "end" and str(last.get("reason", "")).startswith("paused"))


def _last_deed(lines: Iterable[Any]) -> dict[str, Any]:
    """The last line that says whether a sweep goes on; empty without one."""
    last: dict[str, Any] = {}
    for line in lines:
        deed = line.get("deed") if isinstance(line, dict) else None
        if deed in ("pause", "resume", "end", "ask") or (deed == "close" and last.get("deed") == "pause"):
            last = line
    return last


def needs_controller(sweep: RunPaths) -> bool:
    """Whether a sweep goes on only while a process controls it."""
    found = record.read_mapping(sweep.sweep)
    return bool(found.get("has_controller") or _is_watched(found, read_lines(sweep.journal)))


def _is_watched(found: dict[str, Any], lines: Iterable[Any]) -> bool:
    """Whether a controller must compare the trials: from the beginning, or since it was given a policy."""
    return bool(found.get("is_watched")) or any(isinstance(line, dict) and line.get("deed") == "policy" for line in lines)
