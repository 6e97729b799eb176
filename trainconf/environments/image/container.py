"""A container that works for a build: it runs a script, reports its lines as they come, and gives its exit code.

The script arrives on standard input and what it needs is mounted, so neither is in the container's record nor in an image made of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from trainconf.engine.client import Engine, EngineError
from trainconf.environments.build_folder import BuildFolder
from trainconf.environments.image.leftovers import BUILD_LABEL, build_label, remove_container
from trainconf.environments.recipe.requirements import KEPT_LINES
from trainconf.process import interruptions_held
from trainconf.reporter import Wait

INSIDE = "/mnt/trainconf"
MOUNTED = f"{INSIDE}/site"  # the build folder, read-only
OUTPUT = f"{INSIDE}/output"  # the part of it that the script writes to
LOG, ANSWER = "log", "answer"
CACHE, CACHE_VOLUME = f"{INSIDE}/pip-cache", "trainconf-pip-cache"
SHELL = ("sh", "-c", 'eval "$(cat)"')
HEADER = f"exec >>{OUTPUT}/{LOG} 2>&1 </dev/null\n"
POLL_INTERVAL_S = 0.1


class NoShell(Exception):
    """The image has no `sh`."""


@dataclass
class BuildContainer:
    """Makes containers of one build, one at a time, and images of them. `mounts` are further ones, as the engine's API has them.

    `wait` is told each line of a script, which `redact` has taken secrets out of.
    """

    engine: Engine
    folder: BuildFolder
    network: str
    wait: Wait
    mounts: list[dict[str, Any]] = field(default_factory=list)
    redact: Callable[[str], str] = str

    @property
    def label(self) -> str:
        return build_label(self.folder.request.workspace, self.folder.request.folder)

    @property
    def name(self) -> str:
        return f"trainconf-build-{self.label}"

    @contextmanager
    def started_from(self, image_id: str, user: str) -> Iterator[None]:
        """Make a container of an image, and remove it at the end of the block. Raises EngineError."""
        remove_container(self.engine, self.name)
        os.makedirs(self.folder.at("output"), exist_ok=True)
        body = {
            "Image": image_id, "Entrypoint": [], "Cmd": list(SHELL), "User": user, "WorkingDir": "/", "Labels": {BUILD_LABEL: self.label},
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
        """Run a script in the container; its exit code and its last lines. Raises EngineError, NoShell."""
        self._clear()
        with self.engine.attach_stdin(self.name) as stdin:
            try:
                self.engine.post(f"/containers/{self.name}/start")
            except EngineError as error:
                if '"sh"' in error.message:
                    raise NoShell from error
                raise
            stdin.sendall((HEADER + script).encode("utf-8", "surrogateescape"))
        return self._follow()

    def answer(self) -> bytes:
        """What the script wrote to the file ANSWER."""
        with open(self.folder.at("output", ANSWER), "rb") as stream:
            return stream.read()

    def commit(self, config: dict[str, Any], labels: dict[str, str], comment: str) -> str:
        """An image of the container as it is; its id. Raises EngineError."""
        query = {"container": self.name, "pause": False, "comment": comment}
        body = config | {"Labels": {**(config.get("Labels") or {}), **labels}}
        return str(self.engine.post("/commit", query, body, timeout_s=None)["Id"])

    def _mounts(self) -> list[dict[str, Any]]:
        return [
            {"Type": "bind", "Source": self.folder.path, "Target": MOUNTED, "ReadOnly": True},
            {"Type": "bind", "Source": self.folder.at("output"), "Target": OUTPUT},
            {"Type": "volume", "Source": CACHE_VOLUME, "Target": CACHE},
            *self.mounts,
        ]

    def _clear(self) -> None:
        """Make empty output files that anybody may write, because the engine decides who the container's root is on this machine."""
        for name in (LOG, ANSWER):
            path = self.folder.at("output", name)
            with open(path, "wb"):
                os.chmod(path, 0o666)

    def _follow(self) -> tuple[int, str]:
        """Wait for the end, and report each line when it is whole."""
        ended: list[Any] = []

        def wait() -> None:
            try:
                ended.append(self.engine.post(f"/containers/{self.name}/wait", timeout_s=None))
            except EngineError as error:
                ended.append(error)

        waiter = threading.Thread(target=wait, daemon=True)
        waiter.start()
        last: list[str] = []
        with open(self.folder.at("output", LOG), "rb") as stream:
            torn = b""
            while True:
                waiter.join(POLL_INTERVAL_S)
                is_over = not waiter.is_alive()
                *lines, torn = (torn + stream.read()).split(b"\n")
                for line in [*lines, torn] if is_over else lines:
                    if text := line.decode("utf-8", "replace").rstrip():
                        self.wait.now(self.redact(text))
                        last = [*last[1 - KEPT_LINES :], text]
                if is_over:
                    break
        if isinstance(ended[0], EngineError):
            raise ended[0]
        return int(ended[0]["StatusCode"]), "\n".join(last)
