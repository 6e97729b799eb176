"""What a run of the history has logged, in the shape that `Run.get_metrics` has everywhere."""

from __future__ import annotations

from trainconf.history import metrics
from trainconf.history.logged import records
from trainconf.job_api import shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths


def get_metrics(paths: RunPaths, name: str | None = None) -> dict[str, Any]:
    """Lists of values by name, tables as columns, images as the names of their files, charts as they were logged; of event files, too.

        {"loss": [0.5, 0.25], "cost": {"epoch": [1, 2], "eur": [3.5, None]}, "curve": ["outputs/images/curve.png"]}

    A run that goes on has what it has logged so far. Never raises for what is in the run's files.
    """
    entries = sorted(metrics.read_since(paths, metrics.Cursor()), key=lambda entry: str(entry.get("time")))
    found = shape.of(entries, records.read(paths))
    return found if name is None else {key: value for key, value in found.items() if key == name}
