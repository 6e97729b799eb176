"""One no-op run in Docker, end to end, against `docker run --rm` of the same image on the same network plus trainconf's own start-up.

    python -m benchmarks.docker.run [--check] [--rounds 11] [--image python:3.11-slim]

Own start-up is `trainconf plan` of the same words: composing, resolving, and asking the engine what it is. The rest of a run (snapshot,
directory, agent, container, record) has to fit into the 15 % that are allowed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial

from benchmarks.noop_run import make_project
from benchmarks.rounds import Limit, Report, interleaved, parser, timed

LIMITS = [Limit("trainconf", 1.15, "docker run --rm + own start-up")]
NETWORKS = ("bridge", "host", "none")


def main() -> int:
    words = parser(__doc__, rounds=11)
    words.add_argument("--image", default="python:3.11-slim")
    asked = words.parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        project = os.path.join(folder, "project")
        make_project(project)
        program = [sys.executable, "-m", "trainconf"]
        time.sleep(2.2)  # files written a moment ago are rightly not trusted by any cache
        for network in NETWORKS:
            run = ["experiment=adhoc", "script=train.py", "compute=docker", f"compute.network={network}", "env=current",
                     f"env.docker.image={asked.image}", f"compute.lease_dir={folder}/leases"]  # fmt: skip
            docker = ["docker", "run", "--rm", "--network", network, "-v", f"{project}:{project}", "-w", project]
            bare = [*docker, asked.image, "python3", "train.py"]
            seen = interleaved({
                "docker run --rm": partial(timed, bare, project),
                "trainconf plan": partial(timed, [*program, "plan", *run], project),
                "trainconf": partial(timed, [*program, *run], project),
            }, asked.rounds)  # fmt: skip
            floor = [bare_s + start_s for bare_s, start_s in zip(seen["docker run --rm"], seen["trainconf plan"], strict=True)]
            print(f"network {network}")
            report.rows({**seen, "docker run --rm + own start-up": floor}, "docker run --rm + own start-up")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
