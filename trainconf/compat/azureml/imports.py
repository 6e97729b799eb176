"""Makes the modules of the package `azureml`: each name is looked up when a script asks for it, so an import costs only what is used.

`names.PLACES` says where ours are, `names.NOT_HERE` what has no meaning here and why. A module that neither knows cannot be imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

from trainconf.compat import beside
from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import absent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Optional

PACKAGE = "azureml"


def offer(name: str, path: str) -> None:
    """Have every `import azureml.…` of this process answered from here. Says so when an installed `azureml` is not used."""
    beside.say(name, path)
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


class Module(ModuleType):
    """A module whose names are looked up when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        place = names.place(self.__name__, name)
        if name in names.VALUES:
            value: Any = names.VALUES[name]
        elif place is None and f"{self.__name__}.{name}" in names.MODULES:
            return below(self.__name__, name)
        elif place is None:
            if name.startswith("__"):
                raise AttributeError(name)
            why = names.why_not(self.__name__, name)
            if why is None:
                known = ", ".join(names.offered(self.__name__))
                raise AttributeError(
                    "trainconf has no {}.{}. It has {}; see docs/azureml.md".format(self.__name__, name, known or "nothing of that module")
                )
            value = absent(f"{self.__name__}.{name}", why)
        else:
            value = _loaded(f"{self.__name__}.{name}", place)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *names.offered(self.__name__)})


def below(package: str, name: str) -> Any:
    """A module of a package by its name. Raises AttributeError for one that there is not."""
    if name in names.VALUES:
        return names.VALUES[name]
    if name.startswith("_") or not names.is_module(f"{package}.{name}"):
        raise AttributeError(f"trainconf has no {package}.{name}; see docs/azureml.md")
    return import_module(f"{package}.{name}")


def _loaded(name: str, place: str) -> Any:
    """The value at `module:attribute`. What submits needs trainconf as a whole: in a job's own Python it says so when it is used."""
    module, _, attribute = place.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # an older Python fails in many ways
        return absent(name, f"it needs trainconf as a whole, which this Python does not have: {error}")


class Finder:
    """Finds `azureml.<anything>` that `names` knows, and says of the rest that it is not there."""

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        if not fullname.startswith(PACKAGE + "."):
            return None
        if not names.is_module(fullname):
            raise ModuleNotFoundError(
                f"trainconf has no module {fullname}: docs/azureml.md lists what `import azureml` gives here", name=fullname
            )
        return ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = Module(spec.name)
        public = [name for name in names.offered(spec.name) if not name.startswith("_")]
        if public:
            module.__dict__["__all__"] = public
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: each name is looked up later."""
