"""What names of Azure's are on this machine, for job files: compute targets, datastores, data assets, addresses."""

from __future__ import annotations

import os
import re

from trainconf.compat.azureml import mapping
from trainconf.compat.azureml.data import datastores, registry
from trainconf.compat.azureml.exceptions import AzureMLException
from trainconf.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import WorkspacePaths

_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/(?P<store>[\w.-]+)/paths/(?P<path>.*)")
_ASSET = re.compile(r"azureml:(?P<name>[\w.-]+)(?:(?P<mark>[:@])(?P<version>[\w.-]+))?")


class Names:
    """The names of a workspace: conf/azureml.yaml, `datastores/` and the registered datasets. Raises ConfigError for a file that is wrong.

    targets: choices of `compute` by name; `*` stands for every other name.
    """

    def __init__(self, workspace: WorkspacePaths) -> None:
        self.root = workspace.root
        try:
            self._known = mapping.read(workspace.root)
        except AzureMLException as error:
            raise ConfigError(str(error)) from error
        self.targets = self._known.targets

    def absolute(self, path: str) -> str:
        """A path of conf/azureml.yaml: from the workspace on."""
        return os.path.normpath(os.path.join(self.root, os.path.expanduser(path)))

    def _mapping(self) -> mapping.Mapping:
        return self._known

    def _state_of(self, run_id: str) -> str:
        return ""  # data that a run makes is not looked at here

    def place_of(self, text: str) -> str | None:
        """The path of data by the words of a job file; None for what is not known to be here."""
        if text in self._known.addresses:
            return self.absolute(self._known.addresses[text])
        store, asset = _DATASTORE.fullmatch(text), _ASSET.fullmatch(text)
        if store is not None:
            folder = datastores.folders(self).get(store["store"])
            return None if folder is None else os.path.join(folder, store["path"])
        return self._dataset(asset["name"], asset["version"] if asset["mark"] == ":" else "latest") if asset is not None else None

    def _dataset(self, name: str, version: str | None) -> str | None:
        try:
            paths = registry.get(self, name, version or "latest")["definition"]["paths"]
        except AzureMLException:
            return None
        return str(paths[0]) if len(paths) == 1 else None


def hint(text: str) -> str:
    """Where to say that data is here."""
    return f"write the line `'{text}': PATH` below `addresses:` in conf/azureml.yaml"
