"""An environment that is built while the program goes on, and the facts of its image."""

from __future__ import annotations

import sys
import threading

from trainconf.errors import TrainconfError
from trainconf.reporter import Reporter
from trainconf.sdk.environments import registry
from trainconf.sdk.place import caller
from trainconf.sdk.settings.arguments import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf import Environment
    from trainconf.control.compose import ComposeRequest
    from trainconf.sdk.workspace import Workspace

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"


class EnvironmentBuild(Reporter):
    """An environment that is being built. `status` is Running, Succeeded or Failed."""

    def __init__(self, environment: Environment, workspace: Workspace, *, as_image: bool) -> None:
        registry.check_workspace(Arguments("Environment.build"), workspace)
        self.environment = environment
        self.status = RUNNING
        self.image = ""  # the id of the image, once it is there
        self.python = ""  # the interpreter, once it is there: of this machine, or inside the image
        self._lines: list[str] = []
        self._shown = 0
        self._error: TrainconfError | None = None
        request = request_of(environment, as_image=as_image)
        self._thread = threading.Thread(target=self._build, args=(request, workspace), name=f"build of {environment.name}")
        self._thread.start()

    def _build(self, request: ComposeRequest, workspace: Workspace) -> None:
        from trainconf.control.workspace.environments import build

        try:
            found = build(request, workspace._paths, self)
            found.release()
            self.image, self.python = found.image, found.python
            self.info("built" if found.built else "it is there already")
            self.status = SUCCEEDED
        except TrainconfError as error:
            self._error = error
            self.status = FAILED

    def info(self, text: str = "") -> None:
        """Take in a line of the build."""
        self._lines.append(text)

    def get_log(self) -> str:
        """What the build has said so far."""
        return "".join(f"{line}\n" for line in self._lines)

    def wait_for_completion(self, show_output: bool = True) -> EnvironmentBuild:
        """Wait for its end. show_output: print what it says. Raises what went wrong: UserError, BuildError, StorageError."""
        while True:
            self._thread.join(0.1)
            has_ended = not self._thread.is_alive()
            if show_output:
                for line in self._lines[self._shown:]:
                    self._shown += 1
                    print(line, file=sys.stdout, flush=True)
            if has_ended:
                break
        if self._error is not None:
            raise self._error
        return self

    def __repr__(self) -> str:
        return f"EnvironmentBuild({self.environment.name!r}, {self.status})"


def request_of(environment: Environment, *, as_image: bool) -> ComposeRequest:
    """The config that a run in this environment has, here or in a container."""
    from trainconf.composition.layers import Layer
    from trainconf.control.compose import ComposeRequest

    overrides, values = environment._layer()
    return ComposeRequest([*overrides, f"compute={'docker' if as_image else 'local'}"], layers=[Layer(caller(), values)])


def image_details(environment: Environment, workspace: Workspace) -> dict[str, Any]:
    """See `Environment.get_image_details`. Raises ConfigError for an environment that cannot be an image."""
    from trainconf.control.workspace.environments import describe
    from trainconf.environments.image.fetch import registry_of

    registry.check_workspace(Arguments("Environment.get_image_details"), workspace)
    found = describe(request_of(environment, as_image=True), workspace._paths)
    spec, software = found.spec, found.software
    name = spec.image or software.image
    repository, _, tag = name.partition(":")
    return {
        "image_exist": found.state in ("ready", "there"), "state": found.state, "image": {"name": name, "tag": tag, "id": found.image_id},
        "repository": repository, "registry": {"address": registry_of(name) if spec.image else None},
        "interpreter_path": software.python, "environment_path": None if spec.image else "/opt/trainconf/env",
        "dockerfile": spec.dockerfile or None, "base_image": spec.base_image or None, "requirements": list(spec.requirements),
        "identity": found.identity,
    }  # fmt: skip
