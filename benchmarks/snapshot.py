"""Snapshots against git, cp and a plain walk, on the same trees, interleaved, in one run.

    python benchmarks/snapshot.py [--files 10000] [--rounds 5]

Prints medians in milliseconds, and the median of the per-round ratios to the limit each is held to. Every round uses fresh folders
and deletes at the end only: ext4 scans past freshly deleted inodes, which makes creating files ten times slower for minutes.
Everything of ours runs in this process; git and cp are processes of their own, and pay their start (1 to 2 ms).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

from trainconf.snapshot import Snapshot, SnapshotStore, hash_tree

GIT_ENV = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}
SETTLE_S = 2.2  # a stat cache does not believe fresher files

# what is measured, the limit it is held to, the largest ratio
LIMITS = [
    ("first", "git add + write-tree", 0.5), ("unchanged", "scandir+stat walk", 1.6), ("touched 1 %", "git, touched 1 %", 1.5),
    ("copy", "cp -a", 1.2),
]


def make_tree(root: str, files: int) -> None:
    """Folders of a hundred files of 200 to 1,800 bytes, as source code is."""
    source = random.Random(files)
    for number in range(files):
        folder = os.path.join(root, f"pkg{number // 10_000}", f"mod{number // 100}")
        if number % 100 == 0:
            os.makedirs(folder)
        with open(os.path.join(folder, f"file_{number}.py"), "wb") as stream:
            stream.write(source.randbytes(source.randrange(200, 1800)))


def touch(root: str, files: int, share: int, round_: int) -> None:
    for number in range(0, files, share):
        with open(os.path.join(root, f"pkg{number // 10_000}", f"mod{number // 100}", f"file_{number}.py"), "ab") as stream:
            stream.write(b"%d" % round_)


def walk(root: str) -> int:
    """The plain walk: scandir, and a stat of every file."""
    count, waiting = 0, [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def take(store: SnapshotStore, tree: str) -> Snapshot:
    return store.take(tree, max_mb=100_000, max_files=10_000_000)


def git_snapshot(repository: str, tree: str) -> None:
    for words in (["add", "-A"], ["write-tree"]):
        argv = ["git", f"--git-dir={repository}", f"--work-tree={tree}", *words]
        subprocess.run(argv, env=GIT_ENV, check=True, stdout=subprocess.DEVNULL)


class Round:
    """Times of one round, in milliseconds, by name."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], object]) -> None:
        start = time.perf_counter()
        work()
        self.times[name] = (time.perf_counter() - start) * 1000

    def in_turn(self, works: list[tuple[str, Callable[[], object]]], number: int) -> None:
        """Time each; who goes first changes with the round."""
        for name, work in works if number % 2 else works[::-1]:
            self.time(name, work)


def one_round(base: str, files: int, number: int) -> dict[str, float]:
    tree, git_dir = os.path.join(base, "tree"), os.path.join(base, "git")
    os.mkdir(tree)
    make_tree(tree, files)
    store = SnapshotStore(os.path.join(base, "store"))
    subprocess.run(["git", "init", "-q", "--bare", git_dir], env=GIT_ENV, check=True)
    taken = Round()
    firsts: list[tuple[str, Callable[[], object]]] = [
        ("first", lambda: take(store, tree)), ("git add + write-tree", lambda: git_snapshot(git_dir, tree)),
    ]
    walk(tree)
    taken.in_turn(firsts, number)
    time.sleep(SETTLE_S)
    take(store, tree)
    git_snapshot(git_dir, tree)
    for _ in range(2):  # the second of each counts
        taken.time("scandir+stat walk", lambda: walk(tree))
        taken.time("unchanged", lambda: take(store, tree))
        taken.time("git, unchanged", lambda: git_snapshot(git_dir, tree))
    snapshot = take(store, tree)
    copies: list[tuple[str, Callable[[], object]]] = [
        ("copy", lambda: store.materialize(snapshot.id, os.path.join(base, "copy"))),
        ("cp -a", lambda: subprocess.run(["cp", "-a", tree, os.path.join(base, "cp")], check=True)),
    ]
    taken.in_turn(copies, number)
    assert hash_tree(os.path.join(base, "copy")) == snapshot.id
    time.sleep(SETTLE_S)
    take(store, tree)
    git_snapshot(git_dir, tree)
    touch(tree, files, 100, number)
    taken.time("touched 1 %", lambda: take(store, tree))
    taken.time("git, touched 1 %", lambda: git_snapshot(git_dir, tree))
    return taken.times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    words = parser.parse_args()
    base = tempfile.mkdtemp(prefix="snapshot-bench-")
    rounds = []
    try:
        for number in range(words.rounds + 1):  # the first warms up
            folder = os.path.join(base, str(number))
            os.mkdir(folder)
            rounds.append(one_round(folder, words.files, number))
    finally:
        shutil.rmtree(base)
    rounds = rounds[1:]
    print(f"{words.files} files, {words.rounds} rounds, medians")
    for name in rounds[0]:
        print(f"  {name:<24} {statistics.median(times[name] for times in rounds):9.1f} ms")
    print("ratios, median of the rounds'")
    for name, limit, most in LIMITS:
        ratio = statistics.median(times[name] / times[limit] for times in rounds)
        print(f"  {name:<12} / {limit:<22} {ratio:5.2f}   at most {most}{'' if ratio <= most else '   MISSED'}")


if __name__ == "__main__":
    main()
