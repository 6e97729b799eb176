"""The folder that puts trainconf, and nothing else, on the path of a job's Python.

It holds one symbolic link, `trainconf -> the installed package`, so that `from trainconf import Run` works in any Python with nothing
installed there, while the packages that lie beside an installed trainconf stay out of sight.
"""

from __future__ import annotations

import os

from trainconf.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def folder(environ: Mapping[str, str], fallback: str) -> str:
    """The folder, made on first use: in the user's cache, else under `fallback`, else in /tmp.

    PYTHONPATH cannot hold a path with a colon, so such a place is passed over. Raises StorageError when nowhere is left.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    refusals = []
    for place in _places(environ, fallback):
        path = os.path.join(place, _name(package))
        if os.pathsep in path:
            continue
        try:
            _make(path, package)
        except OSError as error:
            refusals.append(error)
            continue
        return path
    raise StorageError("no folder can be made for the job's `import trainconf`", *(("tried", str(error)) for error in refusals))


def _places(environ: Mapping[str, str], fallback: str) -> Iterator[str]:
    cache = environ.get("XDG_CACHE_HOME", "")
    home = environ.get("HOME", "")
    if os.path.isabs(cache):
        yield os.path.join(cache, "trainconf", "jobpath")
    elif os.path.isabs(home):
        yield os.path.join(home, ".cache", "trainconf", "jobpath")
    yield os.path.join(fallback, "jobpath")
    yield f"/tmp/trainconf-jobpath-{os.getuid()}"


def _name(package: str) -> str:
    from trainconf.spec import sha256_hex

    return sha256_hex(package)[:16]


def _make(path: str, package: str) -> None:
    """Make the link, or find it made. A folder that others may write to could run their code in our jobs."""
    link = os.path.join(path, "trainconf")
    os.makedirs(path, mode=0o700, exist_ok=True)
    for owned in (path, os.path.dirname(path)):
        facts = os.lstat(owned)
        if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
            raise PermissionError(1, "others may write to it", owned)
    try:
        os.symlink(package, link)
    except FileExistsError:
        if os.readlink(link) != package:
            raise
