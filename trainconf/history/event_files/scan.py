"""The event files of a run: which there are, and what is new in them.

They are those below the run's ./logs, which is code/logs until the run has ended. One file may have scalars of any names. Several files lie
in one folder when a writer began again. Several folders may log the same name: a folder tells which, such as `train` and `validation`.
Most runs have none: what reads them is imported when there is one.
"""

from __future__ import annotations

import os
import stat
from binascii import crc32

from trainconf import files
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator
    from typing import Any

    from trainconf.paths import RunPaths

    # Of one file: its inode number, how far it was read, a checksum of what stands before that, its size then, when and at which step its
    # writer began again (None: it did not), what was void when it was read, how many events were passed over, whether it can be read on.
    Place = list[Any]
    Take = Callable[["EventFile", str, "array[int]", "array[float]", "array[float]"], object]  # a name with its steps, values and times

MARK = "tfevents"  # TensorBoard knows its files by this part of their names
LOGS = "logs/"  # how the names of files in the run's ./logs begin, wherever that lies
MANY_ENTRIES = 10_000  # of all folders together; what comes after these is not looked at
DEEPEST = 8  # folders below ./logs
HEAD_BYTES = 4096  # a writer says at the beginning of its file that it begins again
CHECKED_BYTES = 64


class EventFile(Record):
    """One file. `folder` is relative to ./logs, empty for that itself; `name` begins with LOGS and is the same wherever that lies."""

    path: str
    folder: str
    name: str


def files_of(paths: RunPaths) -> list[EventFile]:
    """The event files of a run in an order that stays, those in ./logs itself first. Links are not followed. Never raises."""
    found: list[EventFile] = []
    left = MANY_ENTRIES
    if _is_folder(paths.job_logs) and not os.path.islink(paths.code):
        left = _collect(paths.job_logs, found, left)
    if _is_folder(paths.logs):
        _collect(paths.logs, found, left)
    return sorted(found, key=lambda file: (file.folder, file.name)) if found else found


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _collect(root: str, found: list[EventFile], left: int) -> int:
    """Add the event files in a folder and those below, of `left` entries; how many are left."""
    folders = [(root, "", 0)]
    while folders:
        path, folder, depth = folders.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return 0
                    name = entry.name
                    if MARK in name and entry.is_file(follow_symlinks=False):
                        below = f"{folder}/{name}" if folder else name
                        found.append(EventFile(entry.path, folder, f"{LOGS}{below}"))
                    elif depth < DEEPEST and entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, f"{folder}/{name}" if folder else name, depth + 1))
        except OSError:
            continue  # closed, or gone meanwhile
    return left


def is_name(name: str) -> bool:
    """Whether this is the name of an event file, among those of other files of metrics."""
    return name.startswith(LOGS)


def folder_of(name: str) -> str:
    """The folder of an event file, from its name."""
    return name[len(LOGS) :].rpartition("/")[0]


def source_of(folder: str) -> str:
    """What the values in a folder's event files are told apart by."""
    return f"{LOGS}{folder}".rstrip("/")


def read(
    paths: RunPaths, places: dict[str, Place], take: Take, *, goes_on: bool = False, found: list[EventFile] | None = None
) -> set[str]:
    """Hand on what is new since `places`, which move on; the names of the files that were read from their beginning.

    A file is read again when it was replaced, or when a writer has begun again at an earlier step: what was written before for later steps
    is void. With `goes_on`, for those who cannot forget, only the former. `found` are the run's files, where they are known.
    """
    found = files_of(paths) if found is None else found
    if not found and not places:
        return set()
    for file in found:
        place = places.setdefault(file.name, [0, 0, 0, -1, None, [], 0, True])
        if place[1] < HEAD_BYTES:
            place[4] = _start(file.path)
    read_anew: set[str] = set()
    for file in found:
        place = places[file.name]
        starts = [places[other.name][4] for other in found if other.folder == file.folder]
        voids = sorted(start for start in starts if start is not None)
        if voids != place[5] and not goes_on:
            place[0] = 0
        if _read_on(file, place, voids, take):
            read_anew.add(file.name)
    for gone in places.keys() - {file.name for file in found}:
        if is_name(gone):
            del places[gone]
    return read_anew


def damage(places: dict[str, Place]) -> Iterator[str]:
    """What could not be read, in words, for each file."""
    for name, place in places.items():
        if is_name(name) and place[6]:
            yield f"{name}: {place[6]} event{'s' if place[6] > 1 else ''} passed over, damaged or none of TensorBoard's"
        if is_name(name) and not place[7]:
            yield f"{name}: cannot be read from byte {place[1]} on"


def _read_on(file: EventFile, place: Place, voids: list[list[Any]], take: Take) -> bool:
    """Read what is new of a file, whose place moves on; whether it was read from its beginning."""
    try:
        fd = files.open_regular(file.path)
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        inode, position, check, size = place[:4]
        if status.st_ino == inode and status.st_size == size:
            return False
        is_same = status.st_ino == inode and status.st_size >= position and _check(fd, position) == check
        position = position if is_same else 0
        from trainconf.history.event_files.reader import Reader

        reader = Reader(lambda *block: take(file, *block), [(time, step) for time, step in voids])
        position, goes_on = reader.read_on(fd, position)
        skipped = reader.skipped + (place[6] if is_same else 0)
        place[:] = [status.st_ino, position, _check(fd, position), status.st_size, place[4], voids, skipped, goes_on]
        return not is_same
    except OSError:
        return False
    finally:
        os.close(fd)


def _check(fd: int, position: int) -> int:
    start = max(0, position - CHECKED_BYTES)
    return crc32(os.pread(fd, position - start, start))


def _start(path: str) -> list[Any] | None:
    """When and at which step the writer of a file began again; None if it began at the beginning."""
    try:
        fd = files.open_regular(path)
    except OSError:
        return None
    try:
        from trainconf.history.event_files.reader import Reader

        reader = Reader(lambda *_: None)
        reader.read_head(fd, HEAD_BYTES)
        return [*reader.starts[0]] if reader.starts else None
    except OSError:
        return None
    finally:
        os.close(fd)
