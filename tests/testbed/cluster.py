"""Fixtures for tests marked `slurm`: a cluster of the testbed, or a skip with the reason; and ways to break a cluster."""

from __future__ import annotations

import fcntl
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.testbed.marks import TESTBED, pytest_itemcollected, status_of

__all__ = ["Cluster", "cluster", "pytest_itemcollected", "slurm_cluster"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.conftest import Shell


class Cluster:
    """One of the two clusters. A test may harm its daemons; they are repaired when the test ends."""

    def __init__(self, conf: str) -> None:
        self.conf = conf
        self.is_harmed = False

    def daemon(self, verb: str, name: str) -> None:
        """`tests/testbed/daemon`: start, stop, kill, pause or resume slurmctld, slurmdbd, node2, …"""
        self.is_harmed = True
        subprocess.run([TESTBED / "daemon", verb, name], check=True)

    def lose(self, node: str) -> None:
        """Kill a node's daemon, and tell Slurm what it would find out by itself after SlurmdTimeout."""
        self.daemon("kill", node)
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed by a test")

    def ask(self, *words: str) -> str:
        """The output of a Slurm command."""
        return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def slurm_cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster that SLURM_CONF now names: `main`, or that of `@pytest.mark.slurm(cluster="bare")`. One test at a time has it."""
    with open(TESTBED / "slurm.sh", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # before its state is asked: the test that has it may have ended its daemons
        confs = {name: conf for conf, name in re.findall(r"SLURM_CONF=(\S+) \((\w+)", status_of("slurm"))}
        marker = request.node.get_closest_marker("slurm")
        cluster = Cluster(confs[marker.kwargs.get("cluster", "main") if marker else "main"])
        monkeypatch.setenv("SLURM_CONF", cluster.conf)
        yield cluster
        if cluster.is_harmed:
            subprocess.run([TESTBED / "up", "slurm"], check=True)


@pytest.fixture
def cluster(workspace: Shell, slurm_cluster: Cluster) -> Cluster:
    """The same, for the commands of `workspace`."""
    workspace.env["SLURM_CONF"] = slurm_cluster.conf
    return slurm_cluster
