"""The best value of the metric that a run is judged by: found as its lines come, so that no series is read twice."""

from __future__ import annotations

from math import isfinite

from trainconf.fast.stdlib import json, re
from trainconf.history import metrics
from trainconf.history.event_files import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FEW_LINES = 64  # are decoded sooner than a pattern is made


class Judge:
    """Knows which of two values is better. What is not finite is never the best."""

    def __init__(self, name: str, goal: str | None) -> None:
        self.name = name
        self._choose = min if goal == "minimize" else max
        self._pattern: tuple[bytes, Any] | None = None

    def _spelt(self) -> tuple[bytes, Any]:
        """The metric's name as `Run.log` writes it, and the pattern of its values."""
        if self._pattern is None:
            spelt = f'"name":{json.dumps(self.name)},'.encode()
            value = rb'"value":([-+.0-9eE]+|NaN|-?Infinity),"step":(?:-?[0-9]+|null)\}'
            self._pattern = spelt, re.compile(re.escape(spelt) + value)
        return self._pattern

    def better(self, *values: float | None) -> float | None:
        """The best of these; None where none is any."""
        return self._choose((value for value in values if value is not None), default=None)

    def of_values(self, values: Iterable[float]) -> float | None:
        """The best of numbers."""
        return self._choose(filter(isfinite, values), default=None)

    def of_lines(self, lines: bytes) -> float | None:
        """The best value in whole lines of metrics. They are decoded one by one only where they are not as `Run.log` writes them."""
        count = lines.count(b"\n") + 1
        if count > FEW_LINES and lines.count(b'{"time":"') == lines.count(b'","name":"') == count and b"\\" not in lines:
            spelt, values = self._spelt()
            found = values.findall(lines)
            if len(found) == lines.count(spelt):
                try:
                    return self.of_values(map(float, found))
                except ValueError:
                    pass  # `1.2.3` is no number: such a line is passed over below
        entries = filter(None, map(metrics.decode, lines.split(b"\n")))
        return self.of_values(_number(entry["value"]) for entry in entries if entry["name"] == self.name)

    def of_summary(self, summary: metrics.Summary) -> float | None:
        """The best of a run: what was logged counts more than what event files have."""
        logged = [best for name, best in summary.best.items() if not scan.is_name(name)]
        return self.better(*logged) if any(best is not None for best in logged) else self.better(*summary.best.values())

    def is_of(self, name: str, folder: str) -> bool:
        """Whether a name in a folder's event files is the metric."""
        return metrics.is_called({"name": name, "folder": folder}, self.name)


def _number(value: object) -> float:
    """A value as a float; NaN for what is no number."""
    return metrics.as_float(value) if isinstance(value, (int, float)) else float("nan")
