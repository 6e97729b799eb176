"""Looks which MPI a run has, settles on what starts its processes, and becomes that: `agent FOLDER --mpi`, started by `mpi.MpiRanks`.

A process of its own, for it waits for what it asks. It tells what it chose as news, and so it does when there is nothing to choose.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.agent.mpi import channel
from trainconf.agent.nodes import remote, slurm_job
from trainconf.agent.processes import ranks
from trainconf.agent.rendezvous import interfaces, ports
from trainconf.distributed import mpi
from trainconf.distributed.rendezvous import node_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from trainconf.paths import RunPaths

HOSTNAMES_SECONDS = 10.0
ANSWER_SECONDS = 60.0  # a first import over a slow network disk
NOT_STARTED_CODE = 127
_ASK_PYTHON = """\
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.Get_library_version())
"""


def carry_out(paths: RunPaths) -> int:
    """Does not return when all is well."""
    os.chdir("/")
    plan = files.read_json(paths.plan)
    environ, is_in_job = dict(os.environ), plan["slots"] is None
    orders = environ[channel.VARIABLE]
    env = ranks.inherited(plan, mpi.VARIABLES | environ)
    try:
        launch = _choose(plan, env, is_in_job=is_in_job)
        channel.tell(orders, "chosen", text=str(launch), program=os.path.basename(launch.program))
        env |= _network(plan, launch, env)
        argv = _command(plan, launch, [*remote.own_command(), paths.run_dir, "--rank"])
        os.chdir(plan["cwd"])
        os.execve(ranks.find_program(argv[0], env), argv, env)
    except mpi.NoMpi as why:
        channel.tell(orders, "refused", reason=f"{why.reason}; {why.hint}")
    except OSError as error:
        channel.tell(orders, "refused", reason=f"its launcher cannot be started: {error.filename or ''} {error.strerror}")
    return NOT_STARTED_CODE


def _choose(plan: Mapping[str, Any], env: Mapping[str, str], *, is_in_job: bool) -> mpi.Launch:
    asked = plan["mpi"]
    is_mpirun_told = asked["mpirun"] or asked["arguments"]  # which srun would not heed
    launcher = mpi.MPIRUN if asked["launcher"] == "auto" and is_mpirun_told else asked["launcher"]
    library = _library(plan, env)
    pmis = _pmis(env) if is_in_job and launcher != mpi.MPIRUN else None
    programs: list[tuple[str, mpi.Mpi | None]] = []
    for path in _programs(asked["mpirun"], env) if launcher != mpi.SRUN else ():
        programs.append((path, _version(path, env)))
        if library is None or programs[-1][1] is None or programs[-1][1].family == library.family:
            break  # no other would be taken
    return mpi.choose(launcher, asked["pmi"], library, programs, pmis)


def _library(plan: Mapping[str, Any], env: Mapping[str, str]) -> mpi.Mpi | None:
    """Which MPI the job's Python loads; None when it has no mpi4py to tell."""
    python = plan["mpi"].get("python")
    if not python:
        return None
    code, said = slurm_job.ask([python, "-c", _ASK_PYTHON], ANSWER_SECONDS, env)
    if code == 0:
        return mpi.recognise(said)
    if "cannot load MPI library" in said:
        raise mpi.NoMpi(f"mpi4py finds no MPI library: {said.strip().splitlines()[-1]}", mpi.NO_MPIRUN_HINT)
    return None


def _programs(named: str | None, env: Mapping[str, str]) -> Iterator[str]:
    """Every mpirun on the job's PATH, or the one that was named. Raises OSError for that one."""
    if named is not None:
        yield ranks.find_program(named, env)
        return
    for name in mpi.PROGRAMS:
        try:
            yield ranks.find_program(name, env)
        except OSError:
            continue


def _version(program: str, env: Mapping[str, str]) -> mpi.Mpi | None:
    return mpi.recognise(slurm_job.ask([program, "--version"], ANSWER_SECONDS, env)[1])


def _pmis(env: Mapping[str, str]) -> list[str]:
    return mpi.read_pmis(slurm_job.ask(["srun", "--mpi=list"], ANSWER_SECONDS, env)[1])


def _network(plan: Mapping[str, Any], launch: mpi.Launch, env: Mapping[str, str]) -> dict[str, str]:
    """What has mpirun and its daemons meet on the interface that the ranks meet on; empty on one node, or where somebody has said it."""
    if "if_" in (arguments := " ".join(plan["mpi"]["arguments"])) or "iface" in arguments or not _has_nodes(plan):
        return {}
    asked = plan["rendezvous"]["interface"]
    found = (asked, ports.address_of(asked)) if asked is not None else way_to_nodes()
    if found is None:
        return {}
    wanted = mpi.interface_variables(launch, found[0], interfaces.network(*found), is_asked=asked is not None)
    return interfaces.unsaid(wanted, interfaces.said_by_open_mpi(env) | dict(env) if asked is None else plan["env"])


def _has_nodes(plan: Mapping[str, Any]) -> bool:
    return any(node_of(rank) for rank in plan["ranks"])


def way_to_nodes() -> tuple[str, str] | None:
    """The interface of this node, the first of its job's, that the others are met on, and its address there. Waits for Slurm's answer."""
    code, said = slurm_job.ask(["scontrol", "show", "hostnames"], HOSTNAMES_SECONDS)
    return interfaces.rendezvous([os.uname().nodename, *(said.split()[1:2] if code == 0 else [])], 0)


def _command(plan: Mapping[str, Any], launch: mpi.Launch, worker: list[str]) -> list[str]:
    first = plan["ranks"][0]["env"]
    per_node = int(first["LOCAL_WORLD_SIZE"])
    nodes = int(first["WORLD_SIZE"]) // per_node
    cpus = int((plan["batch"] or {}).get("cpus_per_task") or 1)
    return mpi.command(launch, nodes, per_node, cpus, plan["mpi"]["arguments"], worker)
