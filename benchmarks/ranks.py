"""Eight ranks of a no-op on this machine, from their submission to their recorded end, against eight bare processes.

    python -m benchmarks.ranks [--check] [--rounds 15]

What ours adds is the agent: its start, the port it keeps for the ranks to meet, a log for each, and the events.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.bare_runs import finish, submit
from benchmarks.rounds import Limit, Report, interleaved, parser

COUNT = 8
LIMITS = [Limit("ranks over bare processes", 60)]
NOOP = [sys.executable, "-c", "pass"]


def main() -> int:
    asked = parser(__doc__, rounds=15).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        bare, ours = f"{COUNT} bare processes", f"{COUNT} ranks of one run"
        seen = interleaved({bare: _bare, ours: lambda: _ranks(os.path.join(folder, str(time.time_ns())))}, asked.rounds)
        report.rows(seen, bare)
        added_ms = statistics.median(own - floor for own, floor in zip(seen[ours], seen[bare], strict=True)) * 1000
        report.figure("ranks over bare processes", added_ms, "ms")
    return report.code(check=asked.check)


def _bare() -> float:
    begin = time.perf_counter()
    started = [subprocess.Popen(NOOP, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for _ in range(COUNT)]
    for process in started:
        process.wait()
    return time.perf_counter() - begin


def _ranks(folder: str) -> float:
    begin = time.perf_counter()
    finish(submit(folder, NOOP, COUNT))
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
