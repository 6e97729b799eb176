"""Grids: composing 1,000 trials, and 50 no-op runs on two slots against `xargs -P2` of the bare script.

    python -m benchmarks.grid [--check] [--rounds 5]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.rounds import Limit, Report, environment, interleaved, parser, timed

LIMITS = [Limit("over xargs, a run, start-up included", 20), Limit("composing one trial of a grid", 1)]
RUNS = 50
TRIALS = 1000


def compose_ms_per_trial(project: str) -> float:
    """Milliseconds of composing one trial of a grid of 1,000, the first composition apart."""
    from trainconf.composition.sweep.grid import grid
    from trainconf.paths import find_workspace

    words = ["experiment=adhoc", "script=train.py", "env=current", "+params.a=range(0,100)", "+params.b=range(0,10)"]
    combinations = grid(words, find_workspace(project))
    begin = time.perf_counter()
    assert sum(1 for _ in combinations) == TRIALS
    return (time.perf_counter() - begin) / TRIALS * 1000


def main() -> int:
    asked = parser(__doc__, rounds=5).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        project = os.path.join(folder, "project")  # the leases lie beside it: a trial does not copy them with its code
        os.mkdir(project)
        with open(os.path.join(project, "train.py"), "w") as stream:
            stream.write("pass\n")
        bare = f"seq {RUNS} | xargs -P2 -I@ '{sys.executable}' train.py --a @"
        sweep = [
            sys.executable, "-m", "trainconf", "-m", "experiment=adhoc", "script=train.py", "env=current", "compute.slots=2",
            f"compute.lease_dir={folder}/leases", f"+params.a=range(0,{RUNS})",
        ]
        seen = interleaved({
            "xargs -P2": lambda: timed(["sh", "-c", bare], project),
            "trainconf -m": lambda: timed(sweep, project),
        }, asked.rounds)
        report.rows(seen, "xargs -P2")
        over = statistics.median(ours - floor for ours, floor in zip(seen["trainconf -m"], seen["xargs -P2"], strict=True))
        report.figure("over xargs, a run, start-up included", over / RUNS * 1000, "ms")
        report.figure("composing one trial of a grid", compose_ms_per_trial(project), "ms", f"{TRIALS} trials")
        subprocess.run([sys.executable, "-m", "trainconf", "ls", "--limit", "1"], cwd=project, env=environment(), check=True)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
