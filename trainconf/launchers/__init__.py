"""Launchers by name: the built-in ones, and those other packages offer under the entry-point group `trainconf.launchers`."""

from __future__ import annotations

from trainconf.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from trainconf.launchers.protocol import Launcher

GROUP = "trainconf.launchers"
BUILT_IN = ("docker", "local", "slurm")


def get(name: str) -> Launcher:
    """The launcher of a compute target. A built-in one is found without looking at installed packages, which takes 30 ms.

    Raises ConfigError for an unknown name, or an entry point that cannot be loaded.
    """
    if name == "local":
        from trainconf.launchers.machine.local import LocalLauncher

        return LocalLauncher()
    if name == "docker":
        from trainconf.launchers.docker.launcher import DockerLauncher

        return DockerLauncher()
    if name == "slurm":
        from trainconf.launchers.slurm.launcher import SlurmLauncher

        return SlurmLauncher()
    points = _entry_points()
    if name not in points:
        raise ConfigError(f"compute.target={name} is not a launcher", ("allowed", ", ".join(names())))
    try:
        launcher: Launcher = points[name].load()()
    except Exception as error:
        raise ConfigError(
            f"the launcher {name!r} cannot be loaded: {type(error).__name__}: {error}", ("from", f"entry point {points[name].value}")
        ) from error
    return launcher


def names() -> list[str]:
    """All launchers there are, sorted."""
    return sorted({*BUILT_IN, *_entry_points()})


def _entry_points() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}
