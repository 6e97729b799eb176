"""Opens files and folders of a run by their paths there: part by part, never through a link that a job may have put in the way.

What a job writes to ./outputs and ./logs is found under these names at every moment, also while it lies in its working directory.
"""

from __future__ import annotations

import os

from trainconf import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.paths import RunPaths

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_file(paths: RunPaths, path: str) -> int:
    """The descriptor of a regular file. `path` has no empty part, `.` or `..`. Raises OSError, also for what is no regular file."""
    *folders, name = path.split("/")
    at = -1
    for last, (folder, names) in _places(paths, folders):
        try:
            at = _open_below(folder, names)
            return files.open_regular(os.path.join(f"/proc/self/fd/{at}", name))
        except OSError:
            if last:
                raise
        finally:
            if at >= 0:
                os.close(at)
                at = -1
    raise AssertionError(path)


def open_folders(paths: RunPaths, path: str) -> list[int]:
    """The descriptors of the folders that hold what a run has under `path`, "" for its own folder: of ./logs there may be two.

    Raises OSError when there is none.
    """
    found: list[int] = []
    for last, (folder, names) in _places(paths, path.split("/") if path else []):
        try:
            found.append(_open_below(folder, names))
        except OSError:
            if last and not found:
                raise
    return found


def _places(paths: RunPaths, folders: list[str]) -> Iterator[tuple[bool, tuple[str, list[str]]]]:
    """Where a folder of a run may be, and whether it is the last such place."""
    own = {"outputs": [paths.job_outputs, paths.outputs], "logs": [paths.job_logs, paths.logs]}.get(folders[0] if folders else "")
    places = [(folder, folders[1:]) for folder in own] if own else [(paths.run_dir, folders)]
    for number, place in enumerate(places, 1):
        yield number == len(places), place


def _open_below(folder: str, names: list[str]) -> int:
    at = os.open(folder, FOLDER)
    for name in names:
        try:
            below = os.open(name, FOLDER, dir_fd=at)
        finally:
            os.close(at)
        at = below
    return at
