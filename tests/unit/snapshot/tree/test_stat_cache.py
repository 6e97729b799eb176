"""An unchanged tree is answered by status alone; a cache that is not whole is not believed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainconf.errors import SnapshotError
from trainconf.snapshot import SnapshotStore

from ..conftest import Take, git, settle, write

PROGRAM = """
import os, sys
opened = []
def hook(event, args):
    if event in ("open", "subprocess.Popen", "os.posix_spawn"):
        opened.append(os.fsdecode(args[0]) if isinstance(args[0], bytes) else str(args[0]))
sys.addaudithook(hook)
from trainconf.snapshot import SnapshotStore
before = set(sys.modules)
del opened[:]
SnapshotStore(sys.argv[1]).take(sys.argv[2], max_mb=100, max_files=1000)
print(*(path for path in opened if path.startswith(sys.argv[2]) and os.path.isfile(path)), sep="\\n")
print("--")
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def opened_and_imported(store: SnapshotStore, source: Path) -> tuple[list[str], set[str]]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, store.root, source], capture_output=True, text=True, check=True)
    opened, imported = done.stdout.split("--\n")
    return opened.split(), set(imported.split())


def test_an_unchanged_tree_opens_no_file_and_imports_no_hash(store: SnapshotStore, source: Path, take: Take) -> None:
    git(source, "init", "-q")
    write(source, {".gitignore": "*.log\n", "a.py": "1", "x.log": "", "sub/b.py": "2", "sub/.gitignore": "/c\n"})
    write(source, {"k.yaml": "# trainconf frozen run\n", "k": "# trainconf frozen run\n"})
    git(source, "add", "-A")
    settle(source)
    take()
    opened, imported = opened_and_imported(store, source)
    assert opened == []
    assert imported <= {"_binascii", "binascii"}


def test_a_tree_that_was_just_written_is_read_again(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {"a.py": "1", "sub/b.py": "2"})
    take()
    opened, _ = opened_and_imported(store, source)
    assert sorted(opened) == [str(source / "a.py"), str(source / "sub/b.py")]


def test_of_a_changed_tree_only_the_changed_file_is_read(store: SnapshotStore, source: Path, take: Take) -> None:
    git(source, "init", "-q")
    write(source, {".gitignore": "*.log\n", "a.py": "1", "sub/b.py": "2", "sub/c.py": "3"})
    settle(source)
    take()
    write(source, {"sub/b.py": "changed"})
    opened, _ = opened_and_imported(store, source)
    assert opened == [str(source / "sub/b.py")]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"", lambda data: data[:50], lambda data: data[:-7], lambda data: os.urandom(len(data)),
        lambda data: data[:200] + bytes((data[200] ^ 1,)) + data[201:], lambda data: data + b"x",
    ],
)
def test_a_damaged_cache_is_not_believed(store: SnapshotStore, source: Path, take: Take, damage: object) -> None:
    write(source, {"a.py": "1", "b/c.py": "2"})
    first = take().id
    (cache,) = (Path(store.root) / "stat").iterdir()
    cache.write_bytes(damage(cache.read_bytes()))  # type: ignore[operator]
    assert take().id == first


def test_two_sources_that_share_a_cache_file_do_not_share_a_cache(store: SnapshotStore, tmp_path: Path, take: Take) -> None:
    write(tmp_path, {"one/a": "1", "two/a": "2"})
    first, second = take(tmp_path / "one").id, take(tmp_path / "two").id
    one, two = sorted((Path(store.root) / "stat").iterdir())
    os.replace(one, two)
    assert {take(tmp_path / "one").id, take(tmp_path / "two").id} == {first, second}
    assert take(tmp_path / "one").id == first


def test_keys_that_were_allowed_once_are_not_for_ever(source: Path, take: Take) -> None:
    write(source, {"a.py": "1", "id_rsa": "2"})
    settle(source)
    assert take(allow_keys=["id_rsa"]).file_count == 2
    with pytest.raises(SnapshotError):
        take()
