"""Waits for a sweep to its end: tells which trials have changed, and lets its controller step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from trainconf import launchers
from trainconf.files import until_unlocked
from trainconf.launchers.protocol import Launcher
from trainconf.sweeps import journal
from trainconf.sweeps.batch import Sweep
from trainconf.sweeps.watching import TrialEnds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.sweeps.steer import AnySweep
    from trainconf.paths import RunPaths

PAUSE_S = 0.025
POLL_PAUSE_S = 0.005  # where a trial waits for this process to start it, and the kernel does not tell when
LONG_PAUSE_S = 0.5  # on a disk that machines share
MAX_PAUSE_S = 0.2
PAUSE_PER_TRIAL_S = 0.005  # a look costs 20 to 40 microseconds: less than a hundredth of a core


def follow(sweep: AnySweep) -> Iterator[Sequence[Any]]:
    """The trials whose state has changed, until the sweep has ended.

    On this machine the kernel tells when a trial ends whose place the next one gets, and when the agent ends that has all trials.
    Everything else is looked for, 40 times a second; of many trials, or on a disk that machines share, less often; and at once
    when the last trial that ran has ended, for then the sweep probably has.
    """
    pause, shortest_s = _pause(sweep)
    try:
        has_ended = False
        while not has_ended:
            has_ended, had_open = sweep.has_ended(), sweep.open_count > 0
            changed = sweep.poll()
            yield sweep.live if has_ended else changed
            if not has_ended and (sweep.open_count or not had_open):
                pause(max(shortest_s, min(MAX_PAUSE_S, sweep.open_count * PAUSE_PER_TRIAL_S)))
    finally:
        if isinstance(pause, TrialEnds):
            pause.close()


def _pause(sweep: AnySweep) -> tuple[Callable[[float], object], float]:
    """What waits between two looks at a sweep, and for how long at least."""
    if type(launchers.of_run(sweep.paths)).open_pool is Launcher.open_pool:
        return time.sleep, LONG_PAUSE_S
    if isinstance(sweep, Sweep):
        return until_unlocked(sweep.paths.lock), PAUSE_S
    ends = TrialEnds(lambda: _running(sweep))
    return ends, PAUSE_S if ends.works else POLL_PAUSE_S


def _running(sweep: AnySweep) -> Iterator[RunPaths]:
    """The folders of a sweep's trials that its controller waits for."""
    for trial in () if sweep.progress is None else sweep.progress.running.values():
        yield journal.paths_of(sweep.paths, trial.run)
