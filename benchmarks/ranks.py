"""Eight ranks of a no-op on this machine, from their submission to their recorded end, against eight bare processes.

    python benchmarks/ranks.py [--rounds 15]

What ours adds is the agent: its start, the port it keeps for the ranks to meet, a log for each, and the events.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.bare_runs import finish, submit
from benchmarks.rounds import interleaved, report

COUNT = 8
LIMIT_MS = 60
NOOP = [sys.executable, "-c", "pass"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Eight ranks against eight bare processes.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        bare, ours = f"{COUNT} bare processes", f"{COUNT} ranks of one run"
        seen = interleaved({bare: _bare, ours: lambda: _ranks(os.path.join(folder, str(time.time_ns())))}, rounds)
        report(seen, bare, {})
        added_ms = statistics.median(own - floor for own, floor in zip(seen[ours], seen[bare], strict=True)) * 1000
        print(f"added: {added_ms:.1f} ms  at most {LIMIT_MS} ms")


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
    main()
