"""`Environment`: the software that a run sees, described in Python."""

from __future__ import annotations

import os

from trainconf.errors import UserError
from trainconf.sdk.environments import conda_places, definition, registry, saving, sources
from trainconf.sdk.environments.conda import CondaDependencies
from trainconf.sdk.environments.sections import ContainerRegistry, DockerBuildContext, DockerSection, PythonSection
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.settings.checked import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from typing import Any

    from trainconf.sdk.docker import DockerConfiguration
    from trainconf.sdk.environments.building import EnvironmentBuild
    from trainconf.sdk.workspace import Workspace

DEFAULT = "default-environment"  # the name that a RunConfiguration gives its own
AZURES = ("spark", "databricks", "r", "inferencing_stack_version", "asset_id")


class Environment(Settings):
    """The software that a run sees.

    name: what it is called. Without anything else it is a bare Python, of the version that submits.
    python: a PythonSection. docker: a DockerSection. environment_variables: variables of the job, by name.

        >>> from trainconf import CondaDependencies, Environment
        >>> env = Environment("vision")
        >>> env.python.conda_dependencies = CondaDependencies.create(pip_packages=["pillow==12.0.0"])
        >>> env.environment_variables["OMP_NUM_THREADS"] = "1"

    Raises UserError for a name that is no text.
    """

    _names = ("python", "docker", "environment_variables")
    python: PythonSection
    docker: DockerSection
    environment_variables: dict[str, str]

    def __init__(self, name: str) -> None:
        arguments = Arguments("Environment")
        arguments.text("name", name, "a text, such as 'vision'", optional=False)
        arguments.check()
        self._begin(name)
        self._set(python=PythonSection(), docker=DockerSection(), environment_variables={})

    def _begin(self, name: str) -> None:
        own = self.__dict__
        own["_name"], own["_version"], own["_choice"], own["_workspace"] = name, None, "", None
        own["_kept"], own["_build_args"], own["_loaded"], own["_told"] = {}, {}, None, []

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_kept", "_build_args", "_told"):
            self.__dict__[name] = value
        elif name in AZURES:
            raise UserError(f"Environment.{name} has no meaning here", ("from", Arguments("Environment").place),
                            ("allowed", ", ".join(self._names)), hint="leave it out: it is of Azure ML's own services")
        elif name in ("name", "version"):
            hint = "clone(NAME) makes another" if name == "name" else "register(workspace) gives it one"
            raise UserError(f"Environment.{name} cannot be set", ("from", Arguments("Environment").place), hint=hint)
        else:
            self._load()
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            self._load()
        elif name in AZURES:
            raise AttributeError(f"Environment.{name} has no meaning here: it is of Azure ML's own services")
        return super().__getattr__(name)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        for name, kind in (("python", PythonSection), ("docker", DockerSection)):
            if not isinstance(values[name], kind):
                arguments.refuse(name, values[name], f"a {kind.__name__}")
        variables = arguments.texts("environment_variables", values["environment_variables"])
        for key in variables:
            if "=" in key or "\0" in key + variables[key]:
                arguments.refuse("a key of environment_variables", key, "a name without `=`")
        values["environment_variables"] = variables

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self._name)

    @property
    def version(self) -> str | None:
        """Its version in `conf/env/`; None where it was not registered."""
        return self._version  # type: ignore[no-any-return]

    # ------------------------------------------------------------ made from something

    @classmethod
    def from_pip_requirements(cls, name: str, file_path: str | os.PathLike[str], pip_version: str | None = None) -> Environment:
        """What a requirements file asks for, on the version of Python that submits. The file is read now.

        pip_version: the version of pip that it holds. Raises UserError.
        """
        found = cls(name)
        found.python.conda_dependencies = sources.of_requirements(Arguments("from_pip_requirements"), file_path)
        if pip_version is not None:
            found.python.conda_dependencies.add_pip_package(f"pip=={pip_version}")
        return found

    @classmethod
    def from_conda_specification(cls, name: str, file_path: str | os.PathLike[str]) -> Environment:
        """What a conda environment file asks for. The file is read now. Raises UserError, and names each package that only conda has."""
        found = cls(name)
        found.python.conda_dependencies = CondaDependencies(file_path)
        return found

    @classmethod
    def from_docker_image(
        cls, name: str, image: str, container_registry: ContainerRegistry | None = None,
        conda_specification: str | os.PathLike[str] | None = None, pip_requirements: str | os.PathLike[str] | None = None,
    ) -> Environment:  # fmt: skip
        """An image as it is; or with what a conda or a requirements file asks for installed on it. Raises UserError."""
        found = cls(name)
        found.docker = DockerSection(base_image=image, base_image_registry=container_registry)
        sources.install(found, Arguments("from_docker_image"), conda_specification, pip_requirements)
        return found

    @classmethod
    def from_dockerfile(
        cls, name: str, dockerfile: str | os.PathLike[str], conda_specification: str | os.PathLike[str] | None = None,
        pip_requirements: str | os.PathLike[str] | None = None,
    ) -> Environment:  # fmt: skip
        """What a Dockerfile builds, by its path or its text; or with what a file asks for installed on it. Raises UserError."""
        found = cls(name)
        found.docker = DockerSection(base_dockerfile=os.fspath(dockerfile) if isinstance(dockerfile, os.PathLike) else dockerfile)
        sources.install(found, Arguments("from_dockerfile"), conda_specification, pip_requirements)
        return found

    @classmethod
    def from_docker_build_context(cls, name: str, docker_build_context: DockerBuildContext) -> Environment:
        """What the Dockerfile in a folder builds, which copies from that folder. Raises UserError."""
        found = cls(name)
        found.docker = DockerSection(build_context=docker_build_context)
        found.python.user_managed_dependencies = True
        return found

    @classmethod
    def from_existing_conda_environment(cls, name: str, conda_environment_name: str) -> Environment:
        """The Python of an environment that conda has made on this machine, as it is: with all that is installed there.

        conda_environment_name: its name, or its folder. Runs record what it holds, and refuse to go on in it once that has changed.
        Raises UserError when there is none.
        """
        arguments = Arguments("from_existing_conda_environment")
        wanted = arguments.text("conda_environment_name", conda_environment_name, "the name of an environment of conda", optional=False)
        arguments.check()
        folder, known = conda_places.find(str(wanted))
        if not folder:
            there = "\n".join(f"{each}  {path}" for each, path in sorted(known.items())) or "none"
            raise UserError(f"this machine has no conda environment {wanted!r}", ("from", arguments.place), ("there are", there),
                            hint="CONDA_EXE or MAMBA_ROOT_PREFIX says where conda is; a folder may be named as well")
        found = cls(name)
        found.python = PythonSection(user_managed_dependencies=True, interpreter_path=os.path.join(folder, "bin", "python"))
        return found

    def clone(self, new_name: str) -> Environment:
        """A copy under another name, which may be changed and registered. Raises UserError for a name that is empty."""
        arguments = Arguments("Environment.clone")
        arguments.text("new_name", new_name, "a text, such as 'vision'", optional=False)
        arguments.check()
        found = type(self)(new_name)
        python, docker = self.python, self.docker
        packages = python.conda_dependencies._copy()
        found.python = PythonSection(python.user_managed_dependencies, python.interpreter_path, packages)
        found.docker = DockerSection()
        found.docker.__dict__["_values"] = dict(docker._values)
        found.environment_variables = dict(self.environment_variables)
        found._kept, found._build_args = dict(self._kept), dict(self._build_args)
        return found

    # ------------------------------------------------------------ registered, in conf/env/

    def register(self, workspace: Workspace) -> Environment:
        """Write it to `conf/env/<name>.yaml`, which `env=<name>` takes on the command line as well; the environment with its version.

        A version that is there and says the same is taken. Raises UserError, StorageError.
        """
        return registry.register(self, workspace)

    @staticmethod
    def get(workspace: Workspace, name: str, version: str | int | None = None, label: str | None = None) -> Environment:
        """The environment with a name: of `conf/env/`, or a shipped one, which also stands for a curated one of Azure ML.

        version: one that was registered, by default the newest. label: the version that has it. Raises UserError, with what there is.
        """
        return registry.get(Environment, workspace, name, version, label)

    @staticmethod
    def list(workspace: Workspace) -> dict[str, Environment]:
        """All environments by name: of `conf/env/`, the shipped ones, and names of Azure ML's curated ones that those stand for."""
        return registry.ls(Environment, workspace)

    @staticmethod
    def versions(workspace: Workspace, name: str) -> builtins.list[str]:
        """The registered versions of an environment, oldest first."""
        return registry.versions(workspace, name)

    @staticmethod
    def label(workspace: Workspace, name: str, version: str | int, labels: str | builtins.list[str]) -> None:
        """Move labels to a version: `Environment.get(ws, name, label="stable")`, and `env=<name>/stable` on the command line."""
        registry.label(workspace, name, version, labels)

    @staticmethod
    def add_private_pip_wheel(workspace: Workspace, file_path: str | os.PathLike[str], exist_ok: bool = False) -> str:
        """Take a wheel into the workspace, and return how requirements name it.

        A wheel outside the workspace is copied into its folder `wheels/`. exist_ok: there may be one of the same name and other content,
        which is replaced. Raises UserError, StorageError.
        """
        from trainconf.sdk.environments.wheels import add_wheel

        return add_wheel(workspace, file_path, exist_ok=exist_ok)

    # ------------------------------------------------------------ saved in a folder

    def save_to_directory(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write it to a new folder: `environment.yaml`, in the form of a file of `conf/env/`.

        Raises FileExistsError for a folder that is there, unless `overwrite`; UserError, StorageError.
        """
        saving.save(self, path, overwrite=overwrite)

    @classmethod
    def load_from_directory(cls, path: str | os.PathLike[str]) -> Environment:
        """Read what `save_to_directory` wrote, or what that of Azure ML's SDK did. Raises FileNotFoundError, UserError."""
        return saving.load(cls, path)

    # ------------------------------------------------------------ built

    def build(self, workspace: Workspace, image_build_compute: object = None) -> EnvironmentBuild:
        """Build it now, unless it is there: as an image where it has one, else for this machine's Python. Returns at once.

        image_build_compute: None; images are built by this machine's engine. Raises UserError.
        """
        from trainconf.sdk.environments.building import EnvironmentBuild

        arguments = Arguments("Environment.build")
        if image_build_compute is not None:
            arguments.refuse("image_build_compute", image_build_compute, "None: the engine of this machine builds")
        arguments.check()
        return EnvironmentBuild(self, workspace, as_image=self._is_image)

    def build_local(
        self, workspace: Workspace, platform: str | None = None, useDocker: bool = False, pushImageToWorkspaceAcr: bool = False,
    ) -> EnvironmentBuild:  # fmt: skip
        """The same. useDocker: as an image. platform and pushImageToWorkspaceAcr have no meaning here, and are refused."""
        from trainconf.sdk.environments.building import EnvironmentBuild

        arguments = Arguments("Environment.build_local")
        if platform is not None:
            arguments.refuse("platform", platform, "None: it is built for this machine")
        if pushImageToWorkspaceAcr is not False:
            arguments.refuse("pushImageToWorkspaceAcr", pushImageToWorkspaceAcr, "False: there is no registry of a workspace",
                             hint="`docker push` brings the image of `get_image_details` to a registry")
        arguments.flag("useDocker", useDocker)
        arguments.check()
        return EnvironmentBuild(self, workspace, as_image=useDocker or self._is_image)

    def get_image_details(self, workspace: Workspace) -> dict[str, Any]:
        """The image that runs would get, whether it is there, and how it is made: `image_exist`, `repository`, `registry`, `image`, ..."""
        from trainconf.sdk.environments.building import image_details

        return image_details(self, workspace)

    # ------------------------------------------------------------ for a run

    @property
    def _is_image(self) -> bool:
        """Whether it is an image. No shipped environment is one."""
        if self._choice and self._loaded is None and registry.ships(self._choice, self._workspace):
            return False
        return self.docker._is_image

    @property
    def _container(self) -> DockerConfiguration | None:
        """What its section `docker` says of how a container runs; None where that was not touched."""
        if self._choice and self._loaded is None:
            return None
        return self.docker._runtime() if self.docker._says_how else None

    def _snapshot(self) -> Any:
        """What tells whether it was changed."""
        return definition.tree_of(self), dict(self.docker._values)

    def _layer(self) -> tuple[builtins.list[str], dict[str, Any]]:
        """The choice of `env` as an override, and its values. An environment of `conf/env/` that was not changed is that choice alone."""
        if self._choice and (self._loaded is None or definition.tree_of(self) == self._loaded):
            return [f"env={self._choice}"], {}
        self._set(environment_variables=self.environment_variables)  # a program may have changed it since it was set
        if self._name == DEFAULT and definition.tree_of(self) == definition.tree_of(Environment(DEFAULT)):
            return [], {}  # of a RunConfiguration, which has only said something of containers: the config files say the rest
        definition.tell_left_out(self)
        self.docker.base_image_registry._log_in()
        return [f"env={definition.BARE}"], {"env": definition.tree_of(self)}

    @classmethod
    def _of_choice(cls, name: str, choice: str, workspace: Workspace, version: str | None = None) -> Environment:
        """The environment that `env=<choice>` is; read when somebody looks at it."""
        found = cls.__new__(cls)
        found._begin(name)
        found.__dict__.update(_choice=choice, _workspace=workspace, _version=version)
        return found

    def _load(self) -> None:
        if "_values" in self.__dict__ or not self._choice:
            return
        from trainconf.control.compose import ComposeRequest, compose

        workspace = self._workspace._paths
        tree = compose(ComposeRequest([f"env={self._choice}"]), workspace).config["env"]
        self.__dict__["_values"] = {}
        self.__dict__["_values"] = dict(Environment(self.name)._values)
        definition.fill(self, tree, workspace.root)
        self.__dict__["_loaded"] = definition.tree_of(self)

    def __repr__(self) -> str:
        version = f", version {self.version}" if self.version else ""
        return f"Environment({self.name!r}{version})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and definition.tree_of(other) == definition.tree_of(self)

    __hash__ = None
