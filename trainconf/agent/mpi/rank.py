"""The agent beside one MPI process: `agent FOLDER --rank`, started by mpirun or srun, which takes it for that process.

It starts the rank's own process, which inherits the MPI's variables and descriptors, with its log; see `node.Worker`. What mpirun started
stays behind as a shell: killed by mpirun, as on MPI_Abort, it leaves the agent to tell how its rank ended and to end it gracefully.
"""

from __future__ import annotations

import _thread
import os
import signal
from contextlib import suppress

from trainconf import files
from trainconf.agent.log import say
from trainconf.agent.mpi import channel
from trainconf.agent.nodes import worker as node
from trainconf.agent.processes import tree, watchdog
from trainconf.agent.processes.ranks import ProcessRanks
from trainconf.agent.rendezvous.local import Rendezvous
from trainconf.distributed.mpi import Place
from trainconf.distributed.rendezvous import node_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

OWN_END_SECONDS = 0.3  # a rank that aborts all has ended by itself within that time, and is not to be ended by us


def carry_out(paths: RunPaths) -> int:
    """One attempt of the rank that the environment says."""
    signal.pthread_sigmask(signal.SIG_BLOCK, node.SIGNALS)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    plan = files.read_json(paths.plan)
    grace_s = float(plan["grace_seconds"])
    there, alive = watchdog.stay_behind(grace_s)
    try:
        connection = channel.connect(os.environ.pop(channel.VARIABLE))
    except OSError as error:
        say(f"{os.uname().nodename} cannot reach the run's agent: {error.strerror or error}")
        return 1
    for fd in (0, 1, 2):  # mpirun waits for the end of what it gave us
        os.dup2(connection.fileno(), fd)
    place = Place(os.environ)
    mistake = _mistake(place, plan["ranks"])
    if mistake or place.rank is None:
        node.write_news(channel.STARTER, "refused", reason=mistake)
        return 1
    rank = plan["ranks"][place.rank]
    rendezvous = _OneOfMany(plan, node_of(rank), has_offer=place.rank == 0)
    group = ProcessRanks(
        paths, {**plan, "ranks": [rank]}, set(), gets_orphans=tree.become_subreaper(), rendezvous=rendezvous, has_all_of_run=False,
    )  # fmt: skip
    # A process that has left without MPI_Finalize must seem to mpirun to have done so, or the others would wait for it.
    worker = node.Worker(place.rank, group, rendezvous, grace_s, leaves_early=True, starter=there)
    _thread.start_new_thread(_watch, (there, worker))
    worker.carry_out()
    _let_go(alive)
    watchdog.dismiss(alive)
    return 0


def _let_go(kept: int) -> None:
    """Of all that came from mpirun, which knows by the end of its connection that a process has left it; what stayed behind has it, too."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd != kept:
            with suppress(OSError):  # the one that listed them is gone
                os.close(fd)


class _OneOfMany(Rendezvous):
    """The ranks of a node have an agent each; the first of all offers a port to meet at."""

    def __init__(self, plan: dict[str, Any], number: int, *, has_offer: bool) -> None:
        super().__init__(plan, number)
        self._has_offer = has_offer

    def offer(self) -> dict[str, Any]:
        return super().offer() if self._has_offer else {"address": self.address(), "ports": []}


def _watch(there: int, worker: node.Worker) -> None:
    os.read(there, 1)
    worker.cut_off(OWN_END_SECONDS)


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
