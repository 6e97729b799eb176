"""What it costs to compare runs: `compare` of 50 runs, `metrics` of 1,000,000 points.

    python -m benchmarks.compare [--check] [--rounds 15]

Rows are interleaved; medians of whole processes; the ratio is the median of the ratios of each round. Of the million points the CPU
time of the quietest round counts, and the memory is the most that a process had.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from functools import partial

from benchmarks.listing import MAIN, make_runs
from benchmarks.rounds import Limit, Report, interleaved, parser, timed

PYTHON = "python -c pass"
COMPARE = "trainconf compare, 50 runs"
METRICS = "trainconf metrics, 1,000,000 points, CPU time, quietest"
MEMORY = "the most memory"
LIMITS = [Limit(COMPARE, 8, PYTHON), Limit(METRICS, 1.5), Limit(MEMORY, 150)]
RUNS = 50
POINTS = 1_000_000
NAMES = ("loss", "val_loss", "lr", "grad_norm")
MILLION_ROUNDS = 5


def write_points(run_dir: str) -> None:
    """A million points of four metrics, as `Run.log` writes them."""
    with open(os.path.join(run_dir, "metrics.jsonl"), "w") as stream:
        for number in range(POINTS):
            time = f"2026-11-23T{number // 360000 % 24:02}:{number // 6000 % 60:02}:{number // 100 % 60:02}.{number % 100 * 10000:06}Z"
            name, value, step = NAMES[number % len(NAMES)], 1 / (number + 1), number // len(NAMES)
            stream.write(f'{{"time":"{time}","name":"{name}","value":{value!r},"step":{step}}}\n')


def cpu_s(argv: list[str], cwd: str) -> float:
    """Seconds of CPU that a process takes: it has one thread and waits for nothing, so on a free core they are its wall time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    timed(argv, cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    asked = parser(__doc__, rounds=15).parse_args()
    report = Report(*LIMITS)
    root = tempfile.mkdtemp(prefix="trainconf-compare-")
    try:
        last = make_runs(root, RUNS)
        ids = [name for folder in sorted(os.listdir(os.path.join(root, "runs"))) for name in os.listdir(os.path.join(root, "runs", folder))]
        verb = [sys.executable, "-c", MAIN]
        rows = {PYTHON: [sys.executable, "-c", "pass"], COMPARE: [*verb, "compare", *ids]}
        report.rows(interleaved({name: partial(timed, argv, root) for name, argv in rows.items()}, asked.rounds), PYTHON)
        write_points(os.path.join(root, "runs", last.partition("-")[0], last))
        report.figure(METRICS, min(cpu_s([*verb, "metrics", last], root) for _ in range(MILLION_ROUNDS)), "s")
        report.figure(MEMORY, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6, "MB")
    finally:
        shutil.rmtree(root)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
