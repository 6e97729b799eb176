"""Finds the MPI of a run, chooses what starts its processes, and becomes that: `agent FOLDER --mpi`, started by `mpi.ranks.MpiRanks`.

A process of its own, because it waits for answers of other programs. It reports its choice as news, or why there is none.
"""

from __future__ import annotations

import os

from trainconf.agent.mpi import channel
from trainconf.agent.nodes import slurm_job
from trainconf.agent.plan import MpiPlan, Plan
from trainconf.agent.processes import ranks
from trainconf.agent.rendezvous import interfaces, ports
from trainconf.distributed import mpi
from trainconf.fast.spawn import own_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    plan = Plan.load(paths.plan)
    environ = dict(os.environ)
    orders = environ[channel.VARIABLE]
    env = ranks.inherited(plan, mpi.VARIABLES | environ)
    wanted_mpi = plan.mpi or MpiPlan()
    try:
        launch = _choose(wanted_mpi, env, is_in_job=plan.slots is None)
        channel.report(orders, "chosen", text=str(launch), program=os.path.basename(launch.program))
        env |= _network(plan, wanted_mpi, launch, env)
        argv = _command(plan, wanted_mpi, launch, [*own_command(), paths.run_dir, "--rank"])
        os.chdir(plan.cwd)
        os.execve(ranks.find_program(argv[0], env), argv, env)
    except mpi.NoMpi as why:
        channel.report(orders, "refused", reason=f"{why.reason}; {why.hint}")
    except OSError as error:
        channel.report(orders, "refused", reason=f"its launcher cannot be started: {error.filename or ''} {error.strerror}")
    return NOT_STARTED_CODE


def _choose(wanted_mpi: MpiPlan, env: Mapping[str, str], *, is_in_job: bool) -> mpi.Launch:
    needs_mpirun = wanted_mpi.mpirun or wanted_mpi.arguments  # srun would not heed them
    launcher = mpi.MPIRUN if wanted_mpi.launcher == "auto" and needs_mpirun else wanted_mpi.launcher
    library = _library(wanted_mpi.python, env)
    pmis = None
    if is_in_job and launcher != mpi.MPIRUN:
        pmis = mpi.read_pmis(slurm_job.ask(["srun", "--mpi=list"], ANSWER_SECONDS, env)[1])
    programs: list[tuple[str, mpi.Mpi | None]] = []
    for path in _programs(wanted_mpi.mpirun, env) if launcher != mpi.SRUN else ():
        version = mpi.recognise(slurm_job.ask([path, "--version"], ANSWER_SECONDS, env)[1])
        programs.append((path, version))
        if library is None or version is None or version.family == library.family:
            break  # no other would be taken
    return mpi.choose(launcher, wanted_mpi.pmi, library, programs, pmis)


def _library(python: str | None, env: Mapping[str, str]) -> mpi.Mpi | None:
    """The MPI that the job's Python loads; None when it has no mpi4py to ask."""
    if not python:
        return None
    code, printed = slurm_job.ask([python, "-c", _ASK_PYTHON], ANSWER_SECONDS, env)
    if code == 0:
        return mpi.recognise(printed)
    if "cannot load MPI library" in printed:
        raise mpi.NoMpi(f"mpi4py finds no MPI library: {printed.strip().splitlines()[-1]}", mpi.NO_MPIRUN_HINT)
    return None


def _programs(named: str | None, env: Mapping[str, str]) -> Iterator[str]:
    """Every mpirun on the job's PATH, or the one that the user names. Raises OSError for that one."""
    if named is not None:
        yield ranks.find_program(named, env)
        return
    for name in mpi.PROGRAMS:
        try:
            yield ranks.find_program(name, env)
        except OSError:
            continue


def _network(plan: Plan, wanted_mpi: MpiPlan, launch: mpi.Launch, env: Mapping[str, str]) -> dict[str, str]:
    """Variables by which mpirun and its daemons meet on the interface of the ranks; none on one node, or where the user has chosen."""
    if "if_" in (arguments := " ".join(wanted_mpi.arguments)) or "iface" in arguments or not plan.has_nodes:
        return {}
    named = None if plan.rendezvous is None else plan.rendezvous.interface
    found = (named, ports.address_of(named)) if named is not None else way_to_nodes()
    if found is None:
        return {}
    wanted = mpi.interface_variables(launch, found[0], interfaces.network(*found), is_asked=named is not None)
    return interfaces.unset(wanted, interfaces.open_mpi_settings(env) | dict(env) if named is None else plan.env)


def way_to_nodes() -> tuple[str, str] | None:
    """The interface of this node, the first of its job's, toward the others, and its address there. Waits for Slurm's answer."""
    code, printed = slurm_job.ask(["scontrol", "show", "hostnames"], HOSTNAMES_SECONDS)
    return interfaces.toward_peers([os.uname().nodename, *(printed.split()[1:2] if code == 0 else [])], 0)


def _command(plan: Plan, wanted_mpi: MpiPlan, launch: mpi.Launch, worker: list[str]) -> list[str]:
    first = plan.ranks[0].env
    per_node = int(first["LOCAL_WORLD_SIZE"])
    nodes = int(first["WORLD_SIZE"]) // per_node
    cpus = (plan.batch.cpus_per_task if plan.batch is not None else None) or 1
    return mpi.command(launch, nodes, per_node, cpus, wanted_mpi.arguments, worker)
