"""The rank group of MPI processes, on one node or several: mpirun or srun starts them, and each has a worker beside it.

`mpi.start` finds out which of them, and whose. It starts the processes and tells them of each other. The workers report how the processes
end. The output of mpirun counts only when they cannot.
"""

from __future__ import annotations

import _thread
import os
import re
import signal
import time

from trainconf import files
from trainconf.agent import outcome
from trainconf.agent.log import say
from trainconf.agent.mpi import channel
from trainconf.agent.nodes import remote
from trainconf.agent.processes import tree
from trainconf.agent.rank_group import Noted
from trainconf.agent.rendezvous import interfaces
from trainconf.agent.rendezvous.local import THIS_MACHINE
from trainconf.fast.spawn import own_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from socket import socket
    from typing import Any

    from trainconf.agent.plan import Plan
    from trainconf.agent.rank_group import News
    from trainconf.paths import RunPaths

START_SECONDS = 300.0  # until every rank is there
SILENT_SECONDS = 60.0  # without output of any rank of several nodes, until a note tells so
EXPLANATION_SECONDS = 2.0  # for mpirun to print why it ends its processes
ALONE_SECONDS = 5.0  # for mpirun, when none of its processes is left
POLL_SECONDS = 0.1
LAST_BYTES = 4096  # of a log
_ABORT = re.compile(rb"application called MPI_Abort\([^)]*, (-?\d+)\) - process (\d+)")
_FRAME = re.compile(rb"\s*[-=*+_]{3,}\s*")


class MpiRanks(remote.RemoteRanks):
    """Ranks that are the processes of one MPI_COMM_WORLD; a worker is one of them, with its number."""

    program = "mpirun"

    def __init__(self, paths: RunPaths, plan: Plan, living_ranks: set[int], *, may_requeue: bool) -> None:
        self._plan = plan
        self._living_ranks = living_ranks  # of all runs of this agent: here what starts them
        self._exchange: channel.Exchange | None = None
        super().__init__(paths, len(plan.ranks), may_requeue=may_requeue)

    def _begin(self, attempt: int, gpus: Sequence[str]) -> None:
        super()._begin(attempt, gpus)
        self.program = MpiRanks.program
        self._callers: dict[socket, int] = {}  # who has called, by connection
        self._exit_code: int | None = None  # of the program
        self._cut_off: int | None = None  # the first rank that was ended by the program
        self._fail_at: float | None = time.monotonic() + START_SECONDS
        self._silent_at: float | None = None  # when to tell that no rank has written anything yet, by the monotonic clock
        self._has_output_ended = self._is_new_block = False
        self._alone_at = 0.0
        self._over: set[int] = set()  # workers that have reported their last news
        self._signaled: set[int] = set()  # processes that got SIGTERM

    def _launch(self) -> int:
        output, nothing = os.pipe(), os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        try:
            channel.make_room(self._count)
            address = self._address()
            self._exchange = channel.Exchange(address or os.uname().nodename, self._inbox, address)
            env = {**os.environ, channel.VARIABLE: self._exchange.variable}
            pid = remote.start_program([*own_command(), self._paths.run_dir, "--mpi"], env, nothing, output[1], output[1])
        except OSError:
            os.close(output[0])
            raise
        finally:
            os.close(output[1])
            os.close(nothing)
        self._living_ranks.add(pid)
        self._open_channels = 1
        _thread.start_new_thread(remote.listen, ("output", output[0], self._inbox))
        return pid

    def _address(self) -> str:
        """Where the ranks' agents reach this one, and it listens: nowhere else. Empty: nobody knows more than its name. Raises OSError."""
        if not self._plan.has_nodes:
            return THIS_MACHINE
        interface = None if self._plan.rendezvous is None else self._plan.rendezvous.interface
        if interface is not None:
            from trainconf.agent.rendezvous.ports import address_of

            return address_of(interface)
        from trainconf.agent.mpi.start import way_to_nodes

        found = way_to_nodes()
        return "" if found is None else found[1]

    def _send(self, order: bytes) -> None:
        for connection, worker in self._callers.items():
            if worker != channel.STARTER:
                self._send_to(connection, order)

    def _send_to(self, connection: socket, order: bytes) -> None:
        try:
            connection.send(order)
        except OSError as error:  # its end comes as news of its own
            say(f"{self._paths.run_id}: rank {self._callers[connection]} could not be given an order: {error.strerror or error}")

    def news(self) -> Iterator[News]:
        yield from super().news()
        if self._silent_at is not None and time.monotonic() >= self._silent_at:
            self._silent_at = None
            if len(self._living) == self._count and not any(self._has_written(rank) for rank in range(self._count)):
                yield Noted(self._silence())
        if self._living and self._fail_at is not None and (time.monotonic() >= self._fail_at or self._is_explained):
            yield from self._fail_unexplained()

    def _fail_unexplained(self) -> Iterator[News]:
        """Names the rank that wanted it, where that is known: MPI_Abort has all processes killed before the one that calls it has ended."""
        aborted = self._aborted()
        if aborted is not None:
            rank, code = aborted
            why = f"rank {rank}: MPI_Abort with error code {code}"
            yield from self._fail(why, code & 255 or 1, rank, may_retry=True)
        else:
            yield from self._fail(self._why_over(), self._exit_code or 1, may_retry=self._cut_off is not None)

    def _has_written(self, rank: int) -> bool:
        try:
            with open(files.open_regular(self._paths.log(rank)), "rb") as stream:  # for a network disk shows the size of a file as it was
                return os.fstat(stream.fileno()).st_size > 0
        except OSError:
            return False

    def _silence(self) -> str:
        silence = f"no rank has written anything in its first {SILENT_SECONDS:g} s"
        return f"{silence}. If they wait in MPI_Init, the network may be why. {self._network()}"

    def _network(self) -> str:
        return f"{os.uname().nodename} has the interfaces {interfaces.text()}; distributed.interface names the one to use"

    def _aborted(self) -> tuple[int, int] | None:
        """The rank that called MPI_Abort, and with what, as MPICH writes into its log; Open MPI lets it end by itself."""
        for worker in sorted(self._living):
            try:
                with open(files.open_regular(self._paths.log(worker)), "rb") as stream:
                    stream.seek(max(0, os.fstat(stream.fileno()).st_size - LAST_BYTES))
                    found = _ABORT.findall(stream.read())
            except OSError:
                continue
            code = next((int(code) for code, rank in found if int(rank) == worker), None)
            if code is not None:
                return worker, code
        return None

    @property
    def _is_explained(self) -> bool:
        return self._cut_off is not None and self._pid == 0 and self._has_output_ended

    @property
    def deadline(self) -> float | None:
        own = (self._fail_at, self._silent_at) if self._living else ()
        return min((t for t in (super().deadline, *own) if t is not None), default=None)

    def _receive(self, channel: Any, line: bytes | None) -> Iterator[News]:
        if channel == "output":
            if line is None:
                self._open_channels -= 1
                self._has_output_ended = True
            else:
                self._note_output(line)
        elif line is None:
            self._hung_up(channel)
        else:
            message = remote.read_news(line)
            if message is None:
                self._note_output(line)
            else:
                yield from self._take_call(channel, *message)

    def _note_output(self, line: bytes) -> None:
        if _FRAME.fullmatch(line):
            self._is_new_block = True
        elif line.strip():
            super()._note_output(line)

    def _keep(self, text: str) -> None:
        """Keep the first lines of the last block, which is what matters. A line of dashes begins or ends a block."""
        if self._is_new_block:
            self._last_lines.clear()
            self._is_new_block = False
        if len(self._last_lines) < self.line_count:
            super()._keep(text)

    def _take_call(self, connection: socket, worker: int, message: Mapping[str, Any]) -> Iterator[News]:
        if connection not in self._callers:
            self._open_channels += 1
            if worker != channel.STARTER and worker in self._callers.values():
                yield from self._fail(f"{self.program} started rank {worker} twice: its processes do not know each other")
            self._callers[connection] = worker
            for order in self._orders.values() if worker != channel.STARTER else ():
                self._send_to(connection, order)
        if message["news"] == "chosen":
            self.program = message["program"]
            self._facts = {"mpi": message["text"]}
            say(f"{self._paths.run_id}: its MPI processes are started by {message['text']}")
        elif message["news"] != "refused":
            yield from self._take_news(worker, message)
        elif self._living:
            yield from self._fail(message["reason"])

    def _hung_up(self, connection: socket) -> None:
        worker = self._callers.pop(connection, None)
        connection.close()
        if worker is None:
            return
        self._open_channels -= 1
        if worker != channel.STARTER and worker not in self._over:
            self.usage.add_container(None, None)
            if worker in self._living:
                self._wait_for_explanation(worker)

    def _all_are_here(self) -> Iterator[News]:
        self._fail_at = None
        mistake = self._misplaced()
        if mistake:
            return self._fail(f"{mistake}; distributed.mpirun_arguments may say otherwise")
        self._order("start", attempt=self._attempt, gpus=self._gpus, nodes=self._offers_of_nodes())
        return iter(())

    def _offers_of_nodes(self) -> list[dict[str, Any]]:
        """That of the first rank on each node."""
        return [self._offers[rank.rank] for rank in self._plan.ranks if rank.env["LOCAL_RANK"] == "0"]

    def _misplaced(self) -> str:
        """Which rank is not on the node that was asked for, if so."""
        hosts: dict[int, str] = {}  # by number of the node
        for rank in self._plan.ranks:
            number, node, host = rank.rank, rank.node, self._hosts[rank.rank]
            if node in hosts and hosts[node] != host:
                return f"rank {number} was started on {host}, and on {hosts[node]} it was asked for"
            if node not in hosts and host in hosts.values():
                return f"rank {number} was started on {host}, and on another node than those before it was asked for"
            hosts[node] = host
        return ""

    def _rank_ended(self, worker: int, message: Mapping[str, Any]) -> Iterator[News]:
        """Without its mpirun no end is a rank's own: Open MPI's fail then, and one of Intel's that has called MPI_Abort may complete."""
        has_failed = message["outcome"]["state"] != "Completed"
        if message["is_cut_off"] or (has_failed and not self._pid):
            self._wait_for_explanation(worker)
        else:
            yield from super()._rank_ended(worker, message)

    def _wait_for_explanation(self, worker: int) -> None:
        """A rank was ended, and it is not known why."""
        if self._cut_off is None:
            self._cut_off, self._fail_at = worker, time.monotonic() + EXPLANATION_SECONDS

    def _take_news(self, worker: int, message: Mapping[str, Any]) -> Iterator[News]:
        if message["news"] == "over":
            self._over.add(worker)
        if self._cut_off is not None and message["news"] == "over" and worker in self._living:
            self.usage.add_container(message["cpu_s"], message["peak_rss_bytes"])
        else:
            yield from super()._take_news(worker, message)
        if message["news"] == "started" and len(self._started) == self._count and self._plan.has_nodes:
            self._silent_at = time.monotonic() + SILENT_SECONDS

    def _program_ended(self, pid: int, status: int) -> None:
        self._exit_code = outcome.exit_code(status)
        self._living_ranks.discard(pid)

    def _name(self, worker: int) -> str:
        return f"rank {worker} on {self._hosts[worker]}" if worker in self._hosts else f"rank {worker}"

    def _why_over(self) -> str:
        said = f": {self._words}" if self._words else ", and says nothing"
        if self._cut_off is not None:
            gone = ", ".join(str(rank) for rank in range(self._count) if rank not in self._living)
            left = f", after rank {gone} had ended with exit code 0, perhaps without MPI_Finalize" if gone else ""
            code = "goes on" if self._pid else f"ended with exit code {self._exit_code}"
            return f"{self._name(self._cut_off)} was ended by {self.program} or with its agent{left}; {self.program} {code}{said}"
        if self._pid:
            network = f". {self._network()}" if self._plan.has_nodes else ""
            return f"of {self._count} ranks {len(self._hosts)} were there after {START_SECONDS:g} s{said}{network}"
        return f"{self.program} ended with exit code {self._exit_code}, and {len(self._hosts)} of {self._count} ranks were there{said}"

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        again_s = super().end(kill=kill, is_recorded=is_recorded)
        if again_s is not None:
            self._leave_none_alone()
            return again_s
        self._close()
        left = tree.processes_of_run(self._paths.run_dir, (), with_orphans=False)
        if not left:
            return None
        tree.send(left if kill else left - self._signaled, signal.SIGKILL if kill else signal.SIGTERM)
        self._signaled |= left
        return POLL_SECONDS

    def _leave_none_alone(self) -> None:
        """A program that stays although its processes have gone, or never came, is not waited for."""
        now = time.monotonic()
        if self._callers or not self._pid:
            self._alone_at = 0.0
        elif not self._alone_at:
            self._alone_at = now + ALONE_SECONDS
        elif now >= self._alone_at:
            os.kill(self._pid, signal.SIGKILL)

    def has_leftovers(self) -> bool:
        if not self._is_over:
            return True
        self._close()
        return bool(tree.processes_of_run(self._paths.run_dir, (), with_orphans=False))

    def _close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None
