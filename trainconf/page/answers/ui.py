"""What is personal in the page: its columns. It lies in `.trainconf/ui.json`, so it is there from any browser."""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.errors import StorageError, UserError
from trainconf.fast.json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import WorkspacePaths

NAME = "ui.json"
MOST_BYTES = 1 << 18
MOST_KEYS, LONGEST_KEY = 100, 64


def read(request: Request) -> dict[str, Any]:
    """GET /api/ui. `damage` says that a damaged file was found; it is put aside by the next change, and until then the page has none."""
    values, damage = _read(request.workspace)
    return {"values": values, "damage": damage}


def change(request: Request) -> dict[str, Any]:
    """POST /api/ui {values}: each key is replaced; null takes it away. Raises UserError, StorageError."""
    asked = request.body.get("values")
    if not isinstance(asked, dict) or not all(0 < len(key) <= LONGEST_KEY for key in asked):
        allowed = f'{{"values": {{key: value}}}}, keys of at most {LONGEST_KEY} characters'
        raise UserError("what is personal is an object of values", ("allowed", allowed))
    path = path_of(request.workspace)
    try:
        os.makedirs(request.workspace.state, exist_ok=True)
        with files.FileLock(f"{path}.lock"):  # a second page of this workspace changes it, too
            values, damage = _read(request.workspace)
            values = {key: value for key, value in {**values, **asked}.items() if value is not None}
            text = dumps(values)
            if len(values) > MOST_KEYS or len(text) > MOST_BYTES:
                raise UserError("that is too much to be kept", ("allowed", f"{MOST_KEYS} keys, {MOST_BYTES} bytes"), ("path", path))
            if damage and os.path.lexists(path):
                os.rename(path, f"{path}.damaged-{time.time_ns()}")
            files.write_atomic(path, text, mode=0o600)
    except OSError as error:
        raise StorageError.from_os_error(error, "what is personal in the page cannot be kept") from error
    return {"values": values, "damage": damage}


def path_of(workspace: WorkspacePaths) -> str:
    """Where it lies."""
    return os.path.join(workspace.state, NAME)


def _read(workspace: WorkspacePaths) -> tuple[dict[str, Any], str]:
    path = path_of(workspace)
    try:
        found = files.read_json(path, MOST_BYTES)
    except FileNotFoundError:
        return {}, f"{path} is no file" if os.path.lexists(path) else ""
    except (OSError, ValueError) as error:
        return {}, f"{path} cannot be read: {error}"
    return (found, "") if isinstance(found, dict) else ({}, f"{path} is no JSON object")
