"""The four charts that a run may log: their schemas, and what is wrong with one that keeps none of them.

Names, versions and shapes are those of Azure ML's charts (SDK v1), so that what was written for it is taken as it is.
"""

from __future__ import annotations

from trainconf.job_api import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

VERSIONS = {"confusion_matrix": "1.0.0", "accuracy_table": "1.0.1", "residuals": "1.0.0", "predictions": "1.0.0"}
DATA = {
    "confusion_matrix": ("class_labels", "matrix"),
    "accuracy_table": ("probability_tables", "percentile_tables", "probability_thresholds", "percentile_thresholds", "class_labels"),
    "residuals": ("bin_edges", "bin_counts"),
    "predictions": ("bin_averages", "bin_errors", "bin_counts", "bin_edges"),
}
LARGEST_BYTES = 1 << 23  # of a chart as JSON


def checked(name: str, schema: str, value: Any) -> Dict[str, Any]:
    """The chart as plain values. Raises ValueError with everything that is wrong with it, TypeError."""
    if isinstance(value, (str, bytes)):
        import json

        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError("chart %r is no JSON: %s" % (name, error)) from None
    if not isinstance(value, dict):
        raise TypeError("chart %r must be a mapping or its JSON text, not %s" % (name, values.article(value)))
    wrong = _wrong_head(schema, value)
    data = value.get("data")
    if not isinstance(data, dict):
        wrong.append("data must be a mapping with " + ", ".join(DATA[schema]))
    else:
        missing = [key for key in DATA[schema] if key not in data]
        wrong += ["data.%s is missing" % key for key in missing]
        if not missing:
            data = {key: _nested(name, each) for key, each in data.items()}
            wrong += _WRONG[schema](data)
    if wrong:
        raise ValueError("chart %r is no %s of version %s:\n  %s" % (name, schema, VERSIONS[schema], "\n  ".join(wrong)))
    chart = {"schema_type": schema, "schema_version": VERSIONS[schema], "data": data}
    size = len(values.dumps(chart))
    if size > LARGEST_BYTES:
        raise ValueError("chart %r has %d bytes; allowed are %d; write it to a file in ./outputs" % (name, size, LARGEST_BYTES))
    return chart


def _wrong_head(schema: str, value: Dict[str, Any]) -> List[str]:
    wrong = []
    if value.get("schema_type") != schema:
        wrong.append("schema_type must be %r, not %r" % (schema, value.get("schema_type")))
    version = value.get("schema_version")
    if version != VERSIONS[schema] and str(version).lstrip("v") != VERSIONS[schema]:
        wrong.append("schema_version must be %r, not %r" % (VERSIONS[schema], version))
    return wrong


def _nested(name: str, value: Any) -> Any:
    """Lists and arrays of any depth as lists of plain values."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_nested(name, each) for each in value]
    return values.plain(name, value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in value)


def _is_matrix(value: Any, rows: int, columns: int) -> bool:
    return isinstance(value, list) and len(value) == rows and all(_are_numbers(row) and len(row) == columns for row in value)


def _wrong_labels(data: Dict[str, Any]) -> List[str]:
    labels = data["class_labels"]
    if isinstance(labels, list) and labels and not any(isinstance(label, list) for label in labels):
        return []
    return ["data.class_labels must be a list of labels that is not empty"]


def _wrong_matrix(data: Dict[str, Any]) -> List[str]:
    wrong = _wrong_labels(data)
    count = 0 if wrong else len(data["class_labels"])
    if count and not _is_matrix(data["matrix"], count, count):
        wrong.append("data.matrix must have %d rows of %d numbers, as there are %d class_labels" % (count, count, count))
    return wrong


def _wrong_accuracy(data: Dict[str, Any]) -> List[str]:
    wrong = _wrong_labels(data)
    classes = 0 if wrong else len(data["class_labels"])
    for kind in ("probability", "percentile"):
        thresholds, tables = data[kind + "_thresholds"], data[kind + "_tables"]
        if not _are_numbers(thresholds):
            wrong.append("data.%s_thresholds must be a list of numbers" % kind)
        elif classes and not (
            isinstance(tables, list) and len(tables) == classes and all(_is_matrix(table, len(thresholds), 4) for table in tables)
        ):
            shape = (kind, classes, len(thresholds))
            wrong.append("data.%s_tables must be of shape [%d classes, %d thresholds, 4: TP, FP, TN, FN]" % shape)
    return wrong


def _wrong_bins(*keys: str) -> Any:
    """A check that the lists of numbers under `keys` are of one length, and bin_edges one longer."""

    def wrong(data: Dict[str, Any]) -> List[str]:
        found = ["data.%s must be a list of numbers" % key for key in (*keys, "bin_edges") if not _are_numbers(data[key])]
        if found:
            return found
        count = len(data["bin_edges"]) - 1
        return ["data.%s must have %d numbers, one less than bin_edges, not %d" % (key, count, len(data[key]))
                for key in keys if len(data[key]) != count]  # fmt: skip

    return wrong


_WRONG = {
    "confusion_matrix": _wrong_matrix,
    "accuracy_table": _wrong_accuracy,
    "residuals": _wrong_bins("bin_counts"),
    "predictions": _wrong_bins("bin_averages", "bin_errors", "bin_counts"),
}
