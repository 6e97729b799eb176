"""How a sweep stands, for verbs that may find nothing to do: none of them does nothing in silence."""

from __future__ import annotations

from contextlib import suppress

from trainconf.control.results.sweep import is_paused, is_plain, needs_controller, results, state
from trainconf.control.results.whereabouts import controller_now
from trainconf.errors import ConfigError, Mistake, UserError
from trainconf.fast.records import replace
from trainconf.fast.tuples import NamedTuple
from trainconf.files import is_locked
from trainconf.history import events
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.search.progress import OUT_OF_TIME, Progress
from trainconf.search.samplers import PointSource
from trainconf.sweeps import journal
from trainconf.sweeps.resuming import COMPUTE, POLICY, RETRIES, checked, search_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Standing(NamedTuple):
    """A sweep's state in a word, see `results.sweep.state`, and what its journal amounts to by its limits of now. most: of its space."""

    sweep: RunPaths
    state: str
    progress: Progress
    most: int | None

    @property
    def has_ended(self) -> bool:
        """Whether it is over, until somebody makes it go on."""
        return self.state in events.TERMINAL

    def is_whole(self) -> bool:
        """Whether each trial that may be has ended, and whoever compares them has heard of it."""
        has_heard = self.progress.ended is not None or not needs_controller(self.sweep)
        is_all = self.has_ended and has_heard and self.progress.has_all
        return is_all and results(self.sweep).count(*events.TERMINAL) >= len(self.progress.trials)

    def ended_already(self) -> str:
        """That it is over, in words; "" while it is not."""
        return f"{self.sweep.run_id} had already ended: {self.state}" if self.has_ended else ""


def standing(sweep: RunPaths) -> Standing:
    """How a search stands. Raises UserError for a plain grid, and for a damaged record; StorageError for a damaged journal."""
    record = read_mapping(sweep.sweep)
    search = search_of(sweep, record)
    found = Progress(PointSource(None, []), search.limits(int(record.get("max_concurrent_runs") or 1)), search.goal)
    for line in journal.lines_of(sweep):
        with suppress(LookupError, TypeError, ValueError):  # whoever takes the sweep over says what makes no sense
            found.take(line)
    if search.most is not None and found.limits.max_total_runs > search.most:
        found.limits = replace(found.limits, max_total_runs=search.most)
    return Standing(sweep, state(sweep), found, search.most)


def before_stop(sweep: RunPaths) -> tuple[str, str]:
    """That a sweep is over, and why it starts no trial any more already, in words; "" where it does. Raises UserError, StorageError."""
    if not is_plain(read_mapping(sweep.sweep)):
        found = standing(sweep)
        return found.ended_already(), found.progress.closed
    now = state(sweep)
    return f"{sweep.run_id} had already ended: {now}" if now in events.TERMINAL else "", ""


def refuse_pause_of_ended(sweep: RunPaths) -> None:
    """Raise UserError where nothing can be paused, for the sweep has ended; StorageError for a damaged journal."""
    journal.lines_of(sweep)
    now = state(sweep)
    if now in events.TERMINAL and not is_paused(sweep):
        more = f"`trainconf sweep extend {sweep.run_id} sweep.max_total_runs=NUMBER` goes on with more trials"
        hint = "" if is_plain(read_mapping(sweep.sweep)) else more
        raise UserError(f"{sweep.run_id} has ended: {now}; there is nothing to pause", hint=hint)


def nothing_to_resume(sweep: RunPaths, changes: Mapping[str, Any], workspace: WorkspacePaths) -> str:
    """Why a resume with these changes does nothing, in words; "" where it does something. Raises UserError, ConfigError."""
    now = standing(sweep)
    same = unchanged(now, changes, workspace) if changes else ""
    if journal.has_requests(sweep):
        return ""
    why = "" if changes and not same else _why_nothing_goes_on(now)
    if not why:
        limit, hint = _limit_reached(now, checked(changes, search_of(sweep, read_mapping(sweep.sweep)), sweep, workspace))
        why = limit and f"{limit}; {hint}"
    return f"{same}, and {why}" if same and why else why


def _why_nothing_goes_on(now: Standing) -> str:
    sweep = now.sweep
    if now.is_whole():
        count = len(now.progress.trials)
        return (
            f"all {count} trials of {sweep.run_id} have ended; `trainconf sweep extend {sweep.run_id} sweep.max_total_runs={2 * count}` "
            f"adds trials, `trainconf sweep retry {sweep.run_id}` runs those again that failed"
        )
    controller = controller_now(sweep)
    if now.state == "Running" and controller.is_here and not now.progress.closed and not now.progress.is_paused:
        return f"{sweep.run_id} goes on already: {controller.words(sweep)}"
    return ""


def _limit_reached(now: Standing, changes: Mapping[str, Any]) -> tuple[str, str]:
    """The limit by which a sweep that has ended starts no trial, with these changes, in words, and what takes it away; "" without one."""
    progress, why, setting = now.progress, "", "max_duration_minutes"
    if not now.has_ended or progress.running or POLICY in changes:
        return "", ""
    if progress.closed == OUT_OF_TIME and setting not in changes:
        why = OUT_OF_TIME
    else:
        progress.take({"deed": "resume"})
        progress.take({"deed": "budget", **changes})
        why, setting = progress.closed, "max_failed_runs" if progress.failure else "target"
    return why and f"{now.sweep.run_id} starts no further trial: {why}", f"sweep.{setting}=null takes that limit away"


def unchanged(now: Standing, changes: Mapping[str, Any], workspace: WorkspacePaths) -> str:
    """The settings that are already as all of these changes want them; "" where one changes something. Raises ConfigError."""
    found = checked(changes, search_of(now.sweep, read_mapping(now.sweep.sweep)), now.sweep, workspace)
    as_it_is = {**vars(now.progress.limits), COMPUTE: journal.compute_settings(now.sweep)}
    if COMPUTE in found:
        found = {**found, COMPUTE: {**as_it_is[COMPUTE], **found[COMPUTE]}}
    if POLICY in found or any(as_it_is.get(name) != value for name, value in found.items()):
        return ""
    return ", ".join(f"{key} is {value if value is not None else 'null'} already" for key, value in changes.items())


def check_extension(sweep: RunPaths, changes: Mapping[str, Any], workspace: WorkspacePaths) -> None:
    """Raise ConfigError for limits that do not extend a sweep; UserError for a plain grid."""
    now = standing(sweep)
    wanted, total = changes.get("sweep.max_total_runs"), now.progress.limits.max_total_runs
    name, try_this = f"sweep.max_total_runs={wanted}", f"trainconf sweep extend {sweep.run_id} sweep.max_total_runs={2 * total}"
    if wanted == total and not now.is_whole() and not is_locked(sweep.controller_lock):
        return  # whoever was asked for it before was killed over it
    if type(wanted) is int and 0 < wanted <= total:
        raise ConfigError(Mistake(f"{name} does not extend {sweep.run_id}: its total is {total} already", ("allowed", f"integer > {total}"),
                                  hint=try_this))
    if type(wanted) is int and total == now.most:
        raise ConfigError(Mistake(f"{name} cannot extend {sweep.run_id}: its space gives {total} trials, and its total is {total} already",
                                  ("allowed", "no further trial"), hint="start another sweep with a larger space"))
    same = unchanged(now, changes, workspace)
    if same:
        raise ConfigError(Mistake(f"nothing of {sweep.run_id} is extended: {same}", hint="" if total == now.most else try_this))
    limit, hint = _limit_reached(now, checked(changes, search_of(sweep, read_mapping(sweep.sweep)), sweep, workspace))
    if limit:
        raise ConfigError(Mistake(f"nothing is extended: {limit}", hint=hint))


def nothing_to_retry(sweep: RunPaths, retry: str, changes: Mapping[str, Any]) -> str:
    """Why no trial runs again, in words; "" where one does, or somebody else controls the sweep. Raises UserError, StorageError."""
    now = standing(sweep)
    if is_locked(sweep.controller_lock) or not now.has_ended:
        return ""
    if now.progress.closed == OUT_OF_TIME and not {"max_duration_minutes", "sweep.max_duration_minutes"} & changes.keys():
        return f"no trial of {sweep.run_id} runs again: {OUT_OF_TIME}; sweep.max_duration_minutes=null takes that limit away"
    if changes:
        return ""
    trials = results(sweep).trials
    if not all(trial.has_ended for trial in trials):
        return ""  # whoever was asked for it before was killed over it
    states = {"Lost" if trial.status == "NotResponding" else trial.status for trial in trials if trial.stop is None}
    if not states.isdisjoint(RETRIES[retry]):
        return ""
    counts: dict[str, int] = {}
    for trial in trials:
        status = "stopped by the policy" if trial.stop is not None and trial.status == "Canceled" else trial.status.lower()
        counts[status] = counts.get(status, 0) + 1
    there_are = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no trials at all"
    wanted = " or ".join(state.lower() for state in RETRIES[retry])
    other = next((name for name, those in RETRIES.items() if not states.isdisjoint(those)), "")
    hint = f"; --only {other} runs others again" if other else ""
    return f"no trial of {sweep.run_id} is {wanted}, so none runs again: there are {there_are}{hint}"
