"""The parts of an `Environment`: its Python, its image, the registry that has the image, the folder a Dockerfile copies from."""

from __future__ import annotations

import os

from trainconf.environments.image.recipe import is_text
from trainconf.sdk.environments.conda import CondaDependencies
from trainconf.sdk.notes import note
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.settings.checked import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.sdk.docker import DockerConfiguration

DEFAULT_INTERPRETER = "python"
IMAGES = ("base_image", "base_dockerfile", "build_context")


class PythonSection(Settings):
    """Which Python, and what is installed for it.

    user_managed_dependencies: True: nothing is installed, and the Python of `interpreter_path` is used as it is. interpreter_path: by
    default the Python that submits, in an image the one on its PATH. conda_dependencies: what is installed otherwise.
    conda_dependencies_file: a conda environment file; setting it reads the file into `conda_dependencies`.
    """

    _names = ("user_managed_dependencies", "interpreter_path", "conda_dependencies", "conda_dependencies_file")
    user_managed_dependencies: bool
    interpreter_path: str
    conda_dependencies: CondaDependencies
    conda_dependencies_file: str | None

    def __init__(
        self, user_managed_dependencies: bool = False, interpreter_path: str = DEFAULT_INTERPRETER,
        conda_dependencies: CondaDependencies | None = None, conda_dependencies_file: str | os.PathLike[str] | None = None,
    ) -> None:  # fmt: skip
        self._set(
            user_managed_dependencies=user_managed_dependencies, interpreter_path=interpreter_path,
            conda_dependencies=conda_dependencies or CondaDependencies(), conda_dependencies_file=conda_dependencies_file,
        )  # fmt: skip

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        arguments.flag("user_managed_dependencies", values["user_managed_dependencies"])
        values["interpreter_path"] = arguments.path("interpreter_path", values["interpreter_path"], optional=False)
        file = arguments.path("conda_dependencies_file", values["conda_dependencies_file"])
        if file is not None and file != self.__dict__.get("_values", {}).get("conda_dependencies_file"):
            values["conda_dependencies"] = CondaDependencies(file)
        values["conda_dependencies_file"] = file
        if not isinstance(values["conda_dependencies"], CondaDependencies):
            arguments.refuse("conda_dependencies", values["conda_dependencies"], "CondaDependencies",
                             hint="CondaDependencies.create(pip_packages=[...])")


class ContainerRegistry(Settings):
    """The registry that has an image.

    address: such as `registry.example.com:5000`. username, password: what it is asked with, in this process alone: neither is written
    anywhere. Without them `docker login` says it.
    """

    _names = ("address", "username", "password")
    address: str | None
    username: str | None
    password: str | None

    def __init__(self, address: str | None = None, username: str | None = None, password: str | None = None) -> None:
        self._set(address=address, username=username, password=password)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        address = arguments.text("address", values["address"], "the address of a registry, such as 'registry.example.com'")
        if address is not None and ("://" in address or "/" in address):
            arguments.refuse("address", address, "a host, and a port where it has one", hint="leave out https:// and what follows a slash")
        arguments.text("username", values["username"], "a text, or None")
        if values["password"] is not None and not isinstance(values["password"], str):
            kind = type(values["password"]).__name__
            arguments.wrong(f"{arguments.call}: password cannot be of type {kind}", ("allowed", "a text, or None"))

    def _log_in(self) -> None:
        """Have this process ask the registry with the credentials, if there are any."""
        if self.username and self.password:
            from trainconf.environments.image.fetch import DOCKER_HUB, log_in

            log_in(self.address or DOCKER_HUB, self.username, self.password)

    def __repr__(self) -> str:
        return f"ContainerRegistry(address={self.address!r}, username={self.username!r}, password={'...' if self.password else None})"


class DockerBuildContext:
    """A folder that a Dockerfile copies from, and the Dockerfile in it; see `from_local_directory`."""

    def __init__(self, path: str, dockerfile_path: str = "Dockerfile") -> None:
        arguments = Arguments("DockerBuildContext")
        folder = arguments.path("path", path, optional=False)
        name = arguments.path("dockerfile_path", dockerfile_path, optional=False)
        arguments.check()
        self.path = os.path.abspath(str(folder))
        self.dockerfile_path = os.path.join(self.path, str(name))
        if not os.path.isdir(self.path):
            arguments.wrong("the build context is no folder", ("looked at", self.path))
        elif not os.path.isfile(self.dockerfile_path):
            arguments.wrong("the build context has no such Dockerfile", ("looked at", self.dockerfile_path))
        arguments.check()

    @classmethod
    def from_local_directory(
        cls, workspace: object, path: str | os.PathLike[str], dockerfile_path: str = "Dockerfile"
    ) -> DockerBuildContext:
        """A folder of this machine. workspace: the folder is used where it is, so it is not asked. Raises UserError."""
        return cls(os.fspath(path) if isinstance(path, os.PathLike) else path, dockerfile_path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DockerBuildContext) and other.dockerfile_path == self.dockerfile_path and other.path == self.path

    def __hash__(self) -> int:
        return hash((self.path, self.dockerfile_path))

    def __repr__(self) -> str:
        return f"DockerBuildContext({self.path!r}, {os.path.relpath(self.dockerfile_path, self.path)!r})"


class DockerSection(Settings):
    """The image of an environment: one of `base_image`, `base_dockerfile` and `build_context`; setting one clears the others.

    base_image: the name of an image. base_dockerfile: the path of a Dockerfile, or its text. build_context: a DockerBuildContext.
    base_image_registry: a ContainerRegistry.
    enabled: True: runs are carried out in a container. arguments, shm_size, shared_volumes: as of DockerConfiguration, which is the newer
    place for them. gpu_support: True or False, without effect: a run has the GPUs that `compute.gpus` asks for.
    """

    _names = (*IMAGES, "base_image_registry", "enabled", "arguments", "shm_size", "shared_volumes", "gpu_support")
    base_image: str | None
    base_dockerfile: str | None
    build_context: DockerBuildContext | None
    base_image_registry: ContainerRegistry
    enabled: bool | None
    arguments: list[str]
    shm_size: str | None
    shared_volumes: bool
    gpu_support: bool

    def __init__(
        self, base_image: str | None = None, base_dockerfile: str | None = None, build_context: DockerBuildContext | None = None,
        base_image_registry: ContainerRegistry | None = None,
    ) -> None:  # fmt: skip
        given = [name for name, value in zip(IMAGES, (base_image, base_dockerfile, build_context), strict=True) if value is not None]
        if len(given) > 1:
            arguments = Arguments("DockerSection")
            arguments.wrong(f"{' and '.join(given)} both say what the image is", ("allowed", "one of them"))
            arguments.check()
        self._set(
            base_image=base_image, base_dockerfile=base_dockerfile, build_context=build_context,
            base_image_registry=base_image_registry or ContainerRegistry(), enabled=None, arguments=None, shm_size=None,
            shared_volumes=True, gpu_support=True,
        )  # fmt: skip

    def _set(self, **values: Any) -> None:
        now = self.__dict__.get("_values", {})
        chosen = next((name for name in IMAGES if values.get(name) is not None), "") if now else ""
        others = [name for name in IMAGES if chosen and name != chosen and now[name] is not None]
        super()._set(**dict.fromkeys(others), **values)
        if others:
            note(f"docker.{chosen} says what the image is now; docker.{others[0]} is cleared")

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        arguments.text("base_image", values["base_image"], "the name of an image, such as 'python:3.11-slim'")
        dockerfile = arguments.path("base_dockerfile", values["base_dockerfile"])
        if dockerfile is not None and not is_text(dockerfile):
            dockerfile = os.path.abspath(dockerfile)
            if not os.path.isfile(dockerfile):
                arguments.wrong("base_dockerfile is no file", ("looked at", dockerfile),
                                hint="the text of a Dockerfile begins with FROM IMAGE")
        values["base_dockerfile"] = dockerfile
        if not isinstance(values["build_context"], (DockerBuildContext, type(None))):
            arguments.refuse("build_context", values["build_context"], "a DockerBuildContext, or None",
                             hint="DockerBuildContext.from_local_directory(workspace, PATH)")
        if not isinstance(values["base_image_registry"], ContainerRegistry):
            arguments.refuse("base_image_registry", values["base_image_registry"], "a ContainerRegistry")
        if values["enabled"] is not None:
            arguments.flag("enabled", values["enabled"])
        arguments.flag("gpu_support", values["gpu_support"])
        self._runtime(values)  # raises for what `docker run` does not have
        values["arguments"] = list(values["arguments"] or ())

    def _runtime(self, values: dict[str, Any] | None = None) -> DockerConfiguration:
        """What of it says how a container runs."""
        from trainconf.sdk.docker import DockerConfiguration

        now = values or self._values
        return DockerConfiguration(now["enabled"], now["arguments"], now["shm_size"], now["shared_volumes"])

    @property
    def _says_how(self) -> bool:
        """Whether it says how a container runs, which is asked of DockerConfiguration since."""
        now = self._values
        return now["enabled"] is not None or bool(now["arguments"]) or now["shm_size"] is not None

    @property
    def _is_image(self) -> bool:
        return any(self._values[name] is not None for name in IMAGES)
