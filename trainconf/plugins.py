"""Launchers by name: the built-in ones, and those that other packages offer by an entry point of the group `trainconf.launchers`.
Also the tools whose imports trainconf offers.

The floors below the launchers ask here for what a launcher's class says of its settings and its software. A package that offers one may
have a folder `conf`. `importlib.metadata` is not used: it takes 30 ms, and every command that composes would pay for it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from trainconf.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GROUP = "trainconf.launchers"
BUILT_IN = {
    "docker": "trainconf.launchers.docker.launcher:DockerLauncher",
    "local": "trainconf.launchers.machine.local:LocalLauncher",
    "slurm": "trainconf.launchers.slurm.launcher:SlurmLauncher",
}
_MEMBERS = ("name", "config", "needs_image", "plan", "submit", "state", "cancel", "wait", "reconcile", "check_sweep")


def distributions() -> list[str]:
    """The folders of installed packages' metadata, in the order of `sys.path`. Their names hold the versions."""
    standard = os.path.dirname(os.__file__)
    found = []
    for entry in sys.path:
        if entry in (standard, os.path.join(standard, "lib-dynload")):
            continue
        with suppress(OSError):
            names = sorted(os.listdir(entry or "."))
            found += [os.path.join(entry, name) for name in names if name.endswith((".dist-info", ".egg-info"))]
    return found


def offered() -> dict[str, tuple[str, str]]:
    """What other packages offer: (`module:Class`, file that says so) by the launcher's name. The first on `sys.path` wins."""
    found: dict[str, tuple[str, str]] = {}
    for folder in distributions():
        path = os.path.join(folder, "entry_points.txt")
        with suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as stream:
            section = ""
            for line in map(str.strip, stream):
                name, equals, value = line.partition("=")
                if line.startswith("["):
                    section = line.strip("[] ")
                elif section == GROUP and equals and name.strip() not in BUILT_IN:
                    found.setdefault(name.strip(), (value.strip(), path))
    return found


def load(name: str) -> Any:
    """The class of a launcher. A built-in one is found without looking at installed packages.

    Raises ConfigError for an unknown name, and for one whose class cannot be imported or is no launcher.
    """
    value = BUILT_IN.get(name, "")
    if not value:
        others = offered()
        if name not in others:
            raise ConfigError(f"compute.target={name} is not a launcher", ("allowed", ", ".join(sorted({*BUILT_IN, *others}))))
        value = others[name][0]
    try:
        module, _, attribute = value.partition("[")[0].strip().partition(":")
        __import__(module)  # importlib would be 1 ms
        found = getattr(sys.modules[module], attribute)
    except (Exception, SystemExit) as error:
        raise broken(name, f"{type(error).__name__}: {error}") from error
    lacking = [member for member in _MEMBERS if not hasattr(found, member)]
    if lacking:
        raise broken(name, f"{attribute} has no {lacking[0]}", hint="inherit trainconf.launchers.protocol.Launcher")
    return found


def settings_of(name: str) -> Any | None:
    """The dataclass of the settings that another package's launcher has; None when there is none, or no such launcher.

    Raises ConfigError for a launcher that cannot be loaded, and for settings that are no dataclass with the launcher's name as `target`.
    """
    if name in BUILT_IN or name not in offered():
        return None
    config = load(name).config
    if config is None:
        return None
    from dataclasses import fields, is_dataclass

    if not is_dataclass(config) or not any(field.name == "target" and field.default == name for field in fields(config)):
        raise broken(name, f"its config is no dataclass with a field `target: str = {name!r}`")
    return config


def broken(name: str, why: str, hint: str = "") -> ConfigError:
    """The launcher of another package cannot be used."""
    value, path = offered().get(name, (BUILT_IN.get(name, ""), ""))
    where = [("from", f"entry point {value}"), ("file", path)]
    return ConfigError(f"the launcher {name!r} cannot be loaded: {why}", *where[: 2 if path else 1], hint=hint)


def compat_names() -> list[str]:
    """The tools whose names trainconf offers to a job: each has a folder `trainconf/compat/<name>/path`."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compat")
    return sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name, "path")))


def config_dirs() -> list[str]:
    """The `conf` folders of packages that offer a launcher. Nothing of these packages is imported."""
    folders = (os.path.join(root, "conf") for root in roots())
    return [folder for folder in folders if os.path.isdir(folder)]


def roots() -> list[str]:
    """The folder of each package that offers a launcher, or the file, where it is one module."""
    found: dict[str, None] = {}
    for value, _ in offered().values():
        import importlib.util

        with suppress(ImportError, ValueError, AttributeError):
            spec = importlib.util.find_spec(value.partition(":")[0].partition(".")[0])
            places = [] if spec is None else spec.submodule_search_locations or filter(None, [spec.origin])
            found |= dict.fromkeys(map(os.path.abspath, places))
    return list(found)
