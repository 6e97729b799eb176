"""Many runs from one composition: prepares what they share once, then feeds one agent that keeps so many in flight.

All trials are resolved and all that can fail is prepared before anything starts, so that a mistake leaves nothing behind. The
agent is the pool; this process only makes the trials' directories, and its death loses no trial that was announced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from trainconf import __version__, launchers
from trainconf.errors import ConfigError, Mistake, StorageError
from trainconf.files import FileLock, dumps, sync_disk, write_atomic
from trainconf.history import events
from trainconf.launchers.protocol import LaunchPlan, Pool
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.process import interruptions_held
from trainconf.reporter import Reporter
from trainconf.resolve.composed import Composed
from trainconf.resolve.resolver import Resolved, resolve, resolve_beside
from trainconf.search.progress import Progress
from trainconf.submission.inputs import not_looked_at
from trainconf.submission.run_id import claim_run_dir, new_run_id, remove_run_dir
from trainconf.sweeps import journal
from trainconf.sweeps.trials import Trial, TrialMaker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.composition.plain.trials import AnyGrid

SHARED_BY_ALL = ("sweep", "submit")  # settings that a trial cannot have for itself
KEPT = 10_000  # trials whose config is kept from when it is checked until they are made; of any further one it is resolved again
PLANNED = 1_000  # trials up to which all are resolved for a plan


class Sweep:
    """A search in progress: its directory, its trials, and the agent that carries them out."""

    held: FileLock | None = None  # see `Controlled`

    def __init__(
        self, trials: list[Trial], workspace: WorkspacePaths, overrides: list[str], facts: Mapping[str, Any] | None = None, *,
        resolve: Callable[[Trial], Resolved] | None = None, count: int | None = None,
    ) -> None:  # fmt: skip
        """resolve: gives again what a trial would run; for more than KEPT. count: of all trials, where `trials` are the first ones."""
        first = trials[0].resolved
        assert first is not None
        self._resolve = resolve
        self._count = count
        self.facts = facts or {}  # for the record of the sweep
        self.earlier: list[dict[str, Any]] = []  # what other sweeps tell this one, as lines of its journal
        self.trials = trials
        self.workspace = workspace
        self.overrides = overrides
        self.config = first.config
        self._target = first.spec.compute.target
        self.experiment_name = first.experiment_name
        self.paths = RunPaths("")
        self._pool: Pool | None = None
        self._maker: TrialMaker | None = None
        self.reused_count = 0
        self.not_looked_at = ""  # what to say of inputs that may be others than those of reused runs
        self.metric = self.config.tree["metric"]

    @property
    def total(self) -> int:
        """Trials in all."""
        return len(self.trials) if self._count is None else self._count

    @property
    def progress(self) -> Progress | None:
        """None: nobody compares its trials."""
        return None

    @property
    def is_paused(self) -> bool:
        """Whether its controller was done only for now: it has none."""
        return False

    @property
    def open_count(self) -> int:
        """Trials that have not ended, as far as was seen."""
        return sum(trial.state is None or not trial.state.is_final for trial in self.trials)

    @property
    def live(self) -> Sequence[Any]:
        """The trials, as they are now."""
        return self.trials

    @property
    def sweep_id(self) -> str:
        return self.paths.run_id

    @property
    def max_concurrent_runs(self) -> int:
        """Trials in flight: as configured, else as many as the machine's slots or the job hold; all where a scheduler decides."""
        return launchers.get(self._target).concurrent_runs(self.config.tree["compute"], self._limit) or self.total

    @property
    def _limit(self) -> int:
        """The configured number of trials in flight; 0 for none."""
        return int(self.config.sweep.max_concurrent_runs or 0)

    def prepare(self, reporter: Reporter) -> None:
        """Everything that can fail: one snapshot and one environment for all trials that share them. Raises UserError kinds."""
        self.check()
        self._maker = TrialMaker(self.workspace, reporter)
        for trial in self.trials:
            resolved = self._maker.prepare(self._resolved(trial))
            if trial.resolved is not None:
                trial.resolved = resolved

    def _resolved(self, trial: Trial) -> Resolved:
        if trial.resolved is not None:
            return trial.resolved
        assert self._resolve is not None
        return self._resolve(trial)

    def check(self) -> None:
        """Raise ConfigError for a sweep that cannot be carried out."""
        nodes = max(trial.node_count for trial in self.trials)
        launchers.of_sweep((trial.target for trial in self.trials), self.config.tree["compute"], nodes)

    def start(self) -> None:
        """Make the sweep's directory and its agent, then announce the trials one by one, until somebody cancels it.

        Raises StorageError, LaunchError.
        """
        if self.config.submit.reuse:
            self._take_completed()
        pool = self._pool = self._start_pool()
        try:
            self._create_trials(pool)
            pool.close()
        except BaseException:
            pool.cancel()  # what cannot be whole is not begun
            if pool.is_unsent:
                self._remove()
            raise
        finally:
            pool.close()
            from trainconf.history.index.index import Index  # sqlite; its trials are on their way meanwhile

            Index(self.workspace).add(*(trial.paths for trial in self.trials if trial.paths is not None))

    def _remove(self) -> None:
        """Leave nothing of a sweep that nobody has got."""
        for trial in self.trials:
            if trial.paths is not None and trial.paths.run_id.startswith(f"{self.sweep_id}_"):
                remove_run_dir(trial.paths)
                trial.paths = None
        remove_run_dir(self.paths)

    def _take_completed(self) -> None:
        """Give trials that have completed before the run that did."""
        assert self._maker is not None
        specs = []
        for trial in self.trials:
            resolved = self._prepared(trial, self._maker)
            trial.paths = self._maker.completed(resolved)
            specs += [resolved.spec] if trial.paths is not None else []
        self.reused_count = len(specs)
        self.not_looked_at = not_looked_at(*specs)

    def _prepared(self, trial: Trial, maker: TrialMaker) -> Resolved:
        return trial.resolved or maker.prepare(self._resolved(trial))

    def _is_cancelled(self) -> bool:
        """Whether somebody wants it to end: this process, or any other."""
        latest = events.last(self.paths)
        return latest is not None and latest["state"] in ("CancelRequested", "Canceled")

    def _record(self) -> dict[str, Any]:
        return {
            "sweep_id": self.sweep_id, "experiment_name": self.experiment_name, "created": events.now(), "overrides": self.overrides,
            "kind": self.config.sweep.kind, "target": self._target,
            "max_concurrent_runs": self.max_concurrent_runs, "trial_count": len(self.trials),
            "metric": self.metric, "value": self.config.sweep.value, "trainconf": __version__, **self.facts,
        }

    def _begin(self, home: RunPaths, maker: TrialMaker) -> None:
        """What comes before the record: whoever finds that one can go on with the sweep. Raises OSError, UserError kinds."""

    def _entry(self, trial: Trial) -> journal.Entry:
        paths = self.workspace.run(trial.experiment_name, f"{self.sweep_id}_{trial.number}")
        return journal.Entry(trial.number, trial.values, trial.overrides, paths, trial.point, trial.repeat)

    def _start_pool(self) -> Pool:
        """Make the sweep's directory and its agent, or nothing."""
        assert self._maker is not None
        lock, launcher = FileLock(""), launchers.get(self._target)
        try:
            self.paths = claim_run_dir(self.workspace, self.experiment_name, new_run_id(self.experiment_name))
            try:
                lock = FileLock(self.paths.lock)
                lock.acquire()
                with interruptions_held():  # or nobody would know of what was begun
                    launcher.get_ready(self.paths, lock, self._maker.secrets)
                self._begin(self.paths, self._maker)
                journal.begin(self.paths, self.earlier)
                write_atomic(self.paths.sweep, dumps(self._record()))
                journal.ask(self.paths, map(self._entry, self.trials))
                journal.reuse(self.paths, {trial.number: trial.paths for trial in self.trials if trial.paths is not None})
                pool = launcher.pool(self.paths, lock, self._maker.secrets, self.config.tree["compute"], self._limit)
            except BaseException:
                launcher.give_up()
                lock.release()
                remove_run_dir(self.paths)
                raise
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep's folder cannot be written") from error
        launcher.give_up()  # what this kind of pool has no use for
        return pool

    def _create_trials(self, pool: Pool) -> None:
        """Make the trials' directories and hand them over one by one; when all are there they are made to survive a power cut."""
        assert self._maker is not None
        try:
            pool.add(self._made(self._maker, pool.trial_lock))
        finally:
            self._maker.close()
        try:
            sync_disk(self.paths.run_dir)
        except OSError as error:
            raise StorageError.from_os_error(error, "the trials cannot be kept") from error

    def _made(self, maker: TrialMaker, lock_path: str) -> Iterator[LaunchPlan]:
        """The plan of each trial once its directory is made, until somebody cancels the sweep."""
        for trial in self.trials:
            if self._is_cancelled():
                return
            if trial.paths is None:
                resolved = self._prepared(trial, maker)
                trial.paths, plan = maker.make(resolved, self._entry(trial).paths.run_id, self.sweep_id, lock_path)
                yield plan
                trial.resolved = None  # some KB of each of thousands, which its directory has

    def cancel(self, *, force: bool) -> None:
        """End all trials, after their grace time or at once; those that wait never start."""
        if self._pool is not None:
            self._pool.cancel(force=force)

    def forget(self) -> None:
        """Free the memory of its trials: its folder tells the rest."""
        self.trials = []

    @property
    def unsent_count(self) -> int:
        """Trials that a scheduler would not take yet."""
        return 0 if self._pool is None else self._pool.unsent_count

    @property
    def has_started(self) -> bool:
        """Whether there is anything to cancel."""
        return self._pool is not None

    def poll(self) -> Sequence[Any]:
        """The trials whose state changed since the last call."""
        return [trial for trial in self.trials if trial.poll()]

    def has_ended(self) -> bool:
        """Whether the agent is done; its trials' states are final then, or honest about what was lost."""
        assert self._pool is not None
        if not self._pool.has_ended():
            return False
        if self._is_cancelled():
            self._pool.cancel()  # also what was announced just after the agent had looked for the last time
        return True


def refuse_shared(keys: Iterable[str], words: Mapping[str, Iterable[str]] | None = None, space: Mapping[str, Any] | None = None) -> None:
    """Raise ConfigError for keys that a trial cannot have for itself; `words` and `space` have what was written of each."""
    mistakes = []
    for key in keys:
        if key.partition(".")[0] in SHARED_BY_ALL:
            facts = [("from", f"command line: {', '.join(words[key])}")] if words else []
            facts += [("given", f"{key}: {space[key]}")] if space and key in space else []
            mistakes.append(Mistake(f"{key} is one for the whole sweep", *facts, hint="give it one value"))
    if mistakes:
        raise ConfigError(mistakes)


def plan_sweep(grid: AnyGrid, workspace: WorkspacePaths, overrides: list[str], shown: int | None = None) -> Sweep:
    """Resolve every trial. Raises ConfigError: a trial that cannot be, or more of them than `sweep.max_total_runs`.

    shown: for a plan that shows so many of them. Of more than PLANNED no others are resolved then, and each key's first PLANNED values are
    checked alone.
    """
    refuse_shared([axis.key.lstrip("+") for axis in grid.varying], {axis.key.lstrip("+"): axis.words for axis in grid.varying})
    refuse_too_many([(axis.key, len(axis.words)) for axis in grid.varying], grid.base)
    varying = {axis.key for axis in grid.varying}
    base = resolve(grid.base, workspace)
    is_short = shown is not None and grid.count > PLANNED
    grid.check(PLANNED if is_short else grid.count)
    trials = []
    for number in range(shown if shown is not None and is_short else grid.count):
        composed = grid.at(number)
        own = [override for override, axis in zip(composed.overrides, grid.axes, strict=True) if axis.key in varying]
        values = {axis.path: searched_value(composed, axis.path) for axis in grid.varying}
        trials.append(Trial(number, resolve_beside(base, composed, workspace), own, values))
        if number >= KEPT:
            trials[-1].resolved = None

    def again(trial: Trial) -> Resolved:
        return resolve_beside(base, grid.at(trial.number), workspace)

    return Sweep(trials, workspace, overrides, resolve=again, count=grid.count if is_short else None)


def refuse_too_many(axes: Sequence[tuple[str, int]], base: Composed) -> None:
    """Raise ConfigError for a product of so many values of each key that it has more runs than `sweep.max_total_runs`."""
    limit, count = base.config["sweep"]["max_total_runs"], math.prod(size for _, size in axes)
    if limit is not None and count > limit:
        raise ConfigError(Mistake(
            f"this grid has {count} runs", ("allowed", f"{limit} (sweep.max_total_runs, {base.origin('sweep.max_total_runs')})"),
            ("axes", " x ".join(f"{key} ({size})" for key, size in axes)),
        ))


def searched_value(composed: Composed, key: str) -> Any:
    """The value of a setting, or the choice of a group; None for a key that an override has removed."""
    if key in composed.choices:
        return composed.choices[key]
    node: Any = composed.config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node
