"""Captured output: a child that writes to a file itself, against the same child under the agent.

    python -m benchmarks.capture [--rounds 7] [--check]

`the child` is its own wall time as the agent recorded it; `whole run` adds the agent's start and its last words. The agent's memory is
read while the child writes. Jobs have PYTHONUNBUFFERED=1, so that their output can be followed; the same child has it on both sides,
and the last line says what that variable by itself costs a Python script that writes line by line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.bare_runs import finish, processes_of, submit
from benchmarks.rounds import Limit, Report, interleaved, parser

AWK = ["awk", 'BEGIN { for (n = 0; n < 1000000; n++) print "a short line of output, number 7" }']
PRINT = [sys.executable, "-c", "for n in range(1_000_000):\n    print('a short line of output, number 7')"]
GIB = [sys.executable, "-c", "import os\nblock = (b'x' * 1023 + b'\\n') * 64\nfor n in range(1 << 14):\n    os.write(1, block)"]
CASES = {"1,000,000 short lines (awk)": AWK, "1,000,000 short lines (Python)": PRINT, "1 GiB": GIB}

LIMITS = [Limit("under the agent: the child", 1.1, "child > file"), Limit("agent, memory", 25)]


class Bench:
    """One kind of output, measured both ways in fresh folders."""

    def __init__(self, root: str, argv: list[str]) -> None:
        self.root = root
        self.argv = argv
        self.count = 0
        self.whole_s = 0.0
        self.agent_peak_bytes = 0

    def fresh(self) -> str:
        self.count += 1
        return os.path.join(self.root, f"run-{self.count}")

    def direct(self, unbuffered: str = "1") -> float:
        """Seconds of the child with the file as its output."""
        env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        path = self.fresh()
        with open(path, "wb") as stream:
            begin = time.perf_counter()
            subprocess.run(self.argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=True, env=env)
            seconds = time.perf_counter() - begin
        os.truncate(path, 0)
        return seconds

    def captured(self) -> float:
        """Seconds of the child under the agent; `whole_s` is the whole run."""
        folder = self.fresh()
        begin = time.perf_counter()
        handle = submit(folder, self.argv)
        time.sleep(0.05)
        self.agent_peak_bytes = max(self.agent_peak_bytes, peak_rss_bytes(processes_of(handle)[0]))
        seconds = finish(handle)["wall_s"]
        self.whole_s = time.perf_counter() - begin
        os.truncate(handle.paths.log(0), 0)
        return seconds

    def rows(self) -> dict[str, Callable[[], float]]:
        return {
            "child > file": self.direct,
            "under the agent: the child": self.captured,
            "under the agent: whole run": lambda: self.whole_s,
        }


def peak_rss_bytes(pid: int | None) -> int:
    """VmHWM of a process (proc(5))."""
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) * 1024 for line in stream if line.startswith("VmHWM"))


def main() -> int:
    asked = parser(__doc__, rounds=7).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as root:
        for name, argv in CASES.items():
            bench = Bench(os.path.join(root, name.replace(" ", "-")), argv)
            os.mkdir(bench.root)
            print(f"captured output, {name}")
            report.rows(interleaved(bench.rows(), asked.rounds), "child > file")
            report.figure("agent, memory", bench.agent_peak_bytes / 1e6, "MB")
        bench = Bench(root, PRINT)
        buffered = interleaved({"buffered": lambda: bench.direct(""), "PYTHONUNBUFFERED=1": bench.direct}, asked.rounds)
        print("what PYTHONUNBUFFERED costs a script that prints 1,000,000 lines, without trainconf")
        report.rows(buffered, "buffered")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
