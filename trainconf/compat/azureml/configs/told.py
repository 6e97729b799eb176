"""Classes of `trainconf.sdk` by the names of the original: what ours refuse is raised as the exception that the original would raise."""

from __future__ import annotations

from functools import wraps

from trainconf.compat.azureml.exceptions import told_as

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from trainconf.compat.azureml.exceptions import AzureMLException

    Kind = TypeVar("Kind", bound=type)

_KINDS: dict[type, type] = {}  # by a class of ours: the one that stands for it here
_SPECIAL = ("__init__", "__getattr__", "__setattr__")


def told(kind: type[AzureMLException], **kinds: type[AzureMLException]) -> Callable[[Kind], Kind]:
    """Decorates a class below one of ours: each public call, and each attribute that is read or set, raises `kind` for a mistake.

    kinds: others, by the name of the call.
    """

    def of(cls: Kind) -> Kind:
        _KINDS[cls.__mro__[1]] = cls
        for name in dir(cls):
            if not name.startswith("_") or name in _SPECIAL:
                found = next(vars(each)[name] for each in cls.__mro__ if name in vars(each))
                raised = kinds.get(name, kind)
                if isinstance(found, (classmethod, staticmethod)):
                    setattr(cls, name, type(found)(raising(raised, found.__func__)))
                elif callable(found) and hasattr(found, "__code__"):
                    setattr(cls, name, raising(raised, found))
        return cls

    return of


def raising(kind: type[AzureMLException], call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, whose mistakes are raised as `kind` and which gives what stands for ours."""

    @wraps(call)
    def through(*args: Any, **kwargs: Any) -> Any:
        with told_as(kind):
            return adopted(call(*args, **kwargs))

    return through


def adopted(value: Any) -> Any:
    """A value of ours, which becomes one of the class that stands for its own; also each value of a dict."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        object.__setattr__(value, "__class__", kind)
    elif type(value) is dict:
        for each in value.values():
            adopted(each)
    return value


def standing_for(ours: type) -> type:
    """The class that stands for one of ours; ours where none does."""
    return _KINDS.get(ours, ours)
