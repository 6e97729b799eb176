"""`Workspace`: the folder that holds configs, runs and what is kept of them."""

from __future__ import annotations

import os

import trainconf  # whose names are loaded when they are asked for: the classes of this room know this one
from trainconf.errors import UserError
from trainconf.paths import STATE_DIR, find_workspace, is_workspace
from trainconf.sdk.place import caller
from trainconf.sdk.settings.arguments import Arguments, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf import ComputeTarget, Experiment, SubmittedRun


class Workspace:
    """The workspace of a folder: the nearest one from `path` upwards, as the command line finds it.

    path: a folder, by default the current one. Raises UserError when there is no workspace, or another user owns it.

        >>> from trainconf import Workspace
        >>> ws = Workspace.create(".")  # makes this folder a workspace; Workspace() finds one that is there
        >>> sorted(ws.compute_targets)[:2]
        ['docker', 'local']
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        arguments = Arguments("Workspace")
        given = arguments.path("path", path)
        arguments.check()
        start = absolute(given or ".")
        if not os.path.isdir(start):
            raise UserError("the workspace is no folder", ("from", arguments.place), ("path", start))
        self._paths = find_workspace(start)
        if not is_workspace(self._paths.root):
            raise UserError(
                "there is no workspace here", ("from", arguments.place), ("looked in", f"{start} and the folders above it"),
                ("looked for", f"a folder {STATE_DIR}/, or conf/ with experiment/, config.yaml or local.yaml"),
                hint=f'Workspace.create("{start}") makes this folder one; `trainconf init` also puts examples there',
            )

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | None = None) -> Workspace:
        """The same as `Workspace(path)`; `path` may also be a file in the workspace. Raises UserError."""
        if path is not None and isinstance(path, (str, os.PathLike)) and os.path.isfile(path):
            path = os.path.dirname(os.path.abspath(path))
        return cls(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str] = ".") -> Workspace:
        """Make a folder a workspace, and the folder too if it is not there. One that is a workspace stays as it is. Raises UserError."""
        arguments = Arguments("Workspace.create")
        given = arguments.path("path", path, optional=False)
        arguments.check()
        root = absolute(str(given))
        try:
            os.makedirs(os.path.join(root, STATE_DIR), exist_ok=True)
        except OSError as error:
            raise UserError("the workspace cannot be made", ("from", caller()), ("path", root), ("because", str(error))) from error
        return cls(root)

    @property
    def name(self) -> str:
        """The name of its folder."""
        return os.path.basename(self._paths.root)

    @property
    def root(self) -> str:
        """The path of its folder."""
        return self._paths.root

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The experiments that have runs, by name."""
        return {experiment.name: experiment for experiment in trainconf.Experiment.list(self)}

    @property
    def compute_targets(self) -> dict[str, ComputeTarget]:
        """The choices of `compute`, by name: those of `conf/compute/` and the shipped ones."""
        return {target.name: target for target in trainconf.ComputeTarget.list(self)}

    def get_run(self, run_id: str) -> SubmittedRun:
        """The run or sweep with this id, as `Run.get(workspace, run_id)`. Raises RunNotFoundError."""
        return trainconf.SubmittedRun.get(self, run_id)

    def __repr__(self) -> str:
        return f"Workspace({self.root!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and os.path.realpath(other.root) == os.path.realpath(self.root)

    def __hash__(self) -> int:
        return hash(os.path.realpath(self.root))
