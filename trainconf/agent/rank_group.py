"""What a run is carried out by: its rank group. Processes (`ranks`), also of several nodes (`nodes`), or `containers`.

`RunSupervisor` decides what shall happen and when; a rank group makes it happen, never blocks, and tells what came of it as news.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from trainconf.agent.outcome import Outcome, Usage

else:
    Protocol = object  # `typing` is 2 ms of every agent


class Started:
    """Every rank runs. `ranks` is what the event tells of each, `facts` what it tells besides."""

    __slots__ = ("facts", "ranks")

    def __init__(self, ranks: list[dict[str, Any]], facts: Mapping[str, Any] | None = None) -> None:
        self.ranks = ranks
        self.facts = facts or {}


class Ended:
    """A rank has ended, or could not start. `outcome` is how, as if nobody had asked for its end; `rank` is None for all that are left."""

    __slots__ = ("outcome", "rank")

    def __init__(self, outcome: Outcome, rank: int | None = None) -> None:
        self.outcome = outcome
        self.rank = rank


class Noted:
    """Something a reader of the run's history should know while it goes on."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


if TYPE_CHECKING:
    News = Started | Ended | Noted


class RankGroup(Protocol):
    """One attempt after the other. `usage` is what the present one consumed; `is_empty` says that no rank is left to wait for."""

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
        """Go on ending all that is left: gracefully, or with SIGKILL. Seconds until it has to be asked again; None when nothing is left.

        What holds the only proof of an exit code is kept until `is_recorded`: that the code is on disk.
        """

    def has_leftovers(self) -> bool:
        """Whether something is still to be ended once every rank has."""

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        """A child process of the agent, one of this group's as far as can be told, was reaped."""

    def has_process(self, pid: int) -> bool:
        """Whether a pid is that of a living rank."""

    def has_session(self, session: int) -> bool:
        """Whether a session is that of one of its ranks, ended ones included."""
