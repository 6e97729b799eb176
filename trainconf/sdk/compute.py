"""`ComputeTarget`: a choice of `compute`, by name."""

from __future__ import annotations

from trainconf.errors import UserError
from trainconf.resolve.search import config_dirs, groups
from trainconf.sdk.settings.arguments import Arguments, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins

    from trainconf.sdk.workspace import Workspace


class ComputeTarget:
    """A compute target of a workspace: a file of `conf/compute/`, or a shipped one. Raises UserError for a name that is none.

    workspace: where it is looked up. name: such as `local`, `docker`, `slurm` or `slurm/gpu`.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        arguments = Arguments("ComputeTarget")
        arguments.text("name", name, "the name of a compute target, such as 'slurm'", optional=False)
        arguments.check()
        known = names(workspace)
        if name not in known:
            raise UserError(
                f"there is no compute target {name!r}", ("from", arguments.place), ("there are", ", ".join(known)),
                hint=nearest(name, known),
            )  # fmt: skip
        self.workspace = workspace
        self.name = name

    @staticmethod
    def list(workspace: Workspace) -> builtins.list[ComputeTarget]:
        """All compute targets of a workspace."""
        return [ComputeTarget(workspace, name) for name in names(workspace)]

    def __repr__(self) -> str:
        return f"ComputeTarget({self.name!r})"


def names(workspace: Workspace) -> builtins.list[str]:
    """The choices of `compute`: `local`, `slurm/gpu`."""
    found = groups(config_dirs(workspace._paths))
    nested = (f"{group.removeprefix('compute/')}/{name}" for group in found if group.startswith("compute/") for name in found[group])
    return [*found.get("compute", []), *nested]
