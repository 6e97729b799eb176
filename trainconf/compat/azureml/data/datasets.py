"""`FileDataset` and `TabularDataset`: files of this machine by name, and what a script asks of them."""

from __future__ import annotations

import os
import shutil

from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.data import registry, selection
from trainconf.compat.azureml.data.inputs import DatasetConsumptionConfig
from trainconf.compat.azureml.exceptions import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

NO_CLOUD = "a dataset is files of this machine"
NOT_HERE = {
    "as_hdfs": "there is no Spark here", "as_cache": NO_CLOUD, "to_spark_dataframe": "there is no Spark here",
    "get_profile": "`to_pandas_dataframe().describe()` tells the same", "submit_profile_run": NO_CLOUD, "hydrate": NO_CLOUD,
    "get_profile_runs": NO_CLOUD, "generate_profile": "`to_pandas_dataframe().describe()` tells the same", "add_tags": "register it so",
    "remove_tags": "register it without them", "update": "register it again, with create_new_version=True",
    "download": "to_csv_files writes its rows; a FileDataset of its files has download",
    "mount": "a table is no folder; a FileDataset of its files has mount",
    "partition_by": "write the partitions with pandas", "partition_keys": NO_CLOUD, "get_partition_key_values": NO_CLOUD,
    "file_metadata": NO_CLOUD, "to_dask_dataframe": "`dask.dataframe.read_csv(dataset.files)` reads the same files",
}  # fmt: skip


class AbstractDataset:
    """Files, and steps that leave some of what they hold out. Never changed: each method gives a new one.

    definition: JSON-ready: `kind`, `paths` (files, folders, patterns), `steps`, and of a table `read`. A registered one has name,
    version, description and tags.
    """

    kind = ""

    def __init__(self, definition: dict[str, Any], workspace: Any = None, entry: dict[str, Any] | None = None) -> None:
        self.definition = definition
        self._workspace = workspace
        self._entry = entry or {}

    @property
    def id(self) -> str:
        """What names it in the arguments of a run: a digest of the definition."""
        return registry.id_of(self.definition)

    @property
    def name(self) -> str | None:
        """The name that it is registered by."""
        return self._entry.get("name")

    @property
    def version(self) -> int | None:
        """The version of that name."""
        return self._entry.get("version")

    @property
    def description(self) -> str | None:
        return self._entry.get("description")

    @property
    def tags(self) -> dict[str, str]:
        return dict(self._entry.get("tags") or {})

    @property
    def data_changed_time(self) -> Any:
        """When a file of it was changed last, in UTC."""
        from datetime import datetime, timezone

        changed = max((os.stat(name).st_mtime for name in self.files), default=0.0)
        return datetime.fromtimestamp(changed, timezone.utc)

    @property
    def files(self) -> list[str]:
        """The paths of its files on this machine."""
        return selection.files(self.definition["paths"], self._file_steps())

    def register(
        self, workspace: Any, name: str, description: str | None = None, tags: dict[str, str] | None = None,
        create_new_version: bool = False,
    ) -> Any:  # fmt: skip
        """Keep it in the workspace by a name, in conf/datasets/. Raises UserErrorException when another one has the name."""
        entry = registry.register(workspace, name, self.definition, description, tags, create_new_version=create_new_version)
        return type(self)(self.definition, workspace, entry)

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Any = "latest") -> Any:
        """A registered dataset."""
        return names.load("Dataset").get_by_name(workspace, name, version)

    @staticmethod
    def get_by_id(workspace: Any, id: str) -> Any:
        """A dataset by its id."""
        return names.load("Dataset").get_by_id(workspace, id)

    @staticmethod
    def get_all(workspace: Any) -> Any:
        """All registered datasets, by name."""
        return names.load("Dataset").get_all(workspace)

    def unregister_all_versions(self) -> None:
        """Forget the name. No data is removed."""
        if self._workspace is not None and self.name is not None:
            registry.remove(self._workspace, self.name)

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """An input of a run, by this name."""
        return DatasetConsumptionConfig(name, self)

    def _bind(self) -> tuple[Any, dict[str, Any]]:
        """As an argument of a run: its id, by which the job finds it."""
        return DatasetConsumptionConfig(None, self)._bind()

    def place(self, staging: str | None = None) -> str:
        """A path that has its files and no others. Copies that are needed for it go below `staging`, by default of its workspace."""
        if staging is None:
            from tempfile import gettempdir

            workspace = self._workspace or names.load("Workspace")._nearest()
            staging = workspace.staging if workspace is not None else os.path.join(gettempdir(), f"trainconf-datasets-{os.getuid()}")
        return selection.place(self.definition["paths"], self._file_steps(), staging)

    def take(self, count: int) -> Any:
        """The first ones: files, or rows of a table."""
        return self._and(["take", _count("take", count)])

    def skip(self, count: int) -> Any:
        """All but the first ones."""
        return self._and(["skip", _count("skip", count)])

    def take_sample(self, probability: float, seed: int | None = None) -> Any:
        """Each one with this probability; the same ones for the same seed."""
        return self._and(["sample", float(probability), _seed(seed)])

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[Any, Any]:
        """Two datasets: each is in the first with this probability, else in the second."""
        drawn = _seed(seed)
        return self._and(["split", float(percentage), drawn, True]), self._and(["split", float(percentage), drawn, False])

    def _and(self, step: list[Any]) -> Any:
        return type(self)({**self.definition, "steps": [*self.definition.get("steps", []), step]}, self._workspace)

    def _file_steps(self) -> Sequence[Sequence[Any]]:
        return ()

    def __getattr__(self, name: str) -> Any:
        if name in NOT_HERE:
            raise not_here(f"azureml.data.{type(self).__name__}.{name}", NOT_HERE[name])
        raise AttributeError(f"trainconf's {type(self).__name__} has no {name}; see docs/azureml.md")

    def __repr__(self) -> str:
        named = f"{self.name!r}, version {self.version}, " if self.name else ""
        return f"{type(self).__name__}({named}{', '.join(self.definition['paths'])})"


class FileDataset(AbstractDataset):
    """Files. As an input of a run it becomes the path of a folder that has them; of a single file, the path of that file."""

    kind = "file"

    def to_path(self) -> list[str]:
        """The paths of its files, from its own folder on, such as `/train/1.png`."""
        top = selection.base(self.definition["paths"])
        return ["/" + os.path.relpath(name, top) for name in self.files]

    def download(self, target_path: str | None = None, overwrite: bool = False, ignore_not_found: bool = False) -> list[str]:
        """Copy its files to a folder, by default a new one; the paths of the copies. Raises UserErrorException for one that is there."""
        if target_path is None:
            from tempfile import mkdtemp

            target_path = mkdtemp(prefix="dataset-")
        top, copies = selection.base(self.definition["paths"]), []
        for name in self.files:
            copy = os.path.abspath(os.path.join(target_path, os.path.relpath(name, top)))
            if os.path.exists(copy) and not overwrite:
                raise UserErrorException(f"{copy} is there already; download with overwrite=True to replace it")
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(name, copy)
            copies.append(copy)
        return copies

    def mount(self, mount_point: str | None = None, **kwargs: Any) -> Mounted:
        """Its folder on this machine, for a `with` statement or `start()`: `mount_point` is where it lies, and nothing is mounted."""
        return Mounted(self.place())

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """An input of a run, which reads it where it lies."""
        return DatasetConsumptionConfig(None, self, "mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """An input of a run, which reads it where it lies."""
        return DatasetConsumptionConfig(None, self, "download", path_on_compute)

    def filter(self, expression: Any) -> FileDataset:
        """Not carried out: an expression is a column of the original's."""
        raise not_here("azureml.data.FileDataset.filter", "name the files by a pattern, such as `data/*.png`")

    def _file_steps(self) -> Sequence[Sequence[Any]]:
        steps: Sequence[Sequence[Any]] = self.definition.get("steps", [])
        return steps


class Mounted:
    """What `FileDataset.mount` gives."""

    def __init__(self, mount_point: str) -> None:
        self.mount_point = mount_point

    def start(self) -> None:
        """Nothing: the files are there."""

    def stop(self) -> None:
        """Nothing: the files stay there."""

    def __enter__(self) -> Mounted:
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()


def of(definition: dict[str, Any], workspace: Any = None, entry: dict[str, Any] | None = None) -> AbstractDataset:
    """The dataset of a definition."""
    if definition["kind"] == FileDataset.kind:
        return FileDataset(definition, workspace, entry)
    found: AbstractDataset = names.load("TabularDataset")(definition, workspace, entry)
    return found


def _count(method: str, count: int) -> int:
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise UserErrorException(f"{method} takes a whole number of at least 0, not {count!r}")
    return count


def _seed(seed: int | None) -> int:
    """A seed that is recorded, so that a dataset has the same content each time it is read."""
    import random

    return random.SystemRandom().getrandbits(32) if seed is None else seed
