"""`azureml.opendatasets`: data that the original fetches. Here conf/azureml.yaml says which files stand for it; nothing is fetched."""

from __future__ import annotations

from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import not_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _OpenClass(type):
    """Any open dataset, by its name."""

    def __getattr__(cls, name: str) -> Any:
        if name in ("get_file_dataset", "get_tabular_dataset"):
            return lambda *args, **kwargs: _dataset(cls.__name__, "File" if name == "get_file_dataset" else "Tabular")
        raise AttributeError(f"trainconf's azureml.opendatasets.{cls.__name__} has no {name}; see docs/azureml.md")

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """One that is made for a span of time: the same files, whatever the span."""
        return _Opened(cls.__name__)


class _Opened:
    def __init__(self, name: str) -> None:
        self._name = name

    def to_pandas_dataframe(self) -> Any:
        """The rows of its files."""
        return _dataset(self._name, "Tabular").to_pandas_dataframe()

    def to_spark_dataframe(self) -> Any:
        """Not carried out."""
        raise not_here(f"azureml.opendatasets.{self._name}.to_spark_dataframe", "there is no Spark here")


def __getattr__(name: str) -> type:
    """The class of an open dataset: any name is one."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _OpenClass(name, (), {"__module__": "azureml.opendatasets"})


def _dataset(name: str, kind: str) -> Any:
    workspace = names.load("Workspace").from_config()
    key = f"azureml.opendatasets.{name}"
    path = workspace._mapping().addresses.get(key)
    if path is None:
        raise not_here(
            key, f"trainconf fetches no data. Fetch the files, and write into conf/azureml.yaml: `addresses: {{{key}: data/FOLDER}}`"
        )
    files = names.load("Dataset")
    place = workspace.absolute(path)
    if kind == "File":
        return files.File.from_files(place)
    return files.Tabular.from_parquet_files(place) if place.endswith(".parquet") else files.Tabular.from_delimited_files(place)
