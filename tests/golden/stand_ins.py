"""An engine and a cluster that are not there: they say the same on every machine, and carry nothing out."""

from __future__ import annotations

import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SLURM_COMMANDS = Path(__file__).parent / "slurm_commands"
INFO = {
    "ServerVersion": "28.3.0", "CgroupDriver": "systemd", "CgroupVersion": "2", "NCPU": 64, "MemTotal": 2**38,
    "SecurityOptions": ["name=seccomp,profile=builtin"], "Runtimes": {"runc": {}}, "OperatingSystem": "Debian GNU/Linux 13",
}  # fmt: skip


class _Answers(BaseHTTPRequestHandler):
    """What the plan asks of an engine: what it is like, and whether it has an image, which it never has."""

    def do_GET(self) -> None:
        if self.path == "/_ping":
            return self._answer(200, "OK")
        if self.path.endswith("/info"):
            return self._answer(200, INFO)
        return self._answer(404, {"message": f"no such thing: {self.path}"})

    def _answer(self, status: int, found: object) -> None:
        content = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.48")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "a test"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def engine() -> Iterator[str]:
    """The address of an engine; at the end it is gone."""
    with tempfile.TemporaryDirectory(prefix="tc-engine-") as folder:  # a socket's path is short
        path = os.path.join(folder, "docker.sock")
        with _Server(path, _Answers) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield f"unix://{path}"
            finally:
                server.shutdown()
                thread.join()
