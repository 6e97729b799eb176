"""Makes the runs of a sweep's trials: what they share is prepared once, and recorded, then each gets its directory."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import ExitStack

from trainconf import launchers
from trainconf.composition.plain.words import overrides_of, written
from trainconf.errors import ConfigError
from trainconf.files import dumps
from trainconf.git.state import GitFacts
from trainconf.history import liveness
from trainconf.history.liveness import State
from trainconf.history.record import read_mapping
from trainconf.launchers.protocol import Launcher, LaunchPlan
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import Reporter
from trainconf.resolve.resolver import Resolved
from trainconf.search.expressions import Choice
from trainconf.search.space import Axis, Point, Zip, axes_of
from trainconf.snapshot.blobs.opened import OpenSnapshot
from trainconf.spec import RunSpec
from trainconf.submission.inputs import with_digests
from trainconf.submission.record import write_run
from trainconf.submission.submit import Prepared, check, code_of, create, find_completed, prepare, prepared_spec, spec_with_code
from trainconf.sweeps import journal
from trainconf.sweeps.search import Search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from trainconf.submission.recorded import RecordedRun
else:
    Protocol = object

OF_APP = "hydra.mode=RUN"  # among the arguments of each trial of a Hydra app's multirun
MAX_COMBINATIONS = 64  # of group choices, each of which is composed and recorded when the sweep starts


class AnyTrials(Protocol):
    """Resolves the trials of a search from what all of them share, `base`. See `Trials`."""

    base: Resolved

    @property
    def example(self) -> Point: ...
    def resolved(self, number: int, values: Mapping[str, Any], repeat: int) -> tuple[Resolved, list[str]]: ...
    def combinations(self) -> list[dict[str, str]]: ...


class Trial:
    """One run of a sweep: its number, the overrides and values that make it differ, and its directory once it has one.

    resolved: what it would run, until its directory is made; None where that is resolved again, see `batch.KEPT`.
    """

    __slots__ = (
        "_events_size", "experiment_name", "node_count", "number", "overrides", "paths", "point", "repeat", "resolved", "state", "target",
        "values",
    )  # fmt: skip

    def __init__(
        self, number: int, resolved: Resolved, overrides: list[str], values: dict[str, Any], point: int | None = None, repeat: int = 0,
    ) -> None:  # fmt: skip
        self.number = number
        self.resolved: Resolved | None = resolved
        self.experiment_name = resolved.experiment_name
        self.target, self.node_count = resolved.spec.compute.target, resolved.spec.distributed.node_count
        self.overrides = overrides
        self.values = values
        self.point = point  # of a search with repeats
        self.repeat = repeat
        self.paths: RunPaths | None = None
        self.state: State | None = None
        self._events_size = -1

    def poll(self) -> bool:
        """Read the state again if something was written; whether it changed."""
        if self.paths is None or (self.state is not None and self.state.is_final):
            return False
        try:
            size = os.stat(self.paths.events).st_size
        except OSError:
            size = 0  # somebody has removed it, as its state will say
        if size == self._events_size:
            return False
        self._events_size = size
        self.state = liveness.state_of(self.paths)
        return True


class TrialMaker:
    """Makes runs for as long as it is open. `secrets` are the values that any of them needs."""

    def __init__(self, workspace: WorkspacePaths, reporter: Reporter) -> None:
        self.workspace = workspace
        self.secrets: dict[str, str] = {}
        self._reporter = reporter
        self._launchers: dict[str, Launcher] = {}  # one each: what it has found out about its target holds for all trials
        self._checked: dict[Any, Resolved] = {}  # the latest, by its spec without the numbers of `params`
        self._prepared: dict[Any, Prepared] = {}
        self._opened: dict[Any, OpenSnapshot] = {}
        self._digests: dict[str, str] = {}
        self._stack = ExitStack()

    def prepare(self, resolved: Resolved) -> Resolved:
        """Everything that can fail before a trial's directory is made; what would run, with the digests of its inputs.

        Raises UserError kinds, BuildError.
        """
        target, key = resolved.spec.compute.target, _shared(resolved)
        if target not in self._launchers:
            self._launchers[target] = launchers.get(target)
        self._check(resolved, self._launchers[target])
        if key not in self._prepared:
            self._prepared[key] = prepare(resolved, self.workspace, self._reporter)
        for name, value in self._prepared[key].secrets.items():
            if self.secrets.setdefault(name, value) != value:
                raise ConfigError(
                    f"{name} holds different secrets in different trials", ("allowed", "one secret per variable and sweep"),
                    hint="run the trials one by one, or give each secret a variable of its own",
                )
        return with_digests(resolved, self.workspace, self._reporter, self._digests)

    def _check(self, resolved: Resolved, launcher: Launcher) -> None:
        """Check a trial, unless one was checked that differs in numbers of `params` alone."""
        spec = resolved.spec
        like = _form(resolved.config.tree["params"]), spec.code, spec.environment, spec.compute, spec.distributed
        before = self._checked.get(like)
        # what composing has shared is compared by identity
        if before is None or {**before.config.tree, "params": None} != {**resolved.config.tree, "params": None}:
            check(resolved, self.workspace, launcher)
            self._checked[like] = resolved

    def completed(self, resolved: Resolved) -> RunPaths | None:
        """A run with the same spec that completed before."""
        return find_completed(self.workspace, spec_with_code(resolved, self._prepared[_shared(resolved)].snapshot_id))

    def make(self, resolved: Resolved, run_id: str, sweep_id: str, lock_path: str) -> tuple[RunPaths, LaunchPlan]:
        """Make the directory of a trial that was prepared, whole or not at all; its paths and the plan to be carried out.

        lock_path: the lock of whoever carries out all trials; empty where each has its own. Raises StorageError, FileExistsError.
        """
        key = _shared(resolved)
        if key not in self._opened:
            self._opened[key] = self._stack.enter_context(code_of(resolved, self._prepared[key]))
        paths, plan, lock = create(
            resolved, self._prepared[key], self._opened[key], self.workspace, run_id=run_id, parent=sweep_id, lock_path=lock_path,
            durable=False,
        )
        lock.release()
        return paths, plan

    def recorded(self, resolved: Resolved) -> tuple[RunSpec, str, GitFacts | None]:
        """What a run's record says of a trial: its spec, its software line by line, and what git says. Raises as `prepare` does."""
        if _shared(resolved) not in self._prepared:
            self.prepare(resolved)  # the values of the first trial are others than those of the base, and its variables show them
        prepared = self._prepared[_shared(resolved)]
        return prepared_spec(resolved, prepared), prepared.environment.lock_text, prepared.git.get()

    def close(self) -> None:
        """Let go of the snapshots. May be called twice."""
        self._opened.clear()
        self._stack.close()


def _shared(resolved: Resolved) -> tuple[Any, ...]:
    """What two trials must agree on to share their code, software and secrets."""
    guards = resolved.config.tree["snapshot"]
    return (resolved.source_directory, resolved.spec.environment, resolved.spec.compute.target, dumps(guards))


def _form(params: Any) -> Any:
    """Params without their numbers, as something that can be looked up."""
    if isinstance(params, dict):
        return tuple((key, _form(value)) for key, value in params.items())
    if isinstance(params, list):
        return (list, *map(_form, params))
    return float if type(params) in (int, float) else (type(params), params)


def record_bases(home: RunPaths, trials: AnyTrials, maker: TrialMaker) -> None:
    """Keep what trials share, from which a later controller makes further ones: a record of a run for each combination of choices.

    Of more than MAX_COMBINATIONS nothing is kept: such a sweep cannot be extended.

    Raises OSError, ConfigError.
    """
    combinations = trials.combinations()
    for number, choices in enumerate(combinations if len(combinations) <= MAX_COMBINATIONS else ()):
        resolved = maker.prepare(trials.resolved(0, {**trials.example, **choices}, 0)[0]) if choices else trials.base
        paths = base_of(home, number)
        os.makedirs(paths.code)
        spec, lock_text, git = maker.recorded(resolved)
        write_run(paths, resolved, spec, lock_text, git, home.run_id, "", durable=True)


def base_of(home: RunPaths, number: int) -> RunPaths:
    """The record of what the trials with one combination of choices share."""
    return RunPaths(os.path.join(home.run_dir, "base", str(number)))


class SharedRecord:
    """What the trials of a sweep share, as `record_bases` has kept it. False: nothing was kept."""

    def __init__(self, home: RunPaths, workspace: WorkspacePaths, search: Search, compute: Mapping[str, Any]) -> None:
        """compute: settings of it that further trials have, by key. Raises RunNotFoundError for a damaged record, ConfigError."""
        from trainconf.submission.recorded import RecordedRun

        self._search = search
        self._bases: list[tuple[dict[str, str], RecordedRun]] = []
        if has_bases(home):
            choices = read_mapping(base_of(home, 0).record).get("choices")
            combinations = combinations_of(search, choices if isinstance(choices, dict) else {})
            for number, found in enumerate(combinations):
                paths = base_of(home, number)
                self._bases.append((found, RecordedRun(paths, workspace, compute_words(compute, paths))))

    def __bool__(self) -> bool:
        return bool(self._bases)

    def prepare(self, maker: TrialMaker) -> None:
        """Everything that can fail before a further trial is made. Raises UserError kinds, BuildError."""
        for _, base in self._bases[:1]:
            maker.prepare(base.resolved({}, []))

    def resolved(self, number: int, values: Mapping[str, Any], repeat: int) -> tuple[Resolved, list[str]]:
        """What a trial would run, and the overrides that make it differ. Raises ConfigError."""
        given = self._search.values_of(dict(values), repeat, number // self._search.repeats)
        groups = {key for choices, _ in self._bases for key in choices}
        wanted = {key: str(value) for key, value in given.items() if key in groups}
        for choices, base in self._bases:
            if choices == wanted:
                own = {key: value for key, value in given.items() if key not in choices}
                return base.resolved(own, as_changes(own, read_mapping(base.paths.record))), overrides_of(given)
        raise ConfigError(f"trial {number} has choices that were not recorded", ("values", str(given)))


def shared(home: RunPaths, workspace: WorkspacePaths, maker: TrialMaker) -> SharedRecord:
    """What further trials of a sweep are made of, with the settings of `compute` of now. Raises UserError kinds, BuildError."""
    found = SharedRecord(home, workspace, Search.of_record(read_mapping(home.sweep)), journal.compute_settings(home))
    found.prepare(maker)
    return found


def has_bases(home: RunPaths) -> bool:
    """Whether what the trials of a sweep share was kept, so that it can have further ones."""
    return os.path.isdir(base_of(home, 0).run_dir)


def combinations_of(search: Search, choices: Mapping[str, str]) -> list[dict[str, str]]:
    """See `Trials.combinations`; `choices` has the groups of a composed config."""
    return list(_combinations(search.space.axes, choices.keys()).values())


def _combinations(axes: Iterable[Axis], groups: Container[str]) -> dict[str, dict[str, str]]:
    """Each different set of choices that a point of these axes can make among the groups, by its text."""
    found: dict[str, dict[str, str]] = {"{}": {}}
    for axis in axes:
        made: list[dict[str, str]] = [{}]
        if isinstance(axis.expression, Zip):
            made = [{key: str(value) for key, value in row.items() if key in groups} for row in axis.expression.rows]
        elif isinstance(axis.expression, Choice) and (axis.key in groups or axis.expression.has_spaces):
            made = [
                {**({axis.key: str(option.value)} if axis.key in groups else {}), **below}
                for option in axis.expression.options for below in _combinations(axes_of(option.space), groups).values()
            ]  # fmt: skip
        pairs = [{**known, **more} for known in found.values() for more in made] if any(made) else found.values()
        found = {str(pair): pair for pair in pairs}
    return found


def compute_words(settings: Mapping[str, Any], paths: RunPaths) -> list[str]:
    """Settings of `compute` as overrides of a run's record; what is no setting is refused as it was written."""
    found = read_mapping(paths.record).get("config")
    return [as_change(key, written(value), found) if key.count(".") > 1 else f"{key}={written(value)}" for key, value in settings.items()]


def as_changes(values: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Values as overrides of a recorded config, which has some of the keys and lacks others."""
    return [as_change(key, written(value), record.get("config")) for key, value in values.items()]


def as_change(key: str, text: str, config: Any) -> str:
    """One override of a recorded config: of a key that it has, or of one that it lacks."""
    return f"{'++' if value_at(key, config) is ABSENT else ''}{key}={text}"


ABSENT = object()


def value_at(key: str, config: Any) -> Any:
    """The value of a dotted key; ABSENT where there is none."""
    for part in key.split("."):
        config = config.get(part, ABSENT) if isinstance(config, dict) else ABSENT
    return config


def words_of(home: RunPaths, overrides: Sequence[str]) -> list[str]:
    """Overrides of a trial as a command takes them that has those of its sweep: what the sweep's own config lacks is added to it.

    The command of a Hydra app's multirun is the app's own, which knows its keys alone.
    """
    typed = [str(word) for word in read_mapping(home.sweep).get("overrides") or ()]
    if any(word.startswith("arguments=") and OF_APP in word for word in typed):
        return [word.lstrip("+").removeprefix("params.") for word in overrides]
    found = read_mapping(base_of(home, 0).record)
    config, choices = found.get("config"), found.get("choices") or {}
    if not isinstance(config, dict):  # of a plain grid, whose words are as they were typed
        return list(overrides)
    added = {word.lstrip("+").partition("=")[0] for word in typed if word.startswith("+")}  # to what trials share, too
    pairs = [(word, *word.partition("=")[::2]) for word in overrides]
    return [word if key in choices else as_change(key, text, {} if key in added else config) for word, key, text in pairs]
