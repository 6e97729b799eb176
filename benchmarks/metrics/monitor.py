"""What it costs to sample a run of 50 processes every ten seconds, and a run that does nothing.

    python -m benchmarks.metrics.monitor [--check] [--rounds 7]

CPU time of a sample in the quietest round, as a share of a core at an interval of ten seconds. Then runs of a script that does nothing,
with `monitor.interval_seconds=10` and 0, in turns.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks.noop_run import make_project
from benchmarks.rounds import Limit, Report, interleaved, parser, timed
from trainconf.agent.monitor.sampler import Sampler

PROCESSES = 50
SAMPLES = 30
INTERVAL_SECONDS = 10
SHARE, ON, OFF = "share of a core, 50 processes, quietest", "a run that does nothing, sampled", "the same, not sampled"
LIMITS = [Limit(SHARE, 0.3), Limit(ON, 1.03, OFF)]
TREE = f"import os, time\nfor _ in range({PROCESSES - 1}):\n    if not os.fork(): time.sleep(1000); os._exit(0)\ntime.sleep(1000)"


def sample_s(root: int, path: str) -> float:
    """CPU seconds of a sample, with its line on the disk."""
    sampler = Sampler(path, [root], [], INTERVAL_SECONDS)
    begin = time.process_time()
    for _ in range(SAMPLES):
        sampler._sample()
    return (time.process_time() - begin) / SAMPLES


def main() -> int:
    asked = parser(__doc__, rounds=7).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        tree = subprocess.Popen([sys.executable, "-c", TREE], start_new_session=True)
        time.sleep(2)
        try:
            seconds = min(sample_s(tree.pid, os.path.join(folder, "system.jsonl")) for _ in range(asked.rounds))
        finally:
            os.killpg(tree.pid, signal.SIGKILL)
            tree.wait()
        report.figure(SHARE, 100 * seconds / INTERVAL_SECONDS, "%", f"{seconds * 1000:.2f} ms, {_processes()} processes on the machine")
        project = os.path.join(folder, "project")
        make_project(project)
        run = [sys.executable, "-m", "trainconf", "experiment=adhoc", "script=train.py", "env=current"]
        time.sleep(2.2)  # files written a moment ago are rightly not trusted by any cache
        rows = {
            OFF: lambda: timed([*run, "monitor.interval_seconds=0"], project),
            ON: lambda: timed([*run, "monitor.interval_seconds=10"], project),
        }
        report.rows(interleaved(rows, 3 * asked.rounds), OFF)
    return report.code(check=asked.check)


def _processes() -> int:
    return sum(1 for name in os.listdir("/proc") if name.isdigit())


if __name__ == "__main__":
    sys.exit(main())
