"""The page of `trainconf ui` in a real Chromium, with trackio's page beside it in the same rounds.

    python -m benchmarks.page.browser [--check] [--runs 100000] [--rounds 5] [--workspace FOLDER]

A time ends at the frame that shows what was waited for. Each round of the first rows begins with an empty cache. The quietest round
counts, for the machine does other things, too; the load is told. trackio has 200 runs, of which its page draws all. The workspace is
made in a temporary folder, unless a folder is named: it is made there once, and stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.listing import make_runs
from benchmarks.page.served import LARGE, LIVE_HZ, LIVE_RUNS, POINTS, Live, Server, make_large, resident_mib
from benchmarks.rounds import ROOT, Limit, Report, environment, parser
from tests.made_once import python_of
from tests.projects.jupyter import jupyter_python
from trainconf.paths import WorkspacePaths

LOOK = os.path.join(ROOT, "tests", "page", "scripts", "look.py")
LIVE_S = 20
TRACKIO_RUNS, TRACKIO_POINTS = 200, 20
ROWS, SENT, HEAP, MEMORY = "first rows", "sent until then", "script heap", "server, resident"
SORT, FIRST, AGAIN, LOG = "sort by a metric", "a million points, first", "a million points, again", "end of a log of 10 GiB"
P50, P95, LIVE_HEAP, LIVE_MEMORY = (f"{LIVE_RUNS} runs log: {words}" for words in ("p50", "p95", "script heap", "server, resident"))
LIMITS = [
    Limit(ROWS, 500), Limit(SENT, 90), Limit(HEAP, 40), Limit(MEMORY, 60), Limit(SORT, 100), Limit(FIRST, 2000), Limit(AGAIN, 150),
    Limit(LOG, 100), Limit(P50, 150), Limit(P95, 300), Limit(LIVE_HEAP, 40), Limit(LIVE_MEMORY, 60),
    *(Limit(f"{name}, ratio to trackio", 1) for name in (ROWS, SENT, HEAP, MEMORY)),
]  # fmt: skip
FILL = f"""
import trackio
for number in range({TRACKIO_RUNS}):
    run = trackio.init(project="bench", name=f"run-{{number}}", config={{"lr": number / 1000, "layers": number % 5}}, embed=False)
    for step in range({TRACKIO_POINTS}):
        trackio.log({{"loss": 1 / (step + 1), "val_accuracy": step / {TRACKIO_POINTS}}}, step=step)
    trackio.finish()
"""
SHOW = "import trackio; trackio.show(project='bench', open_browser=False)"


def look(case: str, link: str, *words: Any) -> Any:
    """What a case of `look` saw."""
    argv = [os.fspath(jupyter_python()), LOOK, case, link, *map(str, words)]
    return json.loads(subprocess.run(argv, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True).stdout)


@contextlib.contextmanager
def trackio(folder: str) -> Iterator[tuple[str, int]]:
    """The page of trackio over its runs: its link, and the id of its process."""
    python, env = os.fspath(python_of("trackio")), environment() | {"TRACKIO_DIR": folder, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, "-c", FILL], env=env, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    with subprocess.Popen([python, "-u", "-c", SHOW], env=env, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        link = next(found[0] for line in process.stdout if (found := re.search(r"http://[^\s\x1b]+", line)))  # it is printed in colours
        try:
            yield link, process.pid
        finally:
            process.terminate()


def compare(report: Report, server: Server, rounds: int) -> None:
    """Both pages, fresh, round by round."""
    with tempfile.TemporaryDirectory() as folder, trackio(folder) as (link, pid):
        seen: dict[str, list[dict[str, float]]] = {"trainconf": [], "trackio": []}
        for _ in range(rounds):
            for name, address in (("trainconf", server.link), ("trackio", link)):
                seen[name] += look("first", address, 1)
        ours, theirs = ({key: min(each[key] for each in seen[name]) for key in ("ms", "bytes", "heap_mb")} for name in seen)
        for name, key, unit, per in ((ROWS, "ms", "ms", 1), (SENT, "bytes", "KB", 1000), (HEAP, "heap_mb", "MB", 1)):
            report.figure(name, ours[key] / per, unit, f"median {statistics.median(each[key] for each in seen['trainconf']) / per:.4g}")
            beside = f"of {TRACKIO_RUNS} runs: {theirs[key] / per:.4g} {unit}"
            report.figure(f"{name}, ratio to trackio", ours[key] / theirs[key], "x", beside)
        report.figure(MEMORY, server.resident_mib(), "MiB")
        report.figure(f"{MEMORY}, ratio to trackio", server.resident_mib() / resident_mib(pid), "x", f"{resident_mib(pid):.4g} MiB")


def measure(report: Report, server: Server, workspace: WorkspacePaths, rounds: int) -> None:
    """Our page alone: what trackio's does not have."""
    report.figure(SORT, *_quietest(look("table", server.link, 2 * rounds)))
    found = look("large", server.link, LARGE, POINTS, rounds)
    report.figure(FIRST, found["first"], "ms")
    report.figure(AGAIN, *_quietest(found["again"]))
    report.figure(LOG, *_quietest(found["log"]))
    with Live(workspace, f"live-{time.time_ns()}") as live:
        found = look("live", server.link, f"/runs?chosen={','.join(live.ids)}&all=1", LIVE_S)
        report.figure(LIVE_MEMORY, server.resident_mib(), "MiB")
    if len(found["ms"]) < LIVE_S * LIVE_RUNS * LIVE_HZ / 2:
        raise RuntimeError(f"the page has drawn {len(found['ms'])} of {LIVE_S * LIVE_RUNS * LIVE_HZ} values")
    report.figure(P50, statistics.median(found["ms"]), "ms", f"{len(found['ms'])} values")
    report.figure(P95, statistics.quantiles(found["ms"], n=20)[-1], "ms")
    report.figure(LIVE_HEAP, found["heap_mb"], "MB")


def _quietest(seen: list[float]) -> tuple[float, str, str]:
    return min(seen), "ms", f"median {statistics.median(seen):.4g}"


def main() -> int:
    words = parser(__doc__, rounds=5)
    words.add_argument("--runs", type=int, default=100_000)
    words.add_argument("--workspace", default="")
    asked = words.parse_args()
    report = Report(*LIMITS)
    root = asked.workspace or tempfile.mkdtemp(prefix="trainconf-page-")
    workspace = WorkspacePaths(root)
    try:
        if not os.path.exists(workspace.runs):
            make_runs(root, asked.runs)
            make_large(workspace)
        shutil.rmtree(workspace.cache, ignore_errors=True)
        print(f"load {os.getloadavg()[0]:.1f}")
        with Server(root) as server:
            server.await_index()
            compare(report, server, asked.rounds)
            measure(report, server, workspace, asked.rounds)
        print(f"load {os.getloadavg()[0]:.1f}")
    finally:
        if not asked.workspace:
            shutil.rmtree(root)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
