"""One no-op run, end to end, against a bare `@hydra.main` app that does the same work in its own process.

    python -m benchmarks.noop_run [--check] [--rounds 15]

Ours composes, resolves, snapshots a tree of 100 files in a git repository, asks git, runs the script in a process of its own under
an agent, captures, records and indexes. `cold` has words that were never composed before; `changed` another number in place of one that was
composed; `warm` repeats its words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.rounds import Limit, Report, interleaved, parser, timed

APP, PYTHON = "bare @hydra.main app", "python -c pass"
LIMITS = [
    Limit("trainconf, cold", 0.75, APP), Limit("trainconf, changed", 0.4, APP), Limit("trainconf, warm", 0.22, APP),
    Limit("trainconf, warm", 5.5, PYTHON), Limit("trainconf plan, warm", 4, PYTHON),
]  # fmt: skip
HYDRA_APP = """
import hydra

@hydra.main(config_path="conf", config_name="config", **({"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}))
def main(config):
    pass

main()
"""
GROUPS = {
    "compute": "slots: 2\ncpus: 1\n", "env": "name: minimal\nrequirements: []\n", "distributed": "kind: none\n", "sweep": "kind: grid\n",
}  # fmt: skip


def make_hydra_app(folder: str) -> str:
    """A four-group app, as Hydra's documentation writes them; the path of its script."""
    defaults = "defaults:\n" + "".join(f"  - {group}: only\n" for group in GROUPS) + "  - _self_\nparams:\n  lr: 0.1\n"
    for group, text in GROUPS.items():
        os.makedirs(os.path.join(folder, "conf", group))
        _write(os.path.join(folder, "conf", group, "only.yaml"), text)
    _write(os.path.join(folder, "conf", "config.yaml"), defaults)
    _write(os.path.join(folder, "app.py"), HYDRA_APP)
    return os.path.join(folder, "app.py")


def make_project(folder: str) -> None:
    """A committed repository of 100 files, the script among them."""
    os.makedirs(folder)
    _write(os.path.join(folder, "train.py"), "pass\n")
    _write(os.path.join(folder, ".gitignore"), "runs/\n.trainconf/\n")
    for number in range(98):
        _write(os.path.join(folder, f"module_{number}.py"), f"VALUE = {number}\n" * 20)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=folder, check=True)


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:
        stream.write(text)


def main() -> int:
    asked = parser(__doc__, rounds=15).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        app, project = make_hydra_app(os.path.join(folder, "app")), os.path.join(folder, "project")
        make_project(project)
        program, words = [sys.executable, "-m", "trainconf"], ["experiment=adhoc", "script=train.py", "env=current"]
        run = [*program, *words, "+params.lr=0.1"]
        time.sleep(2.2)  # files written a moment ago are rightly not trusted by any cache
        seen = interleaved({
            PYTHON: lambda: timed([sys.executable, "-c", "pass"], project),
            APP: lambda: timed([sys.executable, app], os.path.dirname(app)),
            "trainconf, cold": lambda: timed([*run, f"+params.now=[{time.time_ns()}]"], project),
            "trainconf, changed": lambda: timed([*program, *words, f"+params.lr={time.time_ns()}"], project),
            "trainconf, warm": lambda: timed(run, project),
            "trainconf plan, warm": lambda: timed([*program, "plan", *words, "+params.lr=0.1"], project),
        }, asked.rounds)
        report.rows(seen, APP)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
