"""Captured output in Docker: a job whose log its container writes itself, against `docker run` redirecting to a mounted file.

    python -m benchmarks.docker.capture [--check] [--rounds 5] [--image python:3.11-slim]

Both are whole: from the first process to the last. Throughput is the inverse, so 0.9x of it is 1.11x of the time. The agent's memory is
read while the job writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks.bare_runs import processes_of
from benchmarks.capture import peak_rss_bytes
from benchmarks.rounds import Limit, Report, interleaved, parser
from trainconf import files
from trainconf.history import events
from trainconf.launchers.docker.launcher import DockerLauncher
from trainconf.launchers.protocol import Job
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec, RunSpec

LINES = ["awk", 'BEGIN { for (n = 0; n < 1000000; n++) print "a short line of output, number 7" }']
GIB = ["python3", "-c", "import os\nblock = (b'x' * 1023 + b'\\n') * 64\nfor n in range(1 << 14):\n    os.write(1, block)"]
CASES = {"1,000,000 short lines (awk)": LINES, "1 GiB": GIB}

LIMITS = [Limit("trainconf", 1.11, "docker run > mounted file"), Limit("agent, memory", 25)]


class Bench:
    """One kind of output, written both ways into fresh folders."""

    def __init__(self, root: str, image: str, argv: list[str]) -> None:
        self.root = root
        self.image = image
        self.argv = argv
        self.count = 0
        self.agent_peak_bytes = 0

    def fresh(self) -> RunPaths:
        self.count += 1
        paths = RunPaths(os.path.join(self.root, "runs", "bench", f"run-{self.count}"))
        for folder in (paths.code, paths.logs, paths.outputs):
            os.makedirs(folder)
        return paths

    def bare(self) -> float:
        paths = self.fresh()
        mount = f"{paths.run_dir}:{paths.run_dir}"
        words = ["docker", "run", "--rm", "-v", mount, self.image, "sh", "-c", 'exec "$@" >>"$0"', paths.log(0)]
        begin = time.perf_counter()
        subprocess.run([*words, *self.argv], check=True)
        seconds = time.perf_counter() - begin
        os.unlink(paths.log(0))
        return seconds

    def captured(self) -> float:
        paths = self.fresh()
        spec = RunSpec(code=CodeSpec(command=tuple(self.argv), argument_style="none"))
        compute = {"lease_dir": os.path.join(self.root, "leases")}
        launcher = DockerLauncher()
        job = Job(spec=spec, paths=paths, experiment_name="bench", python=sys.executable, image=self.image, compute=compute)
        begin = time.perf_counter()
        plan = launcher.plan(job)
        lock = files.FileLock(paths.lock)
        lock.acquire()
        events.append(paths, "NotStarted")
        handle = launcher.submit(plan, lock, {})
        while not os.path.exists(paths.log(0)) or not os.path.getsize(paths.log(0)):
            time.sleep(0.005)
        self.agent_peak_bytes = max(self.agent_peak_bytes, peak_rss_bytes(processes_of(handle)[0]))
        state = launcher.wait(handle)
        seconds = time.perf_counter() - begin
        if state.status != "Completed":
            raise RuntimeError(f"{state.status}: {state.reason}")
        os.unlink(paths.log(0))
        return seconds

    def rows(self) -> dict[str, Callable[[], float]]:
        return {"docker run > mounted file": self.bare, "trainconf": self.captured}


def main() -> int:
    words = parser(__doc__, rounds=5)
    words.add_argument("--image", default="python:3.11-slim")
    asked = words.parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as root:
        for name, argv in CASES.items():
            bench = Bench(os.path.join(root, name.replace(" ", "-")), asked.image, argv)
            os.mkdir(bench.root)
            print(f"captured output in Docker, {name}")
            report.rows(interleaved(bench.rows(), asked.rounds), "docker run > mounted file")
            report.figure("agent, memory", bench.agent_peak_bytes / 1e6, "MB")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
