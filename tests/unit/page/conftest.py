"""A real server on a workspace, in a process of its own, and a client that sends exactly what a test says."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Page:
    """A running `trainconf ui`."""

    def __init__(self, root: Path, *words: str, env: dict[str, str] | None = None) -> None:
        self.root = root
        if not (root / ".trainconf").exists():
            (root / ".trainconf").mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trainconf", "ui", "--no-browser", *words], cwd=root, env={**os.environ, **(env or {})}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip()
        assert self.link, self.end()
        self.token = self.link.partition("#t=")[2]
        self.port = int(self.link.split(":")[2].partition("/")[0])

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Ask it to end; its exit code and what it has said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=300)
        return self.process.returncode, said

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """A request with these headers, `_` for `-`, and the token unless `authorization` says another; status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        sent = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-").title(): value for name, value in headers.items()}}
        connection.request(method, path, body, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        data = b"" if answer.getheader("content-type") == "text/event-stream" else answer.read()  # which has no end
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data

    def get(self, path: str) -> Any:
        """The JSON at a path, which must be answered."""
        while (answer := self.ask("GET", path))[0] == 503 and "retry-after" in answer[1]:
            time.sleep(int(answer[1]["retry-after"]))
        status, _, data = answer
        assert status == 200, data
        return json.loads(data)

    def post(self, path: str, value: Any) -> Any:
        """The JSON that a POST of JSON from the page itself is answered with."""
        origin = f"http://127.0.0.1:{self.port}"
        status, _, data = self.ask("POST", path, json.dumps(value).encode(), content_type="application/json", origin=origin)
        assert status == 200, data
        return json.loads(data)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Starts pages of a workspace; all of them end with the test."""
    started: list[Page] = []

    def start(*words: str, root: Path | None = None, **how: Any) -> Page:
        started.append(Page(root or tmp_path, *words, **how))
        return started[-1]

    yield start
    for page in started:
        page.end()
