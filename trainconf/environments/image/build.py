"""Builds an image once, under the environment's lock: a base image or Dockerfile, a venv on it, the requirements in layers, a name.

Nothing that the build is given (pip's configuration, certificates, variables, local files) is in a layer or in the history.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from trainconf import files
from trainconf.engine.client import Engine
from trainconf.environments import store
from trainconf.environments.build_folder import BuildFolder, build_folder
from trainconf.environments.image import context as build_context
from trainconf.environments.image import fetch, find, leftovers
from trainconf.environments.image.container import BuildContainer, NoShell
from trainconf.environments.image.install import Base, Installation
from trainconf.environments.image.layers import pin, read_report
from trainconf.environments.image.recipe import CONTEXT, DOCKERFILE, is_text, name_of
from trainconf.environments.image.scripts import VENV_PYTHON, ImagePython, ask, read_answer
from trainconf.environments.recipe.file_tree import file_digest
from trainconf.environments.recipe.interpreter import fits
from trainconf.environments.recipe.requirements import end_of, option_lines, with_hashes
from trainconf.environments.request import EnvironmentRequest
from trainconf.errors import BuildError, EnvironmentRecipeError
from trainconf.fast.records import replace
from trainconf.process import interruptions_held
from trainconf.reporter import Reporter, Wait


def build(engine: Engine, request: EnvironmentRequest) -> tuple[store.BuiltImage, bool]:
    """Build the image of a request; whether it is new. Another process may have built it while this call waited for the lock.

    Raises as `prepare.ensure` says, and EngineError.
    """
    spec = request.spec
    if spec.image and not spec.software_id:  # its id is part of what the environment is, and could not be asked for before
        known = _present(engine, spec.image, request.reporter, "env.docker.image")
        request = request.with_spec(replace(spec, software_id=str(known["Id"])))
    with build_folder(request) as folder:
        found = find.built(engine, request)
        if found is not None:
            return found, False
        builder = ImageBuilder(engine, folder)
        facts = builder.used_as_it_is() if spec.image else builder.build()
        os.mkdir(folder.at("env"))
        metadata = folder.keep(**facts)
    return store.BuiltImage(request.folder, metadata), builder.has_built


def pinned(request: EnvironmentRequest) -> str:
    """The recipe pinned on its base image, as a requirements file that names that image. Raises as `build` does."""
    if request.spec.image:
        raise EnvironmentRecipeError("there is nothing to pin: this image is used as it is", ("env.docker.image", request.spec.image),
                                     hint="write its digest instead of its name: NAME@sha256:…")
    with find.engine() as engine, build_folder(request) as folder:
        return ImageBuilder(engine, folder).pinned()


def _present(engine: Engine, reference: str, reporter: Reporter, setting: str) -> dict[str, Any]:
    """The engine's facts about an image, which is pulled if it is missing."""
    known = find.inspect(engine, reference)
    if known is None:
        fetch.pull(engine, reference, reporter, setting)
        known = find.inspect(engine, reference)
    if known is None:
        raise BuildError(f"image {reference} is gone again", ("from", setting))
    return known


class ImageBuilder:
    """Builds the image of one request. `has_built`: whether it made an image, and not only took one as it is."""

    def __init__(self, engine: Engine, folder: BuildFolder) -> None:
        self.engine = engine
        self.folder = folder
        self.request = folder.request
        self.spec = folder.request.spec
        self.has_built = False
        self.wait = Wait()  # while the image is made
        self._made_here: list[str] = []  # images that are removed after a failure, oldest first
        files.write_atomic(os.path.join(self.request.workspace.envs, store.IMAGES_MARK), "")

    def used_as_it_is(self) -> dict[str, Any]:
        """The metadata of an image in which nothing is installed."""
        spec = self.spec
        known = find.inspect(self.engine, spec.software_id)
        known = known or _present(self.engine, spec.image, self.request.reporter, "env.docker.image")
        if known["Id"] != spec.software_id:
            raise EnvironmentRecipeError(
                f"image {spec.image} is not the one this run was recorded with", ("recorded", spec.software_id), ("now", str(known["Id"])),
                hint="its name was moved: load the image it was recorded with, or submit anew from the config",
            )
        python = self._python(known["Id"], spec.interpreter)
        if python is None and (spec.python or spec.interpreter):
            raise self._without_python(spec.image)
        if python is not None:
            self._check_version(python, spec.image)
        return self._metadata(spec.image, known, None, python, [])

    def build(self) -> dict[str, Any]:
        """Build the image; return its metadata. An image of this recipe whose metadata was lost is taken as it is."""
        tag = find.tag_of(self.request.name, self.request.identity)
        known = find.inspect(self.engine, tag)
        base = self._base()
        stages: list[str] = []
        if not find.is_of(known, self.request.identity):
            self.has_built = True
            try:
                with self.request.reporter.wait(f"building image {tag} from {base.name}") as self.wait:
                    known, stages = self._build(base, tag)
            except BaseException:
                leftovers.remove_unneeded(self.engine, self._made_here[::-1])
                raise
        assert known is not None
        python = self._python(known["Id"], VENV_PYTHON if self._installs else self.spec.interpreter)
        return self._metadata(tag, known, base, python, stages)

    def pinned(self) -> str:
        """The text of a lock file. The stage that holds the venv is left for the next build."""
        base = self._base()
        lines = []
        python = self._python_of(base)
        if self._installs:
            with self.request.reporter.wait(f"pinning environment {self.request.name} on {base.name}") as self.wait:
                report = self._installation(base).plan(base)
            pins = sorted(pin(distribution, self.spec.files) for distribution in read_report(report))
            lines = [*option_lines(self.spec.requirements), *with_hashes(pins, self.spec.requirements)]
        header = (
            f"# pinned by `trainconf env lock` from {self.request.name} for Python {python.version}",
            f"# in image {base.name} {base.digest}; what the image itself has is not listed",
        )
        return "".join(f"{line}\n" for line in (*header, *lines))

    def _base(self) -> Base:
        """The image to install the requirements on, made or pulled if it is missing."""
        if not self.spec.dockerfile:
            return Base(self.spec.base_image, _present(self.engine, self.spec.base_image, self.request.reporter, "env.docker.base_image"))
        image_id = self._build_dockerfile()
        self._made_here.append(image_id)
        return Base(name_of(self.spec.dockerfile), self.engine.get(f"/images/{image_id}/json"))

    def _build_dockerfile(self) -> str:
        """Build the user's Dockerfile from exactly the files that were recorded; return the id of the image."""
        root, spec, name = self.request.root, self.spec, name_of(self.spec.dockerfile)
        path = "" if is_text(spec.dockerfile) else os.path.join(root, spec.dockerfile)
        ignore = path + build_context.IGNORE if path else ""
        folder = os.path.join(root, spec.build_context) if spec.build_context else ""
        recorded, now, text = dict(spec.files), {}, spec.dockerfile.encode()
        with tempfile.TemporaryFile() as archive:
            try:
                if path:
                    with open(path, "rb") as stream:
                        text = stream.read()
                    now[DOCKERFILE + spec.dockerfile] = file_digest(path)
                if folder:
                    now[CONTEXT + spec.build_context] = build_context.digest(folder, ignore)
                sent = build_context.write_archive(archive, text, folder, ignore)
            except FileNotFoundError as error:
                raise EnvironmentRecipeError("a file of the image is gone", ("looked at", str(error.filename))) from None
            if any(recorded[key] != digest for key, digest in now.items()):
                raise EnvironmentRecipeError(
                    "the Dockerfile or its context has changed since the run was specified", ("looked at", path or name),
                    *([("context", folder)] if folder else []), hint="submit (or freeze) again to take it as it is now",
                )
            archive.seek(0)
            with self.request.reporter.wait(f"building {name}" + (f" with {sent / 1e6:.1f} MB of files" if sent else "")) as wait:
                return fetch.build(
                    self.engine, archive, build_context.SENT_DOCKERFILE, args=dict(spec.build_args), network=self._network,
                    labels={leftovers.BUILD_LABEL: self._container("").label}, report=wait.now, named=name,
                )

    def _build(self, base: Base, tag: str) -> tuple[dict[str, Any], list[str]]:
        """The finished image, and the ids of the stages below it."""
        top = base
        stages = [base.image_id] if self.spec.dockerfile else []
        if self._installs:
            installation = self._installation(base)
            try:
                top, layers = installation.on(base)
                stages += layers
            finally:
                self._made_here += installation.made_here
        elif self.spec.python or self.spec.interpreter:
            self._python_of(base)
        container = self._container("")
        with container.started_from(top.image_id, ""):
            labels = {
                find.IDENTITY_LABEL: self.request.identity, find.ENV_LABEL: self.request.name, "trainconf.base_digest": base.digest,
                leftovers.STAGE_LABEL: "",  # the top stage has this label, and a label cannot be removed
            }
            with interruptions_held():
                made = container.commit(top.config, labels, f"trainconf: {self.request.name}")
                self._made_here.append(made)
        repository, _, version = tag.rpartition(":")
        self.engine.post(f"/images/{made}/tag", {"repo": repository, "tag": version})
        return self.engine.get(f"/images/{made}/json"), stages

    @property
    def _installs(self) -> bool:
        return len(option_lines(self.spec.requirements)) < len(self.spec.requirements)

    @property
    def _network(self) -> str:
        return str(self.request.image_build.get("network") or "")

    def _installation(self, base: Base) -> Installation:
        return Installation(self._container(self._network), self.folder, self._python_of(base))

    def _container(self, network: str) -> BuildContainer:
        return BuildContainer(self.engine, self.folder, network, self.wait)

    def _python(self, image_id: str, named: str) -> ImagePython | None:
        """The Python of an image, of a name or path if one is given; None when there is none."""
        container = self._container("none")
        try:
            with container.started_from(image_id, f"{os.getuid()}:{os.getgid()}"):
                code, output = container.run(ask(named))
        except NoShell:
            raise EnvironmentRecipeError(
                f"image {self.spec.image or self.spec.base_image or name_of(self.spec.dockerfile)} has no shell (`sh`)",
                ("image", image_id),
                hint="a container is started through a shell that sets its variables: take an image that has one, busybox's is enough",
            ) from None
        found = read_answer(container.answer())
        if found is None and code != 0:
            output = end_of(output) or f"nothing (exit code {code})"
            raise BuildError("the image's Python does not work", ("image", image_id), ("it said", output))
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
        return EnvironmentRecipeError(
            f"image {base} has no Python", ("looked for", self.spec.interpreter or "python, python3"),
            hint="name its interpreter with env.python.interpreter_path, or take a base image that has one",
        )

    def _metadata(
        self, name: str, known: dict[str, Any], base: Base | None, python: ImagePython | None, stages: list[str]
    ) -> dict[str, Any]:
        """The facts that the store records of an image."""
        return {
            "kind": "image", "image": name, "image_id": known["Id"], "size_bytes": known.get("Size", 0), "stages": stages,
            "base": {"reference": base.name, "id": base.image_id, "digests": base.digests} if base else None,
            "python": python.version if python else "", "interpreter": python.path if python else "",
            "packages": python.packages if python else [],
        }
