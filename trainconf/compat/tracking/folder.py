"""Where a run's files of one tool lie: outputs/<tool>/ of the run, outside of a run ./outputs/<tool>/; and how they are written."""

from __future__ import annotations

import json
import os
import time

from trainconf.compat.tracking.notes import KeepsGoing
from trainconf.job_api.files import beside, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.job_api import Run

NAME_CHARS = 80


class Folder:
    """The files of one tool in a run, wherever the script changes its working directory to."""

    def __init__(self, tool: str, job: Run) -> None:
        self.job = job
        self.path = os.path.join(next(folder for top, folder in job._store.folders() if top == "outputs"), tool)
        rank = os.environ.get("RANK", "0")
        if rank.isdigit() and int(rank):
            self.path = os.path.join(self.path, "rank_" + rank)

    def at(self, *names: str) -> str:
        """The path of a file, whose folder is there. Raises OSError."""
        path = os.path.join(self.path, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name: str, value: Any) -> None:
        """Replace a JSON file in one step. What cannot be written is told once."""
        with KeepsGoing("outputs/.../" + name):
            replace(self.at(name), json.dumps(value, indent=1, sort_keys=False) + "\n")

    def append(self, name: str, value: Any) -> None:
        """Append a line of JSON. What cannot be written is told once."""
        with KeepsGoing("outputs/.../" + name), open(self.at(name), "a", encoding="utf-8") as stream:
            stream.write(json.dumps(dict(value, time=_now())) + "\n")


def replace(path: str, text: str) -> None:
    """Write a file under another name, then rename it. Raises OSError, and leaves nothing half-written."""
    write(path, iter([text.encode("utf-8")]))


def copy(source: str, target: str) -> None:
    """Copy a file, under another name until it is whole. Raises OSError."""
    import shutil

    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = beside(target)
    try:
        shutil.copyfile(source, part)
        os.replace(part, target)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise


def file_name(name: str) -> str:
    """A name as a part of a path: letters, digits and `-_.` stay. A long or a changed one ends with a checksum, so that none is two."""
    from zlib import crc32

    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name).lstrip(".")
    if plain == name and len(plain) <= NAME_CHARS:
        return plain
    return "%s-%08x" % (plain[:NAME_CHARS], crc32(name.encode("utf-8", "surrogatepass")))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
