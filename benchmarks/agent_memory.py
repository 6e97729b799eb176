"""What an agent costs: memory, CPU and wake-ups while it waits, the time until its first event, the CPU of a trial in a pool.

    python -m benchmarks.agent_memory [--seconds 10] [--check]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime

from benchmarks.bare_runs import finish, processes_of, submit
from benchmarks.rounds import Limit, Report, parser
from trainconf import files
from trainconf.history import events
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec, RunSpec

LIMITS = [
    Limit("waiting, memory", 25), Limit("waiting, share of a core", 0.5), Limit("a trial of a pool over a bare spawn, CPU", 4),
]  # fmt: skip
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def status(pids: list[int], field: str, name: str = "status") -> int:
    """The sum of a field of /proc/PID/status over some processes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/{name}", encoding="ascii") as stream:
            total += next(int(line.split()[1]) for line in stream if line.startswith(field + ":"))
    return total


def cpu_s(pids: list[int]) -> float:
    """CPU seconds that processes have used so far."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def waiting(root: str, seconds: float, report: Report) -> None:
    handle = submit(os.path.join(root, "waiting"), ["sleep", str(seconds + 1)])
    time.sleep(0.5)
    pids = processes_of(handle)
    cpu, wakes = cpu_s(pids), status(pids, "voluntary_ctxt_switches")
    time.sleep(seconds)
    share = (cpu_s(pids) - cpu) / seconds * 100
    wakes = status(pids, "voluntary_ctxt_switches") - wakes
    resident_mb, own_mb = status(pids, "VmRSS") / 1e3, status(pids, "Pss", "smaps_rollup") / 1e3
    report.figure("waiting, memory", resident_mb, "MB", f"{own_mb:.1f} with shared pages counted once")
    report.figure("waiting, share of a core", share, "%", f"{wakes} wake-ups in {seconds:g} s")
    finish(handle)


def starting(root: str, rounds: int = 15) -> None:
    """From the submitter's spawn to the agent's first event, against a bare interpreter that does nothing."""
    bare, up = [], []
    for number in range(rounds):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        bare.append(time.perf_counter() - begin)
        handle = submit(os.path.join(root, f"start-{number}"), ["true"])
        finish(handle)
        created, queued = (datetime.fromisoformat(e["time"].replace("Z", "+00:00")) for e in events.read(handle.paths)[:2])
        up.append((queued - created).total_seconds())
    first, floor = statistics.median(up) * 1000, statistics.median(bare) * 1000
    print(f"starting: first event after {first:.1f} ms; a bare `python -I -S` takes {floor:.1f} ms")


def pool_overhead(root: str, report: Report, count: int = 100) -> None:
    """CPU of the pool's agent per trial, against a loop of spawn and wait in this process."""
    home = RunPaths(os.path.join(root, "sweep"))
    os.mkdir(home.run_dir)
    files.write_atomic(home.sweep, json.dumps({"max_concurrent_runs": 2}))
    launcher = LocalLauncher()
    spec = RunSpec(code=CodeSpec(command=("/bin/true",), argument_style="none"))
    plans = []
    for number in range(count):
        paths = RunPaths(os.path.join(root, f"trial-{number}"))
        os.makedirs(paths.code)
        os.makedirs(paths.logs)
        events.append(paths, "NotStarted")
        compute = {"slots": 2, "lease_dir": os.path.join(root, "leases")}
        plans.append(launcher.plan(Job(spec=spec, paths=paths, experiment_name="bench", python=sys.executable, compute=compute)))
    lock = files.FileLock(home.lock)
    lock.acquire()
    pool = launcher.pool(home, lock, {}, {}, 2)
    time.sleep(0.2)
    cpu = cpu_s(processes_of(pool.handle))
    pool.add(plans)
    done = RunPaths(plans[-1].run_dir)
    while (events.last(done) or {}).get("state") not in events.TERMINAL:
        time.sleep(0.01)
    cpu = cpu_s(processes_of(pool.handle)) - cpu
    pool.close()
    pool.wait()
    begin = time.process_time()
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    bare = time.process_time() - begin
    more = f"{cpu / count * 1000:.2f} ms of the agent, {bare / count * 1000:.2f} for a bare spawn"
    report.figure("a trial of a pool over a bare spawn, CPU", (cpu - bare) / count * 1000, "ms", more)


def main() -> int:
    words = parser(__doc__)
    words.add_argument("--seconds", type=float, default=10.0)
    asked = words.parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as root:
        waiting(root, asked.seconds, report)
        starting(root)
        pool_overhead(root, report)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
