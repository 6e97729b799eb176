"""What a run logs: values, lists, rows, tables, images and four kinds of charts; and what it has logged."""

from __future__ import annotations

from trainconf.job_api import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Union


class Recorded:
    """The calls that log. `_store` is where it goes, and `_kinds` which kind each name is of in this process."""

    _store: Any
    _kinds: Dict[str, str]

    def log(self, name: str, value: Any, step: Optional[int] = None, *, description: str = "") -> None:
        """Record one value of a metric, such as a loss at a step.

        `value` is a number, a truth value, a text or None; a numpy scalar or a tensor of one element counts as its number, whatever its
        width. NaN and infinities are kept (written as `NaN` and `Infinity`, which Python's json reads). A list raises TypeError, which
        names the call for it. A disk that refuses is told once on standard error, and never ends the training.
        """
        is_new = self._kinds.get(name) != "metric"
        if is_new:
            self._check(name, "metric")
        value = values.plain(name, value)
        if step is not None:
            step = values.step_of(name, step)
        if is_new or description:
            self._take(name, "metric", description)
        self._store.metric(name, value, step)

    def log_list(self, name: str, value: Any, *, description: str = "") -> None:
        """Record several values of one metric: a list, a generator, or an array of one dimension. They follow those logged before."""
        self._check(name, "metric")
        each = values.several(name, value)
        self._take(name, "metric", description)
        for one in each:
            self._store.metric(name, one, None)

    def log_row(self, name: str, description: str = "", **columns: Any) -> None:
        """Record one row of a table: `run.log_row("cost", epoch=1, eur=3.5)`. Further calls add rows.

        A column is one value, as `log` takes it. Its numbers are a metric, too, called `cost/eur`. A column that a row does not have is
        None there.
        """
        self._check(name, "table")
        if not columns:
            raise TypeError("a row of %r needs columns: run.log_row(%r, column=value)" % (name, name))
        instead = "run.log_table(%r, columns)" % name
        row = {values.check_name(column, "column"): values.plain(column, value, instead) for column, value in columns.items()}
        self._take(name, "table", description)
        self._store.record("row", {"name": name, "columns": row})
        self._add_columns(name, {column: [value] for column, value in row.items()})

    def log_table(self, name: str, value: Dict[str, Any], description: str = "") -> None:
        """Record a table at once, or more rows of one: a mapping of columns, each a list, an array, or one value.

        All columns are of one length. Raises ValueError when they are not.
        """
        self._check(name, "table")
        if not hasattr(value, "items"):
            raise TypeError("table %r must be a mapping of columns to lists, not %s" % (name, values.article(value)))
        columns = {}
        for column, each in value.items():
            values.check_name(column, "column")
            is_several = hasattr(each, "__iter__") and not isinstance(each, str) and getattr(each, "ndim", 1) != 0
            columns[column] = values.several(column, each) if is_several else [values.plain(column, each)]
        lengths = {column: len(each) for column, each in columns.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join("%s has %d" % pair for pair in lengths.items())
            raise ValueError("the columns of table %r are not of one length: %s" % (name, told))
        if not columns:
            raise TypeError("table %r has no columns" % name)
        self._take(name, "table", description)
        self._store.record("table", {"name": name, "columns": columns})
        self._add_columns(name, columns)

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        """Record an image: a file at `path`, or a `plot` of matplotlib (a figure, or the module pyplot).

        It becomes a file of the run below outputs/images, unless it is one of ./outputs or ./logs already. Raises TypeError without
        exactly one of both, ValueError for a file that is no image, FileNotFoundError.
        """
        from trainconf.job_api import images

        self._check(name, "image")
        file = images.keep(self._store, name, path, plot)
        self._take(name, "image", description)
        self._store.record("image", {"name": name, "file": file})

    def log_confusion_matrix(self, name: str, value: Union[str, Dict[str, Any]], description: str = "") -> None:
        """Record a confusion matrix, as a mapping or its JSON text.

            {"schema_type": "confusion_matrix", "schema_version": "1.0.0",
             "data": {"class_labels": ["cat", "dog"], "matrix": [[3, 1], [0, 4]]}}

        Raises ValueError that names what is wrong with it.
        """
        self._chart(name, "confusion_matrix", value, description)

    def log_accuracy_table(self, name: str, value: Union[str, Dict[str, Any]], description: str = "") -> None:
        """Record true and false positives and negatives at each threshold and percentile, as a mapping or its JSON text.

        `schema_type` is accuracy_table, `schema_version` 1.0.1. `data` has `probability_tables` and `percentile_tables`, of shape
        [classes, thresholds, 4] with TP, FP, TN, FN; `probability_thresholds`, `percentile_thresholds`, `class_labels`. Raises ValueError.
        """
        self._chart(name, "accuracy_table", value, description)

    def log_residuals(self, name: str, value: Union[str, Dict[str, Any]], description: str = "") -> None:
        """Record a histogram of residuals, as a mapping or its JSON text.

        `schema_type` is residuals, `schema_version` 1.0.0. `data` has `bin_edges`, one more than `bin_counts`. Raises ValueError.
        """
        self._chart(name, "residuals", value, description)

    def log_predictions(self, name: str, value: Union[str, Dict[str, Any]], description: str = "") -> None:
        """Record predicted against true values, as a mapping or its JSON text.

        `schema_type` is predictions, `schema_version` 1.0.0. `data` has `bin_averages`, `bin_errors` and `bin_counts`, and `bin_edges`,
        one more than these. Raises ValueError.
        """
        self._chart(name, "predictions", value, description)

    def get_metrics(self, name: Optional[str] = None) -> Dict[str, Any]:
        """Everything that was logged, in one shape whatever the count; of one name, or of all.

            {"loss": [0.5, 0.25], "cost": {"epoch": [1, 2], "eur": [3.5, None]}, "curve": ["outputs/images/curve.png"]}

        A name that was logged once has a list of one. A table has its columns as lists of one length. An image is its file's name, as
        `download_file` takes it, and a chart the mapping that was logged.
        """
        from trainconf.job_api import shape

        found = shape.of(self._store.entries(), self._store.records())
        return found if name is None else {key: value for key, value in found.items() if key == name}

    @property
    def metrics(self) -> Dict[str, Any]:
        """The last value of each metric, by name, as `trainconf show --json` has them; a table's column is called `table/column`."""
        from trainconf.job_api import shape

        return shape.last_of(self._store.entries())

    def flush(self, timeout_seconds: float = 300) -> None:
        """Return when all that was logged is written. That is never long: `timeout_seconds` is there for scripts that pass it."""
        self._store.flush()

    def _chart(self, name: str, schema: str, value: Any, description: str) -> None:
        from trainconf.job_api import charts

        self._check(name, "chart")
        chart = charts.checked(name, schema, value)
        self._take(name, "chart", description)
        self._store.record("chart", {"name": name, "value": chart})

    def _check(self, name: str, kind: str) -> None:
        """Raises ValueError for a name that is of another kind already: a table and a metric cannot have one name."""
        values.check_name(name)
        known = self._kinds.get(name, kind)
        if known != kind:
            told = tuple("an image" if each == "image" else "a " + each for each in (known, kind))
            raise ValueError("%r was logged as %s before, so it cannot be %s as well; give it another name" % (name, *told))

    def _take(self, name: str, kind: str, description: str) -> None:
        """The name is of this kind from now on, for what is logged is in order; and what was said of it is kept."""
        if description and not isinstance(description, str):
            raise TypeError("the description of metric %r must be a text, not %s" % (name, values.article(description)))
        self._kinds.setdefault(name, kind)
        self._check(name, kind)  # another thread may have been first
        if description and self._kinds.get("\0" + name) != description:
            self._kinds["\0" + name] = description
            self._store.record("described", {"name": name, "text": description})

    def _add_columns(self, table: str, columns: Dict[str, Any]) -> None:
        """What of a table is a number is a metric as well: lists, searches and policies know it so."""
        for column, each in columns.items():
            for value in each:
                if isinstance(value, (int, float)):
                    self._store.column(table + "/" + column, value)
