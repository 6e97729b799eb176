"""Making an environment: once, under a lock, beside the store, moved into place when it is whole; and pinning a recipe.

The lock's descriptor is handed to the installer, so that after a `kill -9` of ours the next builder waits for the orphan to end
before it clears the building folder away.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from datetime import datetime, timezone

from trainconf import files
from trainconf.environments import contents, interpreter, recipe, requirements, store
from trainconf.environments.installed import installed
from trainconf.environments.installers import failure, find_installer
from trainconf.errors import EnvironmentRecipeError, Mistake, StorageError
from trainconf.paths import WorkspacePaths
from trainconf.process import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from trainconf.environments.installers import Installer
    from trainconf.spec import EnvironmentSpec

REFUSALS = frozenset((errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EPERM, errno.EROFS))
LAST_LINES = 20


class Site:
    """A folder to build in, under the lock of what is built. `folder` is removed in the end, whatever happens."""

    def __init__(self, folder: str, lock_fd: int, installer: Installer, root: str, report: Callable[[str], None]) -> None:
        self.folder = folder
        self.lock_fd = lock_fd
        self.installer = installer
        self.root = root
        self.report = report

    def at(self, *names: str) -> str:
        return os.path.join(self.folder, *names)

    def lay_out(self, spec: EnvironmentSpec) -> bool:
        """Write what the installer reads: copies of local requirements, verified, and the files of lines. Whether there are constraints.

        Raises EnvironmentRecipeError when a local requirement is not what the spec says.
        """
        renamed = {path: self._bring(path, digest, number) for number, (path, digest) in enumerate(spec.files)}
        wanted, constraints = requirements.for_installer(spec.requirements, renamed)
        to_root = os.path.relpath(os.path.realpath(self.root), os.path.realpath(self.folder))
        wanted = wanted.replace("--find-links ./", f"--find-links {to_root}/")
        for name, text in (("requirements.txt", wanted), ("constraints.txt", constraints)):
            with open(self.at(name), "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
        return bool(constraints)

    def _bring(self, path: str, digest: str, number: int) -> str:
        """Copy one local requirement, so that the build cannot write into the user's tree and sees exactly what was hashed."""
        source = os.path.normpath(os.path.join(self.root, path))
        copied = os.path.join("sources", str(number), os.path.basename(source) or "root")
        os.makedirs(os.path.dirname(self.at(copied)))
        try:
            contents.copy(source, self.at(copied))
        except FileNotFoundError:
            raise EnvironmentRecipeError("a local requirement is gone", ("named", path), ("looked at", source)) from None
        if contents.digest(self.at(copied)) != digest:
            raise EnvironmentRecipeError(
                "a local requirement has changed since the run was specified", ("named", path), ("looked at", source),
                hint="submit (or freeze) again to take it as it is now",
            )
        return f"./{copied}"

    def run(self, commands: list[list[str]], what: str) -> None:
        """Run the installer's commands, its lines reported as they come. Raises BuildError."""
        environ = self.installer.environ(os.environ, self.root)
        for command in commands:
            done = processes.stream(command, self._tell, cwd=self.folder, env=environ, pass_fds=(self.lock_fd,))
            if not done.ok:
                raise failure(self.installer, command, done.last_lines(LAST_LINES), what)

    def _tell(self, line: str) -> None:
        if line:
            self.report(line)

    def python_for(self, spec: EnvironmentSpec, cache_dir: str) -> str:
        """Path of the Python to build on. Raises EnvironmentRecipeError that names what is installed."""
        if spec.interpreter:
            return interpreter.inspect(interpreter.locate(spec.interpreter, self.root), cache_dir).path
        here = interpreter.submitting()
        if interpreter.fits(here.version, spec.python):
            return here.path
        try:
            return interpreter.find_version(spec.python, cache_dir, self.installer.known_pythons())
        except EnvironmentRecipeError:
            if self.installer.fetches_pythons:
                return spec.python
            raise


def build(
    spec: EnvironmentSpec, workspace: WorkspacePaths, identity: str, *, name: str, report: Callable[[str], None], root: str
) -> tuple[store.BuiltEnvironment, bool]:
    """Build an environment unless somebody did while we waited for the lock; whether we did. Raises as `prepare.ensure` says."""
    final = store.environment_dir(workspace, identity)
    with _site(workspace, final, root, report) as site:
        built = store.load(final, identity)
        if built is not None and store.is_on_same_python(built):
            return built, False
        report(f"building environment {name} ({os.path.basename(final)}) with {site.installer.name}")
        _fill(site, spec, workspace.cache, name)
        account = _account(site, spec, identity, name)
        files.write_atomic(site.at("env", store.ACCOUNT), files.dumps(account))
        store.discard(final)
        _move(site.at("env"), final)
    return store.BuiltEnvironment(final, account), True


def lock(env: dict[str, Any], root: str, *, report: Callable[[str], None]) -> str:
    """The recipe with every version pinned, as the text of a requirements file for this Python and platform.

    Raises EnvironmentRecipeError (all mistakes of the recipe; nothing to pin), BuildError and StorageError.
    """
    mistakes: list[Mistake] = []
    spec = recipe.resolve(env, root, mistakes)
    if mistakes:
        raise EnvironmentRecipeError(mistakes)
    if spec.kind == "current":
        raise EnvironmentRecipeError("there is nothing to pin: this environment is user-managed", hint="name a recipe, such as env=minimal")
    workspace = WorkspacePaths(root)
    with _site(workspace, store.environment_dir(workspace, recipe.identity(spec)), root, report) as site:
        constrained = site.lay_out(spec)
        commands = site.installer.pin_commands(site.python_for(spec, workspace.cache), constrained)
        site.run(commands, "the requirements cannot be pinned")
        pins = site.installer.read_pins(site.folder)
    for number, (path, _) in enumerate(spec.files):
        pins = [pin.replace(f"./sources/{number}/{os.path.basename(path)}", path) for pin in pins]
    header = f"# pinned by `trainconf env lock` from {env.get('name', 'custom')} for Python {spec.python}"
    return "".join(f"{line}\n" for line in (header, *requirements.option_lines(spec.requirements), *pins))


@contextmanager
def _site(workspace: WorkspacePaths, final: str, root: str, report: Callable[[str], None]) -> Iterator[Site]:
    """The lock of an environment and an empty folder to build it in. A refusal of the disk is told as a StorageError."""
    try:
        os.makedirs(workspace.envs, exist_ok=True)
        held = store.lock_of(final)
        if not held.acquire(blocking=False):
            report(f"waiting: another run is building environment {os.path.basename(final)}")
            held.acquire()
        folder, aside = final + store.BUILDING, ""
        try:
            if os.path.lexists(folder):
                shutil.rmtree(folder)
            os.mkdir(folder)
            aside = "" if _is_text(folder) else _folder_with_a_plain_name()
            yield Site(aside or folder, held.fd, find_installer(), root, report)
        finally:
            for made in (folder, aside):
                if os.path.lexists(made):
                    shutil.rmtree(made)
            held.release()
    except OSError as error:
        if error.errno in REFUSALS:
            raise StorageError.from_os_error(error, "the environment cannot be stored") from error
        raise


def _fill(site: Site, spec: EnvironmentSpec, cache_dir: str, name: str) -> None:
    constrained = site.lay_out(spec)
    wants_something = len(requirements.option_lines(spec.requirements)) < len(spec.requirements)
    prompt = name if name.isprintable() else "trainconf"
    python = site.python_for(spec, cache_dir)
    site.run(site.installer.commands(python, prompt, constrained, not wants_something), f"environment {name} cannot be built")
    site.installer.make_movable(site.at("env"))


def _account(site: Site, spec: EnvironmentSpec, identity: str, name: str) -> dict[str, Any]:
    """What a built environment says of itself; its presence is what makes it whole."""
    site_dirs = [os.path.join("lib", folder, "site-packages") for folder in sorted(os.listdir(site.at("env", "lib")))]
    return {
        "version": 1, "identity": identity, "name": name,
        "python": _python_version(site.at("env")), "base": store.base_stat(site.at("env")),
        "site_dirs": site_dirs, "packages": installed(site.at("env", folder) for folder in site_dirs),
        "created": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"), "installer": site.installer.name,
        "interpreter": spec.interpreter, "requirements": list(spec.requirements), "files": [list(pair) for pair in spec.files],
    }


def _python_version(folder: str) -> str:
    """The version of a venv's Python, as both uv and the venv module write it down: asking the Python itself takes 30 ms."""
    with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="surrogateescape") as stream:
        settings = dict(line.partition("=")[::2] for line in stream)
    return next(value.strip() for name, value in settings.items() if name.strip() in ("version", "version_info"))


def _move(source: str, target: str) -> None:
    """Into place by one rename; from another disk, by way of the building folder beside it."""
    beside = target + store.BUILDING
    if not source.startswith(beside):
        source = str(shutil.move(source, os.path.join(beside, "env")))
    os.rename(source, target)


def _is_text(path: str) -> bool:
    """Whether a path is UTF-8: neither uv nor venv works in a folder whose name is not, though what they make does."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _folder_with_a_plain_name() -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="trainconf-")
