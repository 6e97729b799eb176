"""What can be done with a run or a sweep that exists: find it, wait for it, cancel it. Both are a folder, and answer alike."""

from __future__ import annotations

import os
import time

from trainconf import files, launchers
from trainconf.errors import LaunchError, Mistake, RunNotFoundError, UserError
from trainconf.fast.records import Record
from trainconf.history import events, follow
from trainconf.history import find as finding
from trainconf.history.record import read_mapping
from trainconf.launchers import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths, WorkspacePaths

TIMED_OUT = 124
MAKING_SECONDS, LOOK_SECONDS = 60.0, 0.05


class Waited(Record):
    """A run or sweep that was waited for. `exit_code` is 124 when the time was up first. `failed` are the trials that did not complete."""

    paths: RunPaths
    state: State
    exit_code: int
    failed: Sequence[tuple[RunPaths, State]] = ()


def find(workspace: WorkspacePaths, text: str) -> RunPaths:
    """The run or sweep that a text stands for; `is_sweep` says which it is. Every verb that takes a RUN or SWEEP asks here.

        digits-20261123-0532-x7k2    the id of a run or of a sweep, or its unique beginning
        SWEEP:7                      trial 7 of a sweep, as it ran last; SWEEP is an id, its beginning, a folder, or `last`
        SWEEP:best                   the best trial of a sweep so far
        best                         the same of the newest sweep
        last                         what was submitted last: a run, or a sweep; before a colon the newest sweep
        runs/digits/digits-2026...   the folder of a run or of a sweep

    Raises RunNotFoundError, naming what there is instead.
    """
    home, colon, which = ("last", ":", "best") if text == "best" else text.rpartition(":")
    if not colon or (os.sep in text and os.path.exists(text)):
        return finding.find(workspace, text)
    return _trial(find_sweep(workspace, home), which)


def find_all(workspace: WorkspacePaths, texts: Sequence[str]) -> list[RunPaths]:
    """What each text stands for, in their order, each once. Raises RunNotFoundError with all mistakes."""
    found: dict[str, RunPaths] = {}
    mistakes: list[Mistake] = []
    for text in texts:
        try:
            paths = find(workspace, text)
            found.setdefault(paths.run_dir, paths)
        except RunNotFoundError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise RunNotFoundError(mistakes)
    return list(found.values())


def find_run(workspace: WorkspacePaths, text: str) -> RunPaths:
    """As `find`, for what can be done with a single run alone. Raises RunNotFoundError for a sweep, saying how its trials are named."""
    found = find(workspace, text)
    if is_sweep(found):
        hint = f"{text}:best is its best trial, {text}:0 the first"
        raise RunNotFoundError(f"{text} is a sweep, and this takes one run", ("sweep", found.run_dir), hint=hint)
    return found


def find_run_or_best(workspace: WorkspacePaths, text: str) -> RunPaths:
    """As `find_run`; a sweep stands for its best trial. Raises RunNotFoundError, also for a sweep without one."""
    found = find(workspace, text)
    return _trial(found, "best") if is_sweep(found) else found


def find_sweep(workspace: WorkspacePaths, text: str) -> RunPaths:
    """The sweep that a text stands for: as `find`, but `last` is the newest sweep, also when a run came later. Raises RunNotFoundError."""
    from trainconf.control.results.sweep import ls

    found = next(iter(ls(workspace)), None) if text == finding.LAST else find(workspace, text)
    if found is None:
        raise RunNotFoundError("this workspace has no sweep yet", ("workspace", workspace.root), hint="`trainconf -m key=a,b` makes one")
    if not is_sweep(found):
        parent = read_mapping(found.record).get("parent")
        hint = f"it is a trial of {parent}" if isinstance(parent, str) else "`trainconf sweep ls` lists the sweeps"
        raise RunNotFoundError(f"{text} is a run, not a sweep", ("from", found.run_dir), hint=hint)
    return found


def runs_of(paths: RunPaths) -> list[RunPaths]:
    """The runs that a run or sweep consists of: the run itself, or the sweep's trials in order, without those that have no run yet."""
    if not is_sweep(paths):
        return [paths]
    from trainconf.sweeps import journal

    return [entry.paths for entry in journal.read(paths) if events.exists(entry.paths)]


def is_sweep(paths: RunPaths) -> bool:
    """Whether a folder is a sweep's."""
    return paths.is_sweep


def _trial(sweep: RunPaths, which: str) -> RunPaths:
    """The trial of a sweep with this number, or its best. Raises RunNotFoundError."""
    from trainconf.sweeps import journal

    name = sweep.run_id
    if which == "best":
        from trainconf.control.results.damage import refuse_damaged
        from trainconf.control.results.sweep import results
        from trainconf.control.words.sweeps import without_a_best

        found = results(sweep)
        if found.best is None:
            refuse_damaged(sweep)
            hint = f"`trainconf show {name}` lists its trials" if found.metric else "metric.name=NAME says by which they are"
            raise RunNotFoundError(without_a_best(found), ("sweep", sweep.run_dir), hint=hint)
        which = str(found.best.number)
    trials = {str(entry.number): entry.paths for entry in journal.read(sweep)}
    if which not in trials:
        there = f"0 to {len(trials) - 1}" if len(trials) > 1 else "0" if trials else "none yet"
        raise RunNotFoundError(f"{name} has no trial {which}", ("trials", there), ("allowed", f"{name}:NUMBER, {name}:best"))
    if not events.exists(trials[which]):
        hint = f"`trainconf show {name}` lists its trials"
        raise RunNotFoundError(f"trial {which} of {name} has no run yet", ("sweep", sweep.run_dir), hint=hint)
    return trials[which]


def state(paths: RunPaths) -> State:
    """The state now. A scheduler is asked where the files leave it open."""
    return states.state_of(paths)


def wait(
    runs: Sequence[RunPaths], timeout_s: float | None = None, tell: Callable[[RunPaths, State], object] | None = None
) -> Iterator[Waited]:
    """Wait for each in turn. All together get `timeout_s` seconds. `tell`: called once for each silence of a scheduler that is asked."""
    until = None if timeout_s is None else time.monotonic() + timeout_s
    poller, told = states.StatePoller(), set[str]()
    for paths in runs:
        look = look_of_a_wait(paths, poller)
        found = follow.wait(paths, until, look if tell is None else _telling(look, tell, told))
        if not follow.has_ended(found):
            yield Waited(paths, found, TIMED_OUT)
        elif not is_sweep(paths):
            yield Waited(paths, found, follow.exit_code(found))
        else:
            yield _waited_sweep(paths, found)


def _telling(look: Callable[[RunPaths], State], tell: Callable[[RunPaths, State], object], told: set[str]) -> Callable[[RunPaths], State]:
    """`look`, which also tells that a scheduler does not answer, unless that was `told`."""

    def look_and_tell(paths: RunPaths) -> State:
        state = look(paths)
        if state.is_unanswered and state.reason not in told:
            told.add(state.reason)
            tell(paths, state)
        return state

    return look_and_tell


def look_of_a_wait(paths: RunPaths, look: Callable[[RunPaths], State]) -> Callable[[RunPaths], State]:
    """How whoever waits for a run looks at it; a sweep goes on while it has a controller."""
    if not is_sweep(paths):
        return look
    from trainconf.control.results.whereabouts import SweepLook

    return SweepLook(look)


def _waited_sweep(sweep: RunPaths, found: State) -> Waited:
    """A sweep that has ended, its trials that did not complete, and the exit code. A policy's stop is no failure."""
    from trainconf.control.results.sweep import results

    ended = results(sweep)
    code = ended.exit_code if found.status == "Completed" or ended.failure else follow.exit_code(found)
    stopped = {trial.row.get("run_id") for trial in ended.trials if trial.stop is not None and trial.status == "Canceled"}
    trials = [paths for paths in runs_of(sweep) if paths.run_id not in stopped]
    failed = [(trial, state) for trial, state in zip(trials, states.states_of(trials), strict=True) if state.status != "Completed"]
    return Waited(sweep, found, code, failed)


def is_over(paths: RunPaths, state: State) -> bool:
    """Whether there is nothing to cancel: it has ended, and nobody makes a sweep go on."""
    from trainconf.control.results.sweep import state as state_of_sweep

    return state.is_final and not (is_sweep(paths) and state_of_sweep(paths) in ("Running", "Starting", "Paused"))


def cancel(paths: RunPaths, *, force: bool = False) -> None:
    """Ask for its end: SIGTERM, and SIGKILL after its grace time, or at once with `force`. A run that has ended stays as it is.

    What is left of a run without an agent is ended here. Raises LaunchError when its scheduler or engine cannot be reached, StorageError.
    """
    from trainconf.launchers.protocol import RunHandle

    if read_mapping(paths.record).get("type") in ("interactive", "child") and not os.path.exists(paths.plan):
        from trainconf.control.interactive.cancel import cancel as ask

        ask(paths, force=force)
        return
    if is_sweep(paths):
        from trainconf.control.results.asking import end_paused

        if (now := state(paths)).is_final and not is_over(paths, now):
            events.request_cancel(paths, force=force, goes_on=True)
        end_paused(paths)
    if read_mapping(paths.sweep).get("has_controller"):
        events.request_cancel(paths, force=force)  # for its controller; each trial is asked as well, for there may be none
        for trial in finding.trials_of(paths):
            launchers.of_run(trial).cancel(RunHandle(trial), force=force)
        _end_controllers_job(paths)
        if not files.is_locked(paths.lock):
            _record_canceled(paths)
        return
    launchers.of_run(paths).cancel(RunHandle(paths), force=force)
    _end_controllers_job(paths)


def removed(workspace: WorkspacePaths, text: str) -> str:
    """The id of the run or sweep that goes on on this machine while somebody has removed its folder; "" where none does.

    text: the id, or its unique beginning.
    """
    from trainconf.launchers.machine.agent_process import without_folder

    living = without_folder(workspace.runs)
    named = [text] if text in living else [run_id for run_id in living if text and run_id.startswith(text)]
    return named[0] if len(named) == 1 else ""


def cancel_removed(workspace: WorkspacePaths, run_id: str, *, force: bool = False) -> None:
    """Ask for the end of what `removed` has found. Raises LaunchError where it is another user's."""
    from trainconf.fast.stdlib import signal
    from trainconf.launchers.machine.agent_process import send, without_folder

    try:
        for who in without_folder(workspace.runs).get(run_id, []):
            send(who, signal.SIGQUIT if force else signal.SIGTERM, signal.SIGCONT)
    except PermissionError as error:
        raise LaunchError("the run's agent belongs to another user", ("run", run_id)) from error


def stop_sweep(sweep: RunPaths) -> bool:
    """Start no further trial of a sweep; those that run go on to their end. Whether it has a controller, which sees to it.

    Without one, trials that were handed over and wait are taken back here. Raises UserError, LaunchError, StorageError.
    """
    from trainconf.control.results.asking import ask_for
    from trainconf.control.results.sweep import is_plain
    from trainconf.search.progress import STOPPED
    from trainconf.sweeps import hands

    if is_plain(read_mapping(sweep.sweep)):
        has_controller = False
        _until_made(sweep)
    else:
        has_controller = ask_for(sweep, "close", reason=STOPPED)
    for trial in [] if has_controller else finding.trials_of(sweep):
        if events.waits(trial):
            hands.cancel(trial, "its sweep was stopped: by `sweep stop`", force=False)
    return has_controller


def _until_made(sweep: RunPaths) -> None:
    """Wait for whoever makes the trials of a plain grid. Raises UserError when that takes MAKING_SECONDS."""
    from trainconf.sweeps import journal

    give_up_at = time.monotonic() + MAKING_SECONDS
    while files.is_locked(sweep.lock) and not all(events.exists(entry.paths) for entry in journal.read(sweep)):
        if time.monotonic() > give_up_at:
            raise UserError(f"the trials of {sweep.run_id} are still being made", ("sweep", sweep.run_dir), hint="try again a little later")
        time.sleep(LOOK_SECONDS)


def _end_controllers_job(sweep: RunPaths) -> None:
    """Take a controller's job that has not begun out of the queue; one that is here ends by itself when its trials have."""
    if os.path.exists(sweep.controller_job) and not files.is_locked(sweep.controller_lock):
        from trainconf.sweeps import places

        places.end_job(sweep)


def _record_canceled(sweep: RunPaths) -> None:
    """Record the end of a sweep that no process has."""
    latest = events.last(sweep)
    if latest is None or latest["state"] not in events.TERMINAL:
        events.append(sweep, "Canceled", exit_code=None, reason=events.why_canceled(sweep))
