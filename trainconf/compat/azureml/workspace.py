"""`Workspace` and `Keyvault`: the folder that holds configs and runs. In a job it is the one that its run belongs to."""

from __future__ import annotations

import os

from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.exceptions import ProjectSystemException, UserErrorException, told_as
from trainconf.compat.azureml.mapping import Mapping, read
from trainconf.compat.azureml.said import once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HERE = "local"  # what stands for a region, a subscription and a resource group
_NO_CONNECTION, _NO_NETWORK = "there are no connections here", "there is no network of the cloud here"
NOT_HERE = {
    "linked_services": "there is no Synapse here", "webservices": "nothing is deployed here", "images": "nothing is deployed here",
    "private_endpoints": _NO_NETWORK, "add_private_endpoint": _NO_NETWORK,
    "discovery_url": "there is no service here", "delete_private_endpoint_connection": _NO_NETWORK,
    "sync_keys": "there are no keys here", "list_keys": "there are no keys here", "service_context": "there is no service here",
    "update_dependencies": "a workspace is a folder", "diagnose_workspace": "`trainconf doctor` does that",
    "set_connection": _NO_CONNECTION, "get_connection": _NO_CONNECTION, "delete_connection": _NO_CONNECTION,
    "list_connections": _NO_CONNECTION, "service_principal_authentication": "nothing is logged in to here",
    "_auth_object": "nothing is logged in to here",
}  # fmt: skip


class Workspace:
    """The trainconf workspace of the current folder, whatever subscription, group and name say. Raises ProjectSystemException."""

    def __init__(
        self, subscription_id: str | None = None, resource_group: str | None = None, workspace_name: str | None = None, auth: Any = None,
        _location: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if subscription_id or resource_group or workspace_name:
            once("a workspace is a folder here: subscription, resource group and name are not looked at")
        self._begin(_root_of(None))

    def __new__(cls, *args: Any, **kwargs: Any) -> Workspace:
        found: Workspace = object.__new__(_kind(cls))
        return found

    def _begin(self, root: str) -> None:
        self._root = root
        self._default_datastore = "workspaceblobstore"
        self._known: Any = None

    @classmethod
    def _at(cls, root: str) -> Workspace:
        found = cls.__new__(Workspace)
        found._begin(root)
        return found

    @classmethod
    def _nearest(cls) -> Workspace | None:
        """The workspace of the current folder or of this job; None where there is none."""
        try:
            return cls._at(_root_of(None))
        except ProjectSystemException:
            return None

    @classmethod
    def _of_run(cls, run_dir: str) -> Workspace | None:
        """The workspace of a run's directory; without one, outside any run, the nearest."""
        return cls._at(_above(run_dir)) if run_dir else cls._nearest()

    @classmethod
    def from_config(cls, path: str | None = None, auth: Any = None, _logger: Any = None, _file_name: str | None = None) -> Workspace:
        """The workspace of a folder, by default of the current one. A config.json is not needed, and not read."""
        folder = None
        if path is not None:
            folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
        return cls._at(_root_of(folder if folder and os.path.isdir(folder) else None))

    @classmethod
    def get(
        cls, name: str, auth: Any = None, subscription_id: str | None = None, resource_group: str | None = None, **kwargs: Any
    ) -> Workspace:
        """The workspace of the current folder."""
        once("a workspace is a folder here: subscription, resource group and name are not looked at")
        return cls._at(_root_of(None))

    @classmethod
    def create(cls, name: str, *args: Any, **kwargs: Any) -> Workspace:
        """The workspace of the current folder, which becomes one where it is none."""
        found = cls._nearest()
        if found is None:
            found = cls._at(_sdk("workspace").Workspace.create(".").root)
            once(f"Workspace.create made {found.root} a workspace; nothing is made in a cloud")
        else:
            once(f"Workspace.create does nothing here: {found.root} is a workspace already, and nothing is made in a cloud")
        return found

    setup = create

    @staticmethod
    def list(subscription_id: str | None = None, auth: Any = None, resource_group: str | None = None) -> dict[str, list[Workspace]]:
        """The workspace of the current folder, by its name."""
        found = Workspace._nearest()
        return {} if found is None else {found.name: [found]}

    @property
    def root(self) -> str:
        """The path of its folder."""
        return self._root

    @property
    def _ours(self) -> Any:
        """The same workspace as trainconf's own class, whose calls take no names of the original."""
        self._must_be_visible("the workspace")
        if self._known is None:
            with told_as(ProjectSystemException):
                self._known = _sdk("workspace").Workspace(self.root)
        return self._known

    @property
    def _paths(self) -> Any:
        return self._ours._paths

    @property
    def is_visible(self) -> bool:
        """Whether its folder is seen: in a container only the run's own folder is."""
        run_dir = os.environ.get("TRAINCONF_RUN_DIR", "")
        return not (run_dir and self.root == _above(run_dir) and os.path.ismount(run_dir))

    def _must_be_visible(self, what: str) -> None:
        if not self.is_visible:
            raise UserErrorException(
                f"{what} cannot be reached in a container, which sees its own run and its inputs; give it to the run as an input: "
                "arguments=[dataset.as_named_input('data').as_mount()]"
            )

    @property
    def staging(self) -> str:
        """The folder for copies of files that a dataset chooses."""
        return os.path.join(self.root, ".trainconf", "cache", "datasets")

    def absolute(self, path: str) -> str:
        """A path of conf/azureml.yaml: from the workspace on."""
        return os.path.normpath(os.path.join(self.root, os.path.expanduser(path)))

    def _mapping(self) -> Mapping:
        return read(self.root) if self.is_visible else Mapping({}, {})

    def _state_of(self, run_id: str) -> str:
        """The state of a run; empty for one that is not there any more."""
        try:
            return str(self._ours.get_run(run_id).get_status())
        except Exception as error:
            if hasattr(error, "mistakes"):
                return ""
            raise

    @property
    def name(self) -> str:
        """The name of its folder."""
        return os.path.basename(self.root)

    subscription_id = resource_group = location = sku = HERE

    @property
    def id(self) -> str:
        return self.root

    def get_details(self) -> dict[str, Any]:
        """What it is, by the original's names."""
        return {"id": self.root, "name": self.name, "location": HERE, "type": "folder", "workspaceid": self.root, "friendlyName": self.name,
                "description": "", "tags": {}}  # fmt: skip

    tags: dict[str, str] = {}  # noqa: RUF012 (there are none)

    def write_config(self, path: str | None = None, file_name: str | None = None) -> None:
        """Nothing: a workspace is found by its folder."""
        once("write_config writes nothing: a workspace is found by its folder")

    def get_default_datastore(self) -> Any:
        """The datastore that is meant when none is named."""
        return names.load("Datastore")(self, self._default_datastore)

    def set_default_datastore(self, name: Any) -> None:
        """Have another datastore meant, in this process."""
        self._default_datastore = names.load("Datastore")(self, name if isinstance(name, str) else name.name).name

    def get_default_keyvault(self) -> Keyvault:
        """Secrets: variables of the environment."""
        return Keyvault(self)

    @property
    def datastores(self) -> dict[str, Any]:
        found: dict[str, Any] = names.load("Datastore").all_of(self)
        return found

    @property
    def datasets(self) -> dict[str, Any]:
        found: dict[str, Any] = names.load("Dataset").get_all(self)
        return found

    @property
    def models(self) -> dict[str, Any]:
        """The newest version of each model, by name."""
        return {model.name: model for model in names.load("Model").list(self, latest=True)}

    @property
    def compute_targets(self) -> dict[str, Any]:
        found: dict[str, Any] = names.load("ComputeTarget").all_of(self)
        return found

    @property
    def environments(self) -> dict[str, Any]:
        found: dict[str, Any] = names.load("Environment").list(self)
        return found

    @property
    def experiments(self) -> dict[str, Any]:
        return {experiment.name: experiment for experiment in names.load("Experiment").list(self)}

    def get_default_compute_target(self, type: str = "CPU") -> Any:
        """This machine."""
        return self.compute_targets[HERE]

    def get_run(self, run_id: str) -> Any:
        """A run by its id."""
        return names.load("Run").get(self, run_id)

    def get_mlflow_tracking_uri(self, with_auth: bool = False) -> str:
        """What `mlflow.set_tracking_uri` takes: mlflow then sees the runs of this workspace, and in a job logs to its run."""
        return "trainconf:" if self == self._nearest() else f"trainconf:{self.root}"

    def delete(self, *args: Any, **kwargs: Any) -> None:
        """Not carried out."""
        raise not_here("azureml.core.Workspace.delete", "a workspace is a folder; remove it yourself")

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Not carried out."""
        raise not_here("azureml.core.Workspace.update", "a workspace is a folder")

    def __getattr__(self, name: str) -> Any:
        if name in NOT_HERE:
            raise not_here("azureml.core.Workspace." + name, NOT_HERE[name])
        raise AttributeError(f"trainconf's Workspace has no {name}; see docs/azureml.md")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and os.path.realpath(other.root) == os.path.realpath(self.root)

    def __hash__(self) -> int:
        return hash(os.path.realpath(self.root))

    def __repr__(self) -> str:
        return f"Workspace({self.root!r})"


class Keyvault:
    """Secrets by name: variables of the environment, which trainconf keeps out of everything that is recorded."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def get_secret(self, name: str) -> str:
        """A secret. Raises UserErrorException for one that is not set."""
        from trainconf.job_api.reach import secret

        try:
            return secret(name)
        except LookupError as error:
            raise UserErrorException(str(error.args[0])) from error

    def get_secrets(self, secrets: Any) -> dict[str, str]:
        """Several secrets, by name."""
        return {name: self.get_secret(name) for name in secrets}

    def get_secret_content_type(self, name: str) -> Any:
        return "", self.get_secret(name)

    def set_secret(self, name: str, value: str, **kwargs: Any) -> None:
        """Not carried out: a secret that a script has in its text is none."""
        raise not_here("azureml.core.Keyvault.set_secret", f"set the variable {name} where you submit, or in a file of secrets")

    def set_secrets(self, secrets_batch: Any, **kwargs: Any) -> None:
        self.set_secret(next(iter(secrets_batch), "NAME"), "")

    def delete_secret(self, name: str) -> None:
        self.set_secret(name, "")

    delete_secrets = set_secrets

    def list_secrets(self) -> list[Any]:
        raise not_here("azureml.core.Keyvault.list_secrets", "`trainconf show RUN` names the secrets of a run")


def _root_of(folder: str | None) -> str:
    """The folder of the workspace: that of this job, or the nearest one from a folder upwards."""
    run_dir = os.environ.get("TRAINCONF_RUN_DIR", "")
    if run_dir and folder is None:
        return _above(run_dir)
    with told_as(ProjectSystemException):
        return str(_sdk("workspace").Workspace(folder).root)


def _above(run_dir: str) -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(run_dir)))


def _kind(cls: Any) -> Any:
    """The class of an instance: where all of trainconf can be loaded, one that its own calls take for a workspace, too."""
    if cls is not Workspace:
        return cls
    from importlib import import_module

    try:
        return import_module("trainconf.compat.azureml.configs.workspace").SubmitWorkspace
    except Exception:  # a job's own Python, which may be older or lack what a submission needs
        return cls


def _sdk(name: str) -> Any:
    """A module of trainconf.sdk, which a job's Python need not be able to load."""
    from importlib import import_module

    return import_module("trainconf.sdk." + name)
