"""Tables, histograms and charts of a logged row: each becomes a JSON file below outputs/<tool>/media/table."""

from __future__ import annotations

from trainconf.compat.tracking.values import jsonable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple


class Table:
    """Columns and rows. Cells hold plain values, lists and media."""

    def __init__(
        self, columns: Optional[Sequence[Any]] = None, data: Any = None, rows: Any = None, dataframe: Any = None, dtype: Any = None,
        optional: Any = True, allow_mixed_types: bool = False, log_mode: Optional[str] = None, **options: Any
    ) -> None:  # fmt: skip
        if _is_frame(columns):  # trackio's first argument was the frame
            columns, dataframe = None, columns
        if _is_frame(data):
            data, dataframe = None, data
        self.columns: List[Any] = list(columns) if columns is not None else []
        self.data: List[List[Any]] = []
        if dataframe is not None:
            self.columns = [str(name) for name in dataframe.columns]
            self.data = [list(row) for row in dataframe.itertuples(index=False, name=None)]
            return
        given = data if data is not None else rows
        given = given.tolist() if hasattr(given, "tolist") else given
        found = [list(row) for row in given or []]
        if columns is None:
            has_three = not found or len(found[0]) == 3
            self.columns = ["Input", "Output", "Expected"] if has_three else ["column_%d" % number for number in range(len(found[0]))]
        for row in found:
            self.add_data(*row)

    def add_data(self, *row: Any) -> None:
        """Add a row. Raises ValueError when it has not as many values as there are columns."""
        if len(row) != len(self.columns):
            known = ", ".join(map(str, self.columns))
            raise ValueError("the table has %d columns (%s), the row %d values" % (len(self.columns), known, len(row)))
        self.data.append(list(row))

    def add_row(self, *row: Any) -> None:
        self.add_data(*row)

    def add_column(self, name: Any, data: Any, optional: bool = False) -> None:
        """Add a column. Raises ValueError when it has not as many values as there are rows."""
        values = list(data.tolist() if hasattr(data, "tolist") else data)
        if self.columns and self.data and len(values) != len(self.data):
            raise ValueError("the table has %d rows, the column %r %d values" % (len(self.data), name, len(values)))
        if not self.data:
            self.data = [[] for _ in values]
        self.columns.append(name)
        for row, value in zip(self.data, values):
            row.append(value)

    def add_computed_columns(self, function: Callable[[int, Dict[Any, Any]], Dict[Any, Any]]) -> None:
        """Add the columns that `function(number, row)` returns of each row."""
        made = [function(number, dict(zip(self.columns, row))) for number, row in enumerate(self.data)]
        for name in made[0] if made else ():
            self.add_column(name, [row[name] for row in made])

    def get_column(self, name: Any, convert_to: Optional[str] = None) -> Any:
        place = self.columns.index(name)
        values = [row[place] for row in self.data]
        if convert_to != "numpy":
            return values
        import numpy

        return numpy.array(values)

    def get_index(self) -> List[int]:
        return list(range(len(self.data)))

    def get_dataframe(self) -> Any:
        """The table as pandas has it, where the job has pandas."""
        import pandas

        return pandas.DataFrame(self.data, columns=self.columns)

    def iterrows(self) -> Iterator[Tuple[int, List[Any]]]:
        return iter(list(enumerate(self.data)))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Table) and (self.columns, self.data) == (other.columns, other.data)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return True

    def described(self, keep: Callable[[Any], Any]) -> Dict[str, Any]:
        """The file's content. `keep` gives what stands in a cell for a media."""
        return {"columns": jsonable(self.columns), "data": [[keep(cell) for cell in row] for row in self.data]}


class Histogram:
    """How often values fall between edges; `bins` has one edge more than `histogram` has counts."""

    MAX_LENGTH = 512

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64, **options: Any) -> None:
        if np_histogram is not None:
            counts, edges = np_histogram
            self.histogram: List[Any] = jsonable(counts)
            self.bins: List[Any] = jsonable(edges)
        else:
            self.histogram, self.bins = _counted(_numbers(sequence), min(num_bins, self.MAX_LENGTH))
        if len(self.bins) != len(self.histogram) + 1:
            given = (len(self.bins), len(self.histogram))
            raise ValueError("a histogram has one edge more than counts; these are %d edges and %d counts" % given)

    def described(self) -> Dict[str, Any]:
        return {"values": self.histogram, "bins": self.bins}


class Chart:
    """A chart of wandb.plot: the table it is drawn from, and which column is what."""

    def __init__(self, kind: str, table: Table, fields: Dict[str, Any], strings: Optional[Dict[str, Any]] = None) -> None:
        self.kind = kind
        self.table = table
        self.fields = fields
        self.strings = strings or {}

    def described(self, keep: Callable[[Any], Any]) -> Dict[str, Any]:
        return dict(self.table.described(keep), chart=self.kind, fields=self.fields, strings=self.strings)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "itertuples")


def _numbers(sequence: Any) -> List[float]:
    """All numbers of an array, a tensor or nested lists, without NaN and infinities."""
    if hasattr(sequence, "detach"):
        sequence = sequence.detach().cpu()
        sequence = sequence.float() if "bfloat16" in str(sequence.dtype) else sequence
    values = sequence.tolist() if hasattr(sequence, "tolist") else sequence
    waiting, found = [values], []
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)) or (hasattr(value, "__iter__") and not isinstance(value, str)):
            waiting += list(value)
        else:
            number = float(value)
            if number - number == 0:
                found.append(number)
    return found


def _counted(numbers: List[float], bins: int) -> Tuple[List[Any], List[Any]]:
    """Counts and edges of `bins` spans of one width, as numpy.histogram gives them."""
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
    counts = [0] * bins
    width = (high - low) / bins
    for number in numbers:
        counts[min(bins - 1, int((number - low) / width) if width else 0)] += 1
    return counts, [low + width * place for place in range(bins)] + [high]
