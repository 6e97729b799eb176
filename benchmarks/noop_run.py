"""One no-op run, end to end, against a bare `@hydra.main` app that does the same work in its own process.

    python benchmarks/noop_run.py [--rounds 15]

Ours composes, resolves, snapshots a tree of 100 files in a git repository, asks git, runs the script in a process of its own under
an agent, captures, records and indexes. `cold` has words that were never composed before; `warm` repeats its words.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.rounds import interleaved, report, timed

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


def main() -> None:
    parser = argparse.ArgumentParser(description="One no-op run against a bare Hydra app.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        app, project = make_hydra_app(os.path.join(folder, "app")), os.path.join(folder, "project")
        make_project(project)
        run = [sys.executable, "-m", "trainconf", "experiment=adhoc", "script=train.py", "env=current", "+params.lr=0.1"]
        time.sleep(2.2)  # files written a moment ago are rightly not trusted by any cache
        seen = interleaved({
            "python -c pass": lambda: timed([sys.executable, "-c", "pass"], project),
            "bare @hydra.main app": lambda: timed([sys.executable, app], os.path.dirname(app)),
            "trainconf, cold": lambda: timed([*run, f"+params.now={time.time_ns()}"], project),
            "trainconf, warm": lambda: timed(run, project),
        }, rounds)
        report(seen, "bare @hydra.main app", {"trainconf, cold": 1.1, "trainconf, warm": 0.35})


if __name__ == "__main__":
    main()
