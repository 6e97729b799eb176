"""What a Dockerfile may copy from: an explicit list of files, its digest, and the archive that is sent to the engine.

Never sent: what `.dockerignore` names, `.git`, and trainconf's own state. A file is executable or not, and nobody's: a clone by somebody
with another umask is the same context.
"""

from __future__ import annotations

import os
import re
import stat

from trainconf.paths import STATE_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

IGNORE = ".dockerignore"
NEVER = frozenset((".git", STATE_DIR))
SENT_DOCKERFILE = ".trainconf.Dockerfile"  # beside the files, hidden from COPY by the ignore file that travels with it
SENT_IGNORE = f"{SENT_DOCKERFILE}\n{IGNORE}\n".encode()


def digest(folder: str, ignore_file: str = "") -> str:
    """SHA-256, hex, of names, kinds, executable bits and contents. Raises OSError; ValueError for what cannot be sent."""
    import hashlib

    from trainconf.environments.recipe.contents import digest as content_digest

    whole = hashlib.sha256()
    for name, mode in members(folder, ignore_file):
        path = os.path.join(folder, name)
        if stat.S_ISLNK(mode):
            fact = f"link {os.readlink(path)}"
        elif stat.S_ISDIR(mode):
            fact = "folder"
        else:
            fact = f"{'program' if mode & 0o100 else 'file'} {content_digest(path)}"
        whole.update(f"{name}\0{fact}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def write_archive(stream: IO[bytes], dockerfile: bytes, folder: str = "", ignore_file: str = "") -> int:
    """The context as a tar archive, with the Dockerfile as SENT_DOCKERFILE; the bytes of its files. Raises OSError, ValueError."""
    import io
    import tarfile

    sent = 0
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in members(folder, ignore_file) if folder else ():
            if name == IGNORE:
                continue
            info = archive.gettarinfo(os.path.join(folder, name), arcname=name)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = 0
            info.mode = 0o755 if not info.isreg() or mode & 0o100 else 0o644
            if info.islnk():  # the second name of a file is a file of its own: the first may have been left out
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.stat(os.path.join(folder, name)).st_size
            if info.isreg():
                with open(os.path.join(folder, name), "rb") as content:
                    archive.addfile(info, content)
                sent += info.size
            else:
                archive.addfile(info)
        for name, data in ((SENT_DOCKERFILE, dockerfile), (IGNORE, SENT_IGNORE)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return sent


def members(folder: str, ignore_file: str = "") -> Iterator[tuple[str, int]]:
    """Relative name and mode of every file, link and folder that is sent, in one order on every machine.

    Raises OSError, and ValueError for a pipe, socket or device.
    """
    ignored, may_return = _rules(folder, ignore_file)
    pending = [""]
    while pending:
        here = pending.pop()
        with os.scandir(os.path.join(folder, here)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = os.path.join(here, entry.name)
            left_out = ignored(name)
            if entry.name in NEVER or (left_out and not (may_return and entry.is_dir(follow_symlinks=False))):
                continue
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                pending.append(name)
            elif not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise ValueError(f"{name} is neither file, folder nor link")
            if not left_out:
                yield name, mode


def _rules(folder: str, ignore_file: str) -> tuple[Callable[[str], bool], bool]:
    """Whether a name is left out, by the last pattern that matches it or a folder above it; and whether a later one may take it back."""
    patterns: list[tuple[bool, re.Pattern[str]]] = []
    for path in (ignore_file, os.path.join(folder, IGNORE)):
        if path and os.path.isfile(path):
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
                patterns = [rule for line in stream if (rule := _rule(line))]
            break

    def ignored(name: str) -> bool:
        verdict = False
        for takes_back, pattern in patterns:
            if verdict == takes_back and pattern.fullmatch(name):
                verdict = not takes_back
        return verdict

    return ignored, any(takes_back for takes_back, _ in patterns)


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
