"""What 100,000 calls of `Run.log` cost, compared with as many plain writes to a file; and what `from trainconf import Run` costs.

    python -m benchmarks.metrics.log_calls [--check] [--rounds 5]

The CPU time of the quietest round counts, above the start of Python, each time in a process of its own.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile

from benchmarks.rounds import Limit, Report, environment, parser

CALLS = 100_000
TIME, SIZE, RATIO = f"{CALLS:,} calls of log, CPU time, quietest", "what they write", "that to as many plain writes of a text to a file"
MEMORY, IMPORT = "the memory of that process above a bare Python's", "from trainconf import Run, CPU time, quietest"
LIMITS = [Limit(TIME, 1.5), Limit(SIZE, 20), Limit(RATIO, 8), Limit(MEMORY, 20), Limit(IMPORT, 5)]
LOG = f"""
from trainconf import Run
run = Run.get_context()
for step in range({CALLS}):
    run.log("loss", 1 / (step + 3), step=step)
"""
PLAIN = f"""
import os
with open(os.path.join(os.environ["TRAINCONF_RUN_DIR"], "plain"), "ab", buffering=0) as stream:
    for step in range({CALLS}):
        stream.write(b'{{"name":"loss","value":%a,"step":%d}}\\n' % (1 / (step + 3), step))
"""
PEAK = """
with open("/proc/self/status") as stream:
    print(next(line for line in stream if line.startswith("VmHWM:")))
"""


def used(code: str, folder: str) -> tuple[float, float]:
    """CPU seconds of a Python program, its start included, and the most memory it had, in MB."""
    env = environment() | {"TRAINCONF_RUN_DIR": folder, "TRAINCONF_RUN_ID": "bench"}
    child = subprocess.Popen([sys.executable, "-S", "-c", code + PEAK], env=env, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    peak = child.stdout.read()  # wait4(2) tells of its parent's memory, too, which it had before execve(2)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return _seconds(usage), int(peak.split()[1]) / 1024


def _seconds(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    asked = parser(__doc__, rounds=5).parse_args()
    report = Report(*LIMITS)
    found: dict[str, list[tuple[float, float]]] = {"nothing": [], "log": [], "plain": [], "Run": []}
    size = 0
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
            for name, code in (("nothing", ""), ("log", LOG), ("plain", PLAIN), ("Run", "from trainconf import Run")):
                found[name].append(used(code, folder))
            size = os.path.getsize(os.path.join(folder, "metrics.jsonl"))
    start = min(seconds for seconds, _ in found["nothing"])
    took = {name: min(seconds for seconds, _ in rounds) - start for name, rounds in found.items()}
    report.figure(TIME, took["log"], "s")
    report.figure(SIZE, size / 1e6, "MB")
    report.figure(RATIO, took["log"] / took["plain"], "x", f"these take {took['plain']:.2g} s")
    report.figure(MEMORY, max(size for _, size in found["log"]) - max(size for _, size in found["nothing"]), "MB")
    report.figure(IMPORT, took["Run"] * 1000, "ms")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
