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
# OMPI_MCA_* stay: with them a user sets up Open MPI.
_BEGINNINGS = ("TORCHELASTIC_", "PMI_", "PMIX_", "OMPI_COMM_WORLD_", "MPI_LOCAL", "HYDI_", "TRAINCONF_INPUT_")


def without_place(environ: Mapping[str, str]) -> dict[str, str]:
    """The rest of `environ`."""
    return {name: value for name, value in environ.items() if name not in _NAMES and not name.startswith(_BEGINNINGS)}
