"""What it costs to read 1,000,000 scalars from a TensorBoard event file, and to see that there is nothing new.

    python -m benchmarks.metrics.event_files [--check] [--rounds 5]

The CPU time of the quietest round counts, in a process of its own that is started for it. TensorBoard's own reader has a tenth of the
scalars, where it is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec

from benchmarks.rounds import Limit, Report, environment, parser
from trainconf.history import metrics
from trainconf.history.event_files import encode
from trainconf.paths import RunPaths

SCALARS = 1_000_000
NAMES = ("loss", "val/accuracy", "lr", "grad_norm")
READ, MEMORY, LOOK = "1,000,000 scalars, CPU time, quietest", "the memory of that process", "a look that finds nothing new"
LIMITS = [Limit(READ, 3), Limit(MEMORY, 50), Limit(LOOK, 0.5)]
OURS = """
import sys
from trainconf.history import metrics
from trainconf.paths import RunPaths
values = metrics.summarise(RunPaths(sys.argv[1])).values
assert len(values) == 4, values
"""
THEIRS = """
import sys
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
count = sum(len(event.summary.value) for event in EventFileLoader(sys.argv[1]).Load())
"""


def write(path: str, count: int) -> None:
    """Scalars of four names, as PyTorch's SummaryWriter writes them."""
    with open(path, "wb") as stream:
        stream.write(encode.header(1.8e9))
        for first in range(0, count // len(NAMES), 1000):
            points = [(1.8e9 + step / 100, step, 1 / (step + 3)) for step in range(first, first + 1000)]
            stream.write(b"".join(encode.scalars(name, points) for name in NAMES))


def cpu_s(code: str, path: str) -> tuple[float, float]:
    """CPU seconds of a Python program above its start-up, and its memory in MB."""
    found = []
    for program in ("pass", code):
        child = subprocess.Popen([sys.executable, "-c", program, path], env=environment())
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        found.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return found[1][0] - found[0][0], found[1][1]


def looks_s(paths: RunPaths, count: int) -> float:
    """CPU seconds of a look at a run that has been read."""
    cursor = metrics.Cursor()
    metrics.read_since(paths, cursor)
    begin = time.process_time()
    for _ in range(count):
        metrics.read_since(paths, cursor)
    return (time.process_time() - begin) / count


def main() -> int:
    asked = parser(__doc__, rounds=5).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as root:
        paths, small = RunPaths(os.path.join(root, "runs", "bench", "run")), os.path.join(root, "events.out.tfevents.small")
        os.makedirs(paths.logs)
        write(os.path.join(paths.logs, "events.out.tfevents.1"), SCALARS)
        write(small, SCALARS // 10)
        rounds = [cpu_s(OURS, paths.run_dir) for _ in range(asked.rounds)]
        report.figure(READ, min(seconds for seconds, _ in rounds), "s")
        report.figure(MEMORY, max(size for _, size in rounds), "MB")
        if find_spec("tensorboard") is not None:
            seconds, size = cpu_s(THEIRS, small)
            report.figure("TensorBoard's own reader, 100,000 scalars, CPU time", seconds, "s", f"{size:.0f} MB")
        paths = RunPaths(os.path.join(root, "runs", "bench", "looked-at"))
        os.makedirs(paths.logs)
        write(os.path.join(paths.logs, "events.out.tfevents.1"), 4000)
        report.figure(LOOK, looks_s(paths, 500) * 1000, "ms")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
