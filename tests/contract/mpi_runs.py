"""Makes runs of MPI processes, with real MPIs: MPICH of a wheel, and the Open MPI of the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trainconf.fast.records import replace
from trainconf.history import events
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job
from trainconf.paths import RunPaths
from trainconf.spec import DistributedSpec
from trainconf.testing.runs import make_job, submit

PATIENCE_S = 60.0
# The nodes of the testbed share a kernel, but not their processes' numbers: what goes by these must not be taken between them. They share
# its interfaces: MPICH through UCX takes any, also the bridge of a container network that somebody removes meanwhile; its OFI can be told
# which. And they share its cores: a process that waits spins, and Open MPI's would not let another do what it waits for.
NODES_OF_ONE_MACHINE = {
    "UCX_TLS": "tcp,self",
    "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp", "FI_TCP_IFACE": "lo",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}  # fmt: skip
# How a rank begins: {world} is MPI_COMM_WORLD.
PROLOGUE = """\
import json, os, signal, sys, time
from mpi4py import MPI
world = MPI.COMM_WORLD
rank = world.Get_rank()
names = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""
# What the MPI itself says of the world, and a sum over it that is right only if it is one.
REPORT = PROLOGUE + """\
total = world.allreduce(rank + 1)
env = {name: os.environ[name] for name in names}
print(json.dumps({"rank": rank, "size": world.Get_size(), "total": total, "host": os.uname().nodename, "env": env}))
"""


@dataclass(frozen=True)
class Installed:
    """One MPI, and a Python whose mpi4py loads it."""

    name: str
    python: str
    path: str  # PATH of a job

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": self.path}


def install(folder: Path, name: str) -> Installed:
    """A venv with mpi4py, and MPICH or none besides. The installer's cache makes the second time quick."""
    bin_dir = folder / "bin"
    uv = [sys.executable, "-m", "uv"]
    wanted = ["mpi4py==4.1.2", *(["mpich==5.0.2"] if name == "mpich" else [])]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(bin_dir / "python"), *wanted], check=True)
    return Installed(name, str(bin_dir / "python"), f"{bin_dir}:{os.environ['PATH']}")


@pytest.fixture(scope="session")
def mpich(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("mpich") / "venv", "mpich")


@pytest.fixture(scope="session")
def openmpi(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("openmpi") / "venv", "openmpi")


def mpi_job(root: Path, code: str, mpi: Installed, per_node: int = 3, nodes: int = 1, **wishes: Any) -> Job:
    """A job whose every process runs `code` in the Python that has `mpi`. `distributed` is what is asked of the launcher."""
    distributed = {"kind": "mpi", **wishes.pop("distributed", {})}
    env = {**mpi.env, **wishes.pop("env", {})}
    layout = DistributedSpec(kind="mpi", node_count=nodes, processes_per_node=per_node)
    wishes = {"limit_s": PATIENCE_S / 2, **wishes}  # or a test that fails would leave a world behind
    job = make_job(str(root), [mpi.python, "-c", code], distributed=layout, env=env, **wishes)
    return replace(job, distributed=distributed, python=mpi.python)


def run_local(root: Path, code: str, mpi: Installed, per_node: int = 3, **wishes: Any) -> RunPaths:
    """Submit it to this machine."""
    job = mpi_job(root, code, mpi, per_node, **wishes)
    submit(LocalLauncher(), job)
    return job.paths


def end_of(paths: RunPaths, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """Its last event, once it is final."""
    for event in _until_final(paths, patience_s):
        return event
    raise AssertionError(f"no end: {events.read(paths)}\n{agent_log(paths)}")


def _until_final(paths: RunPaths, patience_s: float) -> Iterator[dict[str, Any]]:
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        last = events.last(paths)
        if last is not None and last["state"] in events.TERMINAL:
            yield last
        time.sleep(0.05)


def reports(paths: RunPaths, count: int) -> list[dict[str, Any]]:
    """What each rank has printed, by rank."""
    return [json.loads(Path(paths.log(rank)).read_text().splitlines()[-1]) for rank in range(count)]


def agent_log(paths: RunPaths) -> str:
    return Path(paths.agent_log).read_text() if os.path.exists(paths.agent_log) else ""
