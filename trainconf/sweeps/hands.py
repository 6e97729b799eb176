"""Who makes and carries out the trials that a controller asks for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from trainconf import launchers
from trainconf.composition.plain.words import overrides_of
from trainconf.errors import ConfigError, LaunchError, NoRoomError, RunNotFoundError, StorageError, TrainconfError
from trainconf.history import events, liveness
from trainconf.history.find import given_to_the_last_agent
from trainconf.launchers.protocol import Pool, RunHandle
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT
from trainconf.resolve.resolver import Resolved
from trainconf.search.progress import Progress, Trial
from trainconf.submission.run_id import remove_run_dir
from trainconf.sweeps import journal
from trainconf.sweeps.trials import TrialMaker, compute_words, shared
from trainconf.sweeps.watching import LOOK_SECONDS, TrialWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

RETRY_SECONDS = 5.0  # until a target that did not answer, or took no more, is asked again
Resolve = Callable[[int, dict[str, "Any"], int], tuple[Resolved, list[str]]]  # number, values, repeat: what would run, and its overrides


class Hands(Protocol):
    """Makes the runs of trials and has them carried out."""

    def begin_to_feed(self, running: Iterable[Trial]) -> list[Trial]:
        """Trials will be added; those of `running` that nobody has any more. Raises StorageError where none can be added."""

    def entry(self, line: dict[str, Any]) -> journal.Entry:
        """The trial of an `ask` line: its overrides, and where its run will be."""

    def again(self, trial: Trial) -> RunPaths:
        """Where the run of a trial that runs once more will be."""

    def renew(self) -> None:
        """Further trials have the settings of `compute` that the journal has now. Raises StorageError."""

    def has(self, trial: Trial) -> bool:
        """Whether somebody carries a trial out, or did."""

    def start(self, trial: Trial) -> None:
        """Make the run's folder unless it is there, and hand the run over unless somebody has it.

        Raises StorageError, TrialError for a trial that cannot be carried out, NotNowError where its target takes none just now.
        """

    def cancel(self, trial: Trial, reason: str, *, force: bool) -> None:
        """Ask for the end of a trial's run, which then tells this reason. Raises LaunchError, StorageError."""

    def gives_again(self, trial: Trial) -> bool:
        """Of a trial that had not begun and whose agent is gone: whether `start` gives it to another one.

        Raises StorageError where that is for a further controller to do.
        """

    def can_hold(self) -> bool:
        """Whether trials that wait can be kept from beginning."""

    def hold(self, trials: Sequence[Trial], *, is_held: bool) -> None:
        """Keep trials from beginning, or let them begin. Raises LaunchError."""

    def close(self, state: str, reason: str) -> None:
        """No trial will follow, and none runs: the sweep has ended like this."""


class TrialError(Exception):
    """A trial that cannot be carried out; the search goes on without it."""


class NotNowError(Exception):
    """A trial whose target did not take it: it may take it later; `is_full`: it does when other jobs have ended."""

    def __init__(self, message: str, *, is_full: bool = False) -> None:
        super().__init__(message)
        self.is_full = is_full


class Feeding:
    """Makes a trial when it is asked for, and adds it to the sweep's pool.

    resolve: from a trial to what would run.
    """

    def __init__(self, home: RunPaths, workspace: WorkspacePaths, maker: TrialMaker, pool: Pool, resolve: Resolve) -> None:
        self._home = home
        self._workspace = workspace
        self._maker = maker
        self._pool = pool
        self._resolve = resolve
        self._resolved: dict[int, Resolved] = {}  # of trials that are asked for and not made yet
        self._handed_over = set(given_to_the_last_agent(home))

    def begin_to_feed(self, running: Iterable[Trial]) -> list[Trial]:
        """Nothing to do: it does from the beginning."""
        return []

    def entry(self, line: dict[str, Any]) -> journal.Entry:
        """The trial of an `ask` line. One that cannot be composed gets its number too: `start` tells why it fails."""
        number, experiment = line["number"], os.path.basename(os.path.dirname(self._home.run_dir))
        try:
            self._resolved[number], overrides = self._resolve(number, line["values"], line["repeat"])
            experiment = self._resolved[number].experiment_name
        except ConfigError:
            overrides = overrides_of(line["values"])
        paths = self._workspace.run(experiment, f"{self._home.run_id}_{number}")
        journal.refuse_another(self._home, paths, overrides)
        return journal.Entry(number, line["values"], overrides, paths, line["point"], line["repeat"])

    def again(self, trial: Trial) -> RunPaths:
        """The folder of a trial's next run: `<sweep>_<number>.<attempt>`."""
        from trainconf.submission.replay import from_run

        before = journal.paths_of(self._home, trial.run)
        with suppress(RunNotFoundError):  # somebody has removed its folder: `start` makes it of what all trials share, and its values
            words = compute_words(journal.compute_settings(self._home), before)
            self._resolved[trial.number], _ = from_run(before, words, self._workspace, SILENT)
        return RunPaths(os.path.join(os.path.dirname(before.run_dir), f"{self._home.run_id}_{trial.number}.{trial.attempt + 1}"))

    def renew(self) -> None:
        """Make further trials by what the sweep's trials share, as that was recorded, with the settings of `compute` of now."""
        try:
            self._resolve = shared(self._home, self._workspace, self._maker).resolved
        except TrainconfError as error:
            raise StorageError(error.mistakes) from error

    def has(self, trial: Trial) -> bool:
        """Whether somebody has its run, or had it."""
        paths = journal.paths_of(self._home, trial.run)
        return events.exists(paths) and self._has_been_taken(paths)

    def start(self, trial: Trial) -> None:
        """Make the run and hand it over, as far as neither is done."""
        paths = journal.paths_of(self._home, trial.run)
        if self.has(trial):
            self._pool.adopt(paths)
            return
        try:
            resolved = self._resolved.pop(trial.number, None)
            if resolved is None:
                resolved, _ = self._resolve(trial.number, trial.values, trial.repeat)
            if os.path.isdir(paths.run_dir):  # nobody has it: made anew, so that its plan is this machine's
                remove_run_dir(paths)
            resolved = self._maker.prepare(resolved)
            _, plan = self._maker.make(resolved, paths.run_id, self._home.run_id, self._pool.trial_lock)
            self._pool.add([plan])
        except StorageError:
            raise  # the disk is full: no other trial would fare better
        except NoRoomError as error:
            raise NotNowError(_in_one_line(error), is_full=True) from error
        except LaunchError as error:
            raise NotNowError(_in_one_line(error)) from error
        except TrainconfError as error:
            raise TrialError(_in_one_line(error)) from error

    def _has_been_taken(self, paths: RunPaths) -> bool:
        latest = events.last(paths)
        if paths.run_dir in self._handed_over or latest is None or events.has_begun(latest) or latest.get("waiting_for") == "scheduler":
            return True
        return bool(liveness.scheduler_of(paths)) and launchers.of_run(paths).has_job(paths)

    def cancel(self, trial: Trial, reason: str, *, force: bool) -> None:
        """Ask for the end of a trial's run."""
        cancel(journal.paths_of(self._home, trial.run), reason, force=force)

    def gives_again(self, trial: Trial) -> bool:
        """As its pool says."""
        paths = journal.paths_of(self._home, trial.run)
        self._handed_over.discard(paths.run_dir)
        return self._pool.takes_back(paths)

    def can_hold(self) -> bool:
        """Whether trials that wait can be kept from beginning."""
        return can_hold(self._home)

    def hold(self, trials: Sequence[Trial], *, is_held: bool) -> None:
        """Keep trials from beginning, or let them begin."""
        hold(self._home, trials, is_held=is_held)

    def close(self, state: str, reason: str) -> None:
        """The sweep has ended."""
        self._maker.close()
        self._pool.close(state, reason)


class Watching:
    """Trials that were all handed over before: they are only watched, and cancelled, until somebody asks for more.

    feed: what makes further trials from then on; raises UserError kinds, BuildError.
    """

    def __init__(self, home: RunPaths, feed: Callable[[], Feeding]) -> None:
        self._home = home
        self._feed = feed
        self._feeding: Feeding | None = None

    @property
    def is_feeding(self) -> bool:
        """Whether somebody has asked for more: the sweep's agent stays until `close` then."""
        return self._feeding is not None

    def begin_to_feed(self, running: Iterable[Trial]) -> list[Trial]:
        """Trials will be added. The agent that had them all may have just gone."""
        if self._feeding is not None:
            return []
        try:
            self._feeding = self._feed()
        except TrainconfError as error:
            raise StorageError(error.mistakes) from error
        return [trial for trial in running if not self.has(trial)]

    def entry(self, line: dict[str, Any]) -> journal.Entry:
        """A further trial."""
        assert self._feeding is not None
        return self._feeding.entry(line)

    def again(self, trial: Trial) -> RunPaths:
        """The folder of a trial's next run."""
        assert self._feeding is not None
        return self._feeding.again(trial)

    def renew(self) -> None:
        """Those that were handed over stay as they are."""
        if self._feeding is not None:
            self._feeding.renew()

    def has(self, trial: Trial) -> bool:
        """Whether somebody has its run, or had it: of those that were all handed over always."""
        return self._feeding is None or self._feeding.has(trial)

    def start(self, trial: Trial) -> None:
        """Whoever has the sweep starts those that were handed over."""
        if self._feeding is not None:
            self._feeding.start(trial)

    def cancel(self, trial: Trial, reason: str, *, force: bool) -> None:
        """Ask for the end of a trial's run."""
        cancel(journal.paths_of(self._home, trial.run), reason, force=force)

    def gives_again(self, trial: Trial) -> bool:
        """Not where each is a job of its own; where one agent had all, another controller starts another one."""
        if self._feeding is not None:
            return self._feeding.gives_again(trial)
        paths = journal.paths_of(self._home, trial.run)
        if liveness.lock_of(paths) == paths.lock:
            return False
        raise StorageError("the agent that had the sweep's trials is gone", ("sweep", self._home.run_id))

    def can_hold(self) -> bool:
        """Whether trials that wait can be kept from beginning."""
        return can_hold(self._home)

    def hold(self, trials: Sequence[Trial], *, is_held: bool) -> None:
        """Keep trials from beginning, or let them begin."""
        hold(self._home, trials, is_held=is_held)

    def close(self, state: str, reason: str) -> None:
        """Whoever has the sweep records its end."""
        if self._feeding is not None:
            self._feeding.close(state, reason)


def cancel(paths: RunPaths, reason: str, *, force: bool) -> None:
    """Ask for the end of a run, unless it was never made. Its launcher finds the request. Raises LaunchError, StorageError."""
    if events.exists(paths):
        try:
            events.request_cancel(paths, force=force, reason=reason)
        except OSError as error:
            raise StorageError.from_os_error(error, "the cancellation cannot be recorded") from error
        launchers.of_run(paths).cancel(RunHandle(paths), force=force)


def can_hold(home: RunPaths) -> bool:
    """Whether trials of a sweep that wait can be kept from beginning. Raises ConfigError."""
    return launchers.of_run(home).can_hold(home)


def hold(home: RunPaths, trials: Iterable[Trial], *, is_held: bool) -> None:
    """Keep trials of a sweep from beginning, or let them begin. Raises ConfigError, LaunchError."""
    launchers.of_run(home).hold([journal.paths_of(home, trial.run) for trial in trials], is_held=is_held)


class Holding:
    """Keeps trials that wait in a scheduler's queue from beginning while their sweep is paused. The journal names them before."""

    def __init__(self, hands: Hands, progress: Progress, watches: Mapping[int, TrialWatch], untaken: Mapping[int, object]) -> None:
        """`untaken`: trials that were not handed over yet, by number."""
        self._untaken = untaken
        self._hands = hands
        self._progress = progress
        self._watches = watches
        self._done: set[int] = set()  # held by this controller: one before it may have been killed over it
        self._look_at = 0.0

    def step(self, write: Callable[..., None]) -> None:
        """Hold or release what is to be; later, where nobody answers."""
        progress, now = self._progress, time.monotonic()
        if not (progress.is_held or progress.held) or now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        numbers = self._waiting() - self._done if progress.is_held else set(progress.held)
        if not numbers or not self._hands.can_hold():
            return
        if progress.is_held and not numbers <= progress.held:
            write("hold", numbers=sorted(numbers))
        try:
            self._hands.hold([progress.trials[number] for number in sorted(numbers)], is_held=progress.is_held)
        except LaunchError:
            self._look_at = now + RETRY_SECONDS
            return
        if progress.is_held:
            self._done |= numbers
        else:
            self._done.clear()
            write("release", numbers=sorted(numbers))

    def _waiting(self) -> set[int]:
        return {number for number in self._progress.running if number not in self._untaken and self._watches[number].never_began}

    @property
    def has_all(self) -> bool:
        """Whether the sweep is paused and every trial that has not ended is held, or was not handed over."""
        is_held = self._progress.is_held
        return is_held and self._progress.running.keys() - self._untaken.keys() == self._done & self._waiting()


def _in_one_line(error: TrainconfError) -> str:
    mistake = error.mistakes[0]
    facts = [f"{label} {text.splitlines()[0]}" for label, text in mistake.facts if text]
    return "; ".join([mistake.what.splitlines()[0], *facts])
