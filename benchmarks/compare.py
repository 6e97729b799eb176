"""What it costs to compare runs: `compare` of 50 runs, `metrics` of 1,000,000 points, `diff` of two snapshots of 10,000 files.

    python -m benchmarks.compare [--check] [--rounds 15]

Rows are interleaved; medians of whole processes; the ratio is the median of the ratios of each round. Of the million points the CPU
time of the quietest round counts, and the memory is the most that a process had.
That all 10,000 files differ is measured, and not judged.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial

from benchmarks.listing import MAIN, make_runs
from benchmarks.rounds import Limit, Report, environment, interleaved, parser, timed
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.snapshot import SnapshotStore

PYTHON = "python -c pass"
COMPARE = "trainconf compare, 50 runs"
METRICS = "trainconf metrics, 1,000,000 points, CPU time, quietest"
MEMORY = "the most memory"
GIT = "git diff --no-index --stat, 10,000 files"
DIFFERING = (10, 100, 1000, 10_000)  # of them; the last is told and not judged
LIMITS = [Limit(COMPARE, 8, PYTHON), Limit(METRICS, 1.5), Limit(MEMORY, 150)]
LIMITS += [Limit(f"{count} of them differ: trainconf diff --stat", 1.5, GIT) for count in DIFFERING[:-1]]
RUNS = 50
POINTS = 1_000_000
NAMES = ("loss", "val_loss", "lr", "grad_norm")
MILLION_ROUNDS = DIFF_ROUNDS = 5
FILES = 10_000


def write_points(run_dir: str) -> None:
    """A million points of four metrics, as `Run.log` writes them."""
    with open(os.path.join(run_dir, "metrics.jsonl"), "w") as stream:
        for number in range(POINTS):
            moment = f"2026-11-23T{number // 360000 % 24:02}:{number // 6000 % 60:02}:{number // 100 % 60:02}.{number % 100 * 10000:06}Z"
            name, value, step = NAMES[number % len(NAMES)], 1 / (number + 1), number // len(NAMES)
            stream.write(f'{{"time":"{moment}","name":"{name}","value":{value!r},"step":{step}}}\n')


def cpu_s(argv: list[str], cwd: str) -> float:
    """Seconds of CPU that a process takes: it has one thread and waits for nothing, so on a free core they are its wall time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    timed(argv, cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare_trees(root: str, count: int, report: Report) -> None:
    """Two trees of 10,000 files of which `count` differ, as folders for git and as the code of two runs."""
    trees = [os.path.join(root, name) for name in ("a", "b")]
    for place, tree in enumerate(trees):
        for number in range(FILES):
            folder = os.path.join(tree, f"package{number % 100}")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, f"module{number}.py"), "w") as stream:
                stream.writelines(f"value_{line} = {number * line}\n" for line in range(40))
                stream.write("changed = 1\n" if place and number < count else "")
    store = SnapshotStore(WorkspacePaths(root).snapshots)
    ids = [store.take(tree, max_mb=300, max_files=2 * FILES).id for tree in trees]
    runs = [RunPaths(os.path.join(root, "runs", folder, name)) for folder, name in _run_names(root)[:2]]
    for paths, snapshot_id in zip(runs, ids, strict=True):
        with open(paths.spec, "w") as stream:
            json.dump({"code": {"snapshot": snapshot_id}}, stream)
    words = [runs[0].run_dir, runs[1].run_dir, "--stat"]
    ours = f"{count} of them differ: trainconf diff --stat"
    rows = {
        GIT: partial(run_for, ["git", "diff", "--no-index", "--stat", *trees], root),
        ours: partial(run_for, [sys.executable, "-c", MAIN, "diff", *words], root),
    }
    report.rows(interleaved(rows, DIFF_ROUNDS), GIT)
    for tree in trees:
        shutil.rmtree(tree)


def run_for(argv: list[str], cwd: str) -> float:
    """Wall seconds of a process that ends with 1 where it finds a difference."""
    begin = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment(), check=False)
    assert done.returncode == 1, argv
    return time.perf_counter() - begin


def _run_names(root: str) -> list[tuple[str, str]]:
    """Experiment and id of every run."""
    runs = os.path.join(root, "runs")
    return [(folder, name) for folder in sorted(os.listdir(runs)) for name in sorted(os.listdir(os.path.join(runs, folder)))]


def main() -> int:
    asked = parser(__doc__, rounds=15).parse_args()
    report = Report(*LIMITS)
    root = tempfile.mkdtemp(prefix="trainconf-compare-")
    try:
        last = make_runs(root, RUNS)
        ids = [name for _, name in _run_names(root)]
        verb = [sys.executable, "-c", MAIN]
        rows = {PYTHON: [sys.executable, "-c", "pass"], COMPARE: [*verb, "compare", *ids]}
        report.rows(interleaved({name: partial(timed, argv, root) for name, argv in rows.items()}, asked.rounds), PYTHON)
        write_points(os.path.join(root, "runs", last.partition("-")[0], last))
        report.figure(METRICS, min(cpu_s([*verb, "metrics", last], root) for _ in range(MILLION_ROUNDS)), "s")
        for count in DIFFERING:
            compare_trees(root, count, report)
        report.figure(MEMORY, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6, "MB")
    finally:
        shutil.rmtree(root)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
