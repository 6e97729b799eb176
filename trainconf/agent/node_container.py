"""One node of a run in containers: its container, and the ranks in it.

Of a single rank, the container's end is the end. Several end one by one: the shell in the container writes a line for each, and this reads
them. The last of them is told with the container's own end, when is known what they used.
"""

from __future__ import annotations

import os

from trainconf.agent import container_outcome
from trainconf.agent.container import ContainerEnd
from trainconf.agent.outcome import Outcome
from trainconf.engine import job_shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.agent.container import Container
    from trainconf.paths import RunPaths


def end_apart(plan: Mapping[str, Any], ranks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these ranks of one container end apart from it: there are several, or mpirun stands between."""
    return len(ranks) > 1 or plan.get("mpi") is not None


class NodeContainer:
    """`ranks` are those of the plan that run in `container`, its own first; `living` those whose end has not been told."""

    def __init__(self, paths: RunPaths, plan: Mapping[str, Any], container: Container, ranks: Sequence[Mapping[str, Any]]) -> None:
        self.container = container
        self.numbers = [int(rank["rank"]) for rank in ranks]
        self.living = set(self.numbers)
        self.is_watched = False  # while its ranks run, of which some may end before the container does
        self._argv = ranks[0]["argv"]
        self._address: str = plan["engine"]["address"]
        self._is_alone = len(plan["ranks"]) == 1
        self._usage = paths.usage(self.numbers[0])
        self._ends = paths.ends(self.numbers[0]) if end_apart(plan, ranks) else None

    def take_usage(self) -> str:
        return _take_text(self._usage)

    def came_up(self) -> None:
        self.is_watched = self._ends is not None

    def ended_early(self, oom_kills: int) -> Iterator[tuple[int, Outcome]]:
        """Ranks that have ended since the last time, while the container runs on; never the last one."""
        assert self._ends is not None
        for rank, code, has_run in self._new_ends(_read_text(self._ends)):
            if len(self.living) == 1:
                return
            yield self._ended(rank, self._outcome(ContainerEnd(), code, has_run, oom_kills))

    def ended(self, end: ContainerEnd, oom_kills: int) -> Iterator[tuple[int, Outcome]]:
        """Every rank that is left, those whose end was written down first."""
        self.is_watched = False
        for rank, code, has_run in self._new_ends("" if self._ends is None else _take_text(self._ends)):
            yield self._ended(rank, self._outcome(end, code, has_run, oom_kills))
        left = sorted(self.living)
        for rank in left:
            found = container_outcome.of(end, self.container.body, self._argv, self._address, oom_kills)
            if self._ends is not None and end.usage:  # its shell lived, and knows of no end
                found = container_outcome.untold(end, self.container.body)
            yield self._ended(rank, found, left)

    def _new_ends(self, text: str) -> list[tuple[int, int, bool]]:
        return [end for end in job_shell.read_ends(text) if end[0] in self.living]

    def _outcome(self, end: ContainerEnd, code: int, has_run: bool, oom_kills: int) -> Outcome:
        """Of a rank whose code is known; `end` is what is known of its container besides."""
        own = ContainerEnd()
        own.code = code
        own.usage = f"{end.usage}\n{job_shell.CANNOT_START if not has_run else 'a line'}"
        own.was_stopped, own.engine_was_away = end.was_stopped, end.engine_was_away
        own.is_out_of_memory = end.is_out_of_memory and code != 0
        return container_outcome.of(own, self.container.body, self._argv, self._address, oom_kills)

    def _ended(self, rank: int, found: Outcome, together: Sequence[int] = ()) -> tuple[int, Outcome]:
        """Which of several failed `together` was the first, nobody knows."""
        self.living.discard(rank)
        found.rank = rank if found.state == "Failed" and len(together) < 2 else None
        if found.reason and not self._is_alone:
            who = f"rank {rank}" if len(together) < 2 else f"ranks {', '.join(map(str, together))}"
            found.reason = f"{who}: {found.reason}"
        return rank, found


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def _take_text(path: str) -> str:
    """The content of a file, which is removed; empty when there is none."""
    text = _read_text(path)
    try:
        os.unlink(path)
    except OSError:
        return text
    return text
