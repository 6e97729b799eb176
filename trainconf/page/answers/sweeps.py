"""Sweeps: the list, and of one its best trial, its axes, every trial, who was stopped early and why, and what seems to matter."""

from __future__ import annotations

import shlex

from trainconf.control.results import sweep as results
from trainconf.control.results.asking import can_pause
from trainconf.control.results.damage import damage
from trainconf.control.results.importance import FEWEST_TRIALS, associations
from trainconf.control.results.whereabouts import controller_now
from trainconf.control.results.worth import search_settings
from trainconf.control.words.sweeps import in_words
from trainconf.errors import UserError
from trainconf.history import labels, record
from trainconf.page.answers.chosen import search_of, sweep_of, whole
from trainconf.page.answers.parts import steering
from trainconf.search.expressions import Choice, Numbers
from trainconf.search.policies import why_stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.control.results.sweep import Results, TrialResult
    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

MOST_SWEEPS = 60  # of one answer
MOST_TRIALS = 2000  # of one answer: their lines fit a screen's width in pixels
ANSWER_BYTES, TRIAL_BYTES, VALUE_BYTES = 900_000, 300, 50  # what an answer may have, and about what a trial and each of its values take
MOST_CHOICES = 40  # more different values than that are no ticks of an axis
LOG_RATIO = 100.0  # between the lowest and highest value of an axis that nobody has described
RUNNING = ("Starting", "Running", "Finalizing", "CancelRequested")
GOES_ON = (*RUNNING, "NotStarted", "Queued", "Preparing", "NoController", "Paused")


def sweeps(request: Request) -> dict[str, Any]:
    """GET /api/sweeps: the newest first, from `offset`, those whose id, experiment or note hold `search`; `archived=1`: those alone."""
    wanted, offset = search_of(request), whole(request.query, "offset", 0, 1 << 30)
    limit, archived = whole(request.query, "limit", MOST_SWEEPS, MOST_SWEEPS), request.query.get("archived") == "1"
    found = []
    for paths in results.ls(request.workspace):
        said, asked = labels.read(paths), record.read_mapping(paths.sweep)
        if said.archived == archived and wanted in f"{paths.run_id} {asked.get('experiment_name')} {said.display_name} {said.note}".lower():
            found.append(paths)
    return {"total": len(found), "offset": offset, "sweeps": [_row(*_read(each)) for each in found[offset : offset + limit]]}


def sweep(request: Request) -> dict[str, Any]:
    """GET /api/sweeps/{id}. Trials from `offset`, at most MOST_TRIALS; the answer has the axes of all of them."""
    paths = sweep_of(request)
    offset = whole(request.query, "offset", 0, 1 << 30)
    return told(paths, offset)


def told(paths: RunPaths, offset: int = 0) -> dict[str, Any]:
    """The same, for the stream and for export."""
    state, found = _read(paths)
    asked = record.read_mapping(paths.sweep)
    stopped = [trial for trial in found.trials if trial.stop is not None]
    broken = f"damaged: {words}" if (words := damage(paths)) else ""
    keys = max((len(trial.values) for trial in found.trials), default=0)
    shown = found.trials[offset : offset + min(MOST_TRIALS, ANSWER_BYTES // (TRIAL_BYTES + VALUE_BYTES * keys))]
    return {
        **_row(state, found), "overrides": [str(word) for word in asked.get("overrides") or ()], "target": asked.get("target"),
        "controller": _controller(paths, found), "failure": found.failure or broken, "axes": _axes(found, asked),
        "trials": [_trial(trial, found) for trial in shown], "offset": offset, "left_out": len(found.trials) - len(shown),
        "policy": {
            "kind": found.policy, "decisions": found.verdict_count, "stopped": len(stopped), "saved": found.saved,
            "settings": _policy(asked), "changes": [{"from_trial": first, "words": in_words(now)} for first, now in found.policy_changes],
        },
        "actions": _actions(found), "command": shlex.join(["trainconf", "sweep", "show", paths.run_id]),
    }  # fmt: skip


def importance(request: Request) -> dict[str, Any]:
    """GET /api/sweeps/{id}/importance. `keys` is empty, and `words` says why, below FEWEST_TRIALS trials with a value."""
    found = results.results(sweep_of(request))
    valued = sum(trial.value is not None for trial in found.trials)
    keys = associations([trial.values for trial in found.trials], [trial.value for trial in found.trials])
    if not found.metric:
        words = "the sweep compares its trials by no metric"
    elif valued < FEWEST_TRIALS:
        words = f"fewer than {FEWEST_TRIALS} trials have a value ({valued}): not shown"
    elif not keys:
        words = "no key has two values in enough trials"
    else:
        words = f"{valued} trials; rank association, not cause"
    if valued < FEWEST_TRIALS:
        keys = []
    return {"trials": valued, "metric": found.metric, "words": words, "keys": [each._asdict() for each in keys]}


# ------------------------------------------------------------ parts


def _read(paths: RunPaths) -> tuple[str, Results]:
    """A sweep's state, and then its trials: of one that has ended they have ended too."""
    state = results.state(paths)
    return state, results.results(paths)


def _row(state: str, found: Results) -> dict[str, Any]:
    said, asked = labels.read(found.sweep), record.read_mapping(found.sweep.sweep)
    best = found.best
    stopped = sum(trial.stop is not None and trial.status == "Canceled" for trial in found.trials)
    return {
        "id": found.sweep.run_id, "experiment": asked.get("experiment_name"), "name": said.display_name, "note": said.note,
        "tags": said.tags, "archived": said.archived, "kind": found.kind, "state": state,
        "created": asked.get("created"), "total": found.total, "made": len(found.trials), "completed": found.count("Completed"),
        "failed": found.count("Failed", "NotResponding"), "running": found.count(*RUNNING),
        "stopped": stopped, "canceled": found.count("Canceled") - stopped,
        "ended": found.count("Completed", "Failed", "NotResponding", "Canceled", "Lost", "Removed"),
        "metric": {"name": found.metric, "goal": found.goal} if found.metric else None,
        "best": None if best is None else {
            "number": best.number, "value": found.best_value, "id": best.row.get("run_id"), "overrides": best.overrides,
        },
    }  # fmt: skip


def _trial(trial: TrialResult, found: Results) -> dict[str, Any]:
    is_stopped = trial.stop is not None and trial.status == "Canceled"
    return {
        "number": trial.number, "id": trial.row.get("run_id"), "state": "Stopped" if is_stopped else trial.status,
        "values": trial.values, "value": trial.value, "duration_s": trial.row.get("duration_s"), "reason": trial.row.get("reason"),
        "stop": None if trial.stop is None else {**trial.stop, "words": why_stopped(trial.stop, found.goal)},
    }  # fmt: skip


def _axes(found: Results, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """An axis for each key that trials have, in the order in which the sweep names them: its kind, and its ends or its choices."""
    space = _space(found.sweep, asked)
    keys = dict.fromkeys(key for trial in found.trials for key in trial.values)
    return [_axis(key, [trial.values.get(key) for trial in found.trials if key in trial.values], space.get(key), len(found.trials))
            for key in keys]  # fmt: skip


def _axis(key: str, values: Sequence[Any], expression: Any, trials: int) -> dict[str, Any]:
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    axis: dict[str, Any] = {
        "key": key, "kind": "number", "log": False, "low": None, "high": None, "choices": None, "missing": trials - len(values),
        "words": expression.describe() if isinstance(expression, (Choice, Numbers)) else "",
    }  # fmt: skip
    if len(numbers) < len(values) or not numbers or (isinstance(expression, Choice) and len(expression.values()) <= MOST_CHOICES):
        choices = expression.values() if isinstance(expression, Choice) else []
        every = list({repr(value): value for value in [*choices, *values]}.values())
        if all(isinstance(value, (int, float)) for value in every):
            every.sort()
        return {**axis, "kind": "choice", "choices": every[:MOST_CHOICES], "more": max(0, len(every) - MOST_CHOICES)}
    low, high = min(numbers), max(numbers)
    if isinstance(expression, Numbers):
        return {**axis, "log": expression.is_log and low > 0, "low": low, "high": high}
    return {**axis, "log": low > 0 and high / low >= LOG_RATIO, "low": low, "high": high}


def _space(sweep: RunPaths, asked: dict[str, Any]) -> dict[str, Any]:
    """What each key of a search can be; nothing for a plain grid, or where its record is damaged."""
    if "search" not in asked:
        return {}
    from trainconf.search.space import key_in
    from trainconf.sweeps.resuming import search_of as search

    try:
        return {key_in(name): expression for name, expression in search(sweep, asked).space.expressions()}
    except UserError:
        return {}


def _policy(asked: dict[str, Any]) -> str:
    policy = search_settings(asked).get("policy")
    return in_words(policy) if isinstance(policy, dict) else ""


def _controller(paths: RunPaths, found: Results) -> dict[str, Any] | None:
    """Who controls it, or why nobody does; null for a sweep that needs nobody."""
    if not results.needs_controller(paths) or results.state(paths) not in ("Running", "NoController", "Starting", "Paused"):
        return None
    now = controller_now(paths)
    return {"here": now.is_here, "words": now.words(paths)}


def _actions(found: Results) -> list[str]:
    """What can be done with it now."""
    state = results.state(found.sweep)
    goes_on = state in GOES_ON
    if not found.is_search:
        held = ["resume"] if results.is_paused_grid(found.sweep) else ["pause"] if steering.can_hold(found.sweep) else []
        return [*held, "stop", "cancel"] if goes_on else []
    if state in ("Running", "Starting"):
        return [*(["pause"] if can_pause(found.sweep) else []), "stop", "extend", "cancel"]
    can_resume = len(found.trials) < found.total or state == "NotResponding"  # whoever had its trials is gone
    return ["resume", "extend", "cancel"] if goes_on else ["resume", "extend"] if can_resume else ["extend"]
