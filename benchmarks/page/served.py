"""A page that is served, and what it is asked to show: a million points, a log of 10 GiB, runs that log while somebody looks."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

from benchmarks.listing import MAIN
from benchmarks.rounds import environment
from tests.unit.history.build import make_run
from trainconf import files
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths

POINTS, LOG_BYTES = 1_000_000, 10 << 30
LIVE_RUNS, LIVE_HZ = 50, 10
LOSS = {"name": "loss", "goal": "minimize"}
LARGE = "large"  # the id of the run that has them


class Server:
    """A running page. `started_ms`: from the command to the first answer."""

    def __init__(self, root: str) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-c", MAIN, "ui", "--no-browser"]
        self.process = subprocess.Popen(command, cwd=root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip()
        self.port, self.token = int(self.link.split(":")[2].partition("/")[0]), self.link.partition("#t=")[2]
        self.get("/api/about")
        self.started_ms = (time.perf_counter() - began) * 1000

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def connect(self) -> tuple[http.client.HTTPConnection, dict[str, str]]:
        """A connection, and the headers that every request needs."""
        origin = f"http://127.0.0.1:{self.port}"
        headers = {"Authorization": f"Bearer {self.token}", "Origin": origin, "Content-Type": "application/json"}
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600), headers

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        connection, headers = self.connect()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {data.decode()}")
        return json.loads(data)

    def took_ms(self, path: str, rounds: int = 1) -> float:
        """The median time of an answer."""
        seen = []
        for _ in range(rounds):
            began = time.perf_counter()
            self.get(path)
            seen.append((time.perf_counter() - began) * 1000)
        return statistics.median(seen)

    def await_index(self) -> None:
        """Wait until the index of the runs is made."""
        while "reading" in self.get("/api/runs"):
            time.sleep(0.5)

    def resident_mib(self) -> float:
        """What is in memory of it now."""
        return resident_mib(self.process.pid)

    def end(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def resident_mib(pid: int) -> float:
    """What is in memory of a process now."""
    with open(f"/proc/{pid}/status") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS")) / 1024


def make_large(workspace: WorkspacePaths) -> None:
    """A run with a series of a million points, and a log of 10 GiB that has a hole in it."""
    large = make_run(workspace, LARGE, "curves")
    chance = random.Random(3)
    with open(large.metrics, "w") as stream:
        for step in range(POINTS):
            value = chance.random() / (1 + step) ** 0.2
            line = {"time": events.text(1_800_000_000 + step / 100), "name": "loss", "value": value, "step": step}
            stream.write(json.dumps(line, separators=(",", ":")) + "\n")
    with open(large.log(0), "r+b") as log:
        log.truncate(LOG_BYTES)
        log.seek(0, os.SEEK_END)
        log.write(b"epoch 1 loss 0.3\n" * 10_000)


class Live:
    """Runs that log ten times a second, each value being when it was written, in milliseconds since the epoch. A context manager."""

    def __init__(self, workspace: WorkspacePaths, prefix: str = "live") -> None:
        running = ("NotStarted", "Queued", "Running")
        self.runs = [make_run(workspace, f"{prefix}-{number}", "live", states=running, metric=LOSS) for number in range(LIVE_RUNS)]
        self._locks = [files.FileLock(paths.lock) for paths in self.runs]
        self._is_over = threading.Event()
        self._writer = threading.Thread(target=self._write)

    @property
    def ids(self) -> list[str]:
        return [paths.run_id for paths in self.runs]

    def __enter__(self) -> Live:
        for lock in self._locks:
            lock.acquire()
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._writer.join()
        for paths, lock in zip(self.runs, self._locks, strict=True):
            files.append_line(paths.events, {"time": events.now(), "state": "Completed", "attempt": 1, "exit_code": 0, "reason": ""})
            lock.release()

    def _write(self) -> None:
        """What is due, one run after the other; a writer that was kept waiting by a busy machine catches up."""
        rate, began, written = LIVE_HZ * LIVE_RUNS, time.monotonic(), 0
        while not self._is_over.wait(1 / rate):
            due = int((time.monotonic() - began) * rate)
            for number in range(written, due):
                _log(self.runs[number % LIVE_RUNS], number // LIVE_RUNS)
            written = due


def _log(paths: RunPaths, step: int) -> None:
    files.append_line(paths.metrics, {"time": events.now(), "name": "loss", "value": time.time() * 1000, "step": step})
