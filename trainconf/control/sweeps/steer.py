"""Submits sweeps, takes over those without a controller, and follows them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from trainconf import launchers
from trainconf.composition.sweep.request import SweepRequest, read_sweep
from trainconf.control import runs
from trainconf.control.compose import ComposeRequest, report_notes
from trainconf.errors import ConfigError, LaunchError
from trainconf.fast.spawn import spawn
from trainconf.files import is_locked, open_regular
from trainconf.history import record
from trainconf.launchers.protocol import Launcher
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.run_config import RunConfig
from trainconf.search.expressions import Choice, Expression
from trainconf.search.progress import Progress
from trainconf.search.samplers import NothingLeftError
from trainconf.search.space import Zip
from trainconf.sweeps import journal, places
from trainconf.sweeps.batch import Sweep, plan_sweep, refuse_shared
from trainconf.sweeps.earlier import Known, go_on_with, named
from trainconf.sweeps.export import Study
from trainconf.sweeps.resuming import RETRIES, ResumedSweep, checked, config_of, search_of, withdraw_cancellation
from trainconf.sweeps.search import Search
from trainconf.sweeps.searching import FedSweep, Trials, at_once

POLL_PAUSE_S = 0.005
HANDED_OVER_PAUSE_S = 0.025  # where no trial waits for this process to start it
LONG_PAUSE_S = 0.5  # on a disk that machines share
MAX_PAUSE_S = 0.2
PAUSE_PER_TRIAL_S = 0.003  # a look costs 20 to 40 microseconds: a hundredth of a core
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
        secrets.randbits(32) if seed is None else int(seed), base.origin,
    )
    for key in sorted(asked.fixed.intersection(search.space.key_names())):
        search.wrong("", f"{key} is given one value, and is searched as part of a zip or with a choice", ("from", base.origin(key)),
                     hint="leave it out of the command line, or out of the space")
    earlier = named(search, "resume_from", lambda name: runs.find_sweep(workspace, name))
    go_on_with(search, named(search, "resume_child_runs", lambda name: runs.find_run(workspace, name)))
    refuse_shared(search.space.key_names())
    known = Known(earlier if not search.mistakes else (), search)
    if search.mistakes or known.mistakes:
        raise ConfigError([*search.mistakes, *known.mistakes])
    for warning in search.warnings:
        reporter.info(f"note: {warning}")
    return search, known


class Composed(NamedTuple):
    """A sweep, and the search that it is, None for a plain grid of overrides. earlier: what is used of earlier sweeps, in words."""

    sweep: FedSweep | Sweep
    search: Search | None
    earlier: list[str]


def compose(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Composed:
    """Compose a sweep. Raises ConfigError with all mistakes."""
    places: dict[str, Any] = {"config_dir": request.config_dir, "config_name": request.config_name}
    asked = read_sweep(request.overrides, workspace, **places)
    base = asked.composer.base
    report_notes(base, reporter)
    settings = base.config["sweep"]
    if asked.grid is not None and not asked.zips and is_plain(settings):
        return Composed(plan_sweep(asked.grid, workspace, request.overrides), None, [])
    search, known = _search(settings, asked, workspace, reporter)
    trials = Trials(search, asked.composer, workspace)
    mistakes = trials.check()
    if mistakes:
        raise ConfigError(mistakes)
    sweep: FedSweep | Sweep
    if search.kind == "bayes":
        sweep = FedSweep(search, trials, workspace, request.overrides)
    else:
        sweep = at_once(search, trials, workspace, request.overrides)
    sweep.earlier = known.lines
    return Composed(sweep, search, known.notes)


def is_plain(settings: dict[str, Any]) -> bool:
    """Whether a sweep is the product of its overrides and nothing besides."""
    asked = (
        "space", "zip", "exclude", "first", "resume_from", "resume_child_runs", "shuffle", "max_failed_runs", "max_duration_minutes",
        "target", "repeat_key",
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
    sweep, search, earlier = compose(request, workspace, reporter)
    metric, goal = sweep.metric["name"], sweep.metric["goal"]
    if search is None:
        columns: dict[str, list[str]] = {}
        trials: Sequence[Any] = sweep.live
        for trial in trials:
            for key, value in trial.values.items():
                columns.setdefault(key, []).append(value)
        keys = [(key, Choice.of(values).describe()) for key, values in columns.items()]
        first = [trial.values for trial in trials[:SHOWN_TRIALS]]
        return PlannedSweep("grid", keys, first, sweep.total, sweep.max_concurrent_runs, metric, goal, "none", None, [])
    if search.suits_gp:
        reporter.info(f"note: sweep.sampler=gp mostly finds better points of a smooth space within {search.total} runs")
    keys = [(name, _in_words(expression)) for name, expression in search.space.expressions()]
    points, first = search.points(), []
    progress = Progress(points, search.limits(1), goal)
    for line in sweep.earlier:  # what a sampler knows before the first trial
        progress.take(line)
    with suppress(NothingLeftError):
        for number in range(min(SHOWN_TRIALS, search.total)):
            point, repeat = divmod(number, search.repeats)
            asked = points.ask(point)
            if search.kind == "bayes" and repeat == 0:
                points.add(point, asked)
            first.append(search.values_of(asked, repeat, point))
    kind = str(search.policy.get("kind", "none"))
    place = places.place_of(sweep.config) if search.is_watched else ""
    experiment = str(sweep.config.experiment_name)
    shown = workspace.run(experiment, f"{experiment}-<time>-<id>")
    job = places.plan_job(sweep.config, shown) if place == places.JOB else None
    return PlannedSweep(
        search.kind, keys, first, search.total, sweep.max_concurrent_runs, metric, goal, kind, search.seed, earlier, place, job,
    )  # fmt: skip


def _in_words(expression: Expression | Zip) -> str:
    if isinstance(expression, Zip):
        return f"{len(expression.rows)} rows of {', '.join(expression.rows[0])}"
    return expression.describe()


def place_of(sweep: AnySweep) -> str:
    """Where a sweep is controlled, and by whom it is watched: `here` by this command, `detached`, or in a `job`."""
    return places.place_of(sweep.config)


def prepare(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> AnySweep:
    """A sweep of which everything is ready that can fail; its `start` begins it. Raises ConfigError and what `submit` raises."""
    sweep, _, earlier = compose(request, workspace, reporter)
    for note in earlier:
        reporter.info(f"from {note}")
    sweep.prepare(reporter)
    return sweep


def follow(sweep: AnySweep) -> Iterator[Sequence[Any]]:
    """The trials whose state has changed, until the sweep has ended.

    A trial of this machine is looked at up to 200 times a second, so that the next one starts at once; where trials are many, or on a
    disk that machines share, less often.
    """
    shortest_s = HANDED_OVER_PAUSE_S if isinstance(sweep, Sweep) else POLL_PAUSE_S
    is_elsewhere = type(launchers.of_run(sweep.paths)).open_pool is Launcher.open_pool
    has_ended = False
    while not has_ended:
        has_ended = sweep.has_ended()
        changed = sweep.poll()
        yield sweep.live if has_ended else changed
        if not has_ended:
            time.sleep(LONG_PAUSE_S if is_elsewhere else min(MAX_PAUSE_S, max(shortest_s, sweep.open_count * PAUSE_PER_TRIAL_S)))


def resume(
    sweep: RunPaths, workspace: WorkspacePaths, changes: dict[str, Any] | None = None, retry: str = "", reporter: Reporter = SILENT
) -> AnySweep | None:
    """Control a sweep from this process: it goes on, with other limits, and with trials that run again. None: its controller was told.

    Raises UserError for a plain grid, ConfigError for a change that would make other trials, StorageError, LaunchError.
    """
    if is_locked(sweep.controller_lock) and not retry:
        checked(changes or {}, search_of(sweep, record.read_mapping(sweep.sweep)))
        journal.request(sweep, "budget", **{key.removeprefix("sweep."): value for key, value in (changes or {}).items()})
        return None
    places.end_job(sweep)  # one that waits in the queue would find its place taken
    found = ResumedSweep(sweep, workspace, reporter)
    found.start(changes, retry)
    return found


def resume_as_job(sweep: RunPaths, changes: dict[str, Any], retry: str = "") -> str:
    """Have a sweep controlled by a scheduler's job again, with other limits, and with trials that run again; the job's id.

    Raises ConfigError for a change that would make other trials, StorageError, LaunchError.
    """
    found = checked(changes, search_of(sweep, record.read_mapping(sweep.sweep)))
    config = config_of(sweep)
    places.plan_job(config, sweep)
    withdraw_cancellation(sweep)
    journal.request(sweep, "budget" if found else "resume", **found)
    if retry:
        journal.request(sweep, "again", states=RETRIES[retry])
    return places.send_job(config, sweep)


def study_of(sweep: RunPaths) -> Study:
    """A sweep as Optuna knows it. Raises UserError without Optuna."""
    from trainconf.control.results.sweep import results

    found, known = results(sweep), record.read_mapping(sweep.sweep)
    space = list(search_of(sweep, known).space.expressions()) if found.is_search else []
    return Study(sweep.run_id, found.metric, found.goal, found.trials, space)


def detach(sweep: RunPaths, deed: str = "resume", words: Sequence[str] = ()) -> None:
    """Start a controller that goes on by itself; what it says is in logs/controller.log. `words` are those of `trainconf sweep DEED`.

    Raises LaunchError.
    """
    command = [*places.command_of(sweep, deed), *words]
    fds: list[int] = []
    try:
        os.makedirs(sweep.logs, exist_ok=True)
        fds.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        fds.append(open_regular(sweep.controller_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        spawn(command[0], command, os.environ, (fds[0], fds[1], fds[1]))
    except OSError as error:
        where = ("path", os.fspath(error.filename)) if error.filename else ("program", command[0])
        raise LaunchError(f"the controller cannot be started: {error.strerror}", where) from error
    finally:
        for fd in fds:
            os.close(fd)
