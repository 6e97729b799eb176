"""What differs between runs: one table of everything that is known of them, fact by fact."""

from __future__ import annotations

from typing import NamedTuple

from trainconf.control.results.worth import logged, rule_of_run
from trainconf.errors import UserError
from trainconf.fast.json import dumps
from trainconf.history import record
from trainconf.launchers import states
from trainconf.search.values import best as ahead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

SHORT = 12  # characters of a hash that people are shown
GROUPS = (
    "status", "reason", "name", "experiment", "created", "duration_s",
    "params", "metrics", "metric", "tags", "env", "code", "inputs", "git", "compute",
)  # fmt: skip
ALWAYS_DIFFERENT = frozenset({"created"})
VALUE = "metric.value"  # what a run is worth by its metric


class Comparison(NamedTuple):
    """Facts of runs by name, such as `params.lr`: a value for each run in their order, None where a run has none.

    differing: the names of those that are not the same in all runs. metric: by which all runs are judged, None where they are not.
    best: the place of the best run by the name of the fact that says so: that of the metric, whose last values are the facts, or
    `metric.value` where a run is worth another one than its last. damage: what of a run's files cannot be read, by its place.
    """

    runs: Sequence[RunPaths]
    facts: dict[str, list[Any]]
    differing: frozenset[str]
    best: dict[str, int]
    damage: dict[int, str]
    metric: str | None

    def to_dict(self, *, everything: bool = True) -> dict[str, Any]:
        """The stable form of `compare --json`; without `everything` only what differs."""
        facts = {name: values for name, values in self.facts.items() if everything or name in self.differing}
        differing = [name for name in facts if name in self.differing]
        return {"runs": [paths.run_id for paths in self.runs], "facts": facts, "differing": differing}


def compare(runs: Sequence[RunPaths]) -> Comparison:
    """Compare at least two runs. A scheduler is asked once for all whose files leave their state open.

    Raises UserError for fewer. Never raises for what is in the runs' folders.
    """
    if len(runs) < 2:
        there = ", ".join(paths.run_id for paths in runs) or "none"
        raise UserError("at least two runs are needed for a comparison", ("given", there), hint="`trainconf show RUN` shows one")
    known: list[dict[str, Any]] = []
    damage = {}
    judged: set[tuple[Any, Any]] = set()
    worth: list[float | None] = []
    for place, (paths, state) in enumerate(zip(runs, states.states_of(runs), strict=True)):
        recorded = record.read_mapping(paths.record)
        asked: dict[str, Any] = told if isinstance(told := recorded.get("metric"), dict) else {}
        name, goal = asked.get("name"), str(asked.get("goal") or "maximize")
        judged.add((name if isinstance(name, str) else None, goal))
        values, value = logged(paths, name, goal, rule_of_run(paths, recorded))
        worth.append(value)
        known.append(dict(_facts(paths, state, recorded, values)))
        if broken := record.damage(paths, recorded):
            damage[place] = broken
    metric, goal = judged.pop() if len(judged) == 1 else (None, "")
    fact = f"metrics.{metric}"
    if metric is not None and any(facts.get(fact) != value for facts, value in zip(known, worth, strict=True)):
        fact = VALUE
        for facts, value in zip(known, worth, strict=True):
            facts[VALUE] = value
    names = sorted({name: None for facts in known for name in facts}, key=_order)
    facts = {name: [each.get(name) for each in known] for name in names}
    differing = frozenset(name for name, values in facts.items() if name not in ALWAYS_DIFFERENT and len(set(map(dumps, values))) > 1)
    best = ahead(worth, goal) if metric is not None and len(worth) - worth.count(None) > 1 else None
    return Comparison(runs, facts, differing, {} if best is None else {fact: best}, damage, metric)


def _facts(paths: RunPaths, state: State, recorded: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """values: the last ones of its metrics."""
    fields = record.assemble(paths, state, values, recorded)
    spec = record.read_mapping(paths.spec)
    yield "status", fields["status"]
    yield "reason", state.reason or None
    yield "name", fields["display_name"]
    yield "experiment", fields["experiment_name"]
    yield "created", fields["created"]
    yield "duration_s", fields["duration_s"]
    for group in ("params", "metrics", "tags"):
        yield from _flat(fields[group], group)
    yield "env", fields["env"]
    hashes = recorded.get("hashes")
    yield "env.hash", _short(hashes.get("environment")) if isinstance(hashes, dict) else None
    code = _mapping(spec, "code")
    yield "code", _short(code.get("snapshot"))
    for name in ("script", "command", "arguments"):
        yield f"code.{name}", code.get(name) or None
    yield from _inputs(code)
    git = fields["git"] or {}
    for name in ("branch", "commit", "dirty"):
        yield f"git.{name}", _short(git.get(name)) if name == "commit" else git.get(name)
    yield "compute", fields["compute"]
    yield from _flat(_mapping(spec, "compute"), "compute")
    yield "distributed", fields["distributed"]
    yield from _flat(_mapping(spec, "distributed"), "distributed")


def _inputs(code: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each input by its name: the hash of its content, else its path."""
    try:
        digests = dict(code.get("input_digests", ()))
        for name, path in code.get("inputs", ()):
            yield f"inputs.{name}", digests.get(name, path)
    except (TypeError, ValueError):
        return  # a damaged spec costs these


def _flat(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _mapping(spec: dict[str, Any], part: str) -> dict[str, Any]:
    found = spec.get(part)
    return found if isinstance(found, dict) else {}


def _short(digest: Any) -> str | None:
    return digest[:SHORT] if isinstance(digest, str) else None


def _order(name: str) -> tuple[int, str]:
    group = name.partition(".")[0]
    return GROUPS.index(group) if group in GROUPS else len(GROUPS), name

