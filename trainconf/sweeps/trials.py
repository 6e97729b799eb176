"""Makes the runs of a sweep's trials: what they share is prepared once, then each gets its directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack

from trainconf import launchers
from trainconf.errors import ConfigError
from trainconf.files import dumps
from trainconf.git.state import GitFacts
from trainconf.history import liveness
from trainconf.history.liveness import State
from trainconf.launchers.protocol import Launcher, LaunchPlan
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import Reporter
from trainconf.resolve.resolver import Resolved
from trainconf.search.space import Point
from trainconf.snapshot.blobs.opened import OpenSnapshot
from trainconf.spec import RunSpec
from trainconf.submission.inputs import with_digests
from trainconf.submission.record import write_run
from trainconf.submission.submit import Prepared, check, code_of, create, find_completed, prepare, prepared_spec, spec_with_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

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
