"""Guards: refuse a tree that is too large or holds private keys, before a file is read.

A key is known by its usual name. Only `.pem` is opened, because it may also hold a public certificate. `.env` counts although it is no
key: by convention it holds passwords and is meant to be ignored. Templates (`.env.example`) do not count.
"""

from __future__ import annotations

import os

from trainconf.errors import Mistake, SnapshotError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainconf.snapshot.tree.stat_cache import Folder

MB = 1_000_000
OFFENDERS = 10
KEY_NAMES = frozenset((
    b"id_rsa", b"id_dsa", b"id_ecdsa", b"id_ed25519", b"id_ecdsa_sk", b"id_ed25519_sk", b".netrc", b"_netrc", b".pgpass",
    b".git-credentials", b".env", b"credentials.json", b"application_default_credentials.json", b"kaggle.json",
))
KEY_SUFFIXES = (b".key", b".p12", b".pfx", b".ppk", b".jks", b".keystore")
KEY_PATHS = (b".aws/credentials", b".docker/config.json", b".kube/config")
PEM_HEADER = b"PRIVATE KEY-----"
PEM_BYTES = 65536  # a chain of certificates may stand before the key


def check_size(folders: Sequence[Folder], *, max_mb: float, max_files: int) -> None:
    """Raises SnapshotError that names the largest files, or the fullest folders."""
    files = sum(len(folder.files) for folder in folders)
    size = sum(seen[0] for folder in folders for _, seen, _ in folder.files)
    mistakes = []
    if size > max_mb * MB:
        sizes = sorted(((seen[0], folder.path + name) for folder in folders for name, seen, _ in folder.files), reverse=True)
        largest = [(_mb(amount), path) for amount, path in sizes[:OFFENDERS]]
        what = f"the snapshot would be {_mb(size)}, more than snapshot.max_mb={max_mb:g}"
        mistakes.append(_too_large(what, "largest", largest, f"snapshot.max_mb={-(-size // MB)}"))
    if files > max_files:
        counts = sorted(_counts(folders).items(), key=lambda item: (-item[1], item[0]))
        fullest = [(f"{count} files", folder) for folder, count in counts[:OFFENDERS]]
        what = f"the snapshot would hold {files} files, more than snapshot.max_files={max_files}"
        mistakes.append(_too_large(what, "fullest", fullest, f"snapshot.max_files={files}"))
    if mistakes:
        raise SnapshotError(mistakes)


def _too_large(what: str, label: str, offenders: list[tuple[str, bytes]], allowance: str) -> Mistake:
    width = max(len(amount) for amount, _ in offenders)
    listing = "\n".join(f"{amount:>{width}}  {os.fsdecode(path)!r}" for amount, path in offenders)
    return Mistake(what, (label, listing), hint=f"leave them out by .gitignore, .amlignore or .trainconfignore, or allow it: {allowance}")


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB" if size >= MB / 10 else f"{size} bytes"


def _counts(folders: Iterable[Folder]) -> dict[bytes, int]:
    """Files below each folder of the first two levels, and directly in the top."""
    counts: dict[bytes, int] = {}
    for folder in folders:
        parts = folder.path.split(b"/")[:-1]
        for place in {b"/".join(parts[:depth]) + b"/" for depth in (1, 2) if len(parts) >= depth} or {b"./"}:
            counts[place] = counts.get(place, 0) + len(folder.files)
    return {place: count for place, count in counts.items() if count}


def check_keys(source: bytes, folders: Iterable[Folder], allow_keys: Iterable[str]) -> None:
    """Raises SnapshotError that names every file that looks like a private key and that no pattern of `allow_keys` matches."""
    suspects = [
        (folder.path + name, name) for folder in folders for name, _, _ in folder.files if _looks_like_key(source, folder.path, name)
    ]
    if not suspects:
        return
    from trainconf.snapshot.tree.ignore import RuleFile

    allowed = RuleFile.parse(b"\n".join(os.fsencode(pattern) for pattern in allow_keys))
    refused = sorted(path for path, name in suspects if allowed.verdict(name, path, is_dir=False) is not True)
    if refused:
        listing = "\n".join(repr(os.fsdecode(path)) for path in refused)
        subject = f"{len(refused)} files look" if len(refused) > 1 else "1 file looks"
        raise SnapshotError(
            f"{subject} like a private key or a password, and would travel with the code", ("files", listing),
            hint="leave them out by .gitignore or .trainconfignore, or allow them: snapshot.allow_keys=[PATTERN]",
        )


def _looks_like_key(source: bytes, folder: bytes, name: bytes) -> bool:
    if name in KEY_NAMES or name.endswith(KEY_SUFFIXES):
        return True
    if name.endswith(b".pem"):
        return _holds_key(source + b"/" + folder + name)
    return name in (b"credentials", b"config.json", b"config") and (folder + name).endswith(KEY_PATHS)


def _holds_key(path: bytes) -> bool:
    try:
        with open(path, "rb") as stream:
            return PEM_HEADER in stream.read(PEM_BYTES)
    except OSError:
        return False  # reading it for the snapshot will say why
