"""A hundred no-op trials on Slurm: our array against `sbatch --array` of the bare script, our pack against both; a thousand submitted.

    SLURM_CONF=... python benchmarks/slurm_sweep.py [--rounds 5] [--trials 100] [--pack 4]

Rounds are interleaved; a ratio is the median of the rounds' own ratios. A way is over when the last output is there. What precedes sbatch
(start-up, composition, the trials' folders) is told apart: `prepared` is from the start of the command to its first job.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = ("-m", "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "submit.detach=true", "sweep.max_total_runs=100000")
PAUSE_S = 0.01


def bare(root: Path, count: int) -> float:
    """`sbatch --array` of a script that runs the same Python on the same file."""
    outputs = root / "bare"
    outputs.mkdir()
    (root / "train.py").write_text("print('done')\n")
    script = f"#!/bin/sh\nexec {sys.executable} {root}/train.py\n"
    began = time.perf_counter()
    options = ["sbatch", "--parsable", f"--array=0-{count - 1}", f"--output={outputs}/%a"]
    subprocess.run(options, input=script.encode(), check=True, stdout=subprocess.DEVNULL)
    while len([name for name in os.listdir(outputs) if os.path.getsize(outputs / name)]) < count:
        time.sleep(PAUSE_S)
    return time.perf_counter() - began


def ours(root: Path, count: int, *words: str) -> tuple[float, float]:
    """Seconds from the first job sent to the last output, and those before it."""
    (root / "train.py").write_text("print('done')\n")
    began = time.perf_counter()
    clock = time.time() - began
    sweep_id = submit(root, count, *words)
    home = root / "runs" / "adhoc" / sweep_id
    logs = [home.parent / f"{sweep_id}_{number}" / "logs" / "std_log.txt" for number in range(count)]
    while logs:
        logs = [log for log in logs if not (log.exists() and log.stat().st_size)]
        time.sleep(PAUSE_S)
    ended = time.perf_counter()
    sent = os.stat(home / "trials.jsonl").st_mtime - clock
    return ended - sent, sent - began


def submit(root: Path, count: int, *words: str) -> str:
    command = [sys.executable, "-m", "trainconf", *WORDS, f"+params.n=range(0,{count})", *words]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip()


def submission(count: int) -> dict[str, float]:
    """The client's seconds for so many trials, and of these the ones for composing and resolving them."""
    code = (
        "import os, sys, time\nfrom trainconf.cli.printer import printer\nfrom trainconf.paths import find_workspace\n"
        "from trainconf.resolve.grid import grid\nfrom trainconf.sweeps.controller import plan_sweep\n"
        "workspace = find_workspace(os.getcwd())\nbegan = time.perf_counter()\n"
        "sweep = plan_sweep(grid(sys.argv[1:], workspace), workspace, sys.argv[1:])\ncomposed = time.perf_counter()\n"
        "sweep.prepare(printer)\nsweep.start()\nprint(composed - began, time.perf_counter() - composed)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text("print('done')\n")
        words = [*WORDS[1:], f"+params.n=range(0,{count})", "+compute.sbatch={hold: true}"]
        done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, check=True, stdout=subprocess.PIPE)
        composed, submitted = map(float, done.stdout.split()[-2:])
        for home in Path(folder).glob("runs/adhoc/*/sweep.json"):
            subprocess.run(["scancel", f"--name={home.parent.name}"], check=True)
    return {"composed_s": composed, "submitted_s": submitted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--pack", type=int, default=4)
    parser.add_argument("--submitted", type=int, default=1000)
    asked = parser.parse_args()
    rows: dict[str, list[float]] = {"bare": [], "array": [], "packed": [], "prepared": []}
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bare", "array", "packed"):
                root = Path(folder) / name
                root.mkdir()
                if name == "bare":
                    rows[name].append(bare(root, asked.trials))
                    continue
                took, prepared = ours(root, asked.trials, *([f"compute.pack={asked.pack}"] if name == "packed" else []))
                rows[name].append(took)
                rows["prepared"].append(prepared)
                idle()
    ratios = {name: statistics.median(a / b for a, b in zip(rows[name], rows["bare"], strict=True)) for name in ("array", "packed")}
    print(json.dumps({"seconds": rows, "ratio_to_bare": ratios, "limits": {"array": 1.3, "packed": 0.35}}, indent=2))
    print(json.dumps({"trials": asked.submitted, **submission(asked.submitted)}))


def idle() -> None:
    """Until the cluster has forgotten the round."""
    while subprocess.run(["squeue", "--noheader", "--me"], check=True, stdout=subprocess.PIPE).stdout.strip():
        time.sleep(0.1)


if __name__ == "__main__":
    main()
