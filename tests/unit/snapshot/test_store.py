"""Giving back, listing, comparing, collecting, and what happens when the disk or a process fails."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trainconf.errors import SnapshotError, StorageError
from trainconf.reporter import Lines
from trainconf.snapshot import SnapshotStore, hash_tree

from .conftest import Take, as_nobody, write

FILES: dict[str, str | bytes] = {
    "train.py": "print(1)\n", "run.sh": "#!/bin/sh\n", "pkg/__init__.py": "", "pkg/data.bin": bytes(range(256)) * 20,
}  # fmt: skip


def packs(store: SnapshotStore) -> list[Path]:
    return sorted((Path(store.root) / "packs").glob("*.pack"))


def debris(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def fill(source: Path) -> None:
    write(source, FILES)
    (source / "run.sh").chmod(0o755)
    (source / "empty" / "inner").mkdir(parents=True)
    (source / "link").symlink_to("pkg/data.bin")


def test_a_materialized_tree_is_the_source(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    fill(source)
    write(source, {"large.bin": os.urandom(3_333_333)})
    taken = take()
    for name in ("one", "two"):
        store.materialize(taken.id, str(tmp_path / name))
        assert hash_tree(str(tmp_path / name)) == taken.id
    assert debris(tmp_path) == []


@pytest.mark.parametrize(("count", "told"), [(3, []), (1001, ["copying 1001 files of the code"])])
def test_who_waits_for_the_copy_of_many_files_is_told(
    count: int, told: list[str], store: SnapshotStore, source: Path, take: Take, tmp_path: Path
) -> None:  # fmt: skip
    write(source, {f"{number % 7}/{number}": "" for number in range(count)})
    said: list[str] = []
    with store.opened(take().id) as snapshot:
        snapshot.materialize(str(tmp_path / "dest"), Lines(said.append))
    assert said == told


def test_a_large_file_is_copied_by_a_python_without_the_kernel_s_copy(
    store: SnapshotStore, source: Path, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(source, {"large.bin": os.urandom(3_333_333)})
    taken = take()
    monkeypatch.delattr(os, "copy_file_range", raising=False)  # as one is that was built against a glibc before 2.27
    store.materialize(taken.id, str(tmp_path / "dest"))
    assert hash_tree(str(tmp_path / "dest")) == taken.id


def test_a_copy_obeys_the_umask(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    fill(source)
    taken = take()
    before = os.umask(0o027)
    try:
        store.materialize(taken.id, str(tmp_path / "dest"))
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / "dest" / name).stat().st_mode) for name in ("train.py", "run.sh", "pkg")]
    assert modes == [0o640, 0o750, 0o750]


def test_a_snapshot_is_opened_once_for_many_folders_and_gc_waits_until_it_is_closed(
    source: Path, store: SnapshotStore, take: Take, tmp_path: Path
) -> None:
    fill(source)
    id_ = take().id
    collector = threading.Thread(target=store.gc, args=(list,), kwargs={"unused_s": 0.0})
    with store.opened(id_) as snapshot:
        collector.start()
        for name in ("one", "two"):
            snapshot.materialize(str(tmp_path / name))
            assert hash_tree(str(tmp_path / name)) == id_
        with pytest.raises(StorageError, match="exists already"):
            snapshot.materialize(str(tmp_path / "two"))
        assert collector.is_alive()
    collector.join()
    assert not store.exists(id_)


def test_no_run_shares_a_file_with_another_or_with_the_store(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    """Also of a tree that is large by files and by bytes: whoever owns a linked file can write through it."""
    write(source, {f"d/{n}": f"{n:07}" for n in range(2100)})
    write(source, {"large.bin": os.urandom(1 << 21)})
    id_ = take().id
    for name in ("one", "two"):
        store.materialize(id_, str(tmp_path / name))
    copies = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in copies} == {1}
    for path in copies:  # as a job would that hides it: the same size, the same time
        times = path.stat()
        path.chmod(0o600)
        path.write_bytes(bytes(times.st_size))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    store.materialize(id_, str(tmp_path / "three"))
    assert hash_tree(str(tmp_path / "two")) == hash_tree(str(tmp_path / "three")) == id_
    assert store.verify(id_) == []


def test_trees_that_an_earlier_version_unpacked_for_links_are_collected(store: SnapshotStore, take: Take, source: Path) -> None:
    fill(source)
    id_ = take().id
    write(Path(store.root) / "trees" / id_ / "files", {"train.py": "print(1)\n"})
    store.gc(lambda: {id_})
    assert not (Path(store.root) / "trees").exists()


def test_an_existing_destination_is_refused_and_untouched(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    fill(source)
    (tmp_path / "dest").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        store.materialize(take().id, str(tmp_path / "dest"))
    assert os.listdir(tmp_path / "dest") == []


def test_an_unknown_snapshot_is_refused_everywhere(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    take()
    for ask in (store.show, store.verify, lambda id_: store.materialize(id_, str(tmp_path / "dest")), lambda id_: store.diff(id_, id_)):
        for id_ in ("0" * 64, "..", "a/b", "nul\0"):
            with pytest.raises(SnapshotError, match="no snapshot"):
                ask(id_)
    assert not store.exists("0" * 64)
    assert not (tmp_path / "dest").exists()


def test_ls_show_and_diff_tell_what_is_there(store: SnapshotStore, source: Path, take: Take) -> None:
    fill(source)
    a = take()
    (source / "train.py").write_text("print(2)\n")
    (source / "run.sh").chmod(0o644)
    (source / "pkg/__init__.py").unlink()
    write(source, {"new": ""})
    b = take()
    assert {(info.id, info.file_count, info.size_bytes) for info in store.ls()} == {(s.id, s.file_count, s.size_bytes) for s in (a, b)}
    assert all(time.time() - 60 < info.created <= time.time() for info in store.ls())
    entries = {entry.path: entry for entry in store.show(a.id)}
    assert entries["run.sh"].executable
    assert (entries["empty/inner"].kind, entries["link"].kind, entries["pkg/data.bin"].size_bytes) == ("folder", "link", 5120)
    diff = store.diff(a.id, b.id)
    assert (diff.added, diff.removed, diff.changed, diff.modes) == (["new"], ["pkg/__init__.py"], ["train.py"], ["run.sh"])
    assert not store.diff(a.id, a.id)


def test_gc_takes_what_nobody_keeps_and_repacks_the_rest(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    write(source, {"a.bin": os.urandom(50_000), "b.bin": os.urandom(50_000)})
    both = take().id
    (source / "a.bin").unlink()
    kept = take().id
    store.materialize(both, str(tmp_path / "code"))
    freed = store.gc(lambda: {kept}, unused_s=0)
    assert freed.removed == [both]
    assert 50_000 < freed.freed_bytes < 60_000
    assert (store.exists(both), store.exists(kept), store.verify(kept)) == (False, True, [])
    assert (tmp_path / "code/a.bin").stat().st_size == 50_000
    assert store.gc(set, unused_s=0).removed == [kept]
    assert (packs(store), store.ls()) == ([], [])


def test_gc_leaves_what_was_just_taken_or_used(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {"a": "1"})
    taken = take().id
    assert store.gc(set).removed == []
    long_ago = time.time() - 7200
    os.utime(Path(store.root) / "manifests" / taken, (long_ago, long_ago))
    assert take().id == taken
    assert store.gc(set).removed == []
    os.utime(Path(store.root) / "manifests" / taken, (long_ago, long_ago))
    assert store.gc(set).removed == [taken]


def test_a_tree_is_stored_anew_after_gc_took_it(store: SnapshotStore, source: Path, take: Take) -> None:
    write(source, {"a": "1", "b": "2"})
    taken = take().id
    store.gc(set, unused_s=0)
    assert take().id == taken
    assert store.verify(taken) == []


def test_many_small_packs_become_one(store: SnapshotStore, source: Path, take: Take) -> None:
    ids = []
    for round_ in range(70):
        write(source, {"a.py": str(round_)})
        ids.append(take().id)
    assert len(packs(store)) < 10
    assert all(store.verify(id_) == [] for id_ in ids)


def test_damaged_content_is_reported_never_given_out_and_healed_by_the_next_take(
    store: SnapshotStore, source: Path, take: Take, tmp_path: Path,
) -> None:
    write(source, {"a.py": "precious", "b.py": "other"})
    taken = take().id
    (pack,) = packs(store)
    pack.write_bytes(pack.read_bytes().replace(b"precious", b"prexious"))
    with pytest.raises(StorageError, match="damaged") as caught:
        store.materialize(taken, str(tmp_path / "dest"))
    assert str(pack) in caught.value.render()
    assert not (tmp_path / "dest").exists()
    assert store.verify(taken) == ["a.py"]
    assert take().id == taken
    assert store.verify(taken) == []
    store.materialize(taken, str(tmp_path / "dest"))
    assert (tmp_path / "dest/a.py").read_text() == "precious"


@pytest.mark.parametrize("damage", [lambda pack: pack.unlink(), lambda pack: pack.write_bytes(pack.read_bytes()[:-5])])
def test_a_missing_or_torn_pack_is_reported_and_healed(
    store: SnapshotStore, source: Path, take: Take, tmp_path: Path, damage: object,
) -> None:
    write(source, {"a.py": "1"})
    taken = take().id
    damage(packs(store)[0])  # type: ignore[operator]
    with pytest.raises(StorageError, match="damaged"):
        store.materialize(taken, str(tmp_path / "dest"))
    assert take().id == taken
    assert store.verify(taken) == []


def test_a_damaged_manifest_is_reported_and_stops_gc(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    write(source, {"a.py": "1"})
    taken = take().id
    manifest = Path(store.root) / "manifests" / taken
    manifest.write_bytes(manifest.read_bytes() + b"x")
    with pytest.raises(StorageError, match="manifest of snapshot"):
        store.materialize(taken, str(tmp_path / "dest"))
    with pytest.raises(StorageError, match="manifest of snapshot"):
        store.gc(lambda: {taken}, unused_s=0)
    assert len(packs(store)) == 1


WORKER = """
import os, random, sys, shutil
from trainconf.snapshot import SnapshotStore, hash_tree
store, source, scratch, seed = SnapshotStore(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
random.seed(seed)
os.makedirs(source)
print("ready", flush=True)
round_ = 0
while True:
    round_ += 1
    for n in range(8):
        with open(f"{source}/f{n}", "w") as file:
            file.write(f"{random.randrange(40)}" * 300)
    id_ = store.take(source, max_mb=10, max_files=100).id
    dest = f"{scratch}/{seed}-{round_}"
    store.materialize(id_, dest)
    assert hash_tree(dest) == id_, "materialised something else"
    if seed == 1:
        store.gc(set, unused_s=30)
    if seed == 3:
        store.gc(lambda: {id_}, unused_s=30)
    print(id_, flush=True)
"""


def test_takers_materialisers_and_collectors_share_a_store_and_bear_being_killed(store: SnapshotStore, tmp_path: Path, take: Take) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said: list[str] = []
    for generation in range(4):
        workers = [
            subprocess.Popen([sys.executable, "-c", WORKER, store.root, tmp_path / f"s{generation}-{n}", scratch, str(n + 10 * generation)],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for n in range(5)
        ]
        for worker in workers:
            assert worker.stdout
            worker.stdout.readline()
        time.sleep(0.7)
        assert [worker.stderr.read() for worker in workers if worker.poll() is not None and worker.stderr] == []
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        said += [worker.communicate()[0] for worker in workers]
    ids = {line for text in said for line in text.split("\n")[:-1] if len(line) == 64}
    assert len(ids) > 20
    assert all(store.verify(info.id) == [] for info in store.ls())
    assert ids <= {info.id for info in store.ls()}
    store.gc(lambda: {info.id for info in store.ls()}, unused_s=0)
    assert debris(Path(store.root)) == []
    assert all(store.verify(id_) == [] for id_ in ids)


def small_disk(tmp_path: Path, size: str) -> Path:
    mount = tmp_path / "mount"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("this user cannot mount a tmpfs")
    return mount


def test_a_large_file_travels_to_another_disk(store: SnapshotStore, source: Path, take: Take, tmp_path: Path) -> None:
    write(source, {"large.bin": os.urandom(2_500_000), "small": "1"})
    taken = take().id
    mount = small_disk(tmp_path, "8m")
    try:
        store.materialize(taken, str(mount / "dest"))
        assert hash_tree(str(mount / "dest")) == taken
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_full_disk_is_told_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    mount = small_disk(tmp_path, "1m")
    try:
        store = SnapshotStore(str(mount / "store"))
        write(source, {"small.py": "1"})
        small = store.take(str(source), max_mb=100, max_files=10).id
        write(source, {"one.bin": os.urandom(700_000), "two.bin": os.urandom(1_500_000)})
        with pytest.raises(StorageError, match="No space left"):
            store.take(str(source), max_mb=100, max_files=10)
        assert debris(mount) == []
        assert [info.id for info in store.ls()] == [small]
        elsewhere = SnapshotStore(str(tmp_path / "elsewhere"))
        large = elsewhere.take(str(source), max_mb=100, max_files=10).id
        with pytest.raises(StorageError, match="No space left"):
            elsewhere.materialize(large, str(mount / "dest"))
        assert sorted(os.listdir(mount)) == ["store"]
        store.materialize(small, str(mount / "dest"))
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_store_that_cannot_be_written_is_told(public: Path) -> None:
    write(public / "source", {"a": "1"})
    (public / "closed").mkdir(mode=0o555)

    def work() -> str:
        with pytest.raises(StorageError) as caught:
            SnapshotStore(str(public / "closed/store")).take(str(public / "source"), max_mb=1, max_files=9)
        return caught.value.render()

    assert "Permission denied" in as_nobody(work)
