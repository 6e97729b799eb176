"""A page that stays open while 50 runs log ten times a second: how the server's memory and the page's heap grow.

    make soak [SOAK_S=3600]
    python -m benchmarks.page.soak [--check] [--seconds 3600]

A sample each tenth of the time; the first tenth, in which caches fill, does not count. Growth is that of the last sample over the first
that counts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile

from benchmarks.page.browser import LOOK
from benchmarks.page.served import LIVE_RUNS, Live, Server
from benchmarks.rounds import ROOT, Limit, Report, environment, parser
from tests.projects.jupyter import jupyter_python
from trainconf.paths import WorkspacePaths

SAMPLES = 10
SERVER, HEAP = "growth of the server", "growth of the page's heap"
LIMITS = [Limit(SERVER, 10), Limit(HEAP, 10)]


def main() -> int:
    words = parser(__doc__)
    words.add_argument("--seconds", type=float, default=3600)
    asked = words.parse_args()
    report = Report(*LIMITS)
    root = tempfile.mkdtemp(prefix="trainconf-soak-")
    try:
        os.makedirs(WorkspacePaths(root).state)  # makes it a workspace
        with Live(WorkspacePaths(root)) as live, Server(root) as server:
            seen = _stay(server, f"/runs?chosen={','.join(live.ids)}&all=1", asked.seconds)
    finally:
        shutil.rmtree(root)
    (first_mib, first_mb), (last_mib, last_mb) = seen[1], seen[-1]
    report.figure(SERVER, (last_mib / first_mib - 1) * 100, "%", f"{first_mib:.4g} to {last_mib:.4g} MiB, {LIVE_RUNS} runs")
    report.figure(HEAP, (last_mb / first_mb - 1) * 100, "%", f"{first_mb:.4g} to {last_mb:.4g} MB")
    return report.code(check=asked.check)


def _stay(server: Server, address: str, seconds: float) -> list[tuple[float, float]]:
    """The server's memory in MiB and the heap in MB, again and again."""
    argv = [os.fspath(jupyter_python()), LOOK, "stay", server.link, address, str(seconds), str(SAMPLES)]
    seen = []
    with subprocess.Popen(argv, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as looking:
        assert looking.stdout is not None
        for line in looking.stdout:
            said, resident = json.loads(line), server.resident_mib()
            seen.append((resident, float(said["heap_mb"])))
            told = f"server {resident:6.1f} MiB  heap {said['heap_mb']:5.2f} MB  {said['values']} values drawn"
            print(f"{said['at_s']:6.0f} s  {told}", flush=True)
    if looking.returncode or len(seen) != SAMPLES + 1:
        raise RuntimeError(f"the browser ended with {looking.returncode}")
    return seen


if __name__ == "__main__":
    sys.exit(main())
