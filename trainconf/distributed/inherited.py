"""Variables that tell a process its place among others. A job submitted from there must not inherit them: it would wait for ranks that are
not its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = frozenset({
    "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TF_CONFIG", "TRAINCONF_NODE_COUNT",
    "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE",  # torchrun's, like TORCHELASTIC_*
    "CROSS_RANK", "CROSS_SIZE", "LOCAL_SIZE",  # DeepSpeed's launcher
    # horovodrun's
    "HOROVOD_RANK", "HOROVOD_SIZE", "HOROVOD_LOCAL_RANK", "HOROVOD_LOCAL_SIZE", "HOROVOD_CROSS_RANK", "HOROVOD_CROSS_SIZE",
    "HOROVOD_HOSTNAME", "HOROVOD_CONTROLLER", "HOROVOD_CPU_OPERATIONS", "HOROVOD_GLOO_RENDEZVOUS_ADDR", "HOROVOD_GLOO_RENDEZVOUS_PORT",
    "PMI", "PMI2", "ALPS_APP_PE", "PRTE_LAUNCHED", "OMPI_UNIVERSE_SIZE", "OMPI_APP_CTX_NUM_PROCS", "OMPI_COMMAND", "OMPI_ARGV",
    "OMPI_NUM_APP_CTX", "OMPI_FIRST_RANKS", "OMPI_VERSION", "TRAINCONF_COMMUNICATION_BACKEND",
})
# Users configure Open MPI by OMPI_MCA_*, which stay; but its mpirun tells each of its processes its place by these.
_OPEN_MPI_RANK = (
    "OMPI_MCA_ess", "OMPI_MCA_orte_", "OMPI_MCA_pmix", "OMPI_MCA_initial_wdir", "OMPI_MCA_mpi_oversubscribe", "OMPI_MCA_shmem_RUNTIME",
)
_BEGINNINGS = (
    "TORCHELASTIC_", "PET_",  # torchrun's, and what it takes its arguments from
    "PMI_", "PMIX_", "PALS_", "MPI_LOCAL", "HYDI_", "MPISPAWN_", "MV2_COMM_WORLD_", "OMPI_COMM_WORLD_", "OMPI_FILE_LOCATION",
    "JSM_NAMESPACE_", "FLUX_JOB_", "FLUX_TASK_",  # of jsrun and flux, which start MPI processes, too
    "TRAINCONF_INPUT_", "SLURM_", "SLURMD_", "SBATCH_", "SALLOC_", "SRUN_",
)
# Of Slurm's: the cluster, the user's token, and a folder that some sites make for each job.
_KEPT = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_TMPDIR"})


def without_place(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without them. A job that is started inside an allocation does not own the nodes and tasks of that allocation."""
    beginnings = _BEGINNINGS + _OPEN_MPI_RANK if "OMPI_COMM_WORLD_RANK" in environ else _BEGINNINGS
    return {
        name: value for name, value in environ.items()
        if name in _KEPT or (name not in _NAMES and not name.startswith(beginnings))
    }
