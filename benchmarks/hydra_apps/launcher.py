"""Twenty no-op jobs of a Hydra app by `hydra/launcher=trainconf`, against hydra-joblib-launcher and Hydra's own launcher.

    python -m benchmarks.hydra_apps.launcher [--check] [--rounds 5] [--jobs 20] --python PYTHON

PYTHON has this checkout with its extra `hydra`, and hydra-joblib-launcher, which no lock of ours has:

    uv venv joblib && uv pip install -p joblib/bin/python -e '.[hydra]' hydra-joblib-launcher

Rounds are interleaved; a ratio is the median of the rounds' own ratios. joblib runs the jobs in as many processes as there are CPUs, which
import Hydra once; a job of ours is a process of its own, with a run's directory. Hydra's own runs them one after the other, in one process.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.rounds import Limit, Report, environment, interleaved, parser, timed

LIMITS = [Limit("trainconf", 1.0, "joblib")]
APP = """
import hydra

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    return cfg.x

if __name__ == "__main__":
    main()
"""


def multirun(folder: Path, python: str, launcher: str, jobs: int, *words: str) -> float:
    """Seconds of a multirun, in an app's folder that nothing has run in."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "conf").mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    (folder / "conf" / "config.yaml").write_text("x: 0\n")
    return timed([python, "app.py", "-m", f"hydra/launcher={launcher}", f"x=range({jobs})", *words], str(folder))


def main() -> int:
    """Measure and print; 1 when checked and a limit was missed."""
    arguments = parser(__doc__, rounds=5)
    arguments.add_argument("--jobs", type=int, default=20)
    arguments.add_argument("--python", default=sys.executable, help="a Python that has hydra-joblib-launcher")
    given = arguments.parse_args()
    report = Report(*LIMITS)
    there = "import importlib.util, sys; sys.exit(importlib.util.find_spec('hydra_plugins.hydra_joblib_launcher') is None)"
    if subprocess.run([given.python, "-c", there], env=environment(), check=False).returncode:
        print(f"{given.python} has no hydra-joblib-launcher: give one that has by --python")
        return report.code(check=given.check)
    with tempfile.TemporaryDirectory() as root:
        rows = {name: partial(multirun, Path(root) / "app", given.python, name, given.jobs) for name in ("joblib", "trainconf", "basic")}
        report.rows(interleaved(rows, given.rounds), "joblib")
    return report.code(check=given.check)


if __name__ == "__main__":
    sys.exit(main())
