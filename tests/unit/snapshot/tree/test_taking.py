"""What a snapshot holds, and that its id follows the content and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainconf.errors import SnapshotError
from trainconf.snapshot import SnapshotStore, hash_tree

from ..conftest import Take, as_nobody, write

Paths = Callable[..., list[str]]
HOSTILE = ["with space", "quo'te\"s", "new\nline", "per%cent", "$(touch x)", "caf\udce9", "-rf", "tab\t", "\\back", "emoji-\U0001f600", "*"]


def pack_bytes(store: SnapshotStore) -> int:
    return sum(path.stat().st_size for path in (Path(store.root) / "packs").glob("*.pack"))


def test_an_unchanged_tree_keeps_its_id_and_stores_nothing_more(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {"a.py": "1", "sub/b.py": "2"})
    first, size = take(), pack_bytes(store)
    assert (take().id, take().id) == (first.id, first.id)
    assert pack_bytes(store) == size
    assert (first.file_count, first.size_bytes) == (2, 2)


def test_the_id_is_that_of_the_content_wherever_it_lies(tmp_path: Path, take: Take) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, {"z.py": "1", "a/b.py": "2"})
    assert take(tmp_path / "one").id == take(tmp_path / "two").id == hash_tree(str(tmp_path / "two"))


def test_hash_tree_writes_nothing(store: SnapshotStore, source: Path) -> None:
    write(source, {"a": "1"})
    hash_tree(str(source), store=store)
    assert not os.path.exists(store.root)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a.py").rename(root / "b.py"),
        lambda root: (root / "folder").rename(root / "renamed"),
        lambda root: (root / "a.py").chmod(0o755),
        lambda root: (root / "a.py").write_bytes(b"2"),
        lambda root: (root / "a.py").unlink(),
        lambda root: (root / "empty").mkdir(),
        lambda root: (root / "new").write_bytes(b""),
        lambda root: (root / "folder" / "link").symlink_to("a.py"),
    ],
)
def test_every_change_changes_the_id(source: Path, take: Take, change: Callable[[Path], object]) -> None:
    write(source, {"a.py": "1", "folder/c.py": "3"})
    before = take().id
    change(source)
    assert take().id != before


def test_a_moved_or_copied_file_is_not_stored_twice(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {"a.bin": os.urandom(5000), "large.bin": os.urandom(3_000_000)})
    take()
    size = pack_bytes(store)
    (source / "a.bin").rename(source / "b.bin")
    write(source, {"copy.bin": (source / "large.bin").read_bytes()})
    assert take().file_count == 3
    assert pack_bytes(store) == size


def test_a_file_written_again_within_one_tick_is_seen(source: Path, take: Take) -> None:
    """Size, times and inode may all stay the same: the stat cache must not believe a file that fresh."""
    for round_ in range(30):
        (source / "a.py").write_bytes(b"%04d" % round_)
        one = take().id
        (source / "a.py").write_bytes(b"%04d" % (round_ + 5000))
        assert take().id != one


def test_a_change_behind_a_restored_modification_time_is_seen(source: Path, take: Take) -> None:
    write(source, {"a.py": "1"})
    os.utime(source / "a.py", (1, 1))
    before = take().id
    write(source, {"a.py": "2"})
    os.utime(source / "a.py", (1, 1))
    assert take().id != before


def test_hostile_names_come_back_as_they_were(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    for number, name in enumerate(HOSTILE):
        (source / name).mkdir()
        (source / name / name).write_bytes(b"%d" % number)
        (source / name / "link").symlink_to(name)
    dest = tmp_path / HOSTILE[2] / HOSTILE[5]
    dest.parent.mkdir()
    store.materialize(take().id, str(dest))
    for number, name in enumerate(HOSTILE):
        assert (dest / name / name).read_bytes() == b"%d" % number
        assert os.readlink(dest / name / "link") == name
    assert hash_tree(str(dest)) == take().id


def test_links_are_kept_never_followed_and_those_that_leave_are_listed(
    store: SnapshotStore, source: Path, take: Take, tmp_path: Path,
) -> None:
    write(source, {"sub/a": "1"})
    write(tmp_path, {"outside/secret": "s"})
    targets = {"dangling": "nowhere", "loop": "loop", "folder": "sub", "up": "../outside", "sub/ok": "../sub/a", "absolute": "/etc/passwd"}
    for name, target in targets.items():
        (source / name).symlink_to(target)
    taken = take()
    assert {entry.path: entry.content for entry in store.show(taken.id) if entry.kind == "link"} == targets
    assert taken.leaving_links == ["absolute", "up"]
    assert taken.file_count == 1


def test_sockets_and_pipes_are_skipped_and_listed(source: Path, take: Take) -> None:
    write(source, {"a": "1"})
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "sock"))
        assert take().skipped == ["pipe", "sock"]
        assert take().file_count == 1


def test_empty_folders_travel_and_those_emptied_by_rules_do_not(source: Path, paths: Paths) -> None:
    write(source, {".gitignore": "*.pyc\n", "pkg/m.py": "1"})
    (source / "data" / "raw").mkdir(parents=True)
    before = paths()
    assert before == [".gitignore", "data/raw", "pkg/m.py"]
    write(source, {"pkg/__pycache__/m.pyc": "x"})
    assert paths() == before


def test_what_runs_write_never_travels(source: Path, paths: Paths) -> None:
    write(source, {"outputs/x": "", "logs/x": "", "runs/x": "", ".trainconf/x": "", ".git/HEAD": "", "a.py": ""})
    write(source, {"pkg/logs/x": "", "pkg/outputs/x": "", "pkg/runs/x": ""})
    write(source, {"sub/.git": "gitdir: /x", "sub/.trainconf/x": "", "sub/runs/x": ""})
    assert paths() == ["a.py", "pkg/logs/x", "pkg/outputs/x", "pkg/runs/x"]


def test_a_frozen_file_does_not_change_the_hash_it_holds(source: Path, take: Take, paths: Paths) -> None:
    write(source, {"train.py": "1", "conf.yaml": "a: 1\n"})
    before = take().id
    line = "# trainconf frozen run"
    texts = [f"{line}\nspec: 1\n", f"{line}\r\nspec: 1\r\n", f"\ufeff{line}\nspec: 1\n", line, f"{line}\n" + "x" * 3_000_000]
    write(source, {f"locks/{number}{end}": text for number, text in enumerate(texts) for end in ("", ".lock", ".yaml", ".py")})
    assert take().id == before
    assert take().id == before
    assert paths() == ["conf.yaml", "train.py"]
    for text in ("spec: 1\n", f"{line}s\n", f" {line}\n", f"\n{line}\n", f"{line}s" + "x" * 3_000_000):
        write(source, {"locks/1.lock": text})
        assert "locks/1.lock" in paths()


def test_an_empty_tree_is_a_snapshot(store: SnapshotStore, take: Take, tmp_path: Path) -> None:
    taken = take()
    assert taken.file_count == 0
    store.materialize(taken.id, str(tmp_path / "dest"))
    assert os.listdir(tmp_path / "dest") == []


def test_a_missing_source_and_a_file_are_refused_and_nothing_is_left(store: SnapshotStore, source: Path) -> None:
    write(source, {"file": ""})
    for path, said in ((source / "gone", "does not exist"), (source / "file", "is not a folder")):
        with pytest.raises(SnapshotError, match=said):
            store.take(str(path), max_mb=1, max_files=1)
    assert not os.path.exists(store.root)


def test_a_tree_over_the_guards_is_refused_and_the_offenders_named(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {"big.bin": bytes(3_000_000), "small.bin": bytes(10), **{f"many/f{n}": "" for n in range(30)}})
    with pytest.raises(SnapshotError) as caught:
        take(max_mb=2, max_files=20)
    said = caught.value.render()
    assert "3.0 MB, more than snapshot.max_mb=2" in said
    assert "'big.bin'" in said
    assert "30 files  'many/'" in said
    assert "snapshot.max_files=32" in said
    assert ".trainconfignore" in said
    assert store.ls() == []
    assert pack_bytes(store) == 0


def test_the_guards_hold_for_an_unchanged_tree_too(source: Path, take: Take) -> None:
    write(source, {"big.bin": bytes(3_000_000)})
    take()
    with pytest.raises(SnapshotError):
        take(max_mb=1)


@pytest.mark.parametrize(
    "name", ["id_rsa", ".ssh/id_ed25519", "server.key", "x.p12", "x.pfx", ".netrc", ".env", "credentials.json", "home/.aws/credentials"],
)
def test_files_named_like_keys_are_refused_by_name_unless_allowed(source: Path, take: Take, name: str) -> None:
    write(source, {name: "secret", "id_rsa.pub": "", ".env.example": "", "credentials": ""})
    with pytest.raises(SnapshotError, match="1 file looks like a private key") as caught:
        take()
    assert repr(name) in caught.value.render()
    assert take(allow_keys=[Path(name).name]).file_count == 4
    with pytest.raises(SnapshotError):
        take()


def test_a_certificate_travels_and_a_key_beside_it_does_not(source: Path, take: Take) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\n"
    write(source, {"ca.pem": certificate, "sub/key.pem": certificate + "-----BEGIN RSA PRIVATE KEY-----\n"})
    with pytest.raises(SnapshotError) as caught:
        take()
    assert "sub/key.pem" in caught.value.render()
    assert "ca.pem" not in caught.value.render()


def test_everything_unreadable_is_named(public: Path) -> None:
    source = public / "source"
    write(source, {"ok.py": "1", "closed.py": "2", "folder/x": "3", "sub/closed too.py": "4"})

    def refusal() -> str:
        with pytest.raises(SnapshotError) as caught:
            SnapshotStore(str(public / "store")).take(str(source), max_mb=1, max_files=100)
        return caught.value.render()

    for name in ("closed.py", "sub/closed too.py"):
        (source / name).chmod(0)
        os.chown(source / name, os.getuid(), -1)
    (source / "folder").chmod(0)
    said = as_nobody(refusal)
    assert "'folder' cannot be read" in said
    (source / "folder").chmod(0o755)
    said = as_nobody(refusal)
    assert "'closed.py' cannot be read" in said
    assert "'sub/closed too.py' cannot be read" in said
    assert "Permission denied" in said


def test_a_file_that_never_keeps_still_is_named(source: Path, take: Take) -> None:
    write(source, {"busy.log": bytes(20_000_000)})
    program = "import os, sys; fd = os.open(sys.argv[1], os.O_WRONLY); print(flush=True)\nwhile True: os.pwrite(fd, os.urandom(9), 0)"
    with subprocess.Popen([sys.executable, "-c", program, source / "busy.log"], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        try:
            with pytest.raises(SnapshotError, match=r"'busy\.log' changes while it is read"):
                take()
        finally:
            writer.kill()


def test_files_that_come_and_go_during_the_walk_do_no_harm(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {f"keep/{n}.py": str(n) for n in range(300)})
    program = """
import os, sys
print(flush=True)
while True:
    for n in range(50):
        open(f"{sys.argv[1]}/keep/temp{n}", "w").close()
    os.mkdir(sys.argv[1] + "/keep/folder")
    for n in range(50):
        os.unlink(f"{sys.argv[1]}/keep/temp{n}")
    os.rmdir(sys.argv[1] + "/keep/folder")
"""
    with subprocess.Popen([sys.executable, "-c", program, source], stdout=subprocess.PIPE) as churn:
        assert churn.stdout
        churn.stdout.readline()
        try:
            taken = [take().id for _ in range(20)]
        finally:
            churn.kill()
    for id_ in taken:
        kept = [entry for entry in store.show(id_) if entry.path.endswith(".py")]
        assert len(kept) == 300
        assert store.verify(id_) == []
