"""Installs requirements on a base image, layer by layer. A layer that an earlier build made is found again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from trainconf.environments.build_folder import BuildFolder, is_text
from trainconf.environments.image import layers as image_layers
from trainconf.environments.image import scripts
from trainconf.environments.image.container import INSIDE, BuildContainer
from trainconf.environments.image.leftovers import STAGE_LABEL
from trainconf.environments.image.scripts import ImagePython
from trainconf.environments.recipe import requirements, torch_backend
from trainconf.environments.venv.pip_configuration import reach_of
from trainconf.errors import BuildError, EnvironmentRecipeError
from trainconf.process import interruptions_held
from trainconf.spec import canonical, sha256_hex

LAYER_VERSION = 1  # raised when the same lines come to another layer
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # docker's, for images that set none
CONFIG_KEYS = (
    "Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell", "StopSignal", "Volumes", "WorkingDir",
)
PROXY_VARIABLES = {
    "allProxy": "ALL_PROXY", "ftpProxy": "FTP_PROXY", "httpProxy": "HTTP_PROXY", "httpsProxy": "HTTPS_PROXY", "noProxy": "NO_PROXY",
}


class Base:
    """An image that something is built on. `name` is the user's name for it; a container of it starts with `config`."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        found = known.get("Config") or {}
        self.name = name
        self.image_id = str(known["Id"])
        self.digests: list[str] = sorted(known.get("RepoDigests") or ())
        self.config: dict[str, Any] = {key: found[key] for key in CONFIG_KEYS if found.get(key)}
        self.config["User"] = found.get("User") or ""
        self.config.setdefault("Cmd", ["sh"])  # the engine would take the build container's

    @property
    def digest(self) -> str:
        """The registry's digest, or the id of an image that no registry has."""
        return self.digests[0] if self.digests else self.image_id

    @property
    def builder(self) -> str:
        """The user to install as: root; empty where the image's own user is root."""
        return "" if self.config["User"].partition(":")[0] in ("", "0", "root") else "0"


class Installation:
    """Installs the requirements of one spec. `made_here`: the stages it has made, oldest first, also after a failure."""

    def __init__(self, container: BuildContainer, folder: BuildFolder, python: ImagePython) -> None:
        self.container = container
        self.folder = folder
        self.request = folder.request
        self.spec = folder.request.spec
        self.torch = requirements.backend_of(self.spec.requirements)
        self.python = python
        self.named = requirements.variables(self.spec.requirements, os.environ)
        container.redact = lambda line: requirements.redacted(line, self.named)
        self.preamble = scripts.preamble(
            self.named | _proxies(), has_ca_file=self._mount("ca_file", scripts.CA_FILE),
            has_pip_config=self._mount("pip_config", scripts.PIP_CONFIG),
        )
        self.made_here: list[str] = []

    def on(self, base: Base) -> tuple[Base, list[str]]:
        """Install everything on a base; return the last stage, and the ids of all."""
        top, key = self._with_venv(base)
        stages = [top.image_id]
        report = self._pip_plan(top)
        layers = image_layers.layers(self.lines, image_layers.read_report(report), report["environment"])
        for number, layer in enumerate(layers, 1):
            texts = image_layers.texts(layer)
            has_local = any(distribution.is_local for distribution in layer)
            digests = [digest for _, digest in requirements.local_files(self.spec.files)] if has_local else []
            key = sha256_hex(canonical([LAYER_VERSION, key, texts, digests]))
            found = self._find(key, base)
            top = found or self._install(top, key, texts, f"{number} of {len(layers)}", is_last=number == len(layers))
            stages.append(top.image_id)
        return top, stages

    def plan(self, base: Base) -> dict[str, Any]:
        """pip's report of what the requirements come to on a base. Raises BuildError."""
        return self._pip_plan(self._with_venv(base)[0])

    def _pip_plan(self, top: Base) -> dict[str, Any]:
        self._write_requirements()
        self.container.wait.now("resolving the requirements" + (f"; builds of PyTorch: {self.torch}" if self.torch else ""))
        with self.container.started_from(top.image_id, top.builder):
            self._run(scripts.pip_plan(), f"the requirements of {self.request.name} cannot be resolved")
        report: dict[str, Any] = json.loads(self.container.answer())
        torch_backend.check([distribution.line for distribution in image_layers.read_report(report)], self.torch)
        return report

    def _with_venv(self, base: Base) -> tuple[Base, str]:
        """A base with an empty venv, and the key of that stage."""
        self._check_tools(base)
        key = sha256_hex(canonical([LAYER_VERSION, base.image_id, self.python.path, scripts.make_venv(self.python)]))
        found = self._find(key, base)
        if found is None:
            config = dict(base.config) | {"Env": _with_venv_first(base.config.get("Env") or [])}
            found = self._make(base, config, key, scripts.make_venv(self.python), "a venv")
        return found, key

    def _check_tools(self, base: Base) -> None:
        facts = (("image", base.name), ("interpreter", f"{self.python.path}, Python {self.python.version}"))
        lacking = [] if "venv" in self.python.modules else ["venv"]
        if not self.python.modules & {"pip", "ensurepip"}:
            lacking.append("pip")
        if lacking:
            raise EnvironmentRecipeError(
                f"the image's Python has no {' and no '.join(lacking)}, so nothing can be installed with it", *facts,
                hint="on Debian these are python3-venv and python3-pip: install them in a Dockerfile, or take another base image",
            )
        if "pip" in self.python.modules and not self.python.has_usable_pip:
            oldest = ".".join(map(str, scripts.OLDEST_PIP))
            raise EnvironmentRecipeError(
                f"the image's pip {self.python.pip} is too old: {oldest} or later is needed", *facts,
                hint="upgrade it in a Dockerfile, or take another env.docker.base_image",
            )

    def _write_requirements(self) -> None:
        """Write the lines as pip in the container reads them, and mount the folders that `--find-links` names."""
        wanted, constraints = requirements.for_installer(self.spec.requirements, self.folder.copy_local_requirements())
        lines = [" ".join(options)] if (options := torch_backend.pip_options(self.torch)) else []
        for line in wanted.splitlines():
            option, _, place = line.partition(" ")
            if option == "--find-links" and "://" not in place:
                inside = f"{INSIDE}/links/{len(lines)}"
                self.container.mounts.append(_bind(os.path.join(self.request.root, place), inside))
                lines.append(f"{option} {inside}")
            else:
                lines.append(line)
        self.lines = lines
        self.folder.write("requirements.txt", "".join(f"{line}\n" for line in lines))
        self.folder.write("constraints.txt", constraints)

    def _install(self, below: Base, key: str, texts: dict[str, str], which: str, *, is_last: bool) -> Base:
        options = "".join(f"{line}\n" for line in requirements.option_lines(self.lines) if line != "--require-hashes")
        for name, text in texts.items():
            self.folder.write(name, options + text)
        names = [line.split(" ")[0] for text in texts.values() for line in text.splitlines()]
        self.container.wait.now(f"installing layer {which}: {', '.join(names)}")
        script = scripts.install(texts) + (scripts.check() if is_last else "")
        return self._make(below, below.config, key, script, ", ".join(names))

    def _make(self, below: Base, config: dict[str, Any], key: str, script: str, comment: str) -> Base:
        """Run a script on an image and keep the result as a stage, which later builds find by its key."""
        with self.container.started_from(below.image_id, below.builder):
            self._run(script, f"environment {self.request.name} cannot be built")
            with interruptions_held():
                made = self.container.commit(config, {STAGE_LABEL: key}, f"trainconf: {comment}")
                self.made_here.append(made)
        return self._known(made, below.name)

    def _run(self, script: str, failure: str) -> None:
        code, output = self.container.run(self.preamble + script)
        if code != 0:
            hint = next((hint for sign, hint in HINTS.items() if sign in output), "")
            output = requirements.redacted(requirements.end_of(output, self.spec.requirements), self.named)
            raise BuildError(failure, ("installer", "pip, in a container"), ("it said", output), hint=hint)

    def _find(self, key: str, base: Base) -> Base | None:
        """The stage of this key that an earlier build made."""
        listed = self.container.engine.get("/images/json", {"all": True, "filters": {"label": [f"{STAGE_LABEL}={key}"]}})
        return self._known(listed[0]["Id"], base.name) if listed else None

    def _known(self, image_id: str, name: str) -> Base:
        return Base(name, self.container.engine.get(f"/images/{image_id}/json"))

    def _mount(self, key: str, inside: str) -> bool:
        """Mount a file that the build's settings name; whether they do. Raises EnvironmentRecipeError."""
        settings = self.request.image_build
        if not settings.get(key):
            return False
        path = os.path.abspath(os.path.join(self.request.root, os.path.expanduser(settings[key])))
        if not os.path.isfile(path) or not os.access(path, os.R_OK):
            state = "cannot be read" if os.path.isfile(path) else "is no file" if os.path.exists(path) else "does not exist"
            raise EnvironmentRecipeError(f"env.docker.build.{key} {state}", ("from", f"env.docker.build.{key}"), ("looked at", path))
        if key == "pip_config":
            self.folder.write(key, reach_of(path))
            shutil.copymode(path, self.folder.at(key))
            path = self.folder.at(key)
        elif not is_text(path):  # JSON, which the engine reads, has no such names
            path = shutil.copy2(path, self.folder.at(key))
        self.container.mounts.append(_bind(path, inside))
        return True


HINTS = {
    "No space left on device": "free some space where the engine keeps its images (`docker system df`)",
    "CERTIFICATE_VERIFY_FAILED": "behind a proxy with its own certificates: set env.docker.build.ca_file in conf/local.yaml",
    "MATCH THE HASHES": requirements.OTHER_FILE,
    "require-hashes": requirements.NO_HASH,
    "ResolutionImpossible": "two of them exclude each other: loosen or drop one",
    "name resolution": "the build has no way to the index: env.docker.build.network=host, or a mirror with env.docker.build.pip_config",
    "onnect": "is the index reachable from a container? env.docker.build.network, ca_file and pip_config; see docs/environments.md",
    "No matching distribution": "is it on the index that the build asks? A mirror is set with env.docker.build.pip_config",
}


def _bind(source: str, target: str) -> dict[str, Any]:
    return {"Type": "bind", "Source": os.path.normpath(source), "Target": target, "ReadOnly": True}


def _with_venv_first(env: Sequence[str]) -> list[str]:
    """An image's variables with the venv's programs first on PATH."""
    path = next((value[5:] for value in env if value.startswith("PATH=")), DEFAULT_PATH)
    rest = [value for value in env if not value.startswith("PATH=")]
    return [f"PATH={scripts.VENV}/bin:{path}", *rest]


def _proxies() -> dict[str, str]:
    """The proxies that docker's settings give to containers."""
    found: dict[str, str] = {}
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as stream:
            proxies = json.load(stream).get("proxies", {}).get("default", {})
    except (OSError, ValueError, AttributeError):
        return found
    for key, name in PROXY_VARIABLES.items():
        if proxies.get(key):
            found |= {name: str(proxies[key]), name.lower(): str(proxies[key])}
    return found
