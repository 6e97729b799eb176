"""A JSON file in the workspace's cache that keeps answers between commands. It only saves work: a damaged or missing one is empty."""

from __future__ import annotations

import os

from trainconf import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(path: str) -> dict[str, Any]:
    """The answers in a file, by what was asked."""
    try:
        known = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def write(path: str, known: dict[str, Any]) -> None:
    """Replace the file, if its workspace has a state folder. A disk that refuses costs only the saving."""
    folder = os.path.dirname(path)
    if not os.path.isdir(os.path.dirname(folder)):
        return
    try:
        os.makedirs(folder, exist_ok=True)
        files.write_atomic(path, files.dumps(known), durable=False)
    except OSError:
        return
