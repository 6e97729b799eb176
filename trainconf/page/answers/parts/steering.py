"""What a sweep is told from the page: no further trials, none for now, or that it goes on, with other limits too."""

from __future__ import annotations

from trainconf.control import runs
from trainconf.control.results import asking
from trainconf.control.results import sweep as results
from trainconf.control.results.whereabouts import was_begun_as
from trainconf.control.sweeps.standing import before_stop, refuse_pause_of_ended
from trainconf.errors import TrainconfError
from trainconf.page.answers.parts.config import composing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.paths import RunPaths, WorkspacePaths

ALONE = "it has no controller now"
SOURCE = "the page"


def pause(sweep: RunPaths) -> str:
    """No further trial for now; in words what became of it, as of the others."""
    refuse_pause_of_ended(sweep)
    if results.state(sweep) == "Paused":
        return "it is paused already"
    has_controller = asking.ask_for(sweep, "pause")
    held = ", and those that wait in the queue are held" if can_hold(sweep) else ""
    alone = "" if has_controller or not results.needs_controller(sweep) else f"; {ALONE}"
    return f"no further trial starts for now{held}{alone}"


def can_hold(sweep: RunPaths) -> bool:
    """Whether its trials that wait can be kept in a queue: not where it is not known what has them."""
    try:
        return asking.can_hold(sweep)
    except TrainconfError:
        return False


def stop(sweep: RunPaths) -> str:
    """No further trial."""
    ended, closed = before_stop(sweep)
    if ended:
        return ended
    words = f"no further trial starts{f', as before: {closed}' if closed else ''}; those that run go on to their end"
    return words if runs.stop_sweep(sweep) or not results.needs_controller(sweep) else f"{words}; {ALONE}"


def check(sweep: RunPaths, workspace: WorkspacePaths, verb: str, words: Sequence[str]) -> None:
    """Raise UserError, ConfigError for words, such as `sweep.max_total_runs=60`, that cannot change a sweep."""
    from trainconf.control.sweeps import going_on

    if words:
        with composing:
            going_on.check(sweep, workspace, verb, words, SOURCE)


def place(sweep: RunPaths) -> list[str]:
    """The option that says where it is controlled: where it was, or beside."""
    return [] if was_begun_as(sweep) == "job" or results.is_paused_grid(sweep) else ["--detach"]


def go_on(sweep: RunPaths, workspace: WorkspacePaths, verb: str, words: Sequence[str]) -> str:
    """It goes on, as `trainconf sweep resume` or `extend` has it. Raises UserError, ConfigError, StorageError, LaunchError."""
    from trainconf.control.sweeps import going_on

    with composing:
        return going_on.go_on(sweep, workspace, verb, words, SOURCE).words
