"""The rank group of several nodes: srun starts a worker on each.

Orders and news go through srun: its standard input goes to all workers, its standard output comes from all of them. No file system lies
between.
"""

from __future__ import annotations

import _thread
import os
import re

from trainconf.agent.log import say
from trainconf.agent.nodes import remote
from trainconf.fast.spawn import own_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.agent.plan import Plan
    from trainconf.agent.rank_group import News
    from trainconf.paths import RunPaths

# What srun prints when a worker does not end by itself with code 0, as all do.
BAD_END = re.compile(r"srun: error: (\S+): tasks? \S+: (.+)")


class SrunRanks(remote.RemoteRanks):
    """Ranks that are processes of several nodes, this one among them."""

    def __init__(self, paths: RunPaths, plan: Plan, *, may_requeue: bool) -> None:
        assert plan.batch is not None
        silence_s = plan.batch.node_silence_seconds or remote.SILENCE_SECONDS
        super().__init__(paths, plan.batch.nodes, silence_s=silence_s, may_requeue=may_requeue)
        self._cpus = plan.batch.cpus_per_task
        self._to_srun = -1

    def _launch(self) -> int:
        orders, news, output = os.pipe(), os.pipe(), os.pipe()
        ours, theirs = (orders[1], news[0], output[0]), (orders[0], news[1], output[1])
        try:
            pid = remote.start_program(self._command(), os.environ, *theirs)
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._to_srun, self._open_channels = orders[1], 2
        for channel, fd in (("news", news[0]), ("output", output[0])):
            _thread.start_new_thread(remote.listen, (channel, fd, self._inbox))
        return pid

    def _command(self) -> list[str]:
        """One agent on every node of the job. The CPUs are given: between 22.05 and 23.11 a step does not inherit them (srun(1))."""
        return [
            "srun", f"--nodes={self._count}", f"--ntasks={self._count}", "--ntasks-per-node=1",
            *([f"--cpus-per-task={self._cpus}"] if self._cpus else []),
            "--overlap",  # a step that is not would hold all that the job has, and a srun of the script's own would wait for it in vain
            "--kill-on-bad-exit=0",  # the other nodes are ended gracefully
            "--input=all", "--export=ALL", "--mpi=none", "--", *own_command(), self._paths.run_dir, "--node",
        ]  # fmt: skip

    def _send(self, order: bytes) -> None:
        if self._to_srun < 0:
            return
        try:
            os.write(self._to_srun, order)
        except OSError as error:  # srun is gone, and its end comes as news
            say(f"{self._paths.run_id}: the nodes could not be given an order: {error}")

    def _receive(self, channel: Any, line: bytes | None) -> Iterator[News]:
        if line is None:
            self._open_channels -= 1
            return
        message = remote.read_news(line) if channel == "news" else None
        if message is not None:
            yield from self._take_news(*message)
            return
        self._note_output(line)
        bad = BAD_END.match(line.decode("utf-8", "replace"))
        if bad is not None and self._living:
            yield from self._fail(self._why_ended(bad[1], bad[2]))

    def _program_ended(self, pid: int, status: int) -> None:
        os.close(self._to_srun)
        self._to_srun = -1

    def _name(self, worker: int) -> str:
        return f"node {self._hosts[worker]}"

    def _fail_unexplained(self) -> Iterator[News]:
        return self._fail(f"the nodes of the run were ended: {self._words or 'srun does not say why'}")

    def _why_ended(self, nodes: str, how: str) -> str:
        if len(self._hosts) == self._count:
            return f"the run's agent on {nodes} was ended: {how}"
        return f"the run's agent could not start on {nodes}, where its folder may be missing: {how}"
