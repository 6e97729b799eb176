"""`TabularDataset`: delimited, Parquet or JSON-lines files read as one table, by pandas where the script's Python has it."""

from __future__ import annotations

from importlib import import_module

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.data import selection
from trainconf.compat.azureml.data.datasets import AbstractDataset, FileDataset
from trainconf.compat.azureml.data.inputs import DatasetConsumptionConfig
from trainconf.compat.azureml.exceptions import DatasetExecutionError, DatasetTimestampMissingError, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class TabularDataset(AbstractDataset):
    """A table. As an input of a run it becomes a dataset again; as an argument its id, for `Dataset.get_by_id`."""

    kind = "tabular"

    @property
    def timestamp_column(self) -> str | None:
        """The column that says when a row is of."""
        return _last(self.definition, "timestamp")

    @property
    def timestamp_columns(self) -> tuple[str | None, str | None]:
        """That column, and none of partitions."""
        return self.timestamp_column, None

    def to_pandas_dataframe(self, on_error: str = "null", out_of_range_datetime: str = "null") -> Any:
        """All rows as a pandas DataFrame. Raises DatasetExecutionError when pandas, or pyarrow for Parquet, is not there."""
        frame = read(self.files, self.definition.get("read", {}))
        for step in self.definition.get("steps", []):
            frame = _stepped(frame, step, _last(self.definition, "timestamp"))
        return frame.reset_index(drop=True)

    def to_csv_files(self, separator: str = ",") -> Any:
        """Its rows as a CSV file in a temporary folder, a FileDataset."""
        return self._written("data.csv", lambda frame, path: frame.to_csv(path, sep=separator, index=False))

    def to_parquet_files(self) -> Any:
        """Its rows as a Parquet file in a temporary folder, a FileDataset."""
        return self._written("data.parquet", lambda frame, path: frame.to_parquet(path, index=False))

    def drop_columns(self, columns: str | Sequence[str]) -> TabularDataset:
        """The table without these columns."""
        return self._columns("drop", columns)

    def keep_columns(self, columns: str | Sequence[str], validate: bool = False) -> TabularDataset:
        """The table with these columns only."""
        return self._columns("keep", columns)

    def with_timestamp_columns(
        self, timestamp: str | None = None, partition_timestamp: str | None = None, validate: bool = False, **kwargs: Any
    ) -> TabularDataset:
        """The same table, and which column says when a row is of."""
        return self._step(["timestamp", timestamp or kwargs.get("fine_grain_timestamp")])

    def time_before(self, end_time: Any, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """The rows of before a time."""
        return self._times(None, end_time, include_boundary)

    def time_after(self, start_time: Any, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """The rows of after a time."""
        return self._times(start_time, None, include_boundary)

    def time_between(self, start_time: Any, end_time: Any, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """The rows of between two times."""
        return self._times(start_time, end_time, include_boundary)

    def time_recent(self, time_delta: Any, include_boundary: bool = True, validate: bool = True) -> TabularDataset:
        """The rows of the last while before now."""
        from datetime import datetime

        return self._times(datetime.now() - time_delta, None, include_boundary)

    def filter(self, expression: Any) -> TabularDataset:
        """Not carried out: an expression is a column of the original's."""
        raise not_here("azureml.data.TabularDataset.filter", "filter the rows of `to_pandas_dataframe()`")

    def __getitem__(self, keys: Any) -> Any:
        raise not_here("azureml.data.TabularDataset[...]", "take keep_columns, or to_pandas_dataframe()[...]")

    def as_mount(self, *args: Any) -> DatasetConsumptionConfig:
        raise not_here("azureml.data.TabularDataset.as_mount", "a table is no file; use as_named_input, or a FileDataset of its files")

    as_download = as_mount

    def _columns(self, what: str, columns: str | Sequence[str]) -> TabularDataset:
        named = [columns] if isinstance(columns, str) else list(columns)
        if not all(isinstance(name, str) for name in named):
            raise UserErrorException(f"{what}_columns takes names of columns, not {columns!r}")
        return self._step([what, named])

    def _times(self, start: Any, end: Any, include_boundary: bool) -> TabularDataset:
        if self.timestamp_column is None:
            raise DatasetTimestampMissingError("the dataset has no column of timestamps; name one: dataset.with_timestamp_columns('date')")
        return self._step(["time", _text(start), _text(end), bool(include_boundary)])

    def _step(self, step: list[Any]) -> TabularDataset:
        found: TabularDataset = self._and(step)
        return found

    def _written(self, name: str, write: Any) -> Any:
        import os
        from tempfile import mkdtemp

        path = os.path.join(mkdtemp(prefix="dataset-"), name)
        write(self.to_pandas_dataframe(), path)
        return FileDataset({"kind": "file", "paths": [path]}, self._workspace)


def read(files: Sequence[str], how: dict[str, Any]) -> Any:
    """The rows of all files, one file after the other, as a DataFrame."""
    try:
        pandas = import_module("pandas")
    except ImportError:
        raise DatasetExecutionError(
            "to_pandas_dataframe needs pandas, which this Python does not have: `pip install pandas`, or name it in the environment"
        ) from None
    if not files:
        raise DatasetExecutionError("the dataset has no files")
    readers = {"delimited": _delimited, "parquet": _parquet, "json": _json_lines}
    frames = [readers[how.get("format", "delimited")](pandas, name, how, number) for number, name in enumerate(files)]
    return frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)


def _delimited(pandas: Any, name: str, how: dict[str, Any], number: int) -> Any:
    header = how.get("header", "all")
    has_header = header in ("all", "same") or (header == "first" and number == 0)
    options: dict[str, Any] = {} if how.get("infer", True) else {"dtype": str}
    frame = pandas.read_csv(name, sep=how.get("separator", ","), encoding=how.get("encoding", "utf-8"),
                            header=0 if has_header else None, **options)  # fmt: skip
    if not has_header:
        frame.columns = [f"Column{index + 1}" for index in range(len(frame.columns))]
    if how.get("infer", True):
        for column in frame.columns:
            kind = how.get("types", {}).get(column)
            if kind == "datetime" or (kind is None and str(frame[column].dtype) in ("object", "str", "string")):
                frame[column] = _as_times(pandas, frame[column], force=kind == "datetime")
    for column, kind in how.get("types", {}).items():
        if kind in ("int64", "float64", "bool", "str") and column in frame:
            frame[column] = frame[column].astype(kind)
    return frame


def _as_times(pandas: Any, column: Any, *, force: bool) -> Any:
    """A column of text as times, where every text of it is one; the original infers that, too."""
    if force:
        return pandas.to_datetime(column, errors="coerce")
    sample = column.dropna()
    if sample.empty or not sample.head(20).astype(str).str.match(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$").all():
        return column
    found = pandas.to_datetime(column, errors="coerce")
    return found if found.notna().sum() == column.notna().sum() else column


def _parquet(pandas: Any, name: str, how: dict[str, Any], number: int) -> Any:
    try:
        return pandas.read_parquet(name)
    except ImportError:
        raise DatasetExecutionError(
            "Parquet files need pyarrow, which this Python does not have: `pip install pyarrow`, or name it in the environment"
        ) from None


def _json_lines(pandas: Any, name: str, how: dict[str, Any], number: int) -> Any:
    return pandas.read_json(name, lines=True, encoding=how.get("encoding", "utf-8"))


def _stepped(frame: Any, step: Sequence[Any], timestamp: str | None) -> Any:
    name, *values = step
    if name in ("take", "skip"):
        return frame.iloc[: values[0]] if name == "take" else frame.iloc[values[0] :]
    if name in ("sample", "split"):
        return frame[list(selection.kept(len(frame), step))]
    if name in ("drop", "keep"):
        missing = [column for column in values[0] if column not in frame.columns]
        if missing:
            raise UserErrorException(f"the dataset has no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
        return frame.drop(columns=values[0]) if name == "drop" else frame[values[0]]
    return _in_time(frame, values, timestamp) if name == "time" else frame


def _in_time(frame: Any, values: Sequence[Any], timestamp: str | None) -> Any:
    pandas = import_module("pandas")
    times = pandas.to_datetime(frame[timestamp])
    start, end, is_included = values
    if start is not None:
        frame = frame[times >= pandas.Timestamp(start)] if is_included else frame[times > pandas.Timestamp(start)]
        times = times[frame.index]
    if end is not None:
        frame = frame[times <= pandas.Timestamp(end)] if is_included else frame[times < pandas.Timestamp(end)]
    return frame


def _text(time: Any) -> str | None:
    return None if time is None else time.isoformat() if hasattr(time, "isoformat") else str(time)


def _last(definition: dict[str, Any], name: str) -> str | None:
    found = [step[1] for step in definition.get("steps", []) if step[0] == name]
    return found[-1] if found else None
