"""The exceptions of the original, by its names. Others than these are made when they are asked for."""

from __future__ import annotations

from trainconf.compat.tracking.config import ConfigError as _ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Type


class Error(Exception):
    """Base of all: has `message`."""

    def __init__(self, message: Any = "", *rest: Any, **options: Any) -> None:
        super().__init__(message)
        self.message = str(message)


class CommError(Error):
    """In the original: the server has refused. Here: there is no such artifact."""


class UsageError(Error):
    """A call in the wrong place."""


class AuthenticationError(CommError):
    """Never raised: there is no account."""


class UnsupportedError(Error):
    """Never raised."""


class ConfigError(Error, _ConfigError):
    """A value of the config was changed without `allow_val_change`."""


_made: Dict[str, Type[Error]] = {}


def kind(name: str) -> Type[Error]:
    """An exception that nothing here raises, so that a script can name it in an `except`."""
    return _made.setdefault(name, type(name, (Error,), {"__module__": "wandb.errors"}))
