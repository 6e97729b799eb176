"""A hundred no-op trials on Slurm: our array, with and without a policy, and our pack against `sbatch --array` of the bare script.

    SLURM_CONF=... python -m benchmarks.slurm.sweep [--check] [--rounds 5] [--trials 100] [--pack 4]

With a policy each trial logs the metric once, and a controller beside the array watches all of them.

Rounds are interleaved; a ratio is the median of the rounds' own ratios. A way is over when the last output is there. What precedes sbatch
(start-up, composition, the trials' folders) is told apart: `prepared` is from the start of the command to its first job.

Nothing is removed before the end: an ext4 without a journal looks at every inode that was removed in the last minutes before it makes a new
one, and then making files costs ten times as much, for them and for us. The thousand are submitted into folders that nothing was removed
from, beside `same_files`: the same folders and files made by plain calls, and one sync.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rounds import Limit, Report, parser
from trainconf.files import is_locked, sync_disk

LIMITS = [Limit("submitted", 2), Limit("array", 1.2, "bare"), Limit("policy", 1.4, "bare"), Limit("packed", 0.3, "bare")]
WORDS = ("-m", "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "submit.detach=true", "sweep.max_total_runs=100000")
SCRIPT = "print('done')\n"
LOGGING_SCRIPT = f"from trainconf import Run\nRun.get_context().log('loss', 1.0)\n{SCRIPT}"
POLICY = ("sweep=grid", "sweep/policy=median", "sweep.policy.delay_evaluation=1", "metric.name=loss")
PAUSE_S = 0.01
BARE = "trainconf-bare"


def bare(root: Path, count: int, code: str = SCRIPT) -> float:
    """Seconds of `sbatch --array` of a script that runs the same Python on the same file, to the last output. `code` prints something."""
    outputs = root / "bare"
    outputs.mkdir()
    (root / "train.py").write_text(code)
    script = f"#!/bin/sh\nexec {sys.executable} {root}/train.py\n"
    began = time.perf_counter()
    options = ["sbatch", "--parsable", f"--array=0-{count - 1}", f"--output={outputs}/%a", f"--job-name={BARE}"]
    subprocess.run(options, input=script.encode(), check=True, stdout=subprocess.DEVNULL)
    while len([name for name in os.listdir(outputs) if os.path.getsize(outputs / name)]) < count:
        time.sleep(PAUSE_S)
    took = time.perf_counter() - began
    idle(BARE)
    return took


def ours(root: Path, count: int, *words: str, script: str = SCRIPT) -> tuple[float, float]:
    """Seconds from the first job sent to the last output, and seconds before the first job."""
    (root / "train.py").write_text(script)
    began = time.perf_counter()
    clock = time.time() - began
    sweep_id = submit(root, count, *words)
    home = root / "runs" / "adhoc" / sweep_id
    logs = [home.parent / f"{sweep_id}_{number}" / "logs" / "std_log.txt" for number in range(count)]
    while logs:
        logs = [log for log in logs if not (log.exists() and log.stat().st_size)]
        time.sleep(PAUSE_S)
    ended = time.perf_counter()
    idle(sweep_id)
    while is_locked(str(home / "controller.lock")):
        time.sleep(PAUSE_S)
    sent = os.stat(home / "trials.jsonl").st_mtime - clock
    return ended - sent, sent - began


def submit(root: Path, count: int, *words: str) -> str:
    command = [sys.executable, "-m", "trainconf", *WORDS, f"+params.n=range(0,{count})", *words]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip()


def submission(root: Path, count: int) -> dict[str, float]:
    """Seconds of the client to compose and to submit trials, beside plain calls that make the same files."""
    code = (
        "import os, resource, sys, time\nfrom trainconf.cli.screen.printer import printer\nfrom trainconf.paths import find_workspace\n"
        "from trainconf.composition.sweep.grid import grid\nfrom trainconf.sweeps.batch import plan_sweep\n"
        "workspace = find_workspace(os.getcwd())\nbegan = time.perf_counter()\n"
        "sweep = plan_sweep(grid(sys.argv[1:], workspace), workspace, sys.argv[1:])\ncomposed = time.perf_counter()\n"
        "sweep.prepare(printer)\nsweep.start()\nprint(composed - began, time.perf_counter() - composed)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, sweep.sweep_id)\n"
    )
    (root / "train.py").write_text(SCRIPT)
    words = [*WORDS[1:], f"+params.n=range(0,{count})", "+compute.sbatch={hold: true}"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=root, check=True, stdout=subprocess.PIPE)
    composed, submitted, peak_bytes, sweep_id = done.stdout.decode().split()[-4:]
    subprocess.run(["scancel", f"--name={sweep_id}"], check=True)
    idle(sweep_id)
    same = same_files(root / "runs", root / "same")
    return {"composed_s": float(composed), "submitted_s": float(submitted), "same_files_s": same, "peak_mb": int(peak_bytes) / 1e6}


def same_files(tree: Path, dest: Path) -> float:
    """Seconds to make the same folders, links and files by plain calls, and to sync once."""
    found = [(folder, folders, names) for folder, folders, names in os.walk(tree)]
    sizes = {(folder, name): os.lstat(os.path.join(folder, name)).st_size for folder, _, names in found for name in names}
    data = b"x" * max(sizes.values())
    began = time.perf_counter()
    dest.mkdir()
    for folder, folders, names in found:
        here = os.path.join(dest, os.path.relpath(folder, tree))
        for name in folders:
            os.mkdir(os.path.join(here, name))
        for name in names:
            fd = os.open(os.path.join(here, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(fd, data[: sizes[folder, name]])
            os.close(fd)
    sync_disk(os.fspath(dest))
    return time.perf_counter() - began


def main() -> int:
    words = parser(__doc__, rounds=5)
    words.add_argument("--trials", type=int, default=100)
    words.add_argument("--pack", type=int, default=4)
    words.add_argument("--submitted", type=int, default=1000)
    asked = words.parse_args()
    if shutil.which("sbatch") is None or subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode:
        print("no Slurm answers here")
        return 0
    report = Report(*LIMITS)
    top = Path(tempfile.mkdtemp(prefix="trainconf-sweep-"))
    try:
        submissions = [submission(folder_in(top, f"submitted_{number}"), asked.submitted) for number in range(asked.rounds)]
        submitted = {name: statistics.median(row[name] for row in submissions) for name in submissions[0]}
        print(json.dumps({"trials": asked.submitted, **submitted}, indent=2))
        report.figure("submitted", submitted["submitted_s"], "s")
        rows = sweeps(top, asked.rounds, asked.trials, asked.pack)
    finally:
        shutil.rmtree(top)
    report.rows({name: rows[name] for name in ("bare", "array", "policy", "packed")}, "bare")
    print(f"prepared: {statistics.median(rows['prepared']):.2f} s")
    return report.code(check=asked.check)


def sweeps(top: Path, rounds: int, trials: int, pack: int) -> dict[str, list[float]]:
    """Seconds of the bare array, our array without and with a policy, and our pack, round by round."""
    rows: dict[str, list[float]] = {"bare": [], "array": [], "policy": [], "packed": [], "prepared": []}
    for number in range(rounds):
        rows["bare"].append(bare(folder_in(top, f"bare_{number}"), trials))
        ways = {"array": ((), SCRIPT), "policy": (POLICY, LOGGING_SCRIPT), "packed": ((f"compute.pack={pack}",), SCRIPT)}
        for name, (words, script) in ways.items():
            took, prepared = ours(folder_in(top, f"{name}_{number}"), trials, *words, script=script)
            rows[name].append(took)
            rows["prepared"].append(prepared)
    return rows


def folder_in(top: Path, name: str) -> Path:
    """A workspace of its own, whatever lies above it."""
    folder = top / name
    (folder / ".trainconf").mkdir(parents=True)
    return folder


def idle(name: str) -> None:
    """Wait until the cluster has no job of that name."""
    while subprocess.run(["squeue", "--noheader", "--me", f"--name={name}"], check=True, stdout=subprocess.PIPE).stdout.strip():
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
