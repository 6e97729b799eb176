"""`Experiment`: runs of one name in a workspace."""

from __future__ import annotations

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.exceptions import ExperimentNotFoundException, UserErrorException, told_as
from trainconf.compat.azureml.runs.run import wrapped
from trainconf.compat.azureml.said import once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Experiment:
    """An experiment by name; it needs no run to exist. Raises UserErrorException for a name that cannot be one."""

    def __init__(self, workspace: Any, name: str, _skip_name_validation: bool = False, _id: Any = None, **kwargs: Any) -> None:
        self._begin(workspace, name)
        if workspace.is_visible:
            self._ours  # noqa: B018 (it checks the name)

    def _begin(self, workspace: Any, name: str) -> None:
        self.workspace = workspace
        self.name = name
        self._known: Any = None

    @classmethod
    def _of(cls, workspace: Any, name: str) -> Experiment:
        found = cls.__new__(cls)
        found._begin(workspace, name)
        return found

    @property
    def _ours(self) -> Any:
        """The same experiment as trainconf's own class."""
        if self._known is None:
            from importlib import import_module

            with told_as(UserErrorException):
                self._known = import_module("trainconf.sdk.experiment").Experiment(self.workspace._ours, self.name)
        return self._known

    @property
    def id(self) -> str:
        return self.name

    @property
    def archived_time(self) -> None:
        """Never archived; single runs are, with `trainconf archive`."""
        return

    tags: dict[str, str] = {}  # noqa: RUF012 (there are none)

    def submit(self, config: Any, tags: Any = None, **kwargs: Any) -> Any:
        """Submit a run or a sweep, and return at once."""
        from importlib import import_module

        return import_module("trainconf.compat.azureml.configs.submitting").submit(self, config, tags, **kwargs)

    def start_logging(self, *args: Any, outputs: Any = None, snapshot_directory: Any = ".", display_name: str | None = None,
                      **kwargs: Any) -> Any:  # fmt: skip
        """Begin a run that this process is: `complete` or the end of a `with` block ends it."""
        given = {"outputs": outputs, "snapshot_directory": snapshot_directory, "display_name": display_name}
        with told_as(UserErrorException):
            return wrapped(self._ours.start_logging(**given), self)

    def get_runs(self, type: Any = None, tags: Any = None, properties: Any = None, include_children: bool = False, **kwargs: Any) -> Any:
        """The runs, newest first, one after the other."""
        wanted = {"tags": tags} if tags else {}
        for ours in self._ours.get_runs(**wanted):
            run = wrapped(ours, self)
            if (include_children or run.parent is None) and (not properties or _has(run.get_properties(), properties)) and (
                kwargs.get("status") in (None, run.get_status())
            ):  # fmt: skip
                yield run

    @staticmethod
    def list(workspace: Any, experiment_name: str | None = None, view_type: str = "ActiveOnly", tags: Any = None) -> list[Experiment]:
        """The experiments that have runs."""
        from importlib import import_module

        there = import_module("trainconf.sdk.experiment").Experiment.list(workspace._ours)
        found = [Experiment._of(workspace, ours.name) for ours in there]
        return [experiment for experiment in found if experiment_name in (None, experiment.name)]

    @staticmethod
    def delete(workspace: Any, experiment_id: str) -> None:
        """Not carried out."""
        raise not_here("azureml.core.Experiment.delete", "`trainconf rm` removes runs, by id or with --where")

    def archive(self) -> None:
        """Nothing: single runs are archived."""
        once("Experiment.archive does nothing here; `trainconf archive RUN` leaves runs out of lists")

    def reactivate(self, new_name: str | None = None) -> None:
        """Nothing: it was not archived."""
        once("Experiment.reactivate does nothing here: an experiment is never archived")

    def refresh(self) -> None:
        """Nothing: everything is read when it is asked for."""

    def get_docs_url(self) -> str:
        return "docs/azureml.md"

    def get_portal_url(self) -> str:
        """The path of the folder of its runs: there is no portal."""
        import os

        return os.path.join(self.workspace.root, "runs", self.name)

    @staticmethod
    def from_directory(path: str, auth: Any = None) -> Experiment:
        """Not carried out."""
        raise ExperimentNotFoundException("an experiment is found by its name: Experiment(ws, name)")

    def remove_tags(self, tags: Any) -> None:
        """Nothing: runs have tags."""

    @property
    def workspace_object(self) -> Any:
        """The workspace, by its older name."""
        return self.workspace

    def tag(self, key: str, value: Any = None) -> None:
        """Nothing: runs have tags."""
        self.set_tags({key: value})

    def set_tags(self, tags: Any) -> None:
        """Nothing: runs have tags."""
        once("Experiment.set_tags does nothing here: runs have tags")

    def __getattr__(self, name: str) -> Any:
        if name in ("_known",) or name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"trainconf's Experiment has no {name}; see docs/azureml.md")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and (other.workspace, other.name) == (self.workspace, self.name)

    def __hash__(self) -> int:
        return hash((self.workspace, self.name))

    def __repr__(self) -> str:
        return f"Experiment({self.workspace!r}, {self.name!r})"


def _has(given: Any, wanted: Any) -> bool:
    pairs = wanted.items() if isinstance(wanted, dict) else [(wanted, given.get(wanted))]
    return all(name in given and given[name] == str(value) for name, value in pairs)
