"""The build context of a Dockerfile: which files it may copy from, their digest, and the archive that is sent to the engine.

Never sent: what `.dockerignore` names, `.git`, and trainconf's own state. A file is executable or not and has no owner, so that a clone
made with another umask is the same context.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from typing import IO

from trainconf.environments.recipe import file_tree
from trainconf.environments.recipe.file_tree import Found
from trainconf.paths import STATE_DIR

IGNORE = ".dockerignore"
NEVER = frozenset((".git", STATE_DIR))
SENT_DOCKERFILE = ".trainconf.Dockerfile"  # beside the files; the ignore file that is sent hides it from COPY
SENT_IGNORE = f"{SENT_DOCKERFILE}\n{IGNORE}\n".encode()


def digest(folder: str, ignore_file: str = "") -> str:
    """SHA-256, hex, of names, kinds, executable bits and contents. Raises OSError, and ValueError for what cannot be sent."""
    return file_tree.digest(folder, members(folder, ignore_file))


def write_archive(stream: IO[bytes], dockerfile: bytes, folder: str = "", ignore_file: str = "") -> int:
    """Write the context as a tar archive, with the Dockerfile as SENT_DOCKERFILE; return the bytes of its files.

    Raises OSError, ValueError.
    """
    sent = 0
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, *_ in members(folder, ignore_file) if folder else ():
            if name == IGNORE:
                continue
            path = os.path.join(folder, name)
            info = archive.gettarinfo(path, arcname=name)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = 0
            info.mode = 0o755 if not info.isreg() or info.mode & 0o100 else 0o644
            if info.islnk():  # the second name of a file becomes a file: the first may have been left out
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.stat(path).st_size
            if info.isreg():
                with open(path, "rb") as content:
                    archive.addfile(info, content)
                sent += info.size
            else:
                archive.addfile(info)
        for name, data in ((SENT_DOCKERFILE, dockerfile), (IGNORE, SENT_IGNORE)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return sent


def members(folder: str, ignore_file: str = "") -> Iterator[Found]:
    """Every file, link and folder that is sent. Raises OSError, and ValueError for a pipe, socket or device."""
    is_ignored, may_return = _rules(folder, ignore_file)

    def sort(here: str, entries: list[os.DirEntry[str]], _: None) -> Iterator[Found]:
        for entry in entries:
            name = os.path.join(here, entry.name)
            is_left_out = is_ignored(name)
            if entry.name in NEVER or (is_left_out and not (may_return and entry.is_dir(follow_symlinks=False))):
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise ValueError(f"{name} is neither file, folder nor link")
            yield Found(name, not is_left_out, enters=stat.S_ISDIR(mode))

    return file_tree.walk(folder, sort)


def _rules(folder: str, ignore_file: str) -> tuple[Callable[[str], bool], bool]:
    """A test whether a name is left out, by the last pattern that matches it or a folder above it; whether a pattern may take one back."""
    patterns: list[tuple[bool, re.Pattern[str]]] = []
    path = next((path for path in (ignore_file, os.path.join(folder, IGNORE)) if path and os.path.isfile(path)), "")
    if path:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
            patterns = [rule for line in stream if (rule := _rule(line))]

    def is_ignored(name: str) -> bool:
        verdict = False
        for takes_back, pattern in patterns:
            if verdict == takes_back and pattern.fullmatch(name):
                verdict = not takes_back
        return verdict

    return is_ignored, any(takes_back for takes_back, _ in patterns)


def _rule(line: str) -> tuple[bool, re.Pattern[str]] | None:
    """One line of an ignore file (docker, ".dockerignore"): Go's filepath.Match with `**`, also for all that lies below a match."""
    text = "" if line.startswith("#") else line.strip()
    takes_back = text.startswith("!")
    text = os.path.normpath(text[takes_back:].strip()).lstrip("/") if text else ""
    if text in ("", "."):
        return None
    expression, at = "", 0
    while at < len(text):
        if text.startswith("**/", at):
            expression, at = expression + "(?:.*/)?", at + 3
        elif text.startswith("**", at):
            expression, at = expression + ".*", at + 2
        elif text[at] == "[" and (end := text.find("]", at + 2)) > 0:
            expression, at = expression + "[" + text[at + 1 : end].replace("\\", r"\\") + "]", end + 1
        elif text[at] == "\\" and at + 1 < len(text):
            expression, at = expression + re.escape(text[at + 1]), at + 2
        else:
            expression, at = expression + {"*": "[^/]*", "?": "[^/]"}.get(text[at], re.escape(text[at])), at + 1
    try:
        return takes_back, re.compile(f"(?:{expression})(?:/.*)?", re.DOTALL)
    except re.error:
        raise ValueError(f"{IGNORE}: {line.strip()!r} is not a pattern") from None
