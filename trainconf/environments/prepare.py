"""From the spec of an environment to the Python that runs a job: found, or built.

Finding one that exists must take 2 ms, imports included. Only a build imports what builds.
"""

from __future__ import annotations

import os

from trainconf.environments import store
from trainconf.environments.recipe import reader
from trainconf.environments.recipe.installed import lock_text
from trainconf.errors import EnvironmentRecipeError
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.environments.request import EnvironmentRequest
    from trainconf.files import FileLock
    from trainconf.spec import EnvironmentSpec


class Software(Record):
    """The Python of a job, and the image that holds it; `image` is empty for the machine itself."""

    python: str
    image: str = ""


class Prepared(Software):
    """An environment that can be used now, the text of its environment.lock, and whether this call built it.

    Nobody removes the environment before this object is released or dies: the run that will use it may have no plan yet.
    """

    lock_text: str = ""
    built: bool = False
    held: FileLock | None = None

    def release(self) -> None:
        """Leave the environment to the plan of its run. May be called again."""
        if self.held is not None:
            self.held.release()

    __del__ = release


def ensure(request: EnvironmentRequest) -> Prepared:
    """Return the software of a spec, ready to use. What is missing is built once, whoever else asks at the same time.

    Raises BuildError (the installer failed; it has its last lines), EnvironmentRecipeError (no such Python, a user-managed one that
    is no longer what the spec says, local requirements that have changed) and StorageError. Nothing half-made is left.
    """
    if request.spec.kind == "current":
        return _current(request)
    if is_file(request.spec):
        return _image_file(request)
    held = store.hold(request.folder)
    try:
        found, is_new = (_image if request.spec.kind == "image" else _venv)(request)
    except BaseException:
        held.release()
        raise
    return Prepared(found.python, found.image_id, found.lock_text(), built=is_new, held=held)


def ensure_later(request: EnvironmentRequest) -> Prepared | None:
    """Return the Python of an environment that does not exist and that its job shall build; None when there is nothing to build."""
    software, state = locate(request)
    return None if request.spec.kind != "venv" or state == "ready" else Prepared(software.python)


def locate(request: EnvironmentRequest) -> tuple[Software, str]:
    """Return what a run would get, and its state in words. Builds nothing; an engine that does not answer is no error."""
    spec = request.spec
    if spec.kind == "current":
        return Software(reader.python_of(spec, request.root).path), "ready"
    if is_file(spec):
        return _image_file(request), "ready" if spec.software_id else "ready; a folder, so its content has no id"
    if spec.kind == "image":
        from trainconf.environments.image import find

        tag = find.tag_of(request.name, request.identity)
        found, state = find.state(request, tag)
        if found is not None:
            return Software(found.python, found.image_id), state
        return Software(spec.interpreter or "python", spec.software_id or spec.image or tag), state
    is_ready = store.load(request.folder, request.identity) is not None
    return Software(os.path.join(request.folder, "bin", "python")), "ready" if is_ready else "will be built"


def is_file(spec: EnvironmentSpec) -> bool:
    """Whether it is an image that lies in the file system, as a file or a folder, and not in an engine.

    A path begins with `/` or `./`, which no name in a registry does.
    """
    return spec.image.startswith(("/", "./"))


def is_known(spec: EnvironmentSpec) -> bool:
    """Whether equal specs mean equal software: not for an image that only its path identifies."""
    return not spec.image or bool(spec.software_id)


def _venv(request: EnvironmentRequest) -> tuple[store.BuiltEnvironment, bool]:
    """The venv of a request, and whether it is new. Packages that were installed into it by hand are used, recorded and reported."""
    built, is_new = store.load(request.folder, request.identity), False
    if built is None or not store.is_on_same_python(built):
        from trainconf.environments.venv.build import build

        built, is_new = build(request)
    if not is_new and (changed := set(built.packages()) ^ set(built.metadata["packages"])):
        request.reporter.info(
            f"environment {built.name} ({built.hash}) was changed by hand since it was built: {', '.join(sorted(changed))}; "
            f"`trainconf env rm {built.hash}` makes trainconf build it anew"
        )
    return built, is_new


def _image(request: EnvironmentRequest) -> tuple[store.BuiltImage, bool]:
    from trainconf.environments.image import find

    with find.engine() as engine:
        found = find.built(engine, request)
        if found is not None:
            return found, False
        from trainconf.environments.image.build import build

        return build(engine, request)


def _image_file(request: EnvironmentRequest) -> Prepared:
    spec = request.spec
    if not spec.software_id:
        request.reporter.info(
            f"note: the image {spec.image} is a folder, whose content may change: no run in it counts as the same as another; "
            f"one file can be known by its content: `apptainer build FILE.sif {spec.image}`"
        )
    lock = f"# image {spec.image} {spec.software_id or '(a folder)'}\n# contents not inspected\n"
    return Prepared(spec.interpreter or "python", os.path.normpath(os.path.join(request.root, spec.image)), lock)


def _current(request: EnvironmentRequest) -> Prepared:
    spec = request.spec
    found, packages = reader.current(spec, request.root)
    has_changed = reader.packages_digest(packages) != spec.software_id
    if found.version != spec.python or has_changed:
        facts = [("interpreter", found.path), ("python", f"{found.version}, recorded {spec.python}")]
        if has_changed:
            facts.append(("packages", f"{len(packages)} installed, not the set that was recorded"))
        raise EnvironmentRecipeError(
            "the user-managed Python is not what this run was recorded with", *facts,
            hint="use the environment it was recorded in, or submit anew from the config; only a managed environment can be made again",
        )
    return Prepared(found.path, lock_text=lock_text(found.version, packages))
