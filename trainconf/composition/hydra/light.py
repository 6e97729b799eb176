"""`import hydra` without what only an app needs: its `__init__` imports `hydra.main`, `hydra.utils` and the instantiation of objects."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_NAMES = re.compile(r"^__all__ = \[([^\]]*)\]", re.MULTILINE)


class _LightHydra(ModuleType):
    """The package `hydra`, whose `__init__` runs when the first name of its `__all__` is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__["__all__"]:
            raise AttributeError(f"module 'hydra' has no attribute {name!r}")
        if name == "MissingConfigException":  # which modules below it ask for
            from hydra.errors import MissingConfigException

            return MissingConfigException
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec: ModuleSpec = self.__dict__["__spec__"]
        assert spec.loader is not None
        spec.loader.exec_module(self)
        return getattr(self, name)


def import_lightly() -> None:
    """Let the modules below `hydra` be imported without running its `__init__`, as far as that looks as it is known here."""
    spec = None if "hydra" in sys.modules else importlib.util.find_spec("hydra")
    if spec is None or spec.origin is None:
        return
    with open(spec.origin, encoding="utf-8") as stream:
        text = stream.read()
    version, names = _VERSION.search(text), _NAMES.search(text)
    if version is None or names is None:
        return
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update(__version__=version[1], __all__=re.findall(r'"(\w+)"', names[1]))
    module.__class__ = _LightHydra
    sys.modules["hydra"] = module
