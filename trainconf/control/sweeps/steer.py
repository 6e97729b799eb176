"""Submits sweeps."""

from __future__ import annotations

import os
from collections.abc import Sequence

from trainconf.composition.layers import Layer
from trainconf.composition.plain.trials import SweepRequest
from trainconf.control import runs
from trainconf.control.compose import ComposeRequest, naming, report_notes
from trainconf.control.sweeps.asked import read
from trainconf.errors import ConfigError
from trainconf.fast.tuples import NamedTuple
from trainconf.files import FileLock
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.run_config import RunConfig
from trainconf.search.expressions import DOUBLED, SHOWN_VALUES, Choice, Expression, in_short
from trainconf.search.progress import Progress
from trainconf.search.samplers import NothingLeftError
from trainconf.search.space import Zip
from trainconf.sweeps import places
from trainconf.sweeps.batch import Sweep, plan_sweep, refuse_shared
from trainconf.sweeps.earlier import Known, go_on_with, named
from trainconf.sweeps.search import Search
from trainconf.sweeps.searching import FedSweep, Trials, at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from trainconf.composition.plain.trials import AnyAxis, AnyGrid
else:
    Protocol = object

SHOWN_TRIALS = 10


class AnySweep(Protocol):
    """What every sweep offers, whoever decides which trial comes next. The trials of `live` have number, overrides, state and paths."""

    @property
    def paths(self) -> RunPaths: ...
    @property
    def config(self) -> RunConfig: ...
    @property
    def metric(self) -> Any: ...
    @property
    def reused_count(self) -> int: ...
    @property
    def not_looked_at(self) -> str: ...
    @property
    def sweep_id(self) -> str: ...
    @property
    def total(self) -> int: ...
    @property
    def max_concurrent_runs(self) -> int: ...
    @property
    def unsent_count(self) -> int: ...
    @property
    def has_started(self) -> bool: ...
    @property
    def live(self) -> Sequence[Any]: ...
    @property
    def open_count(self) -> int: ...
    @property
    def progress(self) -> Progress | None: ...
    @property
    def held(self) -> FileLock | None: ...
    @property
    def is_paused(self) -> bool: ...

    def prepare(self, reporter: Reporter) -> None: ...
    def start(self) -> None: ...
    def poll(self) -> Sequence[Any]: ...
    def has_ended(self) -> bool: ...
    def cancel(self, *, force: bool) -> None: ...
    def forget(self) -> None: ...


def _search(
    settings: dict[str, Any], asked: SweepRequest, workspace: WorkspacePaths, reporter: Reporter
) -> tuple[Search, Known]:
    """The search that settings and overrides describe, and what other sweeps tell it. Raises ConfigError with all mistakes."""
    base, seed = asked.composer.base, settings.get("seed")
    of_files = {key: spec for key, spec in settings.get("space", {}).items() if key not in asked.fixed}
    search = Search(
        {**settings, "zip": {**settings.get("zip", {}), **asked.zips}}, base.config["metric"], {**of_files, **asked.specs},
        int.from_bytes(os.urandom(4), "big") if seed is None else int(seed), base.origin_of_part,
    )
    for key in sorted(asked.fixed.intersection(search.space.key_names())):
        search.wrong("", f"{key} is given one value, and is searched as part of a zip or with a choice", ("from", base.origin(key)),
                     hint="leave it out of the command line, or out of the space")
    earlier = named(search, "resume_from", lambda name: runs.find_sweep(workspace, name))
    go_on_with(search, named(search, "resume_child_runs", lambda name: runs.find_run(workspace, name)))
    refuse_shared(search.space.key_names(), space=search.space_spec)
    known = Known(earlier if not search.mistakes else (), search)
    if search.mistakes or known.mistakes:
        raise ConfigError([*search.mistakes, *known.mistakes])
    for warning in search.warnings:
        reporter.info(f"note: {warning}")
    return search, known


class Composed(NamedTuple):
    """A sweep, and the search that it is, None for a plain grid of overrides. earlier: what is used of earlier sweeps, in words.

    grid: the overrides that vary, of a plain grid.
    """

    sweep: FedSweep | Sweep
    search: Search | None
    earlier: list[str]
    grid: AnyGrid | None = None


def compose(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT, *, shown: int | None = None) -> Composed:
    """Compose a sweep; `shown`: see `batch.plan_sweep`. Raises ConfigError with all mistakes."""
    with naming(request):
        return _composed(request, workspace, reporter, shown)


def _composed(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter, shown: int | None) -> Composed:
    asked = read(request, workspace)
    base = asked.composer.base
    report_notes(base, reporter)
    settings = base.config["sweep"]
    if asked.grid is not None and not asked.zips and is_plain(settings):
        for axis in asked.grid.axes:
            if axis.doubled_count:
                reporter.info(f"note: {axis.path}: {DOUBLED.format(axis.doubled_count)}")
        return Composed(plan_sweep(asked.grid, workspace, request.texts, shown), None, [], asked.grid)
    search, known = _search(settings, asked, workspace, reporter)
    trials = Trials(search, asked.composer, workspace)
    mistakes = trials.check()
    if mistakes:
        raise ConfigError(mistakes)
    sweep: FedSweep | Sweep
    if search.kind == "bayes":
        sweep = FedSweep(search, trials, workspace, request.texts)
    else:
        sweep = at_once(search, trials, workspace, request.texts, shown)
    sweep.earlier = known.lines
    return Composed(sweep, search, known.notes)


def is_plain(settings: dict[str, Any]) -> bool:
    """Whether a sweep is the product of its overrides and nothing besides."""
    asked = (
        "space", "zip", "exclude", "first", "resume_from", "resume_child_runs", "shuffle", "max_failed_runs", "max_duration_minutes",
        "target", "repeat_key", "repeat_values", "allow_partial",
    )  # fmt: skip
    policy = settings.get("policy") or {}
    is_policed = policy.get("kind", "none") != "none"
    return settings["kind"] == "grid" and settings.get("repeats", 1) == 1 and not is_policed and not any(settings.get(key) for key in asked)


class PlannedSweep(NamedTuple):
    """What a sweep would do. keys: each key that varies, and in words what it can be; trials: the values of the first ones.

    earlier: what is used of earlier sweeps, in words.
    controller: where it is controlled, "" where nobody needs to. controller_job: what a scheduler would be sent for it, None without.
    """

    kind: str
    keys: list[tuple[str, str]]
    trials: list[dict[str, Any]]
    total: int
    at_a_time: int
    metric: str | None
    goal: str
    policy: str
    seed: int | None
    earlier: list[str]
    controller: str = ""
    controller_job: dict[str, Any] | None = None


def plan(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> PlannedSweep:
    """What a sweep would do; nothing is prepared, written or started. Raises ConfigError with all mistakes."""
    sweep, search, earlier, grid = compose(request, workspace, reporter, shown=SHOWN_TRIALS)
    sweep.check()
    metric, goal = sweep.metric["name"], sweep.metric["goal"]
    if search is None:
        columns: dict[str, list[str]] = {}
        trials: Sequence[Any] = sweep.live
        for trial in trials:
            for key, value in trial.values.items():
                columns.setdefault(key, []).append(value)
        keys = [(key, Choice.of(values).describe()) for key, values in columns.items()]
        if grid is not None and sweep.total > len(trials):  # these are the first ones alone
            keys = [(axis.path, _words_in_short(axis)) for axis in grid.varying]
        first = [trial.values for trial in trials[:SHOWN_TRIALS]]
        return PlannedSweep("grid", keys, first, sweep.total, sweep.max_concurrent_runs, metric, goal, "none", None, [])
    if search.suits_gp:
        reporter.info(f"note: sweep.sampler=gp mostly finds better points of a smooth space within {search.total} runs")
    keys = [(name, _in_words(expression)) for name, expression in search.space.expressions()]
    points, first = search.points(), []
    progress = Progress(points, search.limits(1), goal)
    for line in sweep.earlier:  # what a sampler knows before the first trial
        progress.take(line)
    total = sweep.total
    try:
        for number in range(min(SHOWN_TRIALS, search.total)):
            point, repeat = divmod(number, search.repeats)
            asked = points.ask(point)
            if search.kind == "bayes" and repeat == 0:
                points.add(point, asked)
            first.append(search.values_of(asked, repeat, point))
    except NothingLeftError:
        total = len(first)
    kind = str(search.policy.get("kind", "none"))
    place = places.place_of(sweep.config) if search.is_watched else ""
    experiment = str(sweep.config.experiment_name)
    shown = workspace.run(experiment, f"{experiment}-<time>-<id>")
    job = places.plan_job(sweep.config, shown) if place == places.JOB else None
    return PlannedSweep(
        search.kind, keys, first, total, sweep.max_concurrent_runs, metric, goal, kind, search.seed, earlier, place, job,
    )  # fmt: skip


def _words_in_short(axis: AnyAxis) -> str:
    shown = axis.words[:SHOWN_VALUES] if len(axis.words) <= SHOWN_VALUES else [*axis.words[:3], axis.words[-1]]
    return in_short([word.partition("=")[2] for word in shown], len(axis.words))


def _in_words(expression: Expression | Zip) -> str:
    if isinstance(expression, Zip):
        return f"{len(expression.rows)} rows of {', '.join(expression.rows[0])}"
    return expression.describe()


def place_of(sweep: AnySweep) -> str:
    """Where a sweep is controlled, and by whom it is watched: `here` by this command, `detached`, or in a `job`."""
    return places.place_of(sweep.config)


def prepare(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> AnySweep:
    """A sweep of which everything is ready that can fail; its `start` begins it. Raises ConfigError and what `submit` raises."""
    sweep, _, earlier, _ = compose(request, workspace, reporter)
    for note in earlier:
        reporter.info(f"from {note}")
    sweep.prepare(reporter)
    return sweep


def submit(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> RunPaths:
    """Submit a sweep and return at once: who controls it is a process of its own, or a scheduler's job where `sweep.controller=job`.

    Raises what `prepare` raises, StorageError, LaunchError.
    """
    source = request.layers[-1].source if request.layers else "the program that submits it"
    layers = [*request.layers, Layer(source, {"submit": {"detach": True}})]
    detached = ComposeRequest(
        request.texts, request.config_name, request.config_dir, layers, typed_in=request.typed_in, folder=request.folder
    )
    sweep = prepare(detached, workspace, reporter)
    if place_of(sweep) == places.HERE:
        raise ConfigError("submit.detach cannot be false where a program submits a sweep", ("from", "an override"), ("allowed", "true"),
                          hint="leave it out, and wait for the sweep")
    sweep.start()
    hand_over(sweep)
    return sweep.paths


def hand_over(sweep: AnySweep) -> bool:
    """See to it that a sweep that was started goes on without this process; False where nobody needs to control it. Raises LaunchError."""
    from trainconf.control.results.sweep import needs_controller
    from trainconf.control.sweeps.detach import detach

    is_needed = needs_controller(sweep.paths)
    if is_needed and place_of(sweep) == places.DETACHED:
        assert sweep.held is not None
        detach(sweep.paths, "resume", (), sweep.held)
    return is_needed
