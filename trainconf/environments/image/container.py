"""A container that works for a build: a script goes in, an exit code comes out, what it says is followed as it is said.

The script arrives on standard input and what it needs is mounted, so neither is in the container's record nor in an image made of it.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from trainconf.engine.client import EngineError
from trainconf.environments.image.leftovers import remove_container
from trainconf.environments.recipe.requirements import KEPT_LINES
from trainconf.process import interruptions_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from trainconf.engine.client import Engine

INSIDE = "/mnt/trainconf"
SITE = f"{INSIDE}/site"  # the building folder, read-only
OUTPUT = f"{INSIDE}/output"  # the part of it that is written
LOG, ANSWER = "log", "answer"
CACHE, CACHE_VOLUME = f"{INSIDE}/pip-cache", "trainconf-pip-cache"
SHELL = ("sh", "-c", 'eval "$(cat)"')
HEADER = f"exec >>{OUTPUT}/{LOG} 2>&1 </dev/null\n"
POLL_INTERVAL_S = 0.1


class NoShell(Exception):
    """The image has no `sh`."""


class BuildContainer:
    """Makes containers of one build, one at a time, and images of them.

    `folder` is the building folder on this machine; `mounts` are further things to mount, as the engine's API has them.
    """

    def __init__(
        self, engine: Engine, name: str, label: tuple[str, str], folder: str, mounts: list[dict[str, Any]], network: str,
        report: Callable[[str], None],
    ) -> None:
        self.engine = engine
        self.name = name
        self.labels = dict([label])
        self.folder = folder
        self.mounts = mounts
        self.network = network
        self.report = report

    @contextmanager
    def of(self, image_id: str, user: str) -> Iterator[None]:
        """A container of an image, gone at the end of the block. Raises EngineError."""
        remove_container(self.engine, self.name)
        os.makedirs(os.path.join(self.folder, "output"), exist_ok=True)
        body = {
            "Image": image_id, "Entrypoint": [], "Cmd": list(SHELL), "User": user, "WorkingDir": "/", "Labels": self.labels,
            "OpenStdin": True, "StdinOnce": True, "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {
                "Mounts": self._mounts(), "Tmpfs": {INSIDE: ""}, "LogConfig": {"Type": "none"},
                **({"NetworkMode": self.network} if self.network else {}),
            },
        }
        try:
            with interruptions_held():
                self.engine.post("/containers/create", {"name": self.name}, body)
            yield
        finally:
            remove_container(self.engine, self.name)

    def run(self, script: str) -> tuple[int, str]:
        """Run a script in the container; its exit code, and the last lines of what it said. Raises EngineError, NoShell."""
        self._clear()
        with self.engine.attach_stdin(self.name) as stdin:
            try:
                self.engine.post(f"/containers/{self.name}/start")
            except EngineError as error:
                if '"sh"' in error.message:
                    raise NoShell from error
                raise
            stdin.sendall((HEADER + script).encode("utf-8", "surrogateescape"))
        return self._followed()

    def answer(self) -> bytes:
        """What the script wrote to the file ANSWER."""
        with open(os.path.join(self.folder, "output", ANSWER), "rb") as stream:
            return stream.read()

    def commit(self, config: dict[str, Any], labels: dict[str, str], comment: str) -> str:
        """An image of the container as it is; its id. Raises EngineError."""
        query = {"container": self.name, "pause": False, "comment": comment}
        body = config | {"Labels": {**(config.get("Labels") or {}), **labels}}
        return str(self.engine.post("/commit", query, body, timeout_s=None)["Id"])

    def _mounts(self) -> list[dict[str, Any]]:
        return [
            {"Type": "bind", "Source": self.folder, "Target": SITE, "ReadOnly": True},
            {"Type": "bind", "Source": os.path.join(self.folder, "output"), "Target": OUTPUT},
            {"Type": "volume", "Source": CACHE_VOLUME, "Target": CACHE},
            *self.mounts,
        ]

    def _clear(self) -> None:
        """Empty output files that anybody may write: who the container's root is on this machine is the engine's affair."""
        for name in (LOG, ANSWER):
            path = os.path.join(self.folder, "output", name)
            with open(path, "wb"):
                os.chmod(path, 0o666)

    def _followed(self) -> tuple[int, str]:
        """Wait for the end, telling each line when it is whole."""
        ended: list[Any] = []

        def wait() -> None:
            try:
                ended.append(self.engine.post(f"/containers/{self.name}/wait", timeout_s=None))
            except EngineError as error:
                ended.append(error)

        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        last: list[str] = []
        with open(os.path.join(self.folder, "output", LOG), "rb") as stream:
            torn = b""
            while True:
                waiter.join(POLL_INTERVAL_S)
                is_over = not waiter.is_alive()
                *lines, torn = (torn + stream.read()).split(b"\n")
                for line in [*lines, torn] if is_over else lines:
                    if text := line.decode("utf-8", "replace").rstrip():
                        self.report(text)
                        last = [*last[1 - KEPT_LINES :], text]
                if is_over:
                    break
        if isinstance(ended[0], EngineError):
            raise ended[0]
        return int(ended[0]["StatusCode"]), "\n".join(last)
