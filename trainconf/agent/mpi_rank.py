"""The agent beside one MPI process: `agent FOLDER --rank`, started by mpirun or srun, which takes it for that process.

It starts the rank's own process, which inherits the MPI's variables and descriptors, with its log; see `node.Member`. What mpirun started
stays behind as a shell: killed by mpirun, as on MPI_Abort, it leaves the agent to tell how its rank ended and to end it politely.
"""

from __future__ import annotations

import _thread
import os
import re
import signal

from trainconf import files
from trainconf.agent import guard, mpi_channel, node, tree
from trainconf.agent.log import say
from trainconf.agent.meeting import Meeting
from trainconf.agent.outcome import Outcome
from trainconf.agent.ranks import ProcessCrew
from trainconf.distributed.mpi import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

LAST_WORDS_BYTES = 4096
OWN_END_SECONDS = 0.3  # a rank that aborts all has ended by itself within that time, and is not to be ended by us


def carry_out(paths: RunPaths) -> int:
    """One attempt of the rank that the environment says."""
    signal.pthread_sigmask(signal.SIG_BLOCK, node.SIGNALS)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    plan = files.read_json(paths.plan)
    grace_s = float(plan["grace_seconds"])
    there, alive = guard.stay_behind(grace_s)
    try:
        connection = mpi_channel.connect(os.environ.pop(mpi_channel.VARIABLE))
    except OSError as error:
        say(f"{os.uname().nodename} cannot reach the run's agent: {error.strerror or error}")
        return 1
    for fd in (0, 1, 2):  # mpirun waits for the end of what it gave us
        os.dup2(connection.fileno(), fd)
    place = Place(os.environ)
    mistake = _mistake(place, plan["ranks"])
    if mistake or place.rank is None:
        node.write_news(mpi_channel.STARTER, "refused", reason=mistake)
        return 1
    rank = plan["ranks"][place.rank]
    meeting = _OneOfMany(plan, int(rank["env"]["NODE_RANK"]), has_offer=place.rank == 0)
    crew = ProcessCrew(
        paths, {**plan, "ranks": [rank]}, set(), gets_orphans=tree.become_subreaper(), meeting=meeting, has_all_of_run=False,
    )  # fmt: skip
    member = _Member(place.rank, crew, meeting, grace_s, paths.log(place.rank))
    _thread.start_new_thread(_watch, (there, member))
    member.carry_out()
    guard.dismiss(alive)
    return 0


class _OneOfMany(Meeting):
    """The ranks of a node have an agent each; the first of all offers where all meet."""

    def __init__(self, plan: dict[str, Any], number: int, *, has_offer: bool) -> None:
        super().__init__(plan, number)
        self._has_offer = has_offer

    def offer(self) -> dict[str, Any]:
        return super().offer() if self._has_offer else {"address": "", "ports": []}


class _Member(node.Member):
    """Of one MPI process, whose log is `log`.

    A process that has left without MPI_Finalize must seem to mpirun to have done so, or the others would wait for it.
    """

    def __init__(self, number: int, crew: ProcessCrew, meeting: Meeting, grace_s: float, log: str) -> None:
        super().__init__(number, crew, meeting, grace_s, leaves_early=True)
        self._log = log

    def _why_ended(self, end: Outcome) -> Outcome:
        """MPICH has all processes killed before the one that wanted it has ended, which then ends as it can."""
        code = _abort_code(self._log, self._number) if self.is_cut_off and end.state != "Completed" else None
        if code is None:
            return end
        self.is_cut_off = False
        return Outcome("Failed", code & 255 or 1, f"MPI_Abort with error code {code}", self._number, may_retry=True)


def _abort_code(log: str, rank: int) -> int | None:
    """What the process gave MPI_Abort, as MPICH has written into its log, if it did."""
    with open(log, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - LAST_WORDS_BYTES))
        found = re.findall(rb"application called MPI_Abort\([^)]*, (-?\d+)\) - process (\d+)", stream.read())
    return next((int(code) for code, who in found if int(who) == rank), None)


def _watch(there: int, member: node.Member) -> None:
    os.read(there, 1)
    member.cut_off(OWN_END_SECONDS)


def _mistake(place: Place, ranks: list[dict[str, Any]]) -> str:
    """What is wrong with the place that the MPI gave this process."""
    if place.rank is None:
        return "the MPI processes are told no rank: what started them is no mpirun"
    if place.size not in (None, len(ranks)) or place.rank >= len(ranks):
        return f"the MPI processes were started as {place.size or place.rank + 1}, and {len(ranks)} were asked for"
    asked = int(ranks[place.rank]["env"]["LOCAL_RANK"])
    if place.local_rank not in (None, asked):
        return f"rank {place.rank} was started as number {place.local_rank} on {os.uname().nodename}, and number {asked} was asked for"
    return ""
