"""`DataReference`, `DataPath` and what binds them to a run: older ways to name a path in a datastore."""

from __future__ import annotations

import os

from trainconf.compat.azureml import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MARK = "$AZUREML_DATAREFERENCE_"


class DataReference:
    """A path in a datastore that a run reads. In the arguments of a run it becomes the path that the job has it at.

    As text it is `$AZUREML_DATAREFERENCE_<name>`; a run configuration that has it in `data_references` puts the path there.
    """

    def __init__(
        self, datastore: Any = None, data_reference_name: str | None = None, path_on_datastore: str | None = None, mode: str = "mount",
        path_on_compute: str | None = None, overwrite: bool = False,
    ) -> None:  # fmt: skip
        self.datastore = datastore
        self.data_reference_name = data_reference_name or datastore.name
        self.path_on_datastore = path_on_datastore
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def path(self, path: str | None = None, data_reference_name: str | None = None) -> DataReference:
        """A path below it."""
        below = "/".join(filter(None, [self.path_on_datastore, path]))
        return DataReference(self.datastore, data_reference_name, below, self.mode)

    def as_mount(self) -> DataReference:
        """The same: a job reads it where it lies."""
        return DataReference(self.datastore, self.data_reference_name, self.path_on_datastore, "mount")

    def as_download(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """The same: a job reads it where it lies."""
        return DataReference(self.datastore, self.data_reference_name, self.path_on_datastore, "download", path_on_compute, overwrite)

    def as_upload(self, path_on_compute: str | None = None, overwrite: bool = False) -> DataReference:
        """Not carried out: what a job writes, it writes to ./outputs."""
        from trainconf.compat.azureml.absent import not_here

        raise not_here(
            "azureml.data.data_reference.DataReference.as_upload", "a job writes to ./outputs, or to an OutputFileDatasetConfig of the run"
        )

    def _bind(self) -> tuple[Any, dict[str, Any]]:
        """As an argument of a run: the path that the job has it at."""
        name = "".join(character if character.isascii() and character.isalnum() else "_" for character in self.data_reference_name)
        return "{inputs.%s}" % name, {"inputs": {name: self.location}}  # noqa: UP031 (braces)

    def to_config(self) -> DataReference:
        """What `run_config.data_references` takes: itself."""
        return self

    @property
    def location(self) -> str:
        """The path on this machine."""
        return str(self.datastore.inside(self.path_on_datastore or ""))

    def __str__(self) -> str:
        return MARK + self.data_reference_name

    def __repr__(self) -> str:
        return f"DataReference({self.datastore.name}, {self.path_on_datastore!r})"


class DataPath:
    """A path in a datastore."""

    def __init__(self, datastore: Any = None, path_on_datastore: str | None = None, name: str | None = None) -> None:
        self.datastore = datastore
        self.path_on_datastore = path_on_datastore
        self.datastore_name = datastore.name
        self._name = name

    @staticmethod
    def create_from_data_reference(data_reference: DataReference) -> DataPath:
        """The path of a reference."""
        return DataPath(data_reference.datastore, data_reference.path_on_datastore, data_reference.data_reference_name)

    def create_data_reference(
        self, data_reference_name: str | None = None, datapath_compute_binding: DataPathComputeBinding | None = None
    ) -> DataReference:
        """A reference to the path."""
        mode = datapath_compute_binding.mode if datapath_compute_binding else "mount"
        return DataReference(self.datastore, data_reference_name or self._name, self.path_on_datastore, mode)

    @property
    def location(self) -> str:
        """The path on this machine."""
        return str(self.datastore.inside(self.path_on_datastore or ""))


class RunOutputs:
    """The outputs of a run, in the place of a datastore."""

    def __init__(self, name: str, run_dir: str) -> None:
        self.name = name
        self._run_dir = run_dir

    def inside(self, relative: str) -> str:
        """The path of something in the outputs."""
        return os.path.normpath(os.path.join(self._run_dir, "outputs", relative))


class DataPathComputeBinding:
    """How a path is given to a job: it always reads it where it lies."""

    def __init__(self, mode: str = "mount", path_on_compute: str | None = None, overwrite: bool = False) -> None:
        self.mode = mode
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite


class DataReferenceConfiguration:
    """The form of a reference in a saved run configuration."""

    def __init__(
        self, datastore_name: str | None = None, mode: str = "mount", path_on_datastore: str | None = None,
        path_on_compute: str | None = None, overwrite: bool = False,
    ) -> None:  # fmt: skip
        self.datastore_name = datastore_name
        self.mode = mode
        self.path_on_datastore = path_on_datastore
        self.path_on_compute = path_on_compute
        self.overwrite = overwrite

    def on(self, workspace: Any, name: str) -> DataReference:
        """The reference, in a workspace."""
        datastore = names.load("Datastore")(workspace, self.datastore_name or "workspaceblobstore")
        return DataReference(datastore, name, self.path_on_datastore, self.mode)
