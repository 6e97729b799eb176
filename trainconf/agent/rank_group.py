"""What carries out the ranks of a run: processes of this machine or of several nodes, MPI processes, or containers.

`RunSupervisor` decides what shall happen and when. A rank group makes it happen, never blocks, and tells as news what came of it.
"""

from __future__ import annotations

from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from trainconf.agent.outcome import Outcome, Usage
else:
    Protocol = object  # `typing` is 2 ms of every agent


class Started(Record):
    """Every rank runs."""

    ranks: Sequence[Mapping[str, Any]]  # what the event tells of each
    facts: Mapping[str, Any] = {}  # what it tells besides


class Ended(Record):
    """A rank has ended, or could not start."""

    outcome: Outcome  # as if nobody had asked for its end
    rank: int | None = None  # None: all that are left


class Noted(Record):
    """Something that a reader of the run's history should know while it goes on."""

    text: str


class Left(Noted):
    """Something that also whoever looks at the ended run should know."""


if TYPE_CHECKING:
    News = Started | Ended | Noted


class RankGroup(Protocol):
    """Carries out one attempt after the other. `usage` is what the present one consumed. `is_empty`: no rank is left to wait for."""

    usage: Usage

    @property
    def deadline(self) -> float | None:
        """When `news` must be asked for at the latest, by the monotonic clock, if nothing happens before."""

    @property
    def is_empty(self) -> bool: ...

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        """Begin to start every rank."""

    def news(self) -> Iterator[News]:
        """What has happened, in order, one by one: `is_empty` is as it was then.

        Whatever happens without our doing comes with a signal to this process.
        """

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        """Go on ending all that is left: gracefully, or with SIGKILL. Returns the seconds until the next call; None when nothing is left.

        The only proof of an exit code is kept until `is_recorded`: the code is on disk.
        """

    def has_leftovers(self) -> bool:
        """Whether something is still to be ended once every rank has."""

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        """A child process of the agent was reaped. As far as anybody can tell it is one of this group."""

    def has_process(self, pid: int) -> bool:
        """Whether a pid is that of a living rank."""

    def has_session(self, session: int) -> bool:
        """Whether a session is that of one of its ranks, ended ones included."""
