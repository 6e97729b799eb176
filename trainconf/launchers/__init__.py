"""Launchers, ready to be asked: by name, for a run that has one, for the trials of a sweep. `trainconf.plugins` finds their classes."""

from __future__ import annotations

from trainconf import plugins
from trainconf.errors import ConfigError, Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from trainconf.launchers.protocol import Launcher
    from trainconf.paths import RunPaths


def get(name: str) -> Launcher:
    """The launcher of a compute target. Raises ConfigError for an unknown name, or a launcher that cannot be made."""
    found = plugins.load(name)
    try:
        launcher: Launcher = found()
    except Exception as error:
        raise plugins.broken(name, f"{type(error).__name__}: {error}") from error
    return launcher


def of_run(paths: RunPaths) -> Launcher:
    """The launcher that a run or a sweep was given to; before its plan is written, the one its spec names. Raises ConfigError."""
    from trainconf.history.record import read_mapping, read_plan

    compute = read_mapping(paths.spec).get("compute")
    target = read_mapping(paths.sweep).get("target") or read_plan(paths).get("target")
    return get(str(target or (compute.get("target") if isinstance(compute, dict) else None) or "local"))


def of_sweep(targets: Iterable[str], compute: Mapping[str, Any], node_count: int) -> dict[str, Launcher]:
    """A launcher for each target of a sweep's trials; the largest of them has `node_count` nodes.

    Raises ConfigError for launchers that cannot carry out the sweep, or not together.
    """
    found = {target: get(target) for target in sorted(set(targets))}
    mistakes = [mistake for launcher in found.values() for mistake in launcher.check_sweep(compute, node_count)]
    if len({type(launcher).pool for launcher in found.values()}) > 1:
        mistakes.append(Mistake(f"one sweep cannot be on {' and '.join(found)} at once", hint="make a sweep of each"))
    if mistakes:
        raise ConfigError(mistakes)
    return found
