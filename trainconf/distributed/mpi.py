"""Recognizes MPI implementations, chooses a launcher for one, and makes the command that starts its processes. Pure.

The processes of an MPI find each other only when its own mpirun started them, or a srun that speaks its PMI. Otherwise each runs alone.
"""

from __future__ import annotations

from trainconf.fast.records import Record
from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MPIRUN, SRUN = "mpirun", "srun"
# Programs of several implementations may be on one PATH; Debian gives each its own name.
PROGRAMS = ("mpirun", "mpiexec", "mpiexec.hydra", "mpirun.mpich", "mpirun.openmpi")
# As `mpirun --version` and MPI_Get_library_version answer.
_IMPLEMENTATIONS = (
    ("Open MPI", "openmpi", re.compile(r"(?:Open MPI|OpenRTE)\)? v?(\d[\w.]*)")),  # the second is Debian's mpirun.openmpi
    ("Intel MPI", "intel", re.compile(r"Intel\(R\) MPI Library\D*?(\d{4}[\w.]*)")),
    ("Cray MPICH", "cray", re.compile(r"CRAY MPICH version (\d[\w.]*)")),
    ("MVAPICH", "mpich", re.compile(r"MVAPICH\d? Version\s*:\s*(\d[\w.]*)")),
    ("MPICH", "mpich", re.compile(r"(?:MPICH Version|HYDRA build details:\s+Version)\s*:\s*(\d[\w.]*)")),
)
# Slurm lists some of these also where they are of no use: cray_shasta starts any process, but each of MPICH's then runs alone.
_PMIS = {"openmpi": ("pmix",), "mpich": ("pmi2",), "cray": ("cray_shasta",), "intel": ("pmi2",)}
# Variables for the requested layout; the job's own win. Open MPI refuses root and more processes than cores, and binds each process to a
# core, which other runs do not know (version 4, then 5). Intel MPI follows Slurm's layout.
VARIABLES = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_ALLOW_RUN_AS_ROOT": "1", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PRTE_MCA_hwloc_default_binding_policy": "none",
    "I_MPI_JOB_RESPECT_PROCESS_PLACEMENT": "0", "I_MPI_PIN": "0",
}


class Mpi(Record):
    """One implementation, such as MPICH 5.0.2. The mpirun of one starts the processes of others of its `family`."""

    name: str
    family: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Launch(Record):
    """What starts the processes."""

    launcher: str  # mpirun or srun
    program: str  # its file
    mpi: Mpi | None  # None if unknown
    pmi: str = ""  # --mpi of srun

    def __str__(self) -> str:
        if self.launcher == SRUN:
            return f"srun --mpi={self.pmi}" + (f" for {self.mpi}" if self.mpi else "")
        return f"{self.program} of {self.mpi}" if self.mpi else self.program


class NoMpi(Exception):
    """The processes cannot be started."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def recognise(text: str) -> Mpi | None:
    """The implementation whose version this text tells."""
    for name, family, pattern in _IMPLEMENTATIONS:
        found = pattern.search(text)
        if found is not None:
            return Mpi(name, family, found[1])
    return None


def choose(
    launcher: str, pmi: str | None, library: Mpi | None, programs: Sequence[tuple[str, Mpi | None]], pmis: Sequence[str] | None,
) -> Launch:
    """Choose one launcher. `launcher` (auto, mpirun, srun) and `pmi` are the settings.

    `library` is what the job's processes load, None if unknown; `programs` every mpirun on the PATH, in its order; `pmis` what
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
            f"the job's Python loads {library}, but {there}: each of its processes would run alone",
            f"set distributed.mpirun to the mpirun of {library}, or have mpi4py load the other library with MPI4PY_LIBMPI",
        )
    raise NoMpi("no mpirun is on the job's PATH", NO_MPIRUN_HINT)


NO_MPIRUN_HINT = "env=mpi brings one along; distributed.mpirun names one that lies elsewhere"


def _srun(pmi: str | None, library: Mpi | None, pmis: Sequence[str] | None) -> Launch:
    if pmis is None:
        raise NoMpi("distributed.launcher=srun, but this is not a Slurm job", "distributed.launcher=auto finds what there is")
    there = ", ".join(pmis) or "nothing"
    if pmi is not None and pmi not in pmis:
        raise NoMpi(f"distributed.pmi={pmi} is not what this Slurm has: {there}", "choose one of these, or null")
    chosen = pmi or (_fitting_pmi(library, pmis) if library is not None else None)
    if chosen is None:
        what = f"{library}" if library is not None else "the MPI of the job, which is unknown"
        raise NoMpi(f"this Slurm has no --mpi for {what}; it has {there}", "set distributed.pmi, or distributed.launcher=mpirun")
    return Launch(SRUN, SRUN, library, chosen)


def _fitting_pmi(mpi: Mpi, pmis: Sequence[str]) -> str | None:
    return next((pmi for wanted in _PMIS[mpi.family] for pmi in pmis if pmi == wanted), None)


def read_pmis(text: str) -> list[str]:
    """The names that `srun --mpi=list` lists: Slurm 22.05 one a line after a title, `none` among them; before, each after its title."""
    names = [line.removeprefix("srun:").removeprefix(" MPI types are...").strip() for line in text.splitlines()]
    versions = [name for line in names if ":" in line for name in line.partition(":")[2].replace(",", " ").split()]
    return [name for name in names if re.fullmatch(r"[a-z][a-z0-9_]*", name)] + [name for name in versions if name.startswith("pmi")]


def command(launch: Launch, nodes: int, per_node: int, cpus: int, arguments: Sequence[str], worker: Sequence[str]) -> list[str]:
    """The argument list that starts `worker` once for each process, node by node. `cpus` are those of each node; srun needs them."""
    count = str(nodes * per_node)
    if launch.launcher == SRUN:
        return [
            launch.program, f"--mpi={launch.pmi}", f"--nodes={nodes}", f"--ntasks={count}", f"--ntasks-per-node={per_node}",
            f"--cpus-per-task={max(1, cpus // per_node)}", *(["--overcommit"] if per_node > cpus else []),
            "--distribution=block", "--cpu-bind=none", "--kill-on-bad-exit=0", "--export=ALL", "--", *worker,
        ]
    given = " ".join(arguments)
    if launch.mpi is None:
        placed = []
    elif launch.mpi.family == "openmpi":
        placed = [] if "map-by" in given else ["--map-by", f"ppr:{per_node}:node"]
    else:
        placed = [] if "ppn" in given else ["-ppn", str(per_node)]
    return [launch.program, "-n", count, *placed, *arguments, *worker]


def interface_variables(launch: Launch, interface: str, network: str, *, is_asked: bool) -> dict[str, str]:
    """Variables that make the launcher and its daemons meet on one interface. `network` is its network, for nodes where its name differs.

    MPICH's daemons call the launcher by its node's name, unless an interface was asked for.
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

        # Not SLURM_PROCID: a process that has only that runs alone, or is the child of a daemon that srun has started
        self.rank = first("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "PALS_RANKID")
        self.size = first("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
        self.local_rank = first("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
