"""Sweeps that somebody watches: all trials handed over at once and compared, or each asked for when a slot comes free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainconf import __version__, launchers
from trainconf.composition.plain.words import of_space, overrides_of
from trainconf.errors import ConfigError, Mistake, StorageError
from trainconf.fast.records import replace
from trainconf.files import dumps, write_atomic
from trainconf.history import events
from trainconf.launchers.protocol import Launcher, Pool
from trainconf.launchers.separate import SeparatePool
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.resolver import Resolved, resolve, resolve_beside
from trainconf.search.conditions import ConditionError
from trainconf.search.progress import Progress
from trainconf.search.samplers import NothingLeftError, PointSource
from trainconf.search.space import Point
from trainconf.submission.run_id import claim_run_dir, new_run_id, remove_run_dir
from trainconf.sweeps import batch, journal
from trainconf.sweeps.controlled import Controlled
from trainconf.sweeps.controller import Controller
from trainconf.sweeps.hands import Feeding, Watching
from trainconf.sweeps.journal import Journal
from trainconf.sweeps.places import HERE, JOB, Making, place_of, plan_job
from trainconf.sweeps.search import Search
from trainconf.sweeps.trials import MAX_COMBINATIONS, AnyTrials, Trial, TrialMaker, combinations_of, record_bases, shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.composition.plain.trials import Composer

MAX_CHECKED = 1_000  # values of a key that are checked before anything starts


class Trials:
    """Resolves the trials of a search from the config that all of them share."""

    def __init__(self, search: Search, composer: Composer, workspace: WorkspacePaths) -> None:
        self._search = search
        self._composer = composer
        self._workspace = workspace
        self.base = resolve(composer.base, workspace)

    def resolved(self, number: int, values: Mapping[str, Any], repeat: int) -> tuple[Resolved, list[str]]:
        """What a trial would run, and the overrides that make it differ. Raises ConfigError."""
        given = self._search.values_of(dict(values), repeat, number // self._search.repeats)
        return self._resolve(given, number), overrides_of(given)

    def _resolve(self, given: Mapping[str, Any], number: int = 0) -> Resolved:
        return resolve_beside(self.base, self._composer.at(given, number=number), self._workspace)

    @property
    def example(self) -> Point:
        """The values of some trial."""
        return self._search.space.draw(0, 0)

    def combinations(self) -> list[dict[str, str]]:
        """Every combination of the group choices among the keys of the space; one empty one where no group is searched."""
        return combinations_of(self._search, self.base.composed.choices)

    def check(self) -> list[Mistake]:
        """What is wrong with single values of the space: every listed one, both ends of a range, the points of `first`, the repeats."""
        mistakes: dict[str, Mistake] = {}
        for values in self._samples():
            try:
                self._resolve(values)
            except ConfigError as error:
                found = of_space(error.mistakes, values, self._search.written_at)
                mistakes.update({mistake.render(): mistake for mistake in found})
        return list(mistakes.values())

    def _samples(self) -> Iterator[Mapping[str, Any]]:
        yield from self._search.space.samples(MAX_CHECKED)
        yield from self._search.first
        if self._search.repeat_key:
            yield from ({self._search.repeat_key: value} for value in self._search.repeat_values or [self._search.repeats - 1])


def at_once(
    search: Search, trials: AnyTrials, workspace: WorkspacePaths, overrides: list[str], shown: int | None = None
) -> batch.Sweep:  # fmt: skip
    """A sweep all of whose trials are known before it starts; `shown`: see `batch.plan_sweep`. Raises ConfigError."""
    points, found = search.points(), []
    values: Point = {}
    is_short = shown is not None and search.total > batch.PLANNED
    try:
        for number in range(shown if shown is not None and is_short else search.total):
            point, repeat = divmod(number, search.repeats)
            values = values if repeat else points.ask(point)
            resolved, texts = trials.resolved(number, values, repeat)
            found.append(Trial(number, resolved, texts, values, None if search.repeats == 1 else point, repeat))
            if number >= batch.KEPT:
                found[-1].resolved = None
    except NothingLeftError as error:
        if not found:
            raise ConfigError("the search space has no point", ("because", error.reason)) from error
    except ConditionError as error:
        raise ConfigError(f"sweep.exclude: {error}") from error
    made = WatchedBatch if search.is_watched else SearchedBatch
    return made(found, workspace, overrides, search.record(), trials, search.total if is_short else None)


def _shown(workspace: WorkspacePaths, experiment: str) -> RunPaths:
    """The folder of a sweep that is only planned."""
    return workspace.run(experiment, f"{experiment}-<time>-<id>")


class SearchedBatch(batch.Sweep):
    """All trials of a search are handed over at once. Nobody else can control it before that is done."""

    def __init__(
        self, trials: list[Trial], workspace: WorkspacePaths, overrides: list[str], facts: Mapping[str, Any], shared: AnyTrials,
        count: int | None = None,
    ) -> None:  # fmt: skip
        def again(trial: Trial) -> Resolved:
            return shared.resolved(trial.number, trial.values, trial.repeat)[0]

        super().__init__(trials, workspace, overrides, facts, resolve=again, count=count)
        self._shared = shared
        self._making: Making | None = None

    def start(self) -> None:
        """Hand over all trials. Raises StorageError, LaunchError."""
        try:
            super().start()
        except BaseException:
            if self._making is not None:
                self._making.take_back()
            raise
        assert self._making is not None
        self._go_on(self._making)

    def _begin(self, home: RunPaths, maker: TrialMaker) -> None:
        self._making = Making(home)
        record_bases(home, self._shared, maker)

    def _go_on(self, making: Making) -> None:
        """The sweep is whole. Raises StorageError."""
        making.let_go()


class WatchedBatch(Controlled, SearchedBatch):
    """All trials are handed over at once; a controller compares them, and ends those that are not wanted any more."""

    _watching: Watching

    @property
    def total(self) -> int:
        """Trials in all, with those that somebody has asked for since."""
        return super().total if self.progress is None else self.progress.limits.max_total_runs

    def prepare(self, reporter: Reporter) -> None:
        """Everything that can fail."""
        if place_of(self.config) == JOB:
            plan_job(self.config, _shown(self.workspace, self.experiment_name))
        super().prepare(reporter)

    def _begin(self, home: RunPaths, maker: TrialMaker) -> None:
        super()._begin(home, maker)
        if self._making is not None and place_of(self.config) == JOB:
            self._making.send_job(self.config)  # first of all: when that is refused, nothing else was sent

    def _go_on(self, making: Making) -> None:
        if self._is_controlled_here(making, place_of(self.config)):
            search = Search.of_record(self.facts)
            self._watching = Watching(self.paths, lambda: feeding(self.paths, self.workspace, SILENT))
            self._begin_control(lambda log: controller(
                log, self.paths, search, self._watching, at_a_time=self.max_concurrent_runs, points=search.points(), has_all=True,
            ))  # fmt: skip

    def _record(self) -> dict[str, Any]:
        return {**super()._record(), "controller": place_of(self.config)}

    def forget(self) -> None:
        """Free the memory of its trials: its folder tells the rest."""
        Controlled.forget(self)
        batch.Sweep.forget(self)

    def has_ended(self) -> bool:
        """Whether every trial is over, and whoever has the sweep is gone; or the sweep is paused, and nothing runs."""
        return (self.is_paused or self._watching.is_feeding or batch.Sweep.has_ended(self)) and super().has_ended()


class FedSweep(Controlled):
    """Each trial is asked for when a slot comes free. See `batch.Sweep`, whose face it has."""

    reused_count = 0
    not_looked_at = ""
    unsent_count = 0

    def __init__(self, search: Search, trials: AnyTrials, workspace: WorkspacePaths, overrides: list[str]) -> None:
        self.earlier: list[dict[str, Any]] = []  # what other sweeps tell this one, as lines of its journal
        self._search = search
        self._trials = trials
        self._maker: TrialMaker | None = None
        self._points: PointSource | None = None
        self.workspace = workspace
        self.overrides = overrides
        self.config = trials.base.config
        self.metric = self.config.tree["metric"]
        self.paths = RunPaths("")

    @property
    def sweep_id(self) -> str:
        """The id of the sweep."""
        return self.paths.run_id

    @property
    def max_concurrent_runs(self) -> int:
        """Trials in flight."""
        return concurrent(self._search, self.config.tree["compute"])

    @property
    def has_started(self) -> bool:
        """Whether there is anything to cancel."""
        return bool(self.paths.run_dir)

    @property
    def total(self) -> int:
        """Trials in all."""
        return self._search.total

    def prepare(self, reporter: Reporter) -> None:
        """Everything that can fail before the sweep exists. Raises UserError kinds, BuildError."""
        self._points = self._search.points()
        self.check()
        if place_of(self.config) == JOB:
            plan_job(self.config, _shown(self.workspace, self._trials.base.experiment_name))
        if place_of(self.config) == HERE:
            self._points.warm_up(self._search.point_count)  # beside what follows
        self._maker = TrialMaker(self.workspace, reporter)
        self._trials.base = self._maker.prepare(self._trials.base)

    def check(self) -> None:
        """Raise ConfigError for a sweep that cannot be carried out, and for settings that suit trials handed over at once only."""
        compute, kind, spec = self.config.tree["compute"], self._search.kind, self._trials.base.spec
        launcher = launchers.get(str(compute["target"]))
        if not _at_a_time(self._search, compute):
            raise ConfigError(f"sweep={kind} with compute={launcher.name} needs sweep.max_concurrent_runs",
                              ("meaning", "jobs in the queue at a time"), hint="sweep.max_concurrent_runs=4")
        launchers.of_sweep([spec.compute.target], compute, spec.distributed.node_count)
        if len(self._trials.combinations()) > MAX_COMBINATIONS:
            raise ConfigError(f"sweep={kind} searches more than {MAX_COMBINATIONS} combinations of group choices",
                              hint="search them one after the other, or as a grid")

    def start(self) -> None:
        """Make the sweep's folder, and begin. Raises StorageError, LaunchError."""
        base = self._trials.base
        try:
            self.paths = claim_run_dir(self.workspace, base.experiment_name, new_run_id(base.experiment_name))
            making: Making | None = None
            try:
                making = Making(self.paths)
                self._make(making)
            except BaseException:
                if making is not None:
                    making.take_back()
                remove_run_dir(self.paths)
                self.paths = RunPaths("")
                raise
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep's folder cannot be written") from error
        if self._is_controlled_here(making, place_of(self.config)):
            self._begin_control(self._controller_here)

    def _make(self, making: Making) -> None:
        assert self._maker is not None
        base, place = self._trials.base, place_of(self.config)
        record = {
            "sweep_id": self.sweep_id, "experiment_name": base.experiment_name, "created": events.now(),
            "overrides": self.overrides, "kind": self._search.kind, "target": base.spec.compute.target,
            "max_concurrent_runs": self.max_concurrent_runs, "trial_count": self._search.total, "metric": self.metric,
            "trainconf": __version__, "has_controller": True, "controller": place, "pack": int(self.config.tree["compute"].get("pack", 1)),
            **self._search.record(),
        }
        record_bases(self.paths, self._trials, self._maker)  # before the record: whoever finds that one can go on with the sweep
        journal.begin(self.paths, self.earlier)
        write_atomic(self.paths.sweep, dumps(record))
        if place == JOB:
            making.send_job(self.config)

    def _controller_here(self, log: Journal) -> Controller:
        assert self._maker is not None
        pool = open_pool(launchers.get(self._trials.base.spec.compute.target), self.paths, self._maker.secrets)
        hands = Feeding(self.paths, self.workspace, self._maker, pool, self._trials.resolved)
        return controller(log, self.paths, self._search, hands, at_a_time=self.max_concurrent_runs, points=self._points)

    def cancel(self, *, force: bool) -> None:
        """End all trials; none is asked for any more."""
        if self.has_started:
            events.request_cancel(self.paths, force=force)


def concurrent(search: Search, compute: Mapping[str, Any]) -> int:
    """Trials in flight: as configured, else as many as the target says; all where a scheduler decides."""
    return _at_a_time(search, compute) or search.total


def _at_a_time(search: Search, compute: Mapping[str, Any]) -> int:
    """As `concurrent`; 0 where a scheduler decides. Without a number of its own a search has one job of `compute.pack` trials."""
    pack = int(compute.get("pack", 1))
    limit = int(search.settings.get("max_concurrent_runs") or 0) or (pack if pack > 1 else 0)
    return launchers.get(str(compute["target"])).concurrent_runs({**compute, "pack": 1}, limit)


def open_pool(launcher: Launcher, home: RunPaths, secrets: Mapping[str, str]) -> Pool:
    """Where a controller sends its trials."""
    return launcher.open_pool(home, secrets) or SeparatePool(launcher, home, secrets)


def feeding(home: RunPaths, workspace: WorkspacePaths, reporter: Reporter) -> Feeding:
    """Makes further trials of a sweep by what its trials share, as that was recorded. Raises UserError kinds, BuildError."""
    maker = TrialMaker(workspace, reporter)
    resolve = shared(home, workspace, maker).resolved
    return Feeding(home, workspace, maker, open_pool(launchers.of_run(home), home, maker.secrets), resolve)


def controller(
    log: Journal, home: RunPaths, search: Search, hands: Any, *, at_a_time: int, points: PointSource | None = None, has_all: bool = False,
    earlier_s: float = 0.0,
) -> Controller:  # fmt: skip
    """A controller that has taken over what the journal says. Without `points` there will be no further trial.

    has_all: those of the journal are all there are, unless its lines say otherwise, or somebody does later. Raises StorageError.
    """
    search = search.as_changed(log.lines)
    limits = search.limits(at_a_time)
    if has_all or points is None:
        limits = replace(limits, max_total_runs=sum(line["deed"] == "ask" for line in log.lines))
    found = Controller(
        home, log, Progress(points or PointSource(None, []), limits, search.goal), search.judge(), hands, metric=search.metric,
        value=str(search.settings.get("value") or "best"), earlier_s=earlier_s,
    )
    if points is not None:
        points.warm_up(search.point_count)
    found.take_over()
    return found
