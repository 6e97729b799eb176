"""`Dataset`: makes datasets of files, and finds those that were registered."""

from __future__ import annotations

import os

from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import Absent, not_here
from trainconf.compat.azureml.data import inputs, registry
from trainconf.compat.azureml.data.datasets import FileDataset, of
from trainconf.compat.azureml.data.references import DataPath, DataReference
from trainconf.compat.azureml.data.selection import files_of
from trainconf.compat.azureml.data.tables import TabularDataset
from trainconf.compat.azureml.exceptions import DatasetValidationError, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ADDRESSES = ("http://", "https://", "wasb://", "wasbs://", "abfss://", "adl://", "azureml://")


class FileDatasetFactory:
    """`Dataset.File`."""

    @staticmethod
    def from_files(path: Any, validate: bool = True, partition_format: str | None = None, is_file: bool = False) -> FileDataset:
        """The files of a path, of a pattern such as `data/**/*.png`, of (datastore, path), or of a list of these."""
        _no_partitions(partition_format)
        paths, workspace = _paths(path, validate)
        return FileDataset({"kind": "file", "paths": paths}, workspace)

    @staticmethod
    def upload_directory(
        src_dir: str, target: Any, pattern: str | None = None, overwrite: bool = False, show_progress: bool = True
    ) -> FileDataset:
        """Copy a folder to a datastore; the dataset of the copies. `target` is a datastore, (datastore, path), or a DataPath."""
        datastore, relative = _target(target)
        found = files_of(os.path.join(src_dir, pattern) if pattern else src_dir)
        datastore.upload_files(found, src_dir, relative, overwrite, show_progress)
        return FileDatasetFactory.from_files((datastore, relative))


class TabularDatasetFactory:
    """`Dataset.Tabular`."""

    @staticmethod
    def from_delimited_files(
        path: Any, validate: bool = True, include_path: bool = False, infer_column_types: bool = True, set_column_types: Any = None,
        separator: str = ",", header: Any = True, partition_format: str | None = None, support_multi_line: bool = False,
        empty_as_string: bool = False, encoding: str = "utf8",
    ) -> TabularDataset:  # fmt: skip
        """The rows of delimited files. `separator` is one text, `header` whether, or how, files begin with names of columns."""
        _no_partitions(partition_format)
        how = {
            "format": "delimited", "separator": separator, "header": _header(header), "infer": bool(infer_column_types),
            "encoding": {"utf8": "utf-8", "utf8bom": "utf-8-sig", "iso88591": "iso-8859-1", "latin1": "latin-1"}.get(encoding, encoding),
            "types": {name: getattr(kind, "name_here", str(kind)) for name, kind in (set_column_types or {}).items()},
        }  # fmt: skip
        return _table(path, validate, how)

    @staticmethod
    def from_parquet_files(
        path: Any, validate: bool = True, include_path: bool = False, set_column_types: Any = None, partition_format: str | None = None
    ) -> TabularDataset:
        """The rows of Parquet files."""
        _no_partitions(partition_format)
        return _table(path, validate, {"format": "parquet"})

    @staticmethod
    def from_json_lines_files(
        path: Any, validate: bool = True, include_path: bool = False, set_column_types: Any = None, partition_format: str | None = None,
        invalid_lines: str = "error", encoding: str = "utf8",
    ) -> TabularDataset:  # fmt: skip
        """The rows of files that have a JSON object on each line."""
        _no_partitions(partition_format)
        return _table(path, validate, {"format": "json", "encoding": "utf-8"})

    @staticmethod
    def register_pandas_dataframe(
        dataframe: Any, target: Any, name: str, description: str | None = None, tags: dict[str, str] | None = None,
        show_progress: bool = True, **kwargs: Any,
    ) -> TabularDataset:  # fmt: skip
        """Write a DataFrame to a datastore, as CSV, and register the dataset of it."""
        datastore, relative = _target(target)
        file = datastore.inside(os.path.join(relative, f"{name.replace('/', '_')}.csv"))
        datastore._begin()
        os.makedirs(os.path.dirname(file), exist_ok=True)
        dataframe.to_csv(file, index=False)
        made = TabularDatasetFactory.from_delimited_files(file)
        found: TabularDataset = made.register(datastore.workspace, name, description, tags, create_new_version=True)
        return found

    @staticmethod
    def from_sql_query(*args: Any, **kwargs: Any) -> TabularDataset:
        """Not carried out."""
        raise not_here("azureml.core.Dataset.Tabular.from_sql_query", "run the query with pandas, and keep what it gives in a file")


class Dataset:
    """Datasets of a workspace: `Dataset.File`, `Dataset.Tabular`, and those that were registered."""

    File = FileDatasetFactory
    Tabular = TabularDatasetFactory

    @staticmethod
    def get_by_name(workspace: Any, name: str, version: Any = "latest") -> Any:
        """A registered dataset. Raises UserErrorException when there is none."""
        here = None if workspace.is_visible else inputs.by_id(name)
        if here is not None:
            return here
        workspace._must_be_visible(f"the dataset {name!r}")
        entry = registry.get(workspace, name, version)
        return of(entry["definition"], workspace, entry)

    @staticmethod
    def get_by_id(workspace: Any, id: str, **kwargs: Any) -> Any:
        """A dataset by its id: a registered one, or an input of this job. Raises UserErrorException when there is none."""
        here = inputs.by_id(id)
        if here is not None:
            return here
        workspace._must_be_visible(f"the dataset {id}")
        entry = registry.by_id(workspace, id)
        if entry is None:
            raise UserErrorException(f"there is no dataset with the id {id} in {workspace.root}, and this run has no such input")
        return of(entry["definition"], workspace, entry)

    @staticmethod
    def get_all(workspace: Any) -> dict[str, Any]:
        """All registered datasets, by name."""
        return {name: Dataset.get_by_name(workspace, name) for name in registry.names(workspace)}

    list = get_all


for _name in ("auto_read_files", "from_delimited_files", "from_parquet_files", "from_json_files", "from_excel_files", "from_sql_query",
              "from_pandas_dataframe", "from_binary_files", "get", "register", "archive", "deprecate", "reactivate"):  # fmt: skip
    setattr(Dataset, _name, Absent(_name, (), {"_name": f"azureml.core.Dataset.{_name}", "_why":
            "this is of the older datasets; use Dataset.Tabular or Dataset.File"}))  # fmt: skip


class DataType:
    """The types of columns, for `set_column_types`."""

    def __init__(self, name_here: str) -> None:
        self.name_here = name_here

    @staticmethod
    def to_string() -> DataType:
        return DataType("str")

    @staticmethod
    def to_long() -> DataType:
        return DataType("int64")

    @staticmethod
    def to_float(decimal_mark: str = ".") -> DataType:
        return DataType("float64")

    @staticmethod
    def to_bool() -> DataType:
        return DataType("bool")

    @staticmethod
    def to_datetime(formats: Any = None) -> DataType:
        return DataType("datetime")

    @staticmethod
    def to_stream(workspace: Any = None) -> DataType:
        return DataType("str")


class PromoteHeadersBehavior:
    """Which of several delimited files begin with the names of columns."""

    NO_HEADERS = "none"
    ONLY_FIRST_FILE_HAS_HEADERS = "first"
    COMBINE_ALL_FILES_HEADERS = "all"
    ALL_FILES_HAVE_SAME_HEADERS = "same"


def _header(header: Any) -> str:
    return {True: "all", False: "none"}[header] if isinstance(header, bool) else str(header)


def _table(path: Any, validate: bool, how: dict[str, Any]) -> TabularDataset:
    paths, workspace = _paths(path, validate)
    return TabularDataset({"kind": "tabular", "paths": paths, "read": how}, workspace)


def _paths(path: Any, validate: bool) -> tuple[list[str], Any]:
    """The absolute paths that are named, and the workspace of a datastore among them."""
    several = path if isinstance(path, list) else [path]
    found: list[str] = []
    workspace = None
    for one in several:
        is_many = isinstance(one, tuple) and len(one) == 2 and isinstance(one[1], (list, tuple))
        found += [_path((one[0], name)) for name in one[1]] if is_many else [_path(one)]
        store = one[0] if isinstance(one, tuple) else getattr(one, "datastore", None)
        workspace = workspace or getattr(store, "workspace", None)
    if not found:
        raise UserErrorException("a dataset needs at least one path")
    missing = [name for name in found if not files_of(name)] if validate else []
    if missing:
        raise DatasetValidationError(f"there is no file at {', '.join(missing)}")
    return found, workspace


def _path(one: Any) -> str:
    if isinstance(one, tuple) and len(one) == 2:
        datastore, relative = one
        return str(datastore.inside(relative))
    if isinstance(one, (DataReference, DataPath)):
        return one.location
    if not isinstance(one, (str, os.PathLike)):
        raise UserErrorException(f"a dataset cannot be made of {one!r}; give a path, or (datastore, path)")
    text = os.fspath(one)
    if text.startswith(ADDRESSES):
        return _known_address(text)
    return os.path.abspath(os.path.expanduser(text))


def _known_address(address: str) -> str:
    """The path that conf/azureml.yaml gives for an address. Nothing is fetched."""
    workspace = names.load("Workspace")._nearest()
    known = workspace._mapping().addresses if workspace is not None else {}
    if address in known and workspace is not None:
        return str(workspace.absolute(known[address]))
    raise UserErrorException(
        f"{address} would have to be fetched, and trainconf fetches no data. Fetch it yourself, and give its path instead; "
        f"or, for a script that stays as it is, write into conf/azureml.yaml: `addresses: {{'{address}': data/FILE}}`"
    )


def _target(target: Any) -> tuple[Any, str]:
    """A datastore and a path in it."""
    if isinstance(target, tuple):
        return target[0], target[1] or ""
    if isinstance(target, (DataPath, DataReference)):
        return target.datastore, target.path_on_datastore or ""
    return target, ""


def _no_partitions(partition_format: str | None) -> None:
    if partition_format is not None:
        raise not_here("partition_format", "columns are not read out of paths; add them with pandas")
