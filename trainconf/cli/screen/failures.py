"""Why runs failed: the last lines of each, and the command that shows more."""

from __future__ import annotations

from trainconf.cli.screen.printer import one_line
from trainconf.history import ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths


class Failures:
    """Tells why each of several runs failed. Of those that ended alike, only the first one's lines are shown."""

    def __init__(self, line_count: int) -> None:
        self._line_count = line_count
        self._first: dict[tuple[str, ...], str] = {}  # whose last lines these were

    def lines(self, paths: RunPaths, event: dict[str, Any]) -> list[str]:
        """What comes below the line that says that the run failed. `event` is its last one."""
        number = ranks.failed(event) or 0
        try:
            words = [text(line) for line in ranks.last_lines(paths.log(number), self._line_count)]
        except OSError:
            words = []
        without_id = tuple(word.replace(paths.run_id, "") for word in words)
        first = self._first.setdefault(without_id, paths.run_id)
        if words and first != paths.run_id:
            words = [f"(the same last lines as {first})"]
        return [*(words or ["(it has written nothing)"]), more(paths, event)]


def more(paths: RunPaths, event: dict[str, Any]) -> str:
    """The command that shows all that the failed rank wrote; of a run that no rank ended its agent's log."""
    number = ranks.failed(event)
    which = " --agent" if number is None else f" --rank {number}" if number else ""
    return f"more: trainconf logs {paths.run_id}{which}"


def text(line: bytes) -> str:
    """A line of a log as it may stand in a text of ours: nothing in it steers a terminal."""
    return one_line(line.decode("utf-8", "backslashreplace").expandtabs())
