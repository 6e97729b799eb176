"""`DockerConfiguration`: whether a run is carried out in a container, and how."""

from __future__ import annotations

from trainconf.sdk.settings.checked import Settings
from trainconf.sdk.settings.docker_flags import read_flags, size_gib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.sdk.settings.arguments import Arguments


class DockerConfiguration(Settings):
    """How a container runs a job.

    use_docker: True: in a container. False: not in one; then an environment that is an image is an error. None: in a container where the
    environment is an image. arguments: further flags of `docker run`, such as `["--ipc=host"]`. shm_size: size of /dev/shm, such as
    "8g"; by default 2 GiB. shared_volumes: always True: the run's folder and its inputs are mounted.

    Raises UserError for a flag that trainconf decides or that `docker run` does not have.

        >>> from trainconf import DockerConfiguration
        >>> DockerConfiguration(use_docker=True, arguments=["--ipc=host"], shm_size="8g")
        DockerConfiguration(use_docker=True, arguments=['--ipc=host'], shm_size='8g', shared_volumes=True)
    """

    _names = ("use_docker", "arguments", "shm_size", "shared_volumes")
    use_docker: bool | None
    arguments: list[str]
    shm_size: str | None
    shared_volumes: bool

    def __init__(
        self, use_docker: bool | None = None, arguments: Sequence[str] | None = None, shm_size: str | None = None,
        shared_volumes: bool = True,
    ) -> None:  # fmt: skip
        self._set(use_docker=use_docker, arguments=arguments, shm_size=shm_size, shared_volumes=shared_volumes)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        if values["use_docker"] is not None:
            arguments.flag("use_docker", values["use_docker"])
        given = [] if values["arguments"] is None else values["arguments"]
        if isinstance(given, (list, tuple)) and all(isinstance(word, str) for word in given):
            values["arguments"] = list(given)
            read_flags(values["arguments"], arguments)
        else:
            arguments.refuse("arguments", given, 'a list of texts, such as ["--ipc=host"]')
        if values["shm_size"] is not None and size_gib(values["shm_size"]) is None:
            arguments.refuse("shm_size", values["shm_size"], 'a size, such as "8g" or "512m"')
        if values["shared_volumes"] is not True:
            arguments.refuse("shared_volumes", values["shared_volumes"], "True: a run's folder is always mounted")

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        """The values; whether they choose compute=docker is for whoever knows the environment and the target."""
        from trainconf.sdk.settings.arguments import Arguments

        tree = read_flags(self.arguments, Arguments("DockerConfiguration", self._place))
        size = self._values["shm_size"]
        if size is not None:
            tree.setdefault("compute", {})["shm_size_gib"] = size_gib(size)
        return [], tree
