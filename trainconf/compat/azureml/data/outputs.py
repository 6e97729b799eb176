"""`OutputFileDatasetConfig`: a folder that a run writes, which becomes a dataset when the run has completed."""

from __future__ import annotations

import os

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.data import registry
from trainconf.compat.azureml.data.inputs import WRITTEN
from trainconf.compat.azureml.exceptions import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = "outputs"


class OutputFileDatasetConfig:
    """A folder that a run writes. Among the arguments of a run it becomes the path of that folder, which is there: `outputs/<name>`.

    destination: (datastore, path); the path then leads to what the newest run has written. `{run-id}` and `{output-name}` are replaced.
    """

    def __init__(self, name: str | None = None, destination: Any = None, source: str | None = None, partition_format: Any = None) -> None:
        if source is not None:
            raise not_here("OutputFileDatasetConfig(source=...)", "the job gets the path to write to as its argument")
        self.name = name or f"output_{os.urandom(4).hex()}"
        if not self.name.replace("_", "a").replace("-", "a").isalnum():
            raise UserErrorException(f"{name!r} cannot name an output: letters, digits, _ and -")
        self.destination = destination
        self.registered: dict[str, Any] = {}
        self._is_table: dict[str, Any] = {}

    def as_mount(self, disable_metadata_cache: bool = False) -> OutputFileDatasetConfig:
        """The same: the job writes where the output lies."""
        return self

    def as_upload(self, overwrite: bool = False, source_globs: Any = None) -> OutputFileDatasetConfig:
        """The same: the job writes where the output lies."""
        return self

    def as_input(self, name: str | None = None) -> Any:
        """Not carried out."""
        raise not_here("OutputFileDatasetConfig.as_input", "use register_on_complete, and give the next run the dataset")

    def register_on_complete(self, name: str, description: str | None = None, tags: Any = None) -> OutputFileDatasetConfig:
        """Register the dataset by a name, as its next version, once the run has completed."""
        self.registered = {"name": name, "description": description, "tags": tags}
        return self

    def read_delimited_files(self, *args: Any, **kwargs: Any) -> OutputFileDatasetConfig:
        """The dataset is a table of delimited files."""
        self._is_table = {"format": "delimited", "separator": kwargs.get("separator", ","), "header": "all", "infer": True}
        return self

    def read_parquet_files(self, *args: Any, **kwargs: Any) -> OutputFileDatasetConfig:
        """The dataset is a table of Parquet files."""
        self._is_table = {"format": "parquet"}
        return self

    @property
    def path(self) -> str:
        """Where the job writes, from its working directory on."""
        return f"{FOLDER}/{self.name}"

    def _bind(self) -> tuple[Any, dict[str, Any]]:
        variable = WRITTEN + self.name.upper().replace("-", "_")
        return self.path, {"env": {"variables": {variable: self.path}}}

    def submitted(self, run: Any) -> None:
        """The run that writes it was submitted: have the destination lead to it, and register it. Raises UserErrorException."""
        workspace = run.experiment.workspace
        written = os.path.join(run.ours.run_dir, FOLDER, self.name)
        if self.destination is not None:
            store, relative = self.destination if isinstance(self.destination, tuple) else (self.destination, None)
            relative = (relative or "{run-id}/{output-name}").replace("{run-id}", run.id).replace("{output-name}", self.name)
            _lead(store, relative, written)
        if self.registered:
            definition = {"kind": "tabular", "read": self._is_table} if self._is_table else {"kind": "file"}
            registry.register(
                workspace, self.registered["name"], {**definition, "paths": [written]}, self.registered["description"],
                self.registered["tags"], create_new_version=True, of_run=run.id,
            )  # fmt: skip

    def __repr__(self) -> str:
        return f"OutputFileDatasetConfig({self.name!r})"


def _lead(store: Any, relative: str, written: str) -> None:
    path = store.inside(relative.rstrip("/"))
    store._begin()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.isdir(path) and not os.path.islink(path) and os.listdir(path):
        raise UserErrorException(f"the destination of the output has files already: {path}; choose a path that is not there")
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    unfinished = registry.beside(path)
    os.symlink(written, unfinished)
    os.replace(unfinished, path)
