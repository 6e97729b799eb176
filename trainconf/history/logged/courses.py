"""The course of each metric of a run: of several series of one name the one whose last value counts."""

from __future__ import annotations

import os

from trainconf.history import metrics, series
from trainconf.history.event_files import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainconf.history.series import Series
    from trainconf.paths import RunPaths

DRAWN_BYTES = 1 << 24  # of a run's metrics, which take a quarter of a second to read
TOO_LARGE: dict[str, Series] = {}


def courses_of(paths: RunPaths, wanted: Iterable[str]) -> dict[str, Series]:
    """The series that counts of each name that has numbers. TOO_LARGE where reading them takes long."""
    sources = [*metrics.files_of(paths), *(file.path for file in scan.files_of(paths))]
    if sum(os.path.getsize(path) for path in sources if os.path.isfile(path)) > DRAWN_BYTES:
        return TOO_LARGE
    names = frozenset(wanted)
    found: dict[str, Series] = {}
    for each in series.of_run(paths, names.__contains__):
        if each.source != series.SYSTEM and len(each):
            for name in each.names & names:
                found[name] = max(found[name], each, key=_rank) if name in found else each
    return found


def _rank(one: Series) -> tuple[bool, bool, float]:
    """Of several series of a name the one with the highest counts, as for its last value."""
    return one.source == series.LOGGED, not one.folder, one.times[-1]
