"""What a process was told about its place among others. A job submitted from there must not begin with it: it would look for ranks that are
not its own, and wait for them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = frozenset({
    "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TF_CONFIG",
    "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK", "ROLE_NAME", "ROLE_WORLD_SIZE",  # torchrun's, like TORCHELASTIC_*
    "PMI", "PMI2", "OMPI_UNIVERSE_SIZE", "OMPI_APP_CTX_NUM_PROCS", "TRAINCONF_COMMUNICATION_BACKEND",
})  # fmt: skip
# A user sets up Open MPI with OMPI_MCA_*, which stay; but its mpirun tells each of its processes where it belongs by these.
_OF_OPEN_MPIS_RANK = (
    "OMPI_MCA_ess", "OMPI_MCA_orte_", "OMPI_MCA_pmix", "OMPI_MCA_initial_wdir", "OMPI_MCA_mpi_oversubscribe", "OMPI_MCA_shmem_RUNTIME",
)  # fmt: skip
_BEGINNINGS = ("TORCHELASTIC_", "PMI_", "PMIX_", "OMPI_COMM_WORLD_", "OMPI_FILE_LOCATION", "MPI_LOCAL", "HYDI_", "TRAINCONF_INPUT_")


def without_place(environ: Mapping[str, str]) -> dict[str, str]:
    """The rest of `environ`."""
    beginnings = _BEGINNINGS + _OF_OPEN_MPIS_RANK if "OMPI_COMM_WORLD_RANK" in environ else _BEGINNINGS
    return {name: value for name, value in environ.items() if name not in _NAMES and not name.startswith(beginnings)}
