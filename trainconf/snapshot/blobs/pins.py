"""Pins: which frozen file needs which snapshot, so that `gc` keeps it. As git's refs do, a pin names what must stay.

A pin is a JSON file in `pins/` with the snapshots, the path of the frozen file (empty where it is not known) and the time. It stays
until somebody drops it, because a frozen file that is gone today may come back with another branch.
"""

from __future__ import annotations

import os
import stat

from trainconf import files
from trainconf.errors import StorageError
from trainconf.fast.records import Record
from trainconf.snapshot.frozen_line import is_frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.snapshot.blobs.layout import StoreLayout

OLDER = "older"  # the pin of all snapshots that are older than pins: a frozen file may need any of them


class Pin(Record):
    """One pin. `name` is its file's, `time` UTC ISO 8601; `path` is absolute, or empty; `file_hash` is that of the frozen file."""

    name: str
    snapshots: list[str]
    path: str
    time: str
    file_hash: str

    @property
    def file_text(self) -> str:
        """The frozen file, for a line of output."""
        return self.path or ("files frozen before there were pins" if self.name == OLDER else "a file written to a pipe")

    @property
    def why_idle(self) -> str:
        """Why its frozen file does not need it now; empty while it does, and where that is unknown."""
        if not self.path:
            return ""
        try:
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                return "it is no file any more"
            with open(self.path, "rb") as stream:
                content = stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return "the file is gone"
        except OSError:
            return ""
        if not is_frozen(content):
            return "the file is no frozen run any more"
        named = any(snapshot.encode() in content for snapshot in self.snapshots)
        return "" if named else "the file names other code now"


def begin(store: StoreLayout) -> None:
    """Make the folder of the pins, with one that keeps every snapshot an older trainconf has taken here. Raises OSError."""
    ids = store.ids()
    os.makedirs(store.root, exist_ok=True)
    temp = f"{store.pins}.{os.getpid()}-{os.urandom(4).hex()}.tmp"  # two threads may make the store at once
    os.makedirs(temp, exist_ok=True)
    if ids:
        files.write_atomic(os.path.join(temp, OLDER), files.dumps(_content(ids, "", "")))
    try:
        os.rename(temp, store.pins)
    except OSError:
        if not os.path.isdir(store.pins):
            raise
        for name in os.listdir(temp):
            os.unlink(os.path.join(temp, name))
        os.rmdir(temp)  # another process was faster, with the same content


def write(store: StoreLayout, snapshots: list[str], path: str, file_hash: str) -> Pin:
    """Pin snapshots for the frozen file at `path`. The same snapshots for the same file are one pin. Raises OSError."""
    from trainconf.spec import sha256_hex

    name = sha256_hex(files.dumps([snapshots, path]))[:12]
    content = _content(snapshots, path, file_hash)
    files.write_atomic(os.path.join(store.pins, name), files.dumps(content))
    return Pin(name, snapshots, path, content["time"], file_hash)


def read(store: StoreLayout) -> list[Pin]:
    """Every pin, oldest first. Raises StorageError for one that cannot be read, because what it keeps is then unknown."""
    try:
        names = [name for name in os.listdir(store.pins) if not name.endswith(".tmp")]
    except FileNotFoundError:
        ids = store.ids()
        return [Pin(OLDER, ids, "", "", "")] if ids else []
    except OSError as error:
        raise StorageError.from_os_error(error, "the pins of the snapshot store cannot be read") from error
    found = []
    for name in names:
        path = os.path.join(store.pins, name)
        try:
            content = files.read_json(path)
            texts = (str(content[key]) for key in ("path", "time", "file_hash"))
            found.append(Pin(name, [str(id_) for id_ in content["snapshots"]], *texts))
        except FileNotFoundError:
            continue  # dropped since it was listed
        except (OSError, ValueError, LookupError, TypeError) as error:
            hint = "restore it, or remove it when no frozen file needs the code it kept"
            raise StorageError("a pin of the snapshot store cannot be read", ("path", path), ("because", str(error)), hint=hint) from error
    return sorted(found, key=lambda pin: (pin.time, pin.name))


def remove(store: StoreLayout, pin: Pin) -> None:
    """Drop a pin; it may be gone. Raises StorageError."""
    try:
        os.unlink(os.path.join(store.pins, pin.name))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError.from_os_error(error, "a pin of the snapshot store cannot be removed") from error


def _content(snapshots: list[str], path: str, file_hash: str) -> dict[str, Any]:
    import time

    return {"snapshots": snapshots, "path": path, "file_hash": file_hash, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
