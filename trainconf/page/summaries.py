"""The last values that runs have logged, for whoever looks at them again and again: of a long file only what is new is read."""

from __future__ import annotations

import threading
from collections import OrderedDict

from trainconf.history import metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths

MOST = 64  # runs that are remembered: those that go on, and those that somebody has on the screen

_lock = threading.Lock()
_known: OrderedDict[str, metrics.Summary] = OrderedDict()


def of(paths: RunPaths) -> metrics.Summary:
    """What a run has logged so far."""
    found = metrics.summarise(paths, _known.get(paths.run_dir))
    with _lock:
        _known[paths.run_dir] = found
        _known.move_to_end(paths.run_dir)
        while len(_known) > MOST:
            _known.popitem(last=False)
    return found
