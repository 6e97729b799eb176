"""Builds a venv once, under a lock, beside the store, and moves it into place when it is whole; pins a recipe."""

from __future__ import annotations

import os
from typing import Any

from trainconf import files
from trainconf.environments import store
from trainconf.environments.build_folder import BuildFolder, build_folder
from trainconf.environments.recipe import interpreter, requirements, torch_backend
from trainconf.environments.recipe.installed import installed
from trainconf.environments.request import EnvironmentRequest
from trainconf.environments.venv.installers import Installer, failure, find_installer
from trainconf.environments.venv.pip_configuration import ignored_settings
from trainconf.errors import EnvironmentRecipeError
from trainconf.process import processes
from trainconf.reporter import Wait


def build(request: EnvironmentRequest) -> tuple[store.BuiltEnvironment, bool]:
    """Build the venv of a request; whether it is new. Another process may have built it while this call waited for the lock.

    Raises as `prepare.ensure` says.
    """
    with build_folder(request) as folder:
        built = store.load(request.folder, request.identity)
        if built is not None and store.is_on_same_python(built):
            return built, False
        builder = VenvBuilder(folder, find_installer())
        builds = f"; builds of PyTorch: {builder.torch}" if builder.torch else ""
        hash_ = os.path.basename(request.folder)
        with request.reporter.wait(f"building environment {request.name} ({hash_}) with {builder.installer.name}{builds}") as builder.wait:
            if names := ignored_settings(os.environ, request.root):
                told = f"note: only the recipe decides which packages are taken; ignored: {', '.join(names)} (docs/environments.md)"
                request.reporter.info(told)
            metadata = folder.keep(**builder.build())
    return store.BuiltEnvironment(request.folder, metadata), True


def pinned(request: EnvironmentRequest) -> str:
    """The recipe with every version pinned, as the text of a requirements file for this Python and platform.

    Raises EnvironmentRecipeError (nothing to pin), BuildError and StorageError.
    """
    if request.spec.kind == "current":
        raise EnvironmentRecipeError("there is nothing to pin: this environment is user-managed", hint="name a recipe, such as env=minimal")
    with build_folder(request) as folder:
        builder = VenvBuilder(folder, find_installer())
        with request.reporter.wait(f"pinning environment {request.name} with {builder.installer.name}") as builder.wait:
            pins = builder.pins()
    spec = request.spec
    header = f"# pinned by `trainconf env lock` from {request.name} for Python {spec.python}"
    lines = (header, *requirements.option_lines(spec.requirements), *requirements.with_hashes(pins, spec.requirements))
    return "".join(f"{line}\n" for line in lines)


class VenvBuilder:
    """Builds the venv of one request with an installer, in a build folder. `wait` is told the installer's lines."""

    def __init__(self, folder: BuildFolder, installer: Installer) -> None:
        self.folder = folder
        self.installer = installer
        self.request = folder.request
        self.spec = folder.request.spec
        self.torch = requirements.backend_of(self.spec.requirements)
        self.named = requirements.variables(self.spec.requirements, os.environ)  # what requirement lines name; never reported
        self.wait = Wait()

    def build(self) -> dict[str, Any]:
        """Make the venv `env` and install the requirements; its metadata."""
        options, name = self._write_requirements(), self.request.name
        is_empty = len(requirements.option_lines(self.spec.requirements)) == len(self.spec.requirements)
        prompt = name if name.isprintable() else "trainconf"
        self._run(self.installer.commands(self._python(), prompt, options, is_empty), f"environment {name} cannot be built")
        self.installer.make_movable(self.folder.at("env"))
        self._hide_variables()
        metadata = self._metadata()
        self.installer.check(metadata["packages"], self.torch)
        return metadata

    def pins(self) -> list[str]:
        """The exact versions that the requirements resolve to; local ones as the recipe names them."""
        options = self._write_requirements()
        self._run(self.installer.pin_commands(self._python(), options), "the requirements cannot be pinned")
        pins = [requirements.unexpanded(pin, self.named) for pin in self.installer.read_pins(self.folder.path)]
        self.installer.check(pins, self.torch)
        for number, (path, _) in enumerate(self.spec.files):
            pins = [pin.replace(f"./sources/{number}/{os.path.basename(path)}", path) for pin in pins]
        return pins

    def _write_requirements(self) -> list[str]:
        """Write what the installer reads: copies of local requirements, and the files of lines. The options that it needs."""
        wanted, constraints = requirements.for_installer(self.spec.requirements, self.folder.copy_local_requirements())
        to_root = os.path.relpath(os.path.realpath(self.request.root), os.path.realpath(self.folder.path))
        if "--hash=" in wanted:  # pip takes it so; uv would install whatever has none
            wanted = "--require-hashes\n" + wanted
        self.folder.write("requirements.txt", wanted.replace("--find-links ./", f"--find-links {to_root}/"))
        self.folder.write("constraints.txt", constraints)
        return [*(("-c", "constraints.txt") if constraints else ()), *self.installer.torch_options(self.torch)]

    def _python(self) -> str:
        """Path of the Python to build on. Raises EnvironmentRecipeError that names what is installed."""
        cache_dir, spec = self.request.workspace.cache, self.spec
        if spec.interpreter:
            return interpreter.inspect(interpreter.locate(spec.interpreter, self.request.root), cache_dir).path
        here = interpreter.submitting()
        if interpreter.fits(here.version, spec.python):
            return here.path
        try:
            return interpreter.find_version(spec.python, cache_dir, self.installer.known_pythons())
        except EnvironmentRecipeError:
            if self.installer.fetches_pythons:
                return spec.python
            raise

    def _run(self, commands: list[list[str]], what: str) -> None:
        """Run the installer's commands and report its lines as they come. Raises BuildError."""
        environ = self.installer.environ(os.environ, self.request.root) | self.named | torch_backend.uv_variables(self.torch)
        if "--pre" in requirements.option_lines(self.spec.requirements):
            environ["UV_PRERELEASE"] = "allow"  # uv ignores the line that pip reads
        for command in commands:
            done = processes.stream(command, self._report, cwd=self.folder.path, env=environ, pass_fds=(self.folder.lock_fd,))
            if not done.ok:
                output = requirements.end_of(done.last_lines(requirements.KEPT_LINES), self.spec.requirements)
                raise failure(self.installer, command, requirements.redacted(output, self.named), what)

    def _report(self, line: str) -> None:
        if line:
            self.wait.now(requirements.redacted(line, self.named))

    def _hide_variables(self) -> None:
        """Take the values of variables out of the notes in which installers record where a package came from (PEP 610)."""
        for folder, _, names in os.walk(self.folder.at("env", "lib")) if self.named else ():
            if "direct_url.json" in names:
                path = os.path.join(folder, "direct_url.json")
                with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                    text = stream.read()
                files.write_atomic(path, requirements.unexpanded(text, self.named), durable=False)

    def _metadata(self) -> dict[str, Any]:
        """The facts that the store records of a venv."""
        venv = self.folder.at("env")
        site_dirs = [os.path.join("lib", name, "site-packages") for name in files.names_in(os.path.join(venv, "lib"))]
        return {
            "python": _python_version(venv), "base": store.base_stat(venv), "installer": self.installer.name,
            "site_dirs": site_dirs, "packages": installed(os.path.join(venv, site_dir) for site_dir in site_dirs),
            "interpreter": self.spec.interpreter,
        }


def _python_version(folder: str) -> str:
    """The version of a venv's Python, as both uv and the venv module record it. Asking the Python itself takes 30 ms."""
    with open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8", errors="surrogateescape") as stream:
        settings = dict(line.partition("=")[::2] for line in stream)
    return next(value.strip() for name, value in settings.items() if name.strip() in ("version", "version_info"))
