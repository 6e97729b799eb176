"""What people say of runs and sweeps after they were submitted: tags, a name, a note, the archive. Specs and hashes stay as they are.

A sweep's tags and its place in the archive are those of its trials too. Its name and its note are its own.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from trainconf import files
from trainconf.errors import Mistake, StorageError, UserError
from trainconf.history import events
from trainconf.history import labels as reading
from trainconf.history.find import trials_of
from trainconf.history.labels import Labels
from trainconf.history.record import read_mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.paths import RunPaths

LONGEST_TEXT = 1 << 16  # characters; one line is read at once by everybody who lists


def read(paths: RunPaths) -> Labels:
    """The present labels of a run or a sweep, with the tags and the name it was submitted with."""
    record = read_mapping(paths.record)
    tags, name = record.get("tags"), record.get("display_name")
    return reading.read(paths, tags if isinstance(tags, dict) else {}, name if isinstance(name, str) else None)


def words(paths: RunPaths) -> str:
    """The present labels as people read them."""
    now = read(paths)
    said = [f"{name}={value}" for name, value in sorted(now.tags.items())]
    said += [f"name {now.display_name}"] if now.display_name else []
    said += [f"note {now.note}"] if now.note else []
    said += ["archived"] if now.archived else []
    return ", ".join(said) or "no tags, no note"


def tag(runs: Sequence[RunPaths], tags: Mapping[str, str]) -> None:
    """Give runs these tags; one of the same name is replaced. Raises UserError before anything is written, StorageError."""
    wrong = [Mistake(f"a tag needs a name: ={value}", hint="`trainconf tag RUN name=value`") for name, value in tags.items() if not name]
    _check_texts({f"the tag {name}": name + value for name, value in tags.items()}, wrong)
    _write(_with_trials(runs), {"tags": dict(tags)})


def untag(runs: Sequence[RunPaths], names: Sequence[str]) -> None:
    """Take tags away, those of the submission too. Raises UserError for a name that none of the runs has, StorageError."""
    every = _with_trials(runs)
    known = {name for paths in every for name in read(paths).tags}
    if wrong := [_unknown_tag(name, known) for name in names if name not in known]:
        raise UserError(wrong)
    _write(every, {"untag": list(names)})


def note(runs: Sequence[RunPaths], text: str) -> None:
    """Say something of runs in place of what was said before; "" takes it away. Raises UserError for a text too long, StorageError."""
    _check_texts({"the note": text}, [])
    _write(runs, {"note": text})


def rename(runs: Sequence[RunPaths], display_name: str) -> None:
    """Give runs another display name; "" brings back the one they were submitted with. Raises as `note` does."""
    _check_texts({"the name": display_name}, [])
    _write(runs, {"display_name": display_name})


def archive(runs: Sequence[RunPaths], *, archived: bool = True) -> None:
    """Leave runs out of lists, or take them in again. Raises StorageError."""
    _write(_with_trials(runs), {"archived": archived})


def _with_trials(runs: Sequence[RunPaths]) -> list[RunPaths]:
    """Each once, a sweep before its trials."""
    every: dict[str, RunPaths] = {}
    for paths in runs:
        for each in (paths, *(trials_of(paths) if paths.is_sweep else ())):
            every.setdefault(each.run_dir, each)
    return list(every.values())


def _check_texts(texts: Mapping[str, str], wrong: list[Mistake]) -> None:
    for what, text in texts.items():
        if len(text) > LONGEST_TEXT:
            wrong.append(Mistake(f"{what} has {len(text)} characters", ("allowed", f"at most {LONGEST_TEXT}"),
                                 hint="put it into a file of the run's outputs"))
    if wrong:
        raise UserError(wrong)


def _unknown_tag(name: str, known: set[str]) -> Mistake:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    facts = [("nearest", near[0])] if near else []
    return Mistake(f"there is no tag {name}", *facts, ("allowed", ", ".join(sorted(known)) or "none: there are no tags"))


def _write(runs: Sequence[RunPaths], change: dict[str, Any]) -> None:
    """Append one line to each, or to none of them where one of them refuses to be written. Raises StorageError."""
    refused = [error for error in map(_why_not, runs) if error is not None]
    if refused:
        raise StorageError([mistake for error in refused for mistake in error.mistakes])
    line = {"time": events.now(), "by": events.requester(), **change}
    sizes: list[tuple[int, int]] = []  # of each file, before the line and after it
    for paths in runs:
        try:
            sizes.append(_append(paths.labels, line, durable=len(runs) == 1))
        except OSError as error:
            for written, (before, after) in zip(runs, sizes, strict=False):
                _take_back(written.labels, before, after)
            raise _refusal(error, paths) from error
    if len(runs) > 1:
        files.sync_disk(runs[0].run_dir)
    from trainconf.history.index.index import Index

    Index(runs[0].workspace).add(*(paths for paths in runs if not paths.is_sweep))  # or who asks for a tag would not find it


def _append(path: str, line: dict[str, Any], *, durable: bool) -> tuple[int, int]:
    """Append a line, or nothing; the size of the file before and after. Raises OSError."""
    with files.FileLock(path):  # over NFS two that append at once tear lines: open(2), O_APPEND
        before = os.path.getsize(path) if os.path.exists(path) else 0
        try:
            files.append_line(path, line, durable=durable)
        except OSError:
            _cut(path, before)  # a disk that is full takes a part of a line
            raise
        return before, os.path.getsize(path)


def _take_back(path: str, before: int, after: int) -> None:
    """Remove the line that was appended, unless somebody has appended another one since."""
    with suppress(OSError), files.FileLock(path):
        if os.path.getsize(path) == after:
            _cut(path, before)


def _cut(path: str, size: int) -> None:
    """Cut a file back to what it was. Of none nothing stays: whoever waits for its lock appends to a new one."""
    if size:
        os.truncate(path, size)
    else:
        os.unlink(path)


def _why_not(paths: RunPaths) -> StorageError | None:
    """Why nothing can be said of a run, found out without writing."""
    try:
        try:
            os.close(files.open_regular(paths.labels, os.O_RDWR))
        except FileNotFoundError:
            if not os.access(paths.run_dir, os.W_OK | os.X_OK, effective_ids=True):
                code = errno.EROFS if os.statvfs(paths.run_dir).f_flag & os.ST_RDONLY else errno.EACCES
                raise OSError(code, os.strerror(code), paths.run_dir) from None
    except OSError as error:
        return _refusal(error, paths)
    return None


def _refusal(error: OSError, paths: RunPaths) -> StorageError:
    return StorageError.from_os_error(error, f"{paths.run_id} cannot be labelled")
