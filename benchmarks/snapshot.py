"""Snapshots against git, cp and a plain walk, on the same trees, interleaved, in one run.

    python -m benchmarks.snapshot [--check] [--files 10000] [--rounds 5]

Prints medians in milliseconds, and the median of the per-round ratios to the limit each is held to. Every round uses fresh folders
and deletes at the end only: ext4 scans past freshly deleted inodes, which makes creating files ten times slower for minutes.
Ours runs in this process, apart from `snapshot create`; git and cp are processes of their own, and pay their start (1 to 2 ms).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.rounds import Limit, Report, environment, parser
from trainconf.snapshot import Snapshot, SnapshotStore, hash_tree

GIT_ENV = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}
SETTLE_S = 2.2  # a stat cache does not believe fresher files

LIMITS = [
    Limit("first", 0.5, "git add + write-tree"), Limit("unchanged", 1.6, "scandir+stat walk"), Limit("copy", 1.2, "cp -a"),
    Limit("snapshot create, unchanged", 2.5, "git, unchanged"), Limit("touched 1 %", 1.5, "git, touched 1 %"),
]  # fmt: skip
CREATE = [sys.executable, "-m", "trainconf", "snapshot", "create", "tree"]


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


def create(base: str) -> None:
    """What a user types, with a store of its own."""
    subprocess.run(CREATE, cwd=base, env=environment(), check=True, stdout=subprocess.DEVNULL)


def git_snapshot(repository: str, tree: str) -> None:
    run_git(repository, tree, "add", "-A")
    run_git(repository, tree, "write-tree")


def run_git(repository: str, tree: str, *words: str) -> None:
    """One git process, with its start-up."""
    argv = ["git", f"--git-dir={repository}", f"--work-tree={tree}", *words]
    subprocess.run(argv, env=GIT_ENV, check=True, stdout=subprocess.DEVNULL)


class Round:
    """Seconds of one round, by name."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], object]) -> None:
        start = time.perf_counter()
        work()
        self.times[name] = time.perf_counter() - start

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
        taken.time("git update-index --refresh", lambda: run_git(git_dir, tree, "update-index", "--refresh"))
        taken.time("git status", lambda: run_git(git_dir, tree, "status", "--porcelain"))
        taken.time("snapshot create, unchanged", lambda: create(base))
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


def main() -> int:
    words = parser(__doc__, rounds=5)
    words.add_argument("--files", type=int, default=10_000)
    asked = words.parse_args()
    report = Report(*LIMITS)
    base = tempfile.mkdtemp(prefix="snapshot-bench-")
    rounds = []
    try:
        for number in range(asked.rounds + 1):  # the first warms up
            folder = os.path.join(base, str(number))
            os.mkdir(folder)
            rounds.append(one_round(folder, asked.files, number))
    finally:
        shutil.rmtree(base)
    rounds = rounds[1:]
    print(f"{asked.files} files")
    report.rows({name: [times[name] for times in rounds] for name in rounds[0]}, "git, unchanged")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
