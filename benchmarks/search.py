"""Searches: 50 short trials on two slots against `xargs -P2` of the bare script, and how busy two slots are with trials of 0.2 to 1.5 s.

    python -m benchmarks.search [--check] [--rounds 3]

Needs the extra `sweeps`. A trial prints its loss, which the agent reads: a search by worth needs one.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile

from benchmarks.rounds import Limit, Report, interleaved, parser, timed

RUNS = 50
NAPS = 40
KINDS = ("random", "bayes")
LIMITS = [
    Limit("sweep=random", 1.5, "xargs -P2"), Limit("sweep=bayes", 2.0, "xargs -P2"),
    *(Limit(f"time of two slots not used, sweep={kind}", 8) for kind in KINDS),
]
SCRIPT = "import sys\nprint('loss', sys.argv[-1])\n"
NAP = "import os, time\ntime.sleep({naps}[int(os.environ['TRAINCONF_RUN_ID'].rpartition('_')[2])])\n" + SCRIPT


def main() -> int:
    asked = parser(__doc__, rounds=3).parse_args()
    report = Report(*LIMITS)
    rng = random.Random(7)
    naps = [round(rng.uniform(0.2, 1.5), 3) for _ in range(NAPS)]
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as project:
        with open(os.path.join(project, "train.py"), "w") as stream:
            stream.write(SCRIPT)
        with open(os.path.join(project, "nap.py"), "w") as stream:
            stream.write(NAP.format(naps=naps))

        def search(kind: str, total: int, script: str = "train.py") -> list[str]:
            return [
                sys.executable, "-m", "trainconf", "-m", "experiment=adhoc", f"script={script}", "env=current", "compute.slots=2",
                f"compute.lease_dir={project}/leases", f"sweep={kind}", f"sweep.max_total_runs={total}", "metric.name=loss",
                r"+stdout_metrics.loss='loss (\S+)'", "+params.lr=log_interval(0.0001, 1)",
            ]  # fmt: skip

        bare = f"seq {RUNS} | xargs -P2 -I@ '{sys.executable}' train.py --lr @"
        rows = {"xargs -P2": lambda: timed(["sh", "-c", bare], project)}
        for kind in KINDS:
            rows[f"sweep={kind}"] = lambda kind=kind: timed(search(kind, RUNS), project)  # type: ignore[misc]
        report.rows(interleaved(rows, asked.rounds), "xargs -P2")
        for kind in KINDS:
            wall = timed(search(kind, NAPS, "nap.py"), project)
            report.figure(f"time of two slots not used, sweep={kind}", 100 - 100 * sum(naps) / 2 / wall, "%")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
