"""The files of a run as its script names them: `outputs/model.pkl`, `logs/train.log`. Put there, fetched, listed.

A name that begins with neither `outputs/` nor `logs/` is below outputs/. A file comes into its place whole, by a rename.
"""

from __future__ import annotations

import os

from trainconf.job_api import in_run, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Sequence

TOPS = ("outputs", "logs")
COPIED_BYTES = 1 << 20  # at once
SHOWN_NAMES = 10


def checked_name(name: Any) -> str:
    """The name within the run, from its first folder on. Raises TypeError, ValueError for a name that leaves the run."""
    values.check_name(name, "file of a run")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or name.startswith("/") or not parts or "\0" in name:
        raise ValueError("a file of a run is named from its folder on, such as outputs/model.pkl, not %r" % name)
    return "/".join(parts if parts[0] in TOPS and len(parts) > 1 else ["outputs", *parts])


def place(store: Any, name: str) -> str:
    """Where a file of that name belongs, its folder made. Raises as `checked_name` does, and OSError."""
    top, _, rest = checked_name(name).partition("/")
    folder = next(folder for prefix, folder in store.folders() if prefix == top)
    path = os.path.join(folder, rest)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def put(store: Any, name: str, source: Any) -> str:
    """Copy a file, or what is left of a binary stream, into the run; its name there. Raises FileNotFoundError, TypeError, OSError."""
    checked = checked_name(name)
    if hasattr(source, "read"):
        write(place(store, name), iter(lambda: _bytes(source.read(COPIED_BYTES)), b""))
        return checked
    if not isinstance(source, (str, bytes)) and not hasattr(source, "__fspath__"):
        raise TypeError("what is uploaded as %r must be a path or an open file, not %s" % (name, values.article(source)))
    path = os.fspath(source)
    if os.path.isdir(path):
        raise IsADirectoryError("%r is a folder; call run.upload_folder(%r, %r)" % (path, name, path))
    if not os.path.isfile(path):
        raise FileNotFoundError("there is no file %r to upload as %r" % (path, name))
    target = place(store, name)
    if not (os.path.exists(target) and os.path.samefile(path, target)):
        with open(path, "rb") as stream:
            write(target, iter(lambda: stream.read(COPIED_BYTES), b""))
    return checked


def put_folder(store: Any, name: str, folder: Any) -> List[str]:
    """Copy all files below a folder into the run; their names there. Links are not followed. Raises NotADirectoryError, OSError."""
    path = os.fspath(folder)
    if not os.path.isdir(path):
        raise NotADirectoryError("there is no folder %r to upload as %r" % (path, name))
    found = [os.path.join(home, each) for home, _, names in os.walk(path) for each in sorted(names)]
    regular = [each for each in found if os.path.isfile(each) and not os.path.islink(each)]
    return [put(store, name.rstrip("/") + "/" + os.path.relpath(each, path), each) for each in regular]


def all_of(store: Any) -> Dict[str, str]:
    """Every file of ./outputs and ./logs: its path by its name. Links are not followed."""
    found: Dict[str, str] = {}
    for top, folder in store.folders():
        if os.path.islink(folder):
            continue
        for home, inside, names in os.walk(folder):
            if home == folder:
                inside[:] = [each for each in inside if each not in store.children]
            for each in names:
                path = os.path.join(home, each)
                if os.path.isfile(path) and not os.path.islink(path):
                    found.setdefault(os.path.join(top, os.path.relpath(path, folder)), path)
    return dict(sorted(found.items()))


def get(store: Any, name: str, destination: Any = None) -> str:
    """Copy a file of the run to a path, into a folder, or into the current folder; where it is now. Raises FileNotFoundError, OSError."""
    there = all_of(store)
    path = there.get(name) or there.get(checked_name(name))
    if path is None:
        raise missing(name, list(there))
    target = os.path.basename(name) if destination is None else os.fspath(destination)
    if os.path.isdir(target) or target.endswith("/"):
        target = os.path.join(target, os.path.basename(name))
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    if not (os.path.exists(target) and os.path.samefile(path, target)):
        with in_run.opened(path) as stream:
            write(target, iter(lambda: stream.read(COPIED_BYTES), b""))
    return target


def chosen(names: Sequence[str], prefix: str) -> List[str]:
    """The names of a folder, or the one of a file; all of them without a prefix. Raises FileNotFoundError when there are none."""
    wanted = prefix.rstrip("/")
    found = [name for name in names if not wanted or name == wanted or name.startswith(wanted + "/")]
    if not found:
        raise missing(prefix, names)
    return found


def missing(name: str, there: Sequence[str]) -> FileNotFoundError:
    """That a run has no such file, and which it has."""
    import difflib

    near = difflib.get_close_matches(name, there, SHOWN_NAMES, 0.5) or there[:SHOWN_NAMES]
    more = "" if len(there) <= len(near) else " (%d in all)" % len(there)
    known = "there are %s%s" % (", ".join(near), more) if near else "it has no files yet"
    return FileNotFoundError("the run has no file %r; %s" % (name, known))


def beside(path: str) -> str:
    """The name of a file that is being written: no other process, thread or machine has it."""
    return "%s.%d.%s.tmp" % (path, os.getpid(), os.urandom(4).hex())


def write(path: str, chunks: Iterator[bytes]) -> None:
    """Write a file beside its place, then rename it. Raises OSError; nothing is left then."""
    temp = beside(path)
    try:
        with open(temp, "xb") as stream:
            for chunk in chunks:
                stream.write(chunk)
        os.replace(temp, path)
    except BaseException:
        if os.path.exists(temp):
            os.unlink(temp)
        raise


def _bytes(chunk: Any) -> bytes:
    return chunk.encode("utf-8") if isinstance(chunk, str) else bytes(chunk)
