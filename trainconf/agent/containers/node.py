"""The ranks in the container of one node: which of them have ended, and how.

A single rank ends with its container. Several ranks end one by one: the shell in the container writes a line for each, which is read here.
The end of the last one comes with that of the container, when it is known what they used.
"""

from __future__ import annotations

import os
from contextlib import suppress

from trainconf import files
from trainconf.agent.containers import outcome
from trainconf.agent.containers.container import ContainerEnd
from trainconf.agent.outcome import Outcome
from trainconf.engine import job_shell
from trainconf.fast.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainconf.agent.plan import Plan, RankPlan
    from trainconf.paths import RunPaths

READ_BYTES = 1 << 22  # of what their shell has left; a line for each of 100,000 ranks is half of that


def end_apart(plan: Plan, ranks: Sequence[RankPlan]) -> bool:
    """Whether these ranks of one container end apart from it: there are several, or mpirun stands between."""
    return len(ranks) > 1 or plan.mpi is not None


class NodeRanks:
    """`ranks` are those of the plan on one node; `living` the numbers of those whose end has not been told."""

    def __init__(self, paths: RunPaths, plan: Plan, ranks: Sequence[RankPlan], address: str) -> None:
        self.numbers = [rank.rank for rank in ranks]
        self.living = set(self.numbers)
        self.is_watched = False  # while they run, and some may end before the container does
        self._argv = ranks[0].argv
        self._body = ranks[0].container or {}
        self._address = address
        self._is_alone = len(plan.ranks) == 1
        self._kept = [*(paths.log(number) for number in self.numbers), paths.metrics, paths.records]
        self._usage, self._all_ends = paths.usage(self.numbers[0]), paths.ends(self.numbers[0])
        self._ends = self._all_ends if end_apart(plan, ranks) else None

    def make_files(self) -> None:
        """Make the files that their container writes. Of an earlier attempt only logs and metrics are kept. Raises OSError."""
        self.clear()
        for path in (*self._kept, self._usage, self._all_ends):
            os.close(files.open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))

    def usage(self) -> str:
        """What their shell has left; empty when it could not."""
        return _read_text(self._usage)

    def clear(self) -> None:
        """Remove what their shell has left."""
        for path in (self._usage, self._all_ends):
            with suppress(OSError):
                os.unlink(path)

    def came_up(self) -> None:
        self.is_watched = self._ends is not None

    def ended_early(self, oom_kills: int) -> Iterator[tuple[int, Outcome]]:
        """Ranks that have ended since the last time, while the container runs on; never the last one."""
        for rank, code, has_run in self._new_ends():
            if len(self.living) == 1:
                return
            yield self._ended(rank, self._outcome(ContainerEnd(None), code, has_run, oom_kills))

    def ended(self, end: ContainerEnd, oom_kills: int) -> Iterator[tuple[int, Outcome]]:
        """Every rank that is left, those whose end was written down first."""
        self.is_watched = False
        for rank, code, has_run in self._new_ends():
            yield self._ended(rank, self._outcome(end, code, has_run, oom_kills))
        left = sorted(self.living)
        for rank in left:
            if self._ends is not None and end.usage:  # their shell lived, and knows of no end
                found = outcome.untold(end, self._body)
            else:
                found = outcome.of(end, self._body, self._argv, self._address, oom_kills)
            yield self._ended(rank, found, left)

    def _new_ends(self) -> list[tuple[int, int, bool]]:
        text = "" if self._ends is None else _read_text(self._ends)
        return [end for end in job_shell.read_ends(text) if end[0] in self.living]

    def _outcome(self, end: ContainerEnd, code: int, has_run: bool, oom_kills: int) -> Outcome:
        """Of a rank whose code is known; `end` is what is known of its container besides."""
        own = ContainerEnd(
            code, was_stopped=end.was_stopped, engine_was_away=end.engine_was_away, is_out_of_memory=end.is_out_of_memory and code != 0,
            usage=f"{end.usage}\n{'its end was told' if has_run else job_shell.CANNOT_START}",
        )  # fmt: skip
        return outcome.of(own, self._body, self._argv, self._address, oom_kills)

    def _ended(self, rank: int, found: Outcome, together: Sequence[int] = ()) -> tuple[int, Outcome]:
        """Which of several that failed `together` was the first, nobody knows."""
        self.living.discard(rank)
        is_first = len(together) < 2
        reason = found.reason
        if reason and not self._is_alone:
            reason = f"rank {rank}: {reason}" if is_first else f"ranks {', '.join(map(str, together))}: {reason}"
        return rank, replace(found, rank=rank if found.state == "Failed" and is_first else None, reason=reason)


def _read_text(path: str) -> str:
    """At most READ_BYTES of it: the job could write there, too."""
    try:
        fd = files.open_regular(path)
    except OSError:
        return ""
    try:
        return os.pread(fd, READ_BYTES, 0).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
