"""`Datastore`: a folder. Data is put there, and paths in it are named by the datastore and a relative path."""

from __future__ import annotations

import os
import shutil

from trainconf.compat.azureml.absent import absent, not_here
from trainconf.compat.azureml.data import references, registry
from trainconf.compat.azureml.exceptions import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

DEFAULT = "workspaceblobstore"
FOLDER = "datastores"
OF_THE_CLOUD = ("account_key", "sas_token", "credential_type", "endpoint", "protocol", "blob_service", "client_id", "tenant_id")
NO_CLOUD = "there is no cloud storage; name the folder that has the data in conf/azureml.yaml, `datastores: {NAME: /a/folder}`"


class _DatastoreClass(type):
    """`Datastore.register_azure_…` has no meaning here, whatever the service is."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("register_"):
            return absent("azureml.core.Datastore." + name, NO_CLOUD)
        raise AttributeError(f"trainconf's Datastore has no {name}; see docs/azureml.md")


class Datastore(metaclass=_DatastoreClass):
    """A datastore of a workspace by name: a folder that conf/azureml.yaml names, or `datastores/<name>` in the workspace.

    Raises UserErrorException for a name that there is not.
    """

    def __init__(self, workspace: Any, name: str = DEFAULT) -> None:
        known = folders(workspace)
        if name not in known:
            raise UserErrorException(
                f"there is no datastore {name!r}. There are {', '.join(known)}; `datastores: {{{name}: /a/folder}}` in conf/azureml.yaml "
                "makes one"
            )
        self.workspace = workspace
        self.name = name
        self.datastore_type = "folder"
        self.folder = known[name]
        self.account_name, self.container_name = "local", self.folder

    @classmethod
    def get(cls, workspace: Any, datastore_name: str) -> Datastore:
        """The datastore of that name."""
        return cls(workspace, datastore_name)

    @classmethod
    def get_default(cls, workspace: Any) -> Datastore:
        """The one that is meant when none is named."""
        return cls(workspace, workspace._default_datastore)

    @staticmethod
    def all_of(workspace: Any) -> dict[str, Datastore]:
        """All datastores of a workspace, by name."""
        return {name: Datastore(workspace, name) for name in folders(workspace)}

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> references.DataReference:
        """A path in it, to be given to a run."""
        return references.DataReference(self, data_reference_name, path)

    def as_mount(self) -> references.DataReference:
        """The whole of it, to be given to a run."""
        return self.path().as_mount()

    def as_download(self, path_on_compute: str | None = None) -> references.DataReference:
        """The whole of it, to be given to a run."""
        return self.path().as_download(path_on_compute)

    def upload(self, src_dir: str, target_path: str | None = None, overwrite: bool = False, show_progress: bool = True) -> Any:
        """Copy what a folder has. Returns the path in the datastore. Raises UserErrorException where there is no such folder."""
        if not os.path.isdir(src_dir):
            raise UserErrorException(f"there is no folder {src_dir!r} to upload")
        paths = [os.path.join(folder, name) for folder, _, found in sorted(os.walk(src_dir)) for name in sorted(found)]
        return self.upload_files(paths, src_dir, target_path, overwrite, show_progress)

    def upload_files(
        self, files: Sequence[str], relative_root: str | None = None, target_path: str | None = None, overwrite: bool = False,
        show_progress: bool = True,
    ) -> Any:  # fmt: skip
        """Copy files. Returns the path in the datastore. A file that is there stays, unless overwrite=True."""
        missing = [name for name in files if not os.path.isfile(name)]
        if missing:
            raise UserErrorException("these files to upload are not there: " + ", ".join(missing))
        for name in files:
            relative = os.path.relpath(name, relative_root) if relative_root else os.path.basename(name)
            if relative.startswith(os.pardir):
                raise UserErrorException(f"{name!r} is not below the folder {relative_root!r}")
            target = self.inside(os.path.join(target_path or "", relative))
            if os.path.exists(target) and not overwrite:
                if show_progress:
                    print(f"{relative} is there already, and stays as it is")
                continue
            self._begin()
            os.makedirs(os.path.dirname(target), exist_ok=True)
            unfinished = registry.beside(target)
            shutil.copy2(name, unfinished)
            os.replace(unfinished, target)
        if show_progress:
            print(f"Uploaded {len(files)} files")
        return self.path(target_path)

    def download(self, target_path: str, prefix: str | None = None, overwrite: bool = False, show_progress: bool = True) -> int:
        """Copy its files, or those whose paths begin so, to a folder. Returns how many were copied."""
        count = 0
        for folder, _, found in sorted(os.walk(self.folder)):
            for name in sorted(found):
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, self.folder)
                target = os.path.join(target_path, relative)
                if relative.startswith(prefix or "") and (overwrite or not os.path.exists(target)):
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    shutil.copy2(path, target)
                    count += 1
        return count

    def inside(self, relative: str) -> str:
        """The path of something in it. Raises UserErrorException for what lies outside."""
        path = os.path.normpath(os.path.join(self.folder, relative.lstrip("/")))
        if path != self.folder and not path.startswith(os.path.join(self.folder, "")):
            raise UserErrorException(f"{relative!r} leads out of the datastore {self.name}")
        return path

    def set_as_default(self) -> None:
        """Have it meant when none is named, in this process."""
        self.workspace.set_default_datastore(self)

    def unregister(self) -> None:
        """Not carried out: data is never removed here."""
        raise not_here("azureml.core.Datastore.unregister", "no data is removed; remove its line in conf/azureml.yaml, or its folder")

    def _begin(self) -> None:
        """Make the folder. One in the workspace keeps itself out of git and of snapshots."""
        os.makedirs(self.folder, exist_ok=True)
        if os.path.dirname(self.folder) == os.path.join(self.workspace.root, FOLDER):
            keep_out(os.path.dirname(self.folder))

    def __getattr__(self, name: str) -> Any:
        if name in OF_THE_CLOUD:
            raise not_here("azureml.core.Datastore." + name, "a datastore is a folder: `folder` is its path")
        raise AttributeError(f"trainconf's Datastore has no {name}; see docs/azureml.md")

    def __repr__(self) -> str:
        return f"Datastore({self.name!r}, folder={self.folder!r})"


def folders(workspace: Any) -> dict[str, str]:
    """The folder of each datastore: those of conf/azureml.yaml, those that have a folder, and the default one."""
    own = os.path.join(workspace.root, FOLDER)
    there = sorted(name for name in os.listdir(own) if os.path.isdir(os.path.join(own, name))) if os.path.isdir(own) else []
    found = {name: os.path.join(own, name) for name in [DEFAULT, "workspacefilestore", *there]}
    for name, folder in workspace._mapping().datastores.items():
        found[name] = workspace.absolute(folder)
    return found


def keep_out(folder: str) -> None:
    """Keep what a folder has out of git, and out of the snapshots of a run whose source directory is the workspace."""
    for name in (".gitignore", ".trainconfignore"):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("# data of `import azureml` in trainconf\n*\n")


