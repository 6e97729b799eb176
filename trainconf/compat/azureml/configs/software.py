"""`Environment` and its parts by the exceptions of the original; `CondaDependencies` has its calls that name a framework, too."""

from __future__ import annotations

from typing import Any

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.configs.processes import read_as_there
from trainconf.compat.azureml.configs.told import told
from trainconf.compat.azureml.exceptions import ExistsException, NotFoundException, UserErrorException, WrongTypeException
from trainconf.sdk import environments


@told(UserErrorException)
class CondaDependencies(environments.CondaDependencies):
    """The packages of an environment. A framework is added as the package that pip has."""

    def add_tensorflow_conda_package(self, core_type: str = "cpu", version: str | None = None) -> None:
        """TensorFlow, which pip has for both kinds of machine."""
        self.add_pip_package("tensorflow" if version is None else f"tensorflow=={version}")

    add_tensorflow_pip_package = add_tensorflow_conda_package

    def add_cntk_package(self, *args: Any, **kwargs: Any) -> None:
        """Not carried out."""
        raise not_here("azureml.core.conda_dependencies.CondaDependencies.add_cntk_package", "CNTK is no longer published")

    def get_pip_requirements(self, *args: Any, **kwargs: Any) -> str:
        """The pip packages, a line each."""
        return "\n".join(self.pip_packages)


@told(UserErrorException)
class PythonSection(environments.PythonSection):
    """The Python of an environment."""


@told(UserErrorException)
class ContainerRegistry(environments.ContainerRegistry):
    """The registry that has an image."""


@told(UserErrorException)
class DockerBuildContext(environments.DockerBuildContext):
    """A folder with a Dockerfile."""


@told(UserErrorException)
class DockerSection(environments.DockerSection):
    """The image of an environment."""

    def __getattr__(self, name: str) -> Any:
        return read_as_there(name, super().__getattr__(name))


@told(UserErrorException, __init__=WrongTypeException, save_to_directory=ExistsException, load_from_directory=NotFoundException)
class Environment(environments.Environment):
    """The software that a run sees."""
