"""The one line on files that a script has left in its working directory, where nobody looks for results."""

from __future__ import annotations

from trainconf.cli.screen.printer import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def told(event: dict[str, Any]) -> str:
    """Such as: 13 files were left in code/ beside outputs/: lightning_logs/, model.pt; empty when there is nothing to tell."""
    left = event.get("left_in_code")
    if not isinstance(left, dict) or not isinstance(left.get("count"), int) or not isinstance(left.get("names"), list):
        return ""
    count = f"{'at least ' if left.get('is_cut') else ''}{left['count']} file{' was' if left['count'] == 1 else 's were'}"
    names = ", ".join(one_line(str(name)) + (" (no folder any more)" if name in ("outputs", "logs") else "") for name in left["names"])
    return f"{count} left in code/ beside outputs/: {names}" + (f" and {left['more']} more" if left.get("more") else "")
