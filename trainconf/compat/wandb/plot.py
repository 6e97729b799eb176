"""`wandb.plot`: charts, kept as the tables they are drawn from and what is what in them."""

from __future__ import annotations

from trainconf.compat.tracking.tables import Chart, Table
from trainconf.compat.tracking.values import jsonable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

CustomChart = Visualize = Chart


def _of_table(kind: str, table: Table, title: str, **fields: Any) -> Chart:
    return Chart(kind, table, {name: value for name, value in fields.items() if value is not None}, {"title": title})


def line(table: Table, x: str, y: str, stroke: Optional[str] = None, title: str = "", split_table: bool = False) -> Chart:
    return _of_table("line", table, title, x=x, y=y, stroke=stroke)


def scatter(table: Table, x: str, y: str, title: str = "", split_table: bool = False) -> Chart:
    return _of_table("scatter", table, title, x=x, y=y)


def bar(table: Table, label: str, value: str, title: str = "", split_table: bool = False) -> Chart:
    return _of_table("bar", table, title, label=label, value=value)


def histogram(table: Table, value: str, title: str = "", split_table: bool = False) -> Chart:
    return _of_table("histogram_chart", table, title, value=value)


def line_series(xs: Any, ys: Any, keys: Any = None, title: str = "", xname: str = "x", split_table: bool = False) -> Chart:
    """Several lines. `xs` is one axis for all of them, or one for each."""
    lines, axes = jsonable(list(ys)), jsonable(list(xs))
    axes = axes if axes and isinstance(axes[0], list) else [axes] * len(lines)
    names = list(keys) if keys is not None else ["line_%d" % number for number in range(len(lines))]
    rows = [[x, name, y] for axis, values, name in zip(axes, lines, names) for x, y in zip(axis, values)]
    table = Table(["step", "lineKey", "lineVal"], rows)
    return _of_table("line_series", table, title, step="step", lineKey="lineKey", lineVal="lineVal", xname=xname)


def confusion_matrix(
    probs: Any = None, y_true: Any = None, preds: Any = None, class_names: Any = None, title: str = "Confusion Matrix",
    split_table: bool = False
) -> Chart:  # fmt: skip
    """How often each class was taken for each. Raises ValueError without one of `probs` and `preds`."""
    if y_true is None or (probs is None) == (preds is None):
        raise ValueError("confusion_matrix takes y_true, and either probs or preds")
    said = jsonable(list(preds)) if preds is not None else [row.index(max(row)) for row in jsonable(list(probs))]
    true = jsonable(list(y_true))
    if len(said) != len(true):
        raise ValueError("there are %d predictions of %d examples" % (len(said), len(true)))
    found = sorted({*true, *said}, key=str)
    if class_names is not None and all(isinstance(value, int) for value in found):
        labels: Dict[Any, str] = {number: str(name) for number, name in enumerate(class_names)}
        labels.update({value: "Class_%s" % value for value in found if value not in labels})
    else:
        labels = {value: "Class_%d" % (place + 1) if isinstance(value, int) else str(value) for place, value in enumerate(found)}
    counts: Dict[Any, int] = {}
    for pair in zip(true, said):
        counts[pair] = counts.get(pair, 0) + 1
    rows = [[labels[a], labels[b], counts.get((a, b), 0)] for a in labels for b in labels]
    table = Table(["Actual", "Predicted", "nPredictions"], rows)
    return _of_table("confusion_matrix", table, title, Actual="Actual", Predicted="Predicted", nPredictions="nPredictions")


def roc_curve(
    y_true: Any = None, y_probas: Any = None, labels: Any = None, classes_to_plot: Any = None, title: str = "ROC Curve",
    split_table: bool = False
) -> Chart:  # fmt: skip
    """Of each class against the others: its share of false and of true positives at every threshold."""
    rows = []
    for name, points in _by_class(y_true, y_probas, labels, classes_to_plot):
        positive, negative = max(1, points[-1][0]), max(1, points[-1][1])
        rows += [[name, 0.0, 0.0], *([name, round(wrong / negative, 6), round(right / positive, 6)] for right, wrong in points)]
    return _of_table("roc_curve", Table(["class", "fpr", "tpr"], rows), title, x="fpr", y="tpr", **{"class": "class"})


def pr_curve(
    y_true: Any = None, y_probas: Any = None, labels: Any = None, classes_to_plot: Any = None, interp_size: int = 21,
    title: str = "Precision-Recall Curve", split_table: bool = False
) -> Chart:  # fmt: skip
    """Of each class: precision and recall at every threshold."""
    rows = []
    for name, points in _by_class(y_true, y_probas, labels, classes_to_plot):
        positive = max(1, points[-1][0])
        rows += [[name, round(right / (right + wrong), 6), round(right / positive, 6)] for right, wrong in points]
    return _of_table("pr_curve", Table(["class", "precision", "recall"], rows), title, x="recall", y="precision", **{"class": "class"})


def _by_class(y_true: Any, y_probas: Any, labels: Any, wanted: Any) -> Any:
    """Of each class, its name and the counts of true and false positives as the threshold falls. At most 1000 points each."""
    true, chances = jsonable(list(y_true)), jsonable(list(y_probas))
    classes = sorted(set(true), key=str)
    for place, each in enumerate(classes):
        if wanted is not None and each not in list(wanted):
            continue
        column = each if isinstance(each, int) and 0 <= each < len(chances[0]) else place
        ranked = sorted(((row[column], truth == each) for row, truth in zip(chances, true)), key=lambda pair: -pair[0])
        right = wrong = 0
        points: List[Any] = []
        for number, (chance, is_right) in enumerate(ranked):
            right, wrong = right + is_right, wrong + (not is_right)
            if number + 1 == len(ranked) or ranked[number + 1][0] != chance:
                points.append((right, wrong))
        name = str(labels[column]) if labels is not None and column < len(labels) else str(each)
        yield name, [*points[:: max(1, len(points) // 1000)], points[-1]]


def plot_table(
    vega_spec_name: str, data_table: Table, fields: Dict[str, Any], string_fields: Optional[Dict[str, Any]] = None,
    split_table: bool = False
) -> Chart:  # fmt: skip
    return Chart(vega_spec_name, data_table, fields, string_fields)


def visualize(id: str, value: Table) -> Chart:
    return Chart(id, value, {})
