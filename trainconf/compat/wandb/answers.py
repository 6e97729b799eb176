"""Answers `import wandb.<anything>` and each name of these modules: by ours, else by what does nothing and says so once."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from trainconf.compat.tracking.modules import Finder
from trainconf.compat.tracking.notes import unanswered
from trainconf.compat.wandb import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

PACKAGE = "wandb"


def offer() -> None:
    """Have every module below `wandb` of this process made here. Nothing else is left to be found: ours stands first."""
    sys.modules[PACKAGE].__class__ = Package
    Finder(PACKAGE, _look_up, _begin).install()


def public() -> List[str]:
    """What `from wandb import *` brings."""
    return sorted({*(name for name in names.PLACES if not name.startswith("_")), "run", "config", "summary"} - {"api"})


def stays(module: str, name: str) -> bool:
    """Whether a name means the same at any time: all but the run, its config and its summary."""
    return module != PACKAGE or name not in ("run", "config", "summary")


def lookup(module: str, name: str) -> Any:
    """What a name of a module stands for. Raises AttributeError only for names like `__path__`, which Python itself asks for."""
    if name.startswith("__"):
        raise AttributeError(name)
    if not stays(module, name):
        return getattr(import_module("trainconf.compat.wandb.current"), name)()
    full = module + "." + name
    if full in names.MODULES or full[len(PACKAGE) + 1 :] in names.PLAIN_MODULES:
        return import_module(full)
    place = names.PLACES.get(name)
    if place is not None:
        where, _, attribute = place.partition(":")
        return getattr(import_module(where), attribute or name)
    if name.endswith(("Error", "Exception")):
        return import_module("trainconf.compat.wandb.errors").kind(name)
    return unanswered(full, next((hint for word, hint in names.HINTS.items() if word in full.split(".")), ""))


class Package(ModuleType):
    """The package itself: scripts replace `wandb.config` by a dict, before or after `init`."""

    def __setattr__(self, name: str, value: Any) -> None:
        run = import_module("trainconf.compat.wandb.current").run() if name == "config" else None
        if run is not None:
            run.config.update(value, allow_val_change=True)
        super().__setattr__(name, value)


def _look_up(module: str, name: str) -> Any:
    """A name of a module below the package: ours, if that module has one of its own."""
    ours = names.MODULES.get(module)
    found = import_module(ours) if ours is not None else None
    return getattr(found, name) if found is not None and hasattr(found, name) else lookup(module, name)


def _begin(module: str) -> None:
    """What a module needs, such as keras, is missing now and not later."""
    if module in names.MODULES:
        import_module(names.MODULES[module])
