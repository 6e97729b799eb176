"""What the end of a run shows besides its state: the last output of a failed rank, and files that were left in the working directory."""

from __future__ import annotations

from trainconf.cli.screen.printer import one_line, printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

LAST_LINES = 10


def tell_leftovers(paths: RunPaths, event: dict[str, Any]) -> None:
    """Show the last output of the rank that failed, and name the files that the script left in its working directory."""
    if event.get("rank"):
        from trainconf.cli.screen.ranks import tell_failed_rank

        tell_failed_rank(paths, event)
    if left := files_left(event):
        printer.info(f"note: {left}")


def tell_why(paths: RunPaths, state: State, *, has_shown: bool) -> None:
    """Of a run that failed: the last lines of rank 0, unless its output was shown, and where all of it is."""
    from trainconf.cli.screen.failures import Failures, more

    if state.status in ("Failed", "NotResponding") and not state.event.get("rank"):
        lines = Failures(LAST_LINES).lines(paths, state.event)
        printer.info(more(paths, state.event) if has_shown else "\n".join(f"  {line}" for line in lines))


def files_left(event: dict[str, Any]) -> str:
    """Such as: 13 files were left in code/ beside outputs/: lightning_logs/, model.pt; empty when there is nothing to tell."""
    left = event.get("left_in_code")
    if not isinstance(left, dict) or not isinstance(left.get("count"), int) or not isinstance(left.get("names"), list):
        return ""
    count = f"{'at least ' if left.get('is_cut') else ''}{left['count']} file{' was' if left['count'] == 1 else 's were'}"
    names = ", ".join(one_line(str(name)) + (" (no folder any more)" if name in ("outputs", "logs") else "") for name in left["names"])
    return f"{count} left in code/ beside outputs/: {names}" + (f" and {left['more']} more" if left.get("more") else "")
