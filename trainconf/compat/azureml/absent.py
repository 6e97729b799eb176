"""What of the original has no meaning here: it may be imported, and says so when it is used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def absent(name: str, why: str) -> type:
    """A stand-in for a class or function. Calling it and asking it for anything raise NotHereError; nothing is an instance of it."""
    return Absent(name.rpartition(".")[2], (), {"__module__": "azureml", "_name": name, "_why": why})


class Absent(type):
    """The class of such stand-ins."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise not_here(cls.__dict__["_name"], cls.__dict__["_why"])

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise not_here("{}.{}".format(cls.__dict__["_name"], name), cls.__dict__["_why"])


def not_here(name: str, why: str) -> Exception:
    """What is raised for a name that has no meaning here."""
    from trainconf.compat.azureml.exceptions import NoServiceError, NotHereError
    from trainconf.compat.azureml.without import SERVICES

    kind = NoServiceError if why == SERVICES else NotHereError
    return kind(f"{name} has no meaning in trainconf: {why}")
