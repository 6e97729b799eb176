"""The worker beside one MPI process: `agent FOLDER --rank`, started by mpirun or srun, which takes it for that process.

It starts the rank's own process, which inherits the MPI's variables and descriptors; see `nodes.worker.Worker`. The process that mpirun
started stays behind as a shell. When mpirun kills the shell, as on MPI_Abort, the worker still reports how its rank ended, and ends it
gracefully.
"""

from __future__ import annotations

import _thread
import os
from contextlib import suppress

from trainconf.agent.log import say
from trainconf.agent.mpi import channel
from trainconf.agent.nodes.worker import Worker, begin, write_news
from trainconf.agent.processes import tree, watchdog
from trainconf.agent.processes.ranks import ProcessRanks
from trainconf.agent.rendezvous.local import Rendezvous
from trainconf.distributed.mpi import Place
from trainconf.fast.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.agent.plan import RankPlan
    from trainconf.paths import RunPaths

OWN_END_SECONDS = 0.3  # a rank that aborts all has ended by itself within that time, and is not to be ended by us


def carry_out(paths: RunPaths) -> int:
    """One attempt of the rank that the environment names."""
    plan = begin(paths)
    launcher, shell = watchdog.leave_shell_behind(plan.grace_seconds)
    try:
        connection = channel.connect(os.environ.pop(channel.VARIABLE))
    except OSError as error:
        say(f"{os.uname().nodename} cannot reach the run's agent: {error.strerror or error}")
        return 1
    for fd in (0, 1, 2):  # mpirun waits for the end of what it gave us
        os.dup2(connection.fileno(), fd)
    place = Place(os.environ)
    mistake = _mistake(place, plan.ranks)
    if mistake or place.rank is None:
        write_news(channel.STARTER, "refused", reason=mistake)
        return 1
    rank = plan.ranks[place.rank]
    rendezvous = Rendezvous(plan, rank.node, has_offer=place.rank == 0)
    ranks = ProcessRanks(
        paths, replace(plan, ranks=[rank]), set(), gets_orphans=tree.become_subreaper(), rendezvous=rendezvous, has_all_of_run=False,
    )  # fmt: skip
    # A process that has left without MPI_Finalize must seem to mpirun to have done so, or the others would wait for it.
    worker = Worker(place.rank, ranks, rendezvous, plan.grace_seconds, leaves_early=True, launcher=launcher)
    _thread.start_new_thread(_watch, (launcher, worker))
    worker.carry_out()
    _close_all_but(shell)
    watchdog.dismiss_shell(shell)
    return 0


def _close_all_but(kept: int) -> None:
    """Close what came from mpirun, which knows by the end of its connection that a process has left it. The shell has it, too."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd != kept:
            with suppress(OSError):  # the one that listed them is gone
                os.close(fd)


def _watch(launcher: int, worker: Worker) -> None:
    os.read(launcher, 1)
    worker.cut_off(OWN_END_SECONDS)


def _mistake(place: Place, ranks: Sequence[RankPlan]) -> str:
    """What is wrong with the place that the MPI gave this process."""
    if place.rank is None:
        return "the MPI processes are told no rank: what started them is no mpirun"
    if place.size not in (None, len(ranks)) or place.rank >= len(ranks):
        return f"the MPI processes were started as {place.size or place.rank + 1}, and {len(ranks)} were asked for"
    asked = int(ranks[place.rank].env["LOCAL_RANK"])
    if place.local_rank not in (None, asked):
        return f"rank {place.rank} was started as number {place.local_rank} on {os.uname().nodename}, and number {asked} was asked for"
    return ""
