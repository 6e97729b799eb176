"""env=...: the software a run sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from trainconf.schema.fields import setting


# Annotations are evaluated by OmegaConf, which reads `Optional[X]` on every line it supports and Python 3.10 to 3.14.
@dataclass
class PythonConfig:
    """Which Python."""

    user_managed_dependencies: bool = setting(False, "true: install nothing, use what the interpreter already has")
    interpreter_path: Optional[str] = setting(None, "a Python to use (user-managed) or to build on; default: the submitting one")
    version: Optional[str] = setting(None, "version of a managed environment, such as 3.11; default: that of the submitting Python")


@dataclass
class ImageBuildConfig:
    """How images are built on this machine; none of it is part of an image's identity, save `args`."""

    network: Optional[str] = setting(None, "network of the build: host, none or the name of a network; default: the engine's")
    ca_file: Optional[str] = setting(None, "PEM bundle that the installer trusts during the build; relative to the workspace")
    pip_config: Optional[str] = setting(None, "pip.conf that the installer reads; may hold credentials: no layer keeps it")
    args: dict[str, str] = setting(dict, "build arguments of the Dockerfile; the image's history shows them, so never a secret")


@dataclass
class ImageConfig:
    """What a container is made from; at most one of image, base_image and dockerfile is given."""

    image: Optional[str] = setting(None, "an image to use as it is: nothing is installed in it")
    base_image: Optional[str] = setting(None, "image to install the requirements on; default: a slim official Python of that version")
    dockerfile: Optional[str] = setting(None, "a Dockerfile to install the requirements on: a path relative to the workspace, or its text")
    build_context: Optional[str] = setting(None, "folder that the Dockerfile copies from, relative to the workspace; default: none")
    build: ImageBuildConfig = setting(ImageBuildConfig, "how images are built here")


@dataclass
class EnvironmentConfig:
    """env=...: the recipe of the software a run sees."""

    name: str = setting("custom", "shown by `env ls`; not part of its identity")
    python: PythonConfig = setting(PythonConfig, "which Python")
    requirements: list[str] = setting(list, "requirement lines, as in a requirements file")
    requirements_file: Optional[str] = setting(None, "a requirements or lock file, relative to the workspace")
    pyproject: Optional[str] = setting(None, "a pyproject.toml whose dependencies are installed, relative to the workspace")
    pyproject_extras: list[str] = setting(list, "extras of that project (project.optional-dependencies) to install, too")
    pyproject_groups: list[str] = setting(list, "dependency groups of that project (PEP 735) to install, too")
    uv_lock: Optional[str] = setting(None, "a project's uv.lock, whose packages are installed as locked, relative to the workspace")
    conda_file: Optional[str] = setting(None, "a conda environment file whose pip part is enough, relative to the workspace")
    torch_backend: Optional[str] = setting(None, "builds of PyTorch to take: cpu, cu126, cuda12, ... or auto; default: the index decides")
    variables: dict[str, str] = setting(dict, "environment variables of the job; ${secret:NAME} is read at launch")
    docker: ImageConfig = setting(ImageConfig, "the image, for targets that run containers")
