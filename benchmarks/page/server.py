"""The server of `trainconf ui`: its start, its memory, the table of many runs, a curve of a million points, a large log, live values.

    python -m benchmarks.page.server [--check] [--runs 100000] [--rounds 15]

Times are from a request to the whole answer, by the standard library's HTTP client on the same machine; what a browser adds is measured
elsewhere. The workspace is made in a temporary folder first (a few minutes for 100,000 runs), and removed afterwards.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from typing import Any

from benchmarks.listing import make_runs
from benchmarks.page.served import LARGE, LIVE_RUNS, Live, Server, make_large
from benchmarks.rounds import Limit, Report, parser
from trainconf.paths import WorkspacePaths

LIVE_S = 20.0
START, MEMORY, ROWS, SORT, FAR = "command to answering", "server, resident", "first rows", "sort by a metric", "page in the middle"
FIRST, AGAIN, ZOOM, LOG = "a million points, first", "a million points, again", "a million points, zoom", "end of a log of 10 GiB"
P50, P95 = "a value to its event, p50", "a value to its event, p95"
LIMITS = [
    Limit(START, 400), Limit(MEMORY, 60), Limit(ROWS, 500), Limit(SORT, 100), Limit(FAR, 100), Limit(FIRST, 2000), Limit(AGAIN, 150),
    Limit(ZOOM, 100), Limit(LOG, 100), Limit(P50, 150), Limit(P95, 300),
]  # fmt: skip


def main() -> int:
    words = parser(__doc__, rounds=15)
    words.add_argument("--runs", type=int, default=100_000)
    asked = words.parse_args()
    report = Report(*LIMITS)
    root = tempfile.mkdtemp(prefix="trainconf-page-")
    try:
        make_runs(root, asked.runs)
        started = [_started(root) for _ in range(asked.rounds)]
        report.figure(START, statistics.median(each for each, _ in started), "ms")
        report.figure(MEMORY, statistics.median(each for _, each in started), "MiB")
        with Server(root) as server:
            server.await_index()
            _measure(report, server, root, asked)
    finally:
        shutil.rmtree(root)
    return report.code(check=asked.check)


def _started(root: str) -> tuple[float, float]:
    with Server(root) as server:
        return server.started_ms, server.resident_mib()


def _measure(report: Report, server: Server, root: str, asked: Any) -> None:
    report.figure(ROWS, server.took_ms("/api/runs?limit=60", asked.rounds), "ms")
    report.figure(SORT, server.took_ms("/api/runs?limit=60&sort=metric.best", asked.rounds), "ms")
    far = asked.runs // 2
    report.figure(FAR, server.took_ms(f"/api/runs?limit=60&sort=metric.best&offset={far}", asked.rounds), "ms")
    workspace = WorkspacePaths(root)
    make_large(workspace)
    curve = f"/api/series?runs={LARGE}&names=loss&buckets=1000"
    report.figure(FIRST, server.took_ms(curve), "ms")
    time.sleep(3)  # what is kept on the disk is written beside
    report.figure(AGAIN, server.took_ms(curve, asked.rounds), "ms")
    report.figure(ZOOM, server.took_ms(f"{curve}&from=400000&to=410000", asked.rounds), "ms")
    report.figure(LOG, server.took_ms(f"/api/runs/{LARGE}/log?rank=0", asked.rounds), "ms")
    with Live(workspace) as live:
        seen = _latencies(server, live.ids)
    report.figure(P50, statistics.median(seen), "ms", f"{len(seen)} values of {LIVE_RUNS} runs")
    report.figure(P95, statistics.quantiles(seen, n=20)[-1], "ms")


def _latencies(server: Server, ids: list[str]) -> list[float]:
    connection, headers = server.connect()
    topics = {"points": dict.fromkeys(ids, 0), "runs": {"k": {"limit": 60}}}
    connection.request("POST", "/api/stream", json.dumps({"topics": topics}), headers)
    answer = connection.getresponse()
    until, seen = time.time() + LIVE_S, []
    while time.time() < until:
        name = answer.readline().decode().strip()
        data = answer.readline()
        answer.readline()
        now = time.time()
        if name == "event: points":
            seen += [(now - seconds) * 1000 for points in json.loads(data[6:])["names"].values() for _, seconds, _, _ in points]
    connection.close()
    return seen[len(seen) // 10 :]  # the first tenth is what was there before


if __name__ == "__main__":
    sys.exit(main())
