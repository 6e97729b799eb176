"""The cost of an image that is there, of one that must be built, and of a changed last requirement.

    python -m benchmarks.docker.image [--check] [--rounds 7] [--pip-config FILE] [--ca-file FILE]

Needs an engine and its python:3.11-slim.

Hit: milliseconds of `ensure` in a process that has built nothing, beside one bare request for the same image over the same socket.
Miss: `ensure` beside `docker build` of the same thing by hand (a Dockerfile with one RUN per requirement), both without any layer of
theirs; then the last of three requirements changed, in both. Interleaved; ratios are medians of the ratios of each round.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.rounds import Limit, Report, median_ratio, parser
from trainconf.engine.client import Engine
from trainconf.environments import EnvironmentRequest, Prepared, ensure, read_recipe
from trainconf.environments.image.scripts import CA_FILE, PIP_CONFIG
from trainconf.environments.removal import rm, sweep_image_leftovers
from trainconf.environments.store import ls
from trainconf.paths import WorkspacePaths

LIMITS = [Limit("changed last line to first build", 1)]
BASE = "python:3.11-slim"
REQUIREMENTS = ["numpy==2.3.5", "scipy==1.16.3", "joblib==1.5.1"]
CHANGED = [*REQUIREMENTS[:2], "joblib==1.5.2"]
SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
BY_HAND = "trainconf-benchmark-by-hand"
HITS = 30


def ours(root: str, lines: list[str], build: Mapping[str, Any]) -> tuple[float, Prepared]:
    spec = read_recipe({"requirements": lines, "docker": {"base_image": BASE}}, root, [], as_image=True)
    begin = time.perf_counter()
    made = ensure(EnvironmentRequest(spec, WorkspacePaths(root), "bench", image_build=build))
    return time.perf_counter() - begin, made


def by_hand(folder: str, lines: list[str], mounted: Mapping[str, str], *, cached: bool) -> float:
    """Build what a careful user writes: a venv, one layer for each requirement. It copies the mirror's files in; ours mounts them."""
    for name, path in mounted.items():
        shutil.copy(path, os.path.join(folder, name))
    settings = "".join(f"COPY {name} {target}\n" for name, target in (("pip.conf", PIP_CONFIG), ("ca.pem", CA_FILE)) if name in mounted)
    settings += f"ENV PIP_CONFIG_FILE={PIP_CONFIG}\n" if "pip.conf" in mounted else ""
    settings += f"ENV PIP_CERT={CA_FILE}\n" if "ca.pem" in mounted else ""
    with open(os.path.join(folder, "Dockerfile"), "w") as stream:
        stream.write(f"FROM {BASE}\n{settings}RUN python -m venv --system-site-packages --without-pip /env\n")
        stream.writelines(f"RUN /env/bin/python -m pip install --disable-pip-version-check {line}\n" for line in lines)
    options = [] if cached else ["--no-cache"]
    command = ["docker", "build", "--quiet", "--network=host", "-t", f"{BY_HAND}:{int(cached)}", *options, folder]
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"DOCKER_BUILDKIT": "0"})
    return time.perf_counter() - begin


def forget_by_hand() -> None:
    """Remove what `docker build` made, with all its layers: those of the first build carry the second."""
    for number in (1, 0):
        subprocess.run(["docker", "rmi", f"{BY_HAND}:{number}"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def median_ms(times: list[float]) -> float:
    return statistics.median(times) * 1e3


def hits(root: str, build: Mapping[str, Any], report: Report) -> None:
    made = ours(root, REQUIREMENTS, build)[1]
    spent: list[float] = []
    bare: list[float] = []
    for _ in range(HITS):
        spent.append(ours(root, REQUIREMENTS, build)[0])
        engine = Engine(SOCKET, "1.41")
        begin = time.perf_counter()
        engine.get(f"/images/{made.image}/json")
        bare.append(time.perf_counter() - begin)
    more = f"{median_ms(spent):.1f} ms, one bare request {median_ms(bare):.1f} ms"
    report.figure("a hit to one bare request", median_ratio(spent, bare), "x", more)


def main() -> int:
    words = parser(__doc__, rounds=7)
    words.add_argument("--pip-config", default="")
    words.add_argument("--ca-file", default="")
    asked = words.parse_args()
    report = Report(*LIMITS)
    measure(asked.rounds, asked.pip_config, asked.ca_file, report)
    return report.code(check=asked.check)


def measure(rounds: int, pip_config: str, ca_file: str, report: Report) -> None:
    build = {"network": "host", "pip_config": pip_config or None, "ca_file": ca_file or None}
    mounted = {name: path for name, path in (("pip.conf", pip_config), ("ca.pem", ca_file)) if path}
    rows: list[tuple[float, float, float, float]] = []
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as folder:
        workspace = WorkspacePaths(root)
        try:
            ours(root, ["joblib==1.5.1"], build)  # so that the download cache and the engine are warm
            for number in range(rounds):
                first, _ = ours(root, REQUIREMENTS, build)
                hand = by_hand(folder, REQUIREMENTS, mounted, cached=False)
                changed, _ = ours(root, CHANGED, build)
                rows.append((first, hand, changed, by_hand(folder, CHANGED, mounted, cached=True)))
                print(f"round {number + 1}: " + "first {:.1f} s, by hand {:.1f}; changed {:.1f}, by hand {:.1f}".format(*rows[-1]))
                forget_by_hand()
                for built in ls(workspace):
                    rm(workspace, built.hash, lambda _: ())
                sweep_image_leftovers(workspace)
            hits(root, build, report)
        finally:
            for built in ls(workspace):
                rm(workspace, built.hash, lambda _: ())
            sweep_image_leftovers(workspace)
            forget_by_hand()
    for what, a, b in (("first build to `docker build`", 0, 1), ("changed last line to first build", 2, 0), ("changed, to by hand", 2, 3)):
        report.figure(what, statistics.median(row[a] / row[b] for row in rows), "x")


if __name__ == "__main__":
    sys.exit(main())
