"""The content of the local files and folders that requirements name: its digest, and a copy to build from.

What a build leaves behind, or what is no part of a package (`.git`, `.venv`, `runs/`, `build/`), is neither hashed nor copied.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 1 << 20
NEVER = frozenset({".git", "__pycache__", "node_modules"})
NOT_AT_TOP = frozenset({"build", "dist", "logs", "outputs", "runs"})


def digest(path: str) -> str:
    """SHA-256, hex, of a file's bytes; of a folder's relative names, kinds, executable bits and contents. Raises OSError."""
    import hashlib

    if not os.path.isdir(path):
        return _file_digest(path)
    whole = hashlib.sha256()
    for relative in _members(path):
        member = os.path.join(path, relative)
        if os.path.islink(member):
            fact = f"link {os.readlink(member)}"
        else:
            executable = os.stat(member).st_mode & 0o100
            fact = f"{'program' if executable else 'file'} {_file_digest(member)}"
        whole.update(f"{relative}\0{fact}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def copy(source: str, target: str) -> None:
    """Copy what `digest` looks at, so that building from the copy is building from that content. Raises OSError."""
    import shutil

    if not os.path.isdir(source):
        shutil.copy2(source, target)
        return
    os.makedirs(target)
    for relative in _members(source):
        os.makedirs(os.path.dirname(os.path.join(target, relative)), exist_ok=True)
        shutil.copy2(os.path.join(source, relative), os.path.join(target, relative), follow_symlinks=False)
    git = os.path.join(source, ".git")
    if os.path.lexists(git):  # packages that take their version from git find it; it is read, not written
        os.symlink(os.path.abspath(git), os.path.join(target, ".git"))


def _members(folder: str) -> Iterator[str]:
    """Relative paths of all files and links below `folder`, in one order on every machine."""
    pending = [""]
    while pending:
        here = pending.pop()
        with os.scandir(os.path.join(folder, here)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            relative = os.path.join(here, entry.name)
            if entry.name in NEVER or (not here and entry.name in NOT_AT_TOP) or entry.name.endswith((".egg-info", ".pyc")):
                continue
            if entry.is_symlink() or entry.is_file():
                yield relative
            elif entry.is_dir() and not entry.name.startswith(".") and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                pending.append(relative)


def _file_digest(path: str) -> str:
    import hashlib

    whole = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            whole.update(chunk)
    return whole.hexdigest()
