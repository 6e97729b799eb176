"""Functions of `wandb.util` that scripts use."""

from __future__ import annotations

from trainconf.compat.tracking.values import jsonable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple

ID_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789"


def generate_id(length: int = 8) -> str:
    """Letters and digits by chance. The random numbers of the script stay as they are."""
    import secrets

    return "".join(secrets.choice(ID_CHARS) for _ in range(length))


def make_artifact_name_safe(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)[:128]


def to_json(value: Any) -> Any:
    return jsonable(value)


def json_friendly(value: Any) -> Tuple[Any, bool]:
    return jsonable(value), True


def get_module(name: str, required: Any = None, lazy: bool = True) -> Optional[Any]:
    """A module; None where it is not installed. Raises ImportError with the text `required`."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        if required:
            raise ImportError(required if isinstance(required, str) else name) from None
        return None
