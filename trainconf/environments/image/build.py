"""Making an image: base image or Dockerfile, a venv on it, the requirements in layers, a name. Once, under the environment's lock.

Nothing that the build is given (pip's configuration, certificates, variables, local files) is in a layer or in the history.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timezone

from trainconf import files
from trainconf.environments import store
from trainconf.environments.build_folder import building_site
from trainconf.environments.image import find as image
from trainconf.environments.image import leftovers as image_store
from trainconf.environments.image.container import BuildContainer, NoShell
from trainconf.environments.image.install import Base, Installation
from trainconf.environments.image.layers import pin, read_report
from trainconf.environments.image.recipe import CONTEXT, DOCKERFILE
from trainconf.environments.image.scripts import VENV_PYTHON, ImagePython, ask, read_answer
from trainconf.environments.recipe import reader as recipe
from trainconf.environments.recipe.interpreter import fits
from trainconf.environments.recipe.requirements import end_of, option_lines, with_hashes
from trainconf.errors import BuildError, EnvironmentRecipeError
from trainconf.paths import WorkspacePaths
from trainconf.process import interruptions_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from trainconf.engine.client import Engine
    from trainconf.environments.build_folder import Site
    from trainconf.spec import EnvironmentSpec


def build(
    engine: Engine, spec: EnvironmentSpec, workspace: WorkspacePaths, identity: str, *, name: str, report: Callable[[str], None],
    root: str, settings: Mapping[str, Any], code: Callable[[], str] = str,
) -> tuple[store.BuiltImage, bool]:
    """Make the image of a spec unless somebody did while we waited for the lock; whether we did.

    `settings` are schema.ImageBuildConfig's. Raises as `prepare.ensure` says, and EngineError.
    """
    if spec.image and not spec.software_id:  # nobody could ask for its id before: it is part of what the environment is
        known = _present(engine, spec.image, report, "env.docker.image")
        spec = _with_id(spec, str(known["Id"]))
        identity = recipe.identity(spec)
    final = store.environment_dir(workspace, identity)
    with building_site(workspace, final, root, report, code) as site:
        files.write_atomic(os.path.join(workspace.envs, store.IMAGES_MARK), "")
        found = image.built(engine, workspace, identity)
        if found is not None:
            return found, False
        maker = _Maker(engine, spec, identity, name, site, settings, (image_store.BUILD_LABEL, image_store.build_label(workspace, final)))
        account = maker.used_as_it_is() if spec.image else maker.made()
        os.mkdir(site.at("env"))
        files.write_atomic(site.at("env", store.ACCOUNT), files.dumps(account))
        store.discard(final)
        site.move("env", final)
    return store.BuiltImage(final, account), maker.has_built


def _with_id(spec: EnvironmentSpec, image_id: str) -> EnvironmentSpec:
    from trainconf.fast.records import replace

    return replace(spec, software_id=image_id)


def _present(engine: Engine, reference: str, report: Callable[[str], None], setting: str) -> dict[str, Any]:
    """What the engine knows of an image, fetched first where it is not here."""
    known = image.inspect(engine, reference)
    if known is None:
        from trainconf.environments.image import fetch as image_fetch

        image_fetch.pull(engine, reference, report, setting)
        known = image.inspect(engine, reference)
    if known is None:
        raise BuildError(f"image {reference} is gone again", ("from", setting))
    return known


def lock(spec: EnvironmentSpec, root: str, *, name: str, report: Callable[[str], None], settings: Mapping[str, Any]) -> str:
    """What the requirements come to on the base image, as a requirements file that names that image. Raises as `build` does."""
    if spec.image:
        raise EnvironmentRecipeError("there is nothing to pin: this image is used as it is", ("env.docker.image", spec.image),
                                     hint="write its digest instead of its name: NAME@sha256:…")
    workspace = WorkspacePaths(root)
    identity = recipe.identity(spec)
    final = store.environment_dir(workspace, identity)
    with image.engine() as engine, building_site(workspace, final, root, report) as site:
        files.write_atomic(os.path.join(workspace.envs, store.IMAGES_MARK), "")
        maker = _Maker(engine, spec, identity, name, site, settings, (image_store.BUILD_LABEL, image_store.build_label(workspace, final)))
        return maker.pinned()


class _Maker:
    """One making of one environment."""

    def __init__(
        self, engine: Engine, spec: EnvironmentSpec, identity: str, name: str, site: Site, settings: Mapping[str, Any],
        label: tuple[str, str],
    ) -> None:
        self.engine = engine
        self.spec = spec
        self.identity = identity
        self.name = name
        self.site = site
        self.settings = settings
        self.label = label
        self.report = site.report
        self.has_built = False
        self.made_here: list[str] = []  # images that a failure takes back, oldest first

    def used_as_it_is(self) -> dict[str, Any]:
        """The account of an image in which nothing is installed."""
        known = image.inspect(self.engine, self.spec.software_id)
        known = known or _present(self.engine, self.spec.image, self.report, "env.docker.image")
        if known["Id"] != self.spec.software_id:
            raise EnvironmentRecipeError(
                f"image {self.spec.image} is not the one this run was recorded with", ("recorded", self.spec.software_id),
                ("now", str(known["Id"])),
                hint="its name was moved: load the image it was recorded with, or submit anew from the config",
            )
        python = self._python(known["Id"], self.spec.interpreter)
        if python is None and (self.spec.python or self.spec.interpreter):
            raise self._without_python(self.spec.image)
        if python is not None:
            self._check_version(python, self.spec.image)
        return self._account(self.spec.image, known, None, python, [])

    def made(self) -> dict[str, Any]:
        """Build the image; its account. An image of this recipe that lost its account is taken as it is."""
        tag = image.tag_of(self.name, self.identity)
        known = image.inspect(self.engine, tag)
        base = self._base()
        stages: list[str] = []
        if not image.is_of(known, self.identity):
            self.has_built = True
            self.report(f"building image {tag} from {base.name}")
            try:
                known, stages = self._build(base, tag)
            except BaseException:
                image_store.remove_unneeded(self.engine, self.made_here[::-1])
                raise
        assert known is not None
        python = self._python(known["Id"], VENV_PYTHON if self._installs else self.spec.interpreter)
        return self._account(tag, known, base, python, stages)

    def pinned(self) -> str:
        """The text of a lock file. The stage that holds the venv is left for the next build."""
        base = self._base()
        lines = []
        python = self._python_of(base)
        if self._installs:
            installation = self._installation(base)
            found = read_report(installation.resolve(installation.with_venv(base)))
            pins = sorted(pin(distribution, self.spec.files) for distribution in found)
            lines = [*option_lines(self.spec.requirements), *with_hashes(pins, self.spec.requirements)]
        header = (
            f"# pinned by `trainconf env lock` from {self.name} for Python {python.version}",
            f"# in image {base.name} {base.digest}; what the image itself has is not listed",
        )
        return "".join(f"{line}\n" for line in (*header, *lines))

    def _base(self) -> Base:
        """What the requirements are installed on, made or fetched where it is not here."""
        if not self.spec.dockerfile:
            return Base(self.spec.base_image, _present(self.engine, self.spec.base_image, self.report, "env.docker.base_image"))
        image_id = self._dockerfile()
        self.made_here.append(image_id)
        return Base(self.spec.dockerfile, self.engine.get(f"/images/{image_id}/json"))

    def _dockerfile(self) -> str:
        """Build the user's Dockerfile from exactly the files that were recorded; the id of what it makes."""
        from trainconf.environments.image import context as build_context
        from trainconf.environments.image import fetch as image_fetch
        from trainconf.environments.recipe import contents

        path = os.path.join(self.site.root, self.spec.dockerfile)
        folder = os.path.join(self.site.root, self.spec.build_context) if self.spec.build_context else ""
        recorded = dict(self.spec.files)
        with tempfile.TemporaryFile() as archive:
            try:
                with open(path, "rb") as stream:
                    text = stream.read()
                now = {DOCKERFILE + self.spec.dockerfile: contents.digest(path)}
                if folder:
                    now[CONTEXT + self.spec.build_context] = build_context.digest(folder, path + build_context.IGNORE)
                sent = build_context.write_archive(archive, text, folder, path + build_context.IGNORE)
            except FileNotFoundError as error:
                raise EnvironmentRecipeError("a file of the image is gone", ("looked at", str(error.filename))) from None
            if any(recorded[key] != digest for key, digest in now.items()):
                raise EnvironmentRecipeError(
                    "the Dockerfile or its context has changed since the run was specified", ("looked at", path),
                    *([("context", folder)] if folder else []), hint="submit (or freeze) again to take it as it is now",
                )
            archive.seek(0)
            self.report(f"building {self.spec.dockerfile}" + (f" with {sent / 1e6:.1f} MB of files" if sent else ""))
            return image_fetch.build(
                self.engine, archive, build_context.SENT_DOCKERFILE, args=dict(self.spec.build_args),
                network=self.settings.get("network") or "", labels=dict([self.label]), report=self.report, named=self.spec.dockerfile,
            )

    def _build(self, base: Base, tag: str) -> tuple[dict[str, Any], list[str]]:
        """The finished image and the ids of the stages below it."""
        top = base
        stages = [base.image_id] if self.spec.dockerfile else []
        if self._installs:
            installation = self._installation(base)
            try:
                top, layers = installation.on(base)
                stages += layers
            finally:
                self.made_here += installation.made_here
        elif self.spec.python or self.spec.interpreter:
            self._python_of(base)
        container = self._container({})
        with container.of(top.image_id, ""):
            labels = {
                image.IDENTITY_LABEL: self.identity, image.ENV_LABEL: self.name, "trainconf.base_digest": base.digest,
                image_store.STAGE_LABEL: "",  # a label cannot be taken off, and this one is the top stage's
            }
            with interruptions_held():
                made = container.commit(top.config, labels, f"trainconf: {self.name}")
                self.made_here.append(made)
        repository, _, version = tag.rpartition(":")
        self.engine.post(f"/images/{made}/tag", {"repo": repository, "tag": version})
        return self.engine.get(f"/images/{made}/json"), stages

    @property
    def _installs(self) -> bool:
        return len(option_lines(self.spec.requirements)) < len(self.spec.requirements)

    def _installation(self, base: Base) -> Installation:
        container = self._container(self.settings)
        return Installation(container, self.spec, self.site, self.settings, self._python_of(base), self.name)

    def _container(self, settings: Mapping[str, Any]) -> BuildContainer:
        return BuildContainer(
            self.engine, f"trainconf-build-{self.label[1]}", self.label, self.site.folder, [], settings.get("network") or "", self.report,
        )

    def _python(self, image_id: str, named: str) -> ImagePython | None:
        """The Python of an image, of a name or path when one is given; None when there is none."""
        container = self._container({"network": "none"})
        try:
            with container.of(image_id, f"{os.getuid()}:{os.getgid()}"):
                code, said = container.run(ask(named))
        except NoShell:
            raise EnvironmentRecipeError(
                f"image {self.spec.image or self.spec.base_image or self.spec.dockerfile} has no shell (`sh`)", ("image", image_id),
                hint="a container is started through a shell that sets its variables: take an image that has one, busybox's is enough",
            ) from None
        found = read_answer(container.answer())
        if found is None and code != 0:
            said = end_of(said) or f"nothing (exit code {code})"
            raise BuildError("the image's Python does not work", ("image", image_id), ("it said", said))
        return found

    def _python_of(self, base: Base) -> ImagePython:
        """The Python of the base image, which must be as the recipe asks. Raises EnvironmentRecipeError."""
        python = self._python(base.image_id, self.spec.interpreter)
        if python is None:
            raise self._without_python(base.name)
        self._check_version(python, base.name)
        return python

    def _check_version(self, python: ImagePython, name: str) -> None:
        if self.spec.python and not fits(python.version, self.spec.python):
            raise EnvironmentRecipeError(
                f"the image has Python {python.version}, not the {self.spec.python} that was asked for", ("from", "env.python.version"),
                ("image", name), ("interpreter", python.path), hint="drop env.python.version, or name another image",
            )

    def _without_python(self, base: str) -> EnvironmentRecipeError:
        looked = self.spec.interpreter or "python, python3"
        return EnvironmentRecipeError(
            f"image {base} has no Python", ("looked for", looked),
            hint="name its interpreter with env.python.interpreter_path, or take a base image that has one",
        )

    def _account(
        self, name: str, known: dict[str, Any], base: Base | None, python: ImagePython | None, stages: list[str]
    ) -> dict[str, Any]:
        """What is known of the image; its presence says that the image was made whole."""
        return {
            "version": 1, "kind": "image", "identity": self.identity, "name": self.name, "image": name, "image_id": known["Id"],
            "base": {"reference": base.name, "id": base.image_id, "digests": base.digests} if base else None, "stages": stages,
            "python": python.version if python else "", "interpreter": python.path if python else "",
            "packages": python.packages if python else [], "size_bytes": known.get("Size", 0),
            "created": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
            "requirements": list(self.spec.requirements), "files": [list(pair) for pair in self.spec.files],
        }
