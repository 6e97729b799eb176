"""What can be done with the environments of a workspace: list, show, build, pin and remove them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from trainconf import environments, launchers
from trainconf.control.compose import ComposeRequest, compose
from trainconf.environments import lock as locking
from trainconf.environments import removal, store
from trainconf.environments.image import find as images
from trainconf.errors import ConfigError, Mistake
from trainconf.history.users import users
from trainconf.paths import WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.resolver import environment
from trainconf.spec import EnvironmentSpec


class Listed(NamedTuple):
    """An environment that was built here. `is_here` is False for an image that the engine no longer has, whose size is then 0.

    last_used: seconds since the epoch
    """

    built: store.BuiltEnvironment
    is_here: bool
    size_bytes: int
    last_used: float


def ls(workspace: WorkspacePaths) -> list[Listed]:
    """Every environment of the workspace. The engine is asked for images only where one was built."""
    found = store.ls(workspace)
    here = images.ids() if any(isinstance(built, store.BuiltImage) for built in found) else None
    return [_listed(built, here is None or not isinstance(built, store.BuiltImage) or built.image_id in here) for built in found]


def _listed(built: store.BuiltEnvironment, is_here: bool) -> Listed:
    return Listed(built, is_here, built.disk_bytes()[0] if is_here else 0, built.last_used)


def show(workspace: WorkspacePaths, name: str) -> store.BuiltEnvironment:
    """The environment with a name, or whose hash begins so. Raises EnvironmentRecipeError."""
    return store.show(workspace, name)


def rm(workspace: WorkspacePaths, name: str) -> str:
    """Remove an environment; its hash. Raises EnvironmentRecipeError when a run uses it or it is being built."""
    return removal.rm(workspace, name, partial(users, workspace))


def build(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> environments.Prepared:
    """The environment that a config asks for, built unless it is there. Raises ConfigError, BuildError and StorageError."""
    return environments.ensure(_request(request, workspace, reporter))


class Described(NamedTuple):
    """An environment that was not asked to be built. `state` is in the words of `trainconf plan`; software is what a run would get."""

    spec: EnvironmentSpec
    software: environments.Software
    state: str
    identity: str

    @property
    def image_id(self) -> str:
        """The id of its image; empty while there is none."""
        return self.software.image if self.software.image.startswith("sha256:") else ""


def describe(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Described:
    """The environment that a config asks for; nothing is built. Raises ConfigError."""
    asked = _request(request, workspace, reporter)
    software, state = environments.locate(asked)
    return Described(asked.spec, software, state, asked.identity)


def _request(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter) -> environments.EnvironmentRequest:
    composed = compose(request, workspace, reporter)
    mistakes: list[Mistake] = []
    spec = environment(composed, workspace, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    env = composed.typed.env
    return environments.EnvironmentRequest(spec, workspace, env.name, reporter, image_build=vars(env.docker.build))


def lock(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> str:
    """A requirements file with every version pinned. Raises ConfigError, EnvironmentRecipeError, BuildError and StorageError."""
    config = compose(request, workspace, reporter).typed
    as_image = launchers.get(config.compute.target).needs_image
    return locking.lock(
        config.tree["env"], workspace.root, reporter=reporter, as_image=as_image, image_build=vars(config.env.docker.build)
    )
