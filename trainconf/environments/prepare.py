"""From the spec of an environment to the Python that runs a job: looked up, or built.

What only a build needs is imported by a build: handing out what is there must cost 2 ms, imports included.
"""

from __future__ import annotations

import os

from trainconf.environments import store
from trainconf.environments.recipe import reader as recipe
from trainconf.environments.recipe.installed import lock_text
from trainconf.errors import EnvironmentRecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from trainconf.files import FileLock
    from trainconf.paths import WorkspacePaths
    from trainconf.spec import EnvironmentSpec


class Software:
    """What a job is started with: a Python, and the image it lies in; empty for the machine itself."""

    __slots__ = ("image", "python")

    def __init__(self, python: str, image: str = "") -> None:
        self.python = python
        self.image = image


class Prepared(Software):
    """An environment that can be used now, what is installed in it, and whether this call built it.

    Until it is released, or dies, nobody removes the environment: a run that will use it may have no plan yet that says so.
    """

    __slots__ = ("_held", "built", "lock_text")

    def __init__(self, python: str, lock_text: str, *, built: bool, image: str = "", held: FileLock | None = None) -> None:
        super().__init__(python, image)
        self.lock_text = lock_text
        self.built = built
        self._held = held

    def release(self) -> None:
        """From now on only a run's plan keeps the environment. May be called again."""
        if self._held is not None:
            self._held.release()

    __del__ = release


def ensure(
    spec: EnvironmentSpec, workspace: WorkspacePaths, *, name: str, report: Callable[[str], None], root: str,
    image_build: Mapping[str, Any] | None = None, code: Callable[[], str] = str,
) -> Prepared:
    """The software of a spec, ready: looked up, or built once whoever else asks at the same time.

    `report` is told what takes time, line by line; `root` is where local requirements and relative interpreters are looked up;
    `image_build` is schema.ImageBuildConfig as plain values, for an environment that is an image. `code` makes a workspace with the
    recorded code, for local requirements that are not what they were; empty text when there is none.
    Raises BuildError (the installer failed; its last lines are told), EnvironmentRecipeError (no such Python, a user-managed one that
    is no longer what the spec says, local requirements that have changed) and StorageError. Nothing half-made is left.
    """
    if spec.kind == "current":
        return _current(spec, root)
    if is_file(spec):
        return _image_file(spec, root, report)
    identity = recipe.identity(spec)
    if spec.kind == "image":
        return _image(spec, workspace, identity, name=name, report=report, root=root, settings=image_build or {}, code=code)
    folder = store.environment_dir(workspace, identity)
    held = store.hold(folder)
    built = store.load(folder, identity)
    if built is not None and store.is_on_same_python(built):
        return _handed_out(built, report, held)
    from trainconf.environments.venv.build import build

    try:
        built, by_us = build(spec, workspace, identity, name=name, report=report, root=root, code=code)
    except BaseException:
        held.release()
        raise
    if by_us:
        return Prepared(built.python, built.lock_text(), built=True, held=held)
    return _handed_out(built, report, held)


def ensure_later(spec: EnvironmentSpec, workspace: WorkspacePaths, root: str, *, name: str) -> Prepared | None:
    """The Python of an environment that is not there and that its job shall build; None when there is nothing to build."""
    software, state = locate(spec, workspace, root, name=name)
    return None if spec.kind != "venv" or state == "ready" else Prepared(software.python, "", built=False)


def locate(spec: EnvironmentSpec, workspace: WorkspacePaths, root: str, *, name: str) -> tuple[Software, str]:
    """What a run would get, and in words whether it is there; nothing is built, and an engine that does not answer is no error."""
    if spec.kind == "current":
        return Software(recipe.python_of(spec, root).path), "ready"
    if is_file(spec):
        return _image_file(spec, root, lambda _: None), "ready" if spec.software_id else "ready, but known by nothing"
    identity = recipe.identity(spec)
    if spec.kind == "image":
        from trainconf.environments.image import find as image

        tag = image.tag_of(name, identity)
        found, state = image.state(spec, workspace, identity, tag)
        if found is not None:
            return Software(found.python, found.image_id), state
        return Software(spec.interpreter or "python", spec.software_id or spec.image or tag), state
    folder = store.environment_dir(workspace, identity)
    ready = store.load(folder, identity) is not None
    return Software(os.path.join(folder, "bin", "python")), "ready" if ready else "will be built"


def is_file(spec: EnvironmentSpec) -> bool:
    """Whether it is an image that lies there as a file or folder, which no engine knows."""
    if not spec.image:
        return False
    from trainconf.environments.image import file as image_file

    return image_file.is_one(spec.image)


def _image_file(spec: EnvironmentSpec, root: str, report: Callable[[str], None]) -> Prepared:
    from trainconf.environments.image import file as image_file

    if told := image_file.warning(spec):
        report(told)
    return Prepared(spec.interpreter or "python", image_file.account(spec), built=False, image=image_file.path_of(spec.image, root))


def _image(
    spec: EnvironmentSpec, workspace: WorkspacePaths, identity: str, *, name: str, report: Callable[[str], None], root: str,
    settings: Mapping[str, Any], code: Callable[[], str],
) -> Prepared:
    from trainconf.environments.image import find as image

    by_us = False
    with image.engine() as engine:
        held = store.hold(store.environment_dir(workspace, identity))
        try:
            found = image.built(engine, workspace, identity)
            if found is None:
                from trainconf.environments.image import build as image_build

                found, by_us = image_build.build(
                    engine, spec, workspace, identity, name=name, report=report, root=root, settings=settings, code=code
                )
        except BaseException:
            held.release()
            raise
    return Prepared(found.python, found.lock_text(), built=by_us, image=found.image_id, held=held)


def _handed_out(built: store.BuiltEnvironment, report: Callable[[str], None], held: FileLock) -> Prepared:
    """A believed environment as it is now. What was installed into it by hand is used, recorded, and said."""
    packages = built.packages()
    if packages != built.account["packages"]:
        changed = sorted(set(packages) ^ set(built.account["packages"]))
        report(
            f"environment {built.name} ({built.hash}) was changed by hand since it was built: {', '.join(changed)}; "
            f"`trainconf env rm {built.hash}` has it made anew"
        )
    return Prepared(built.python, lock_text(built.python_version, packages), built=False, held=held)


def _current(spec: EnvironmentSpec, root: str) -> Prepared:
    found, packages = recipe.current(spec, root)
    if found.version != spec.python or recipe.packages_digest(packages) != spec.software_id:
        facts = [("interpreter", found.path), ("python", f"{found.version}, recorded {spec.python}")]
        if recipe.packages_digest(packages) != spec.software_id:
            facts.append(("packages", f"{len(packages)} installed, not the set that was recorded"))
        raise EnvironmentRecipeError(
            "the user-managed Python is not what this run was recorded with", *facts,
            hint="use the environment it was recorded in, or submit anew from the config; only a managed environment can be made again",
        )
    return Prepared(found.path, lock_text(found.version, packages), built=False)
