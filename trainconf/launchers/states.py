"""The honest states of runs, wherever they run. What a run's files leave open, its scheduler is asked, once for all runs.

For readers: `trainconf ls`, `show`, `wait`, `logs`, `cancel`. Runs of this machine cost nothing here.
"""

from __future__ import annotations

import time

from trainconf.history import liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.history.liveness import State
    from trainconf.launchers.protocol import Launcher
    from trainconf.paths import RunPaths

PATIENCE_S = 1.0  # before the first question: most jobs report their states by themselves


def states_of(runs: Sequence[RunPaths]) -> list[State]:
    """The states of runs, in order."""
    states = [liveness.state_of(paths) for paths in runs]
    by_kind: dict[str, list[int]] = {}
    for index, state in enumerate(states):
        if state.scheduler is not None:
            by_kind.setdefault(str(state.scheduler.get("kind")), []).append(index)
    for kind, indices in by_kind.items():
        launcher = _launcher(kind)
        if launcher is not None:
            found = launcher.reconcile([(runs[index], states[index]) for index in indices])
            for index, state in zip(indices, found, strict=True):
                states[index] = state
    return states


def state_of(paths: RunPaths) -> State:
    """The state of one run."""
    return states_of([paths])[0]


class StatePoller:
    """`state_of` for whoever calls again and again. It asks the scheduler after a while, and as seldom as the launcher says."""

    def __init__(self, launcher: Launcher | None = None) -> None:
        self._launchers: dict[str, Launcher | None] = {} if launcher is None else {launcher.name: launcher}
        self._begun = time.monotonic()

    def __call__(self, paths: RunPaths) -> State:
        state = liveness.state_of(paths)
        if state.scheduler is None or time.monotonic() - self._begun < PATIENCE_S:
            return state
        kind = str(state.scheduler.get("kind"))
        if kind not in self._launchers:
            self._launchers[kind] = _launcher(kind)
        launcher = self._launchers[kind]
        return state if launcher is None else launcher.poll(paths, state)


def _launcher(kind: str) -> Launcher | None:
    from trainconf.errors import ConfigError
    from trainconf.launchers import get

    try:
        return get(kind)
    except ConfigError:  # another package's, which is not installed here, or broken: what is recorded is all there is
        return None
