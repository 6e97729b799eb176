"""Makes every module below a package that is answered here: each name of it is looked up when a script asks for it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Sequence


class Module(ModuleType):
    """A module whose names `look_up(module, name)` gives."""

    def __init__(self, name: str, look_up: Callable[[str, str], Any]) -> None:
        super().__init__(name)
        self.__dict__["_look_up"] = look_up

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__["_look_up"](self.__name__, name)


class Finder:
    """Finds `<package>.<anything>`. `begin(module)` is called before one is made, and may raise ImportError."""

    def __init__(self, package: str, look_up: Callable[[str, str], Any], begin: Callable[[str], Any]) -> None:
        self._package = package
        self._look_up = look_up
        self._begin = begin

    def install(self) -> None:
        """Ours stands first: nothing else is left to be found."""
        if not any(isinstance(finder, Finder) and finder._package == self._package for finder in sys.meta_path):
            sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        if not fullname.startswith(self._package + ".") or fullname.endswith("__"):
            return None
        return ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._begin(spec.name)
        return Module(spec.name, self._look_up)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: each name is looked up when it is asked for."""
