"""A store, a source tree, and the few words the snapshot tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainconf.snapshot import Snapshot, SnapshotStore

# Loaded before a test gives up root: the interpreter's own folder may then be out of reach.
from trainconf.snapshot.blobs import collect, manifest, materialize, packs# noqa: F401  isort: skip
from trainconf.snapshot.tree import content, guards, ignore, taking, walk# noqa: F401  isort: skip

GIT_ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
Take = Callable[..., Snapshot]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(str(tmp_path / "store"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def take(store: SnapshotStore, source: Path) -> Take:
    """Take a snapshot of `source`, or of the folder given, within generous guards."""

    def taken(folder: Path | None = None, *, max_mb: float = 100, max_files: int = 10_000, **more: object) -> Snapshot:
        return store.take(str(folder or source), max_mb=max_mb, max_files=max_files, **more)  # type: ignore[arg-type]

    return taken


@pytest.fixture
def paths(store: SnapshotStore, take: Take) -> Callable[..., list[str]]:
    """The paths that travel."""
    return lambda folder=None, **more: [entry.path for entry in store.show(take(folder, **more).id)]


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def git(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@x", *words], cwd=folder, env=GIT_ENV, capture_output=True, check=True,
    )
    return done.stdout


def settle(root: Path) -> None:
    """Make a tree old enough for its stat cache to be believed: only the disk's own clock can do that."""
    newest = max(os.lstat(path).st_ctime for path in [root, *root.rglob("*")])
    time.sleep(max(0.0, newest + 2.05 - time.time()))


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach and write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def as_nobody(work: Callable[[], object]) -> str:
    """Run `work` in a child that is not root; what it returned, or its traceback, as text."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            said = str(work())
        except BaseException:
            said = traceback.format_exc()
        os.write(write_end, said.encode(errors="surrogateescape"))
        os._exit(0)
    os.close(write_end)
    with open(read_end, errors="surrogateescape") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said
