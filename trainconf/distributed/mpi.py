"""MPI implementations: how to recognise one, which launcher goes with it, and the words that start its processes. Pure.

An MPI's processes find each other only when its own mpirun started them, or a srun that speaks its PMI: else each believes to be alone.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MPIRUN, SRUN = "mpirun", "srun"
# Those of one implementation may stand beside another's on a PATH; Debian gives each its own name.
PROGRAMS = ("mpirun", "mpiexec", "mpiexec.hydra", "mpirun.mpich", "mpirun.openmpi")
# What `mpirun --version` and MPI_Get_library_version answer.
_IMPLEMENTATIONS = (
    ("Open MPI", "openmpi", re.compile(r"(?:Open MPI|OpenRTE)\)? v?(\d[\w.]*)")),  # the second is Debian's mpirun.openmpi
    ("Intel MPI", "intel", re.compile(r"Intel\(R\) MPI Library\D*?(\d{4}[\w.]*)")),
    ("Cray MPICH", "cray", re.compile(r"CRAY MPICH version (\d[\w.]*)")),
    ("MVAPICH", "mpich", re.compile(r"MVAPICH\d? Version\s*:\s*(\d[\w.]*)")),
    ("MPICH", "mpich", re.compile(r"(?:MPICH Version|HYDRA build details:\s+Version)\s*:\s*(\d[\w.]*)")),
)
# Slurm has some of these whether or not they are of use there: cray_shasta starts any process, and MPICH is alone in it.
_PMIS = {"openmpi": ("pmix",), "mpich": ("pmi2",), "cray": ("cray_shasta",), "intel": ("pmi2",)}
# What a run needs to be laid out as asked, unless the job's own variables say otherwise: Open MPI refuses root and more processes than it
# counts cores, and binds each process to one, of which other runs know nothing (version 4, then 5); Intel MPI goes by Slurm's layout.
VARIABLES = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_ALLOW_RUN_AS_ROOT": "1", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PRTE_MCA_hwloc_default_binding_policy": "none",
    "I_MPI_JOB_RESPECT_PROCESS_PLACEMENT": "0", "I_MPI_PIN": "0",
}  # fmt: skip


class Mpi:
    """One implementation, such as MPICH 5.0.2. Of one `family` are those whose mpirun starts each other's processes."""

    __slots__ = ("family", "name", "version")

    def __init__(self, name: str, family: str, version: str) -> None:
        self.name = name
        self.family = family
        self.version = version

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Launch:
    """What starts the processes: `launcher` is mpirun or srun, `program` its file. `pmi` is srun's --mpi. `mpi` is None if unknown."""

    __slots__ = ("launcher", "mpi", "pmi", "program")

    def __init__(self, launcher: str, program: str, mpi: Mpi | None, pmi: str = "") -> None:
        self.launcher = launcher
        self.program = program
        self.mpi = mpi
        self.pmi = pmi

    def __str__(self) -> str:
        if self.launcher == SRUN:
            return f"srun --mpi={self.pmi}" + (f" for {self.mpi}" if self.mpi else "")
        return f"{self.program} of {self.mpi}" if self.mpi else self.program


class NoMpi(Exception):
    """The processes cannot be started; why not, and a hint."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def recognise(text: str) -> Mpi | None:
    """The implementation that answers so when asked for its version."""
    for name, family, pattern in _IMPLEMENTATIONS:
        found = pattern.search(text)
        if found is not None:
            return Mpi(name, family, found[1])
    return None


def choose(
    launcher: str, pmi: str | None, library: Mpi | None, programs: Sequence[tuple[str, Mpi | None]], pmis: Sequence[str] | None,
) -> Launch:  # fmt: skip
    """Settle on one launcher. `launcher` (auto, mpirun, srun) and `pmi` are what was asked for.

    `library` is what the job's processes load, None if nobody knows; `programs` every mpirun there is, first come first; `pmis` what
    `srun --mpi=list` has, None outside of a job. Raises NoMpi.
    """
    if launcher == SRUN or (launcher == "auto" and pmi is not None and pmis is not None):
        return _srun(pmi, library, pmis)
    fitting = [(path, mpi) for path, mpi in programs if library is None or mpi is None or mpi.family == library.family]
    known = library or (fitting[0][1] if fitting else None)
    # MPICH leaves the nodes to Slurm; Open MPI and Intel MPI have mpirun ask srun for daemons, and need nothing else for it.
    if launcher == "auto" and known is not None and known.family in ("mpich", "cray") and pmis is not None and _fitting_pmi(known, pmis):
        return _srun(None, known, pmis)
    if fitting:
        return Launch(MPIRUN, fitting[0][0], known)
    if programs:
        there = " and ".join(f"{path} is of {mpi}" for path, mpi in programs)
        raise NoMpi(
            f"the job's Python loads {library}, but {there}: each of its processes would believe to be alone",
            f"set distributed.mpirun to the mpirun of {library}, or have mpi4py load the other library with MPI4PY_LIBMPI",
        )
    raise NoMpi("no mpirun is on the job's PATH", NO_MPIRUN_HINT)


NO_MPIRUN_HINT = "env=mpi brings one along; distributed.mpirun names one that lies elsewhere"


def _srun(pmi: str | None, library: Mpi | None, pmis: Sequence[str] | None) -> Launch:
    if pmis is None:
        raise NoMpi("distributed.launcher=srun, and this is no job of Slurm's", "distributed.launcher=auto finds what there is")
    there = ", ".join(pmis) or "nothing"
    if pmi is not None and pmi not in pmis:
        raise NoMpi(f"distributed.pmi={pmi} is not what this Slurm has: {there}", "choose one of these, or null")
    chosen = pmi or (_fitting_pmi(library, pmis) if library is not None else None)
    if chosen is None:
        what = f"{library} wants" if library is not None else "the MPI of the job wants, which could not be found out"
        raise NoMpi(f"this Slurm has nothing for --mpi that {what}; it has {there}", "set distributed.pmi, or distributed.launcher=mpirun")
    return Launch(SRUN, SRUN, library, chosen)


def _fitting_pmi(mpi: Mpi, pmis: Sequence[str]) -> str | None:
    return next((pmi for wanted in _PMIS[mpi.family] for pmi in pmis if pmi == wanted), None)


def read_pmis(text: str) -> list[str]:
    """What `srun --mpi=list` lists: Slurm 22.05 one a line after a title, `none` among them; before, each after its title."""
    words = [line.removeprefix("srun:").removeprefix(" MPI types are...").strip() for line in text.splitlines()]
    versions = [word for line in words if ":" in line for word in line.partition(":")[2].replace(",", " ").split()]
    return [word for word in words if re.fullmatch(r"[a-z][a-z0-9_]*", word)] + [word for word in versions if word.startswith("pmi")]


def command(launch: Launch, nodes: int, per_node: int, cpus: int, arguments: Sequence[str], member: Sequence[str]) -> list[str]:
    """The words that start `member` once for each process, node by node. `cpus` are those of each node, where srun has to be told."""
    count = str(nodes * per_node)
    if launch.launcher == SRUN:
        return [
            launch.program, f"--mpi={launch.pmi}", f"--nodes={nodes}", f"--ntasks={count}", f"--ntasks-per-node={per_node}",
            f"--cpus-per-task={max(1, cpus // per_node)}", *(["--overcommit"] if per_node > cpus else []),
            "--distribution=block", "--cpu-bind=none", "--kill-on-bad-exit=0", "--export=ALL", "--", *member,
        ]  # fmt: skip
    given = " ".join(arguments)
    if launch.mpi is None:
        placed = []
    elif launch.mpi.family == "openmpi":
        placed = [] if "map-by" in given else ["--map-by", f"ppr:{per_node}:node"]
    else:
        placed = [] if "ppn" in given else ["-ppn", str(per_node)]
    return [launch.program, "-n", count, *placed, *arguments, *member]


def interface_variables(launch: Launch, interface: str, network: str, *, is_asked: bool) -> dict[str, str]:
    """What has the launcher and its daemons meet on one interface. `network` is the one it is in, for nodes where it has another name.

    MPICH's daemons call the launcher by its node's name, and are told otherwise only where somebody asked for it.
    """
    if launch.mpi is None or launch.launcher == SRUN:
        return {}
    if launch.mpi.family == "openmpi":
        name = "OMPI_MCA_oob_tcp_if_include" if int(launch.mpi.version.partition(".")[0]) < 5 else "PRTE_MCA_prte_if_include"
        return {name: ",".join(filter(None, (interface, network)))}
    if not is_asked:
        return {}
    return {"I_MPI_HYDRA_IFACE" if launch.mpi.family == "intel" else "HYDRA_IFACE": interface}


class Place:
    """What an MPI tells one of its processes: rank, size of the world, and rank on its node; None where it does not."""

    __slots__ = ("local_rank", "rank", "size")

    def __init__(self, environ: Mapping[str, str]) -> None:
        def first(*names: str) -> int | None:
            return next((int(environ[name]) for name in names if environ.get(name, "").isdigit()), None)

        # Not SLURM_PROCID: who is told no more than that is alone in its world, or the child of a daemon that srun has started
        self.rank = first("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "PALS_RANKID")
        self.size = first("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
        self.local_rank = first("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
