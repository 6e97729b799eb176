"""Grids: composing 1,000 trials, and 50 no-op runs on two slots against `xargs -P2` of the bare script.

    python benchmarks/grid.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.rounds import environment, interleaved, report, timed

RUNS = 50
TRIALS = 1000


def compose_ms_per_trial(project: str) -> float:
    """Milliseconds of composing one trial of a grid of 1,000, the first composition apart."""
    from trainconf.composition.grid import grid
    from trainconf.paths import find_workspace

    words = ["experiment=adhoc", "script=train.py", "env=current", "+params.a=range(0,100)", "+params.b=range(0,10)"]
    combinations = grid(words, find_workspace(project))
    begin = time.perf_counter()
    assert sum(1 for _ in combinations) == TRIALS
    return (time.perf_counter() - begin) / TRIALS * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="Grids against xargs.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as project:
        with open(os.path.join(project, "train.py"), "w") as stream:
            stream.write("pass\n")
        bare = f"seq {RUNS} | xargs -P2 -I@ '{sys.executable}' train.py --a @"
        sweep = [
            sys.executable, "-m", "trainconf", "-m", "experiment=adhoc", "script=train.py", "env=current", "compute.slots=2",
            f"compute.lease_dir={project}/leases", f"+params.a=range(0,{RUNS})",
        ]
        seen = interleaved({
            "xargs -P2": lambda: timed(["sh", "-c", bare], project),
            "trainconf -m": lambda: timed(sweep, project),
        }, rounds)
        report(seen, "xargs -P2", {})
        over = statistics.median(ours - floor for ours, floor in zip(seen["trainconf -m"], seen["xargs -P2"], strict=True))
        print(f"over xargs, per run: {over / RUNS * 1000:.1f} ms, start-up included (at most 20, aim 8)")
        print(f"composing a grid of {TRIALS}: {compose_ms_per_trial(project):.3f} ms per trial (at most 1)")
        subprocess.run([sys.executable, "-m", "trainconf", "ls", "--limit", "1"], cwd=project, env=environment(), check=True)


if __name__ == "__main__":
    main()
