"""Making a venv: once, under a lock, beside the store, moved into place when it is whole; and pinning a recipe."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from trainconf import files
from trainconf.environments import store
from trainconf.environments.recipe import interpreter, reader as recipe, requirements
from trainconf.environments.recipe.installed import installed
from trainconf.environments.venv.installers import failure, find_installer
from trainconf.environments.build_folder import building_site
from trainconf.errors import EnvironmentRecipeError
from trainconf.paths import WorkspacePaths
from trainconf.process import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.environments.venv.installers import Installer
    from trainconf.environments.build_folder import Site
    from trainconf.spec import EnvironmentSpec


class Workshop:
    """An installer in the folder where it works."""

    def __init__(self, site: Site, installer: Installer) -> None:
        self.site = site
        self.installer = installer
        self.lines: tuple[str, ...] = ()
        self.named: dict[str, str] = {}  # variables that requirement lines name; their values are never told
        self.takes_previews = False

    def lay_out(self, spec: EnvironmentSpec) -> bool:
        """Write what the installer reads: copies of local requirements, and the files of lines. Whether there are constraints."""
        self.lines = spec.requirements
        wanted, constraints = requirements.for_installer(spec.requirements, self.site.bring(spec))
        to_root = os.path.relpath(os.path.realpath(self.site.root), os.path.realpath(self.site.folder))
        self.named = requirements.variables(spec.requirements, os.environ)
        if "--hash=" in wanted:  # pip takes it so; uv would install whatever has none
            wanted = "--require-hashes\n" + wanted
        self.takes_previews = "--pre" in requirements.option_lines(spec.requirements)
        self.site.write("requirements.txt", wanted.replace("--find-links ./", f"--find-links {to_root}/"))
        self.site.write("constraints.txt", constraints)
        return bool(constraints)

    def run(self, commands: list[list[str]], what: str) -> None:
        """Run the installer's commands, its lines reported as they come. Raises BuildError."""
        environ = self.installer.environ(os.environ, self.site.root) | self.named
        if self.takes_previews:
            environ["UV_PRERELEASE"] = "allow"  # uv passes over the line that pip reads
        for command in commands:
            done = processes.stream(command, self._tell, cwd=self.site.folder, env=environ, pass_fds=(self.site.lock_fd,))
            if not done.ok:
                said = requirements.end_of(done.last_lines(requirements.KEPT_LINES), self.lines)
                raise failure(self.installer, command, requirements.redacted(said, self.named), what)

    def _tell(self, line: str) -> None:
        if line:
            self.site.report(requirements.redacted(line, self.named))

    def python_for(self, spec: EnvironmentSpec, cache_dir: str) -> str:
        """Path of the Python to build on. Raises EnvironmentRecipeError that names what is installed."""
        if spec.interpreter:
            return interpreter.inspect(interpreter.locate(spec.interpreter, self.site.root), cache_dir).path
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
    spec: EnvironmentSpec, workspace: WorkspacePaths, identity: str, *, name: str, report: Callable[[str], None], root: str,
    code: Callable[[], str] = str,
) -> tuple[store.BuiltEnvironment, bool]:
    """Build an environment unless somebody did while we waited for the lock; whether we did. Raises as `prepare.ensure` says."""
    final = store.environment_dir(workspace, identity)
    with building_site(workspace, final, root, report, code) as site:
        built = store.load(final, identity)
        if built is not None and store.is_on_same_python(built):
            return built, False
        shop = Workshop(site, find_installer())
        report(f"building environment {name} ({os.path.basename(final)}) with {shop.installer.name}")
        tell_what_is_not_heeded(report, root)
        _fill(shop, spec, workspace.cache, name)
        account = _account(shop, spec, identity, name)
        files.write_atomic(site.at("env", store.ACCOUNT), files.dumps(account))
        store.discard(final)
        site.move("env", final)
    return store.BuiltEnvironment(final, account), True


def lock(spec: EnvironmentSpec, root: str, *, name: str, report: Callable[[str], None]) -> str:
    """The recipe with every version pinned, as the text of a requirements file for this Python and platform.

    Raises EnvironmentRecipeError (nothing to pin), BuildError and StorageError.
    """
    if spec.kind == "current":
        raise EnvironmentRecipeError("there is nothing to pin: this environment is user-managed", hint="name a recipe, such as env=minimal")
    workspace = WorkspacePaths(root)
    with building_site(workspace, store.environment_dir(workspace, recipe.identity(spec)), root, report) as site:
        shop = Workshop(site, find_installer())
        constrained = shop.lay_out(spec)
        commands = shop.installer.pin_commands(shop.python_for(spec, workspace.cache), constrained)
        shop.run(commands, "the requirements cannot be pinned")
        pins = [requirements.unexpanded(pin, shop.named) for pin in shop.installer.read_pins(site.folder)]
    for number, (path, _) in enumerate(spec.files):
        pins = [pin.replace(f"./sources/{number}/{os.path.basename(path)}", path) for pin in pins]
    header = f"# pinned by `trainconf env lock` from {name} for Python {spec.python}"
    return "".join(f"{line}\n" for line in (header, *requirements.option_lines(spec.requirements), *requirements.with_hashes(pins, spec.requirements)))


def tell_what_is_not_heeded(report: Callable[[str], None], root: str) -> None:
    """Say which settings of the user the recipe alone decides."""
    from trainconf.environments.venv.pip_configuration import not_heeded

    if names := not_heeded(os.environ, root):
        report(f"note: only the recipe says which packages are taken; not heeded: {', '.join(names)} (docs/environments.md)")


def _fill(shop: Workshop, spec: EnvironmentSpec, cache_dir: str, name: str) -> None:
    constrained = shop.lay_out(spec)
    wants_something = len(requirements.option_lines(spec.requirements)) < len(spec.requirements)
    prompt = name if name.isprintable() else "trainconf"
    python = shop.python_for(spec, cache_dir)
    shop.run(shop.installer.commands(python, prompt, constrained, not wants_something), f"environment {name} cannot be built")
    shop.installer.make_movable(shop.site.at("env"))
    _forget(shop)


def _forget(shop: Workshop) -> None:
    """Take the values of variables out of the notes that installers leave of where a package came from (PEP 610)."""
    for folder, _, names in os.walk(shop.site.at("env", "lib")) if shop.named else ():
        if "direct_url.json" in names:
            path = os.path.join(folder, "direct_url.json")
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read()
            files.write_atomic(path, requirements.unexpanded(text, shop.named), durable=False)


def _account(shop: Workshop, spec: EnvironmentSpec, identity: str, name: str) -> dict[str, Any]:
    """What a built environment says of itself; its presence is what makes it whole."""
    site = shop.site
    site_dirs = [os.path.join("lib", folder, "site-packages") for folder in sorted(os.listdir(site.at("env", "lib")))]
    return {
        "version": 1, "identity": identity, "name": name,
        "python": _python_version(site.at("env")), "base": store.base_stat(site.at("env")),
        "site_dirs": site_dirs, "packages": installed(site.at("env", folder) for folder in site_dirs),
        "created": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"), "installer": shop.installer.name,
        "interpreter": spec.interpreter, "requirements": list(spec.requirements), "files": [list(pair) for pair in spec.files],
    }


def _python_version(folder: str) -> str:
    """The version of a venv's Python, as both uv and the venv module write it down: asking the Python itself takes 30 ms."""
    with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="surrogateescape") as stream:
        settings = dict(line.partition("=")[::2] for line in stream)
    return next(value.strip() for name, value in settings.items() if name.strip() in ("version", "version_info"))
