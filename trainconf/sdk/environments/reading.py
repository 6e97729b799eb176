"""Files that describe environments: read for a program, with its line in every mistake."""

from __future__ import annotations

import os

from trainconf.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.sdk.settings.arguments import Arguments


def read_text(path: str, arguments: Arguments) -> str:
    """The text of a file. Raises UserError."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UserError(
            f"{arguments.call}: the file cannot be read: {why}", ("from", arguments.place), ("looked at", os.path.abspath(path))
        ) from error


def read_yaml(path: str, arguments: Arguments) -> dict[str, Any]:
    """The mapping in a YAML or JSON file. Raises UserError."""
    import yaml

    text = read_text(path, arguments)
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        problem = ("problem", (str(error).splitlines() or ["it is nested too deeply"])[0])
        raise UserError(f"{arguments.call}: the file is not YAML", ("from", arguments.place), ("file", path), problem) from error
    if not isinstance(found, dict):
        raise UserError(f"{arguments.call}: the file must hold a mapping", ("from", arguments.place), ("file", path))
    return found
