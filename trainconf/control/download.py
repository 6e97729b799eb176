"""Copies files of a run to a place of the user's: all of them or none, never through a link, and nowhere else than there."""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
import stat
from contextlib import suppress

from trainconf.errors import StorageError, UserError
from trainconf.fast.records import Record
from trainconf.history import record
from trainconf.history.logged.run_files import open_file
from trainconf.reporter import SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from trainconf.paths import RunPaths
    from trainconf.reporter import Reporter, Wait

COPIED_BYTES = 1 << 20  # at once
SHOWN_PATHS = 10
_GLOB = frozenset("*?[")


class Downloaded(Record):
    """Files that were copied, by their paths now; `passed_over` are links and what else is no regular file, by their paths in the run."""

    written: list[str]
    size: int
    passed_over: list[str]


def download(paths: RunPaths, wanted: str, destination: str, reporter: Reporter = SILENT, *, force: bool = False) -> Downloaded:
    """Copy what `wanted` names in the run's folder: a file, a folder, or a glob, `**` for folders of any depth.

    A single file becomes `destination`, unless that is a folder or ends with a slash. Anything else is put into the folder `destination`,
    under its path from the first folder that no wildcard chose. Without `force` no file is written over. Every file is there when all
    were copied, or none is. Raises UserError for what is not there and what would be written over, StorageError.
    """
    wanted, destination = "/".join(_parts(wanted)), destination or os.curdir
    found = dict(_matching(paths, wanted))
    regular = {path: inside for path, inside in found.items() if _is_regular(paths, path)}
    if not regular:
        raise _nothing(paths, wanted, links=list(found))
    is_folder = destination.endswith(os.sep) or os.path.isdir(destination)
    if list(regular) == [wanted] and not is_folder:
        root, targets = os.path.dirname(os.path.abspath(destination)), {wanted: os.path.basename(destination)}
    else:
        root, targets = os.path.abspath(destination), regular
    _refuse_existing(root, targets.values(), force=force)
    try:
        with reporter.wait(f"copying {wanted} of {paths.run_id}", is_told_often=True) as wait:
            size = _copy_all(paths, root, targets, wait)
    except OSError as error:
        raise StorageError.from_os_error(error, f"{wanted} cannot be copied") from error
    passed_over = [path for path in found if path not in regular]
    return Downloaded([os.path.join(root, name) for name in targets.values()], size, passed_over)


def _matching(paths: RunPaths, wanted: str) -> Iterator[tuple[str, str]]:
    """Each file that is wanted: its path in the run, and its path below the destination."""
    parts = _parts(wanted)
    fixed = next((place for place, part in enumerate(parts) if _GLOB & set(part)), len(parts) - 1)
    for file in record.list_files(paths):
        names = file["path"].split("/")
        if any(_matches(names[:end], parts) for end in range(1, len(names) + 1)):
            yield file["path"], "/".join(names[max(0, fixed) :])


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path is what a glob stands for. `**` is any number of folders."""
    if not parts or not names:
        return not parts and not names
    if parts[0] == "**":
        return _matches(names, parts[1:]) or _matches(names[1:], parts)
    is_same = names[0] == parts[0] or fnmatch.fnmatchcase(names[0], parts[0])
    return is_same and _matches(names[1:], parts[1:])


def _nothing(paths: RunPaths, wanted: str, links: list[str]) -> UserError:
    import difflib

    if links:
        return UserError(f"{wanted} is no regular file, and links are not followed", ("run", paths.run_dir), ("found", _listed(links)))
    there = [str(file["path"]) for file in record.list_files(paths)]
    near = difflib.get_close_matches(wanted, there, SHOWN_PATHS, 0.5)
    facts = [("nearest", "\n".join(near))] if near else [("there are", _listed(there))] if there else []
    hint = f"`trainconf show {paths.run_id}` lists its files"
    return UserError(f"{paths.run_id} has no {wanted}", ("run", paths.run_dir), *facts, hint=hint)


def _refuse_existing(root: str, names: Iterable[str], *, force: bool) -> None:
    """Raise UserError for files that would be written over, and for what stands where a folder must be."""
    taken, wrong = [], []
    for name in names:
        path = os.path.join(root, name)
        if os.path.isdir(path) and not os.path.islink(path):
            wrong.append(f"{path} is a folder")
        elif os.path.lexists(path):
            taken.append(path)
        folder = os.path.dirname(name)
        while folder:
            above = os.path.join(root, folder)
            if os.path.islink(above) or (os.path.lexists(above) and not os.path.isdir(above)):
                wrong.append(f"{above} is no folder of its own")
            folder = os.path.dirname(folder)
    if wrong:
        raise UserError("the files cannot be put there", ("because", _listed(list(dict.fromkeys(wrong)))))
    if taken and not force:
        count = "1 file is" if len(taken) == 1 else f"{len(taken)} files are"
        raise UserError(f"{count} there already", ("there", _listed(taken)), hint="--force writes over them")


def _copy_all(paths: RunPaths, root: str, targets: dict[str, str], wait: Wait) -> int:
    """Copy into a folder beside, then rename one after the other; how many bytes. Raises OSError, and leaves nothing half-made then."""
    import tempfile

    made = _made_folders(root)
    staged = ""
    try:
        free, needed = os.statvfs(root), sum(file["bytes"] for file in record.list_files(paths) if file["path"] in targets)
        if free.f_bavail * free.f_frsize < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), root)
        staged = tempfile.mkdtemp(prefix=".trainconf-", dir=root)
        size = 0
        for number, path in enumerate(targets):
            size = _copy(paths, path, os.path.join(staged, str(number)), size, lambda copied: wait.at(copied, needed, "B"))
        for number, name in enumerate(targets.values()):
            target = os.path.join(root, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(os.path.join(staged, str(number)), target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # something else is in it
                os.rmdir(folder)
        raise
    shutil.rmtree(staged, ignore_errors=True)
    return size


def _made_folders(root: str) -> list[str]:
    """Make a folder and those above it; the ones that were not there."""
    missing = []
    folder = root
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(missing):
        os.mkdir(each)
    return missing[::-1]


def _copy(paths: RunPaths, path: str, target: str, before: int, told: Callable[[int], object]) -> int:
    """Copy one file with its permissions and its time, after so many bytes; how many there are then. `told` hears of each step."""
    source = open_file(paths, path)
    try:
        info = os.fstat(source)
        with open(target, "xb") as stream:
            while chunk := os.read(source, COPIED_BYTES):
                stream.write(chunk)
                told(before + stream.tell())
            os.fchmod(stream.fileno(), stat.S_IMODE(info.st_mode) & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
        os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))
        return before + os.stat(target).st_size
    finally:
        os.close(source)


def _is_regular(paths: RunPaths, path: str) -> bool:
    try:
        os.close(open_file(paths, path))
    except OSError:
        return False
    return True


def _listed(paths: Sequence[str]) -> str:
    more = [f"and {len(paths) - SHOWN_PATHS} more"] if len(paths) > SHOWN_PATHS else []
    return "\n".join([*paths[:SHOWN_PATHS], *more])
