"""What a search knows before its first trial: the points and the logs of earlier sweeps, and runs that its first trials go on with.

It is copied into the sweep's own journal and record: the search stays the same when the earlier sweeps are removed. The journal's lines:

    earlier  sweep, values, value   a point of an earlier sweep; the mean of its trials, null where they failed or logged nothing
    logs     number, logs           [value, step] of the metric, of one earlier trial; a value of null is a log without one
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence

from trainconf import files
from trainconf.errors import Mistake, UserError
from trainconf.history import events, record
from trainconf.paths import RunPaths
from trainconf.search.space import Point, key_of
from trainconf.search.values import value_of_point, value_of_trial
from trainconf.sweeps import journal
from trainconf.sweeps.search import Search
from trainconf.sweeps.watching import Log, logs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_EARLIER = 5  # sweeps
LOGS_OF_A_LINE = 5_000


class Known:
    """What earlier sweeps tell a search. lines: for its journal. notes: how much of each sweep is used, in words.

    `mistakes` says which sweeps cannot be used.
    """

    def __init__(self, sweeps: Sequence[RunPaths], search: Search) -> None:
        self.lines: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self._search = search
        self._trial_count = 0
        self.mistakes = [mistake for sweep in sweeps if (mistake := self._why_not(sweep)) is not None]
        for sweep in () if self.mistakes else sweeps:
            self._take(sweep)

    def _why_not(self, sweep: RunPaths) -> Mistake | None:
        found, search = record.read_mapping(sweep.sweep).get("metric"), self._search
        name, goal = (found.get("name"), found.get("goal")) if isinstance(found, dict) else (None, None)
        if (name, goal) == (search.metric, search.goal):
            return None
        return Mistake(
            f"{sweep.run_id} compares its trials by another metric", ("there", f"{goal} {name}" if name else "none: metric.name is null"),
            ("here", f"{search.goal} {search.metric}"), hint="sweep.resume_from takes sweeps of the same metric.name and metric.goal",
        )

    def _take(self, sweep: RunPaths) -> None:
        from trainconf.search.bayes import is_within

        points: dict[str, tuple[Point, list[float | None]]] = {}
        ends, open_count = _ends(sweep), 0
        for entry in journal.read(sweep):
            state, told = ends.get(entry.number) or (str((events.last(entry.paths) or {}).get("state")), None)
            logs = logs_of(entry.paths, self._search.metric)
            if self._search.policy and logs:
                self._keep(logs)
            if state in ("Completed", "Failed", "stopped"):
                points.setdefault(key_of(entry.values), (dict(entry.values), []))[1].append(self._value(state, logs, told))
            open_count += state not in ("Completed", "Failed", "Canceled", "Lost", "stopped")
        inside = [(values, worth) for values, worth in points.values() if is_within(self._search.space, values)]
        self.lines += [
            {"deed": "earlier", "sweep": sweep.run_id, "values": values, "value": value_of_point(worth)} for values, worth in inside
        ]
        outside = len(points) - len(inside)
        left_out = [f"{outside} outside the space"] if outside else []
        left_out += [f"{open_count} trials that have not ended"] if open_count else []
        note = f"{sweep.run_id}: {len(inside)} points"
        self.notes.append(note + (f"; left out: {', '.join(left_out)}" if left_out else ""))

    def _value(self, state: str, logs: list[Log], told: float | None) -> float | None:
        """What a trial was worth: by its logs, or where its folder has gone by the journal. A failed one is worth nothing."""
        if state == "Failed":
            return None
        value = value_of_trial((one for one, _ in logs), self._search.goal, str(self._search.settings.get("value") or "best"))
        return told if value is None else value

    def _keep(self, logs: list[Log]) -> None:
        self._trial_count += 1
        for start in range(0, len(logs), LOGS_OF_A_LINE):
            part = [[value if math.isfinite(value) else None, step] for value, step in logs[start : start + LOGS_OF_A_LINE]]
            self.lines.append({"deed": "logs", "number": -self._trial_count, "logs": part})


def _ends(sweep: RunPaths) -> dict[int, tuple[str, float | None]]:
    """How trials have ended, and what they were worth, where a controller has written it down; `stopped` by the policy."""
    found: dict[int, tuple[str, float | None]] = {}
    stopped = set()
    for line in files.read_lines(sweep.journal):
        if not isinstance(line, dict) or type(line.get("number")) is not int:
            continue
        deed, number = line.get("deed"), line["number"]
        if deed == "stop":
            stopped.add(number)
        elif deed == "again":
            stopped.discard(number)
            found.pop(number, None)
        elif deed == "told":
            value = line.get("value")
            found[number] = "stopped" if number in stopped else str(line.get("state")), value if isinstance(value, (int, float)) else None
    return found


def named(search: Search, setting: str, find: Callable[[str], RunPaths]) -> list[RunPaths]:
    """The sweeps or runs that a setting names. Those that cannot be found join the search's mistakes."""
    names: list[str] = search.settings.get(setting) or []
    found: list[RunPaths] = []
    most = MAX_EARLIER if setting == "resume_from" else int(search.settings.get("max_total_runs") or MAX_EARLIER)
    if len(names) > most:
        search.wrong(f"sweep.{setting}", f"sweep.{setting} has {len(names)} names", ("allowed", f"up to {most}"))
        return []
    for name in names:
        try:
            one = find(name)
        except UserError as error:
            for mistake in error.mistakes:
                search.wrong(f"sweep.{setting}", mistake.what, *mistake.facts, hint=mistake.hint)
            continue
        if one.run_dir in (other.run_dir for other in found):
            search.wrong(f"sweep.{setting}", f"sweep.{setting} names {one.run_id} twice")
        found.append(one)
    return found


def go_on_with(search: Search, runs: Sequence[RunPaths]) -> None:
    """Let a search begin with the values of runs, and its first trials go on with their outputs. Its mistakes say which cannot be."""
    points, mistakes = _points_of(runs, search.space.key_names())
    search.mistakes += mistakes
    if runs and not mistakes:
        search.go_on_with(points, [os.path.realpath(run.outputs) for run in runs])


def _points_of(runs: Sequence[RunPaths], keys: Sequence[str]) -> tuple[list[Point], list[Mistake]]:
    """The values that runs had of the keys of a space, from their records. Each of them must have some, and an outputs folder."""
    points, mistakes = [], []
    for run in runs:
        point = _values_at(record.read_mapping(run.record), keys)
        if not point:
            mistakes.append(Mistake(f"{run.run_id} has none of the keys of the space", ("keys", ", ".join(keys))))
        if not os.path.isdir(run.outputs):
            mistakes.append(Mistake(f"{run.run_id} has no outputs to go on with", ("missing", run.outputs)))
        points.append(point)
    return points, mistakes


def _values_at(found: Mapping[str, Any], keys: Sequence[str]) -> Point:
    choices = found.get("choices")
    point: Point = {}
    for key in keys:
        if isinstance(choices, dict) and key in choices:
            point[key] = choices[key]
            continue
        node, parts = found.get("config"), key.split(".")
        for part in parts[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and parts[-1] in node:
            point[key] = node[parts[-1]]
    return point
