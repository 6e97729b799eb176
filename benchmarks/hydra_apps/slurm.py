"""A hundred no-op jobs of a Hydra app by `hydra/launcher=trainconf` on Slurm, against `sbatch --array` of what any such job has to do.

    SLURM_CONF=... python -m benchmarks.hydra_apps.slurm [--check] [--rounds 5] [--jobs 100]

Of ours the whole command counts: the start of the app, the composition of all jobs, and what each returns. A task of the array `hydra`
starts the same Python and imports Hydra; the limit is a ratio to it. A task of `plain` starts the same Python alone.

Rounds are interleaved; a ratio is the median of the rounds' own ratios. Nothing is removed before the end, as in benchmarks/slurm/sweep.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

from benchmarks.hydra_apps.launcher import multirun
from benchmarks.rounds import Limit, Report, interleaved, parser
from benchmarks.slurm.sweep import SCRIPT, bare, folder_in

LIMITS = [Limit("trainconf", 1.3, "hydra")]


def main() -> int:
    """Measure and print; 1 when checked and a limit was missed."""
    arguments = parser(__doc__, rounds=5)
    arguments.add_argument("--jobs", type=int, default=100)
    given = arguments.parse_args()
    if shutil.which("sbatch") is None or subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode:
        print("no Slurm answers here")
        return 0
    report = Report(*LIMITS)
    top, numbers = Path(tempfile.mkdtemp(prefix="trainconf-hydra-")), count()

    def fresh() -> Path:
        return folder_in(top, str(next(numbers)))

    try:
        report.rows(interleaved({
            "plain": lambda: bare(fresh(), given.jobs),
            "hydra": lambda: bare(fresh(), given.jobs, f"import hydra\n{SCRIPT}"),
            "trainconf": lambda: multirun(fresh() / "app", sys.executable, "trainconf", given.jobs, "hydra.launcher.compute=slurm"),
        }, given.rounds), "hydra")
    finally:
        shutil.rmtree(top)
    return report.code(check=given.check)


if __name__ == "__main__":
    sys.exit(main())
