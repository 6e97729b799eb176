"""One no-op job on Slurm: what a submission costs the client, how soon its end is known, and what `sbatch` itself takes.

    SLURM_CONF=... python -m benchmarks.slurm.submit [--check] [--rounds 15]

Each figure of ours is taken in a fresh process after its start-up: imports, composition, snapshot and git are the same for every
target, and `python -m benchmarks.noop_run` measures them. Imports that only Slurm needs count.
`noticed` is from the time in the run's last event.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.rounds import Limit, Report, environment, parser

WRAP = "sbatch --wrap, to its output file"
LIMITS = [Limit("a submission", 20), Limit("an end noticed after", 250), Limit("job", 2.5, WRAP)]
SETTLED_S = 1.0  # a job is scheduled sooner or later by what has just happened: each row begins at a random time after the one before


def bare_job(folder: str) -> float:
    """Seconds from `sbatch --wrap` to the job's output file."""
    path = os.path.join(folder, f"{time.time_ns()}.out")
    begin = time.perf_counter()
    subprocess.run(["sbatch", "--parsable", f"--output={path}", "--wrap=true"], check=True, stdout=subprocess.DEVNULL)
    while not os.path.exists(path):
        time.sleep(0.005)
    return time.perf_counter() - begin


def bare_sbatch(folder: str) -> float:
    """Seconds of `sbatch` alone, for a job that is held."""
    begin = time.perf_counter()
    words = ["sbatch", "--parsable", "--hold", "--output=/dev/null", "--wrap=true"]
    job_id = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout.strip()
    seconds = time.perf_counter() - begin
    subprocess.run(["scancel", job_id], check=True)
    return seconds


def our_job(folder: str) -> dict[str, float]:
    """One job of ours, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.slurm.submit", "--once", folder]
    return dict(json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, env=environment()).stdout))


def once(folder: str) -> dict[str, float]:
    """Plan twice, as a submission does, submit and wait; seconds of each."""
    import hydra  # noqa: F401 (what every submission has loaded by then)

    import trainconf.launchers.protocol
    import trainconf.submission.submit
    from trainconf.files import FileLock
    from trainconf.history import events
    from trainconf.launchers import get
    from trainconf.paths import RunPaths
    from trainconf.spec import CodeSpec, RunSpec

    paths = RunPaths(os.path.join(folder, "runs", "noop", f"noop-{time.time_ns()}"))
    job = trainconf.launchers.protocol.Job(
        spec=RunSpec(code=CodeSpec(command=("true",), argument_style="none")), paths=paths, experiment_name="noop", python=sys.executable
    )
    for path in (paths.code, paths.outputs, paths.logs):
        os.makedirs(path)
    lock = FileLock(paths.lock)
    lock.acquire()
    events.append(paths, "NotStarted")
    begin = time.perf_counter()
    launcher = get("slurm")
    launcher.plan(job)
    handle = launcher.submit(launcher.plan(job), lock, {})
    submitted = time.perf_counter()
    state = launcher.wait(handle)
    ended, now = time.perf_counter(), time.time()
    assert state.status == "Completed", state.reason
    return {"submit": submitted - begin, "job": ended - begin, "noticed": now - (events.seconds(state.event["time"]) or 0.0)}


def _settle() -> None:
    time.sleep(SETTLED_S + random.random())


def main() -> int:
    words = parser(__doc__, rounds=15)
    words.add_argument("--once", metavar="FOLDER", help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.once:
        print(json.dumps(once(asked.once)))
        return 0
    if shutil.which("sbatch") is None or subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode:
        print("no Slurm answers here")
        return 0
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        measure(folder, asked.rounds, report)
    return report.code(check=asked.check)


def measure(folder: str, rounds: int, report: Report) -> None:
    """Rounds of all rows, interleaved, after one that is thrown away; print medians."""
    seen: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        row = {"sbatch": bare_sbatch(folder)}
        _settle()
        row[WRAP] = bare_job(folder)
        _settle()
        row |= our_job(folder)
        _settle()
        if number:
            for name, seconds in row.items():
                seen.setdefault(name, []).append(seconds)
    report.rows(seen, WRAP)
    report.figure("a submission", statistics.median(seen["submit"]) * 1000, "ms", f"at worst {max(seen['submit']) * 1000:.1f}")
    report.figure("an end noticed after", statistics.median(seen["noticed"]) * 1000, "ms", f"at worst {max(seen['noticed']) * 1000:.1f}")


if __name__ == "__main__":
    sys.exit(main())
