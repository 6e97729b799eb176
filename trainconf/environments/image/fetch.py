"""Uses the docker SDK to pull from registries, with their credentials, and to build Dockerfiles. The SDK is imported when needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import IO, Any

from trainconf.engine.client import Engine
from trainconf.environments.image.leftovers import remove_container, remove_unneeded
from trainconf.errors import BuildError, ContainerEngineError
from trainconf.reporter import Reporter, Wait

LAST_LINES = 20
DOCKER_HUB = "docker.io"
_logins: dict[str, tuple[str, str]] = {}  # by registry; of this process alone
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # the engine paints red what a step writes to its standard error


def log_in(registry: str, username: str, password: str) -> None:
    """Fetch what comes from a registry with these credentials, in this process. They are written nowhere; `docker login` keeps its own."""
    _logins[registry] = username, password


def pull(engine: Engine, reference: str, reporter: Reporter, setting: str) -> None:
    """Fetch an image that `setting` names from its registry. Raises BuildError, ContainerEngineError."""
    registry = registry_of(reference)
    client = _client(engine, f"to pull {reference}", f"`docker pull {reference}` does it by hand", [registry])
    try:
        from docker.errors import DockerException
        from docker.utils import parse_repository_tag

        repository, tag = parse_repository_tag(reference)
        with reporter.wait(f"pulling {reference} from {registry}") as wait:
            layers = _Layers(wait)
            for event in client.pull(repository, tag=tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise _cannot_pull(reference, registry, setting, str(event["error"]))
                layers.take(event)
    except DockerException as error:
        raise _cannot_pull(reference, registry, setting, str(getattr(error, "explanation", None) or error)) from error
    finally:
        client.close()


def build(
    engine: Engine, archive: IO[bytes], dockerfile: str, *, args: Mapping[str, str], network: str, labels: Mapping[str, str],
    report: Callable[[str], None], named: str,
) -> str:
    """Build the Dockerfile that the user knows as `named` and that is `dockerfile` in the archive; return the id of the image.

    Raises BuildError with the step, its command and its last lines.
    """
    client = _client(engine, f"to build {named}", "", _logins)
    steps = _Steps(report)
    try:
        from docker.errors import DockerException

        events = client.build(
            fileobj=archive, custom_context=True, dockerfile=dockerfile, buildargs=dict(args), network_mode=network or None,
            labels=dict(labels), rm=True, forcerm=True, use_config_proxy=True, decode=True,
        )
        for event in events:
            steps.take(event)
    except DockerException as error:
        steps.error = str(getattr(error, "explanation", None) or error)
    except BaseException:
        if steps.container:  # it would go on, and its image would be in use
            remove_container(engine, steps.container)
        remove_unneeded(engine, steps.made[::-1])
        raise
    finally:
        client.close()
    if steps.error or not steps.image_id:
        remove_unneeded(engine, steps.made[::-1])
        raise BuildError(
            f"the Dockerfile {named} fails" + (f" at step {steps.number}" if steps.number else ""),
            *([("command", steps.command)] if steps.command else []), ("it said", "\n".join([*steps.last, steps.error]).strip()),
            hint="is the network needed? See env.docker.build.network, and docs/environments.md for mirrors and proxies"
            if re.search(r"resolv|onnect|TLS|certificate", "\n".join(steps.last)) else "",
        )
    return steps.image_id


def registry_of(reference: str) -> str:
    """The registry of an image: the part of its name before the first slash, when that can be a host."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DOCKER_HUB


class _Layers:
    """Tells how far a pull is."""

    def __init__(self, wait: Wait) -> None:
        self.wait = wait
        self.layers: dict[str, tuple[int, int]] = {}
        self.done: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> None:
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        detail = event.get("progressDetail") or {}
        if status == "Downloading" and "total" in detail:
            self.layers[layer] = (int(detail["current"]), int(detail["total"]))
        elif status in ("Download complete", "Pull complete", "Already exists"):
            self.done.add(layer)
            self.layers[layer] = (self.layers.get(layer, (0, 0))[1],) * 2
        if self.layers:
            current, total = (sum(column) for column in zip(*self.layers.values(), strict=True))
            self.wait.at(current, total, "B")
            self.wait.now(f"{len(self.done)} of {len(self.layers)} layers")


class _Steps:
    """Follows the build of a Dockerfile: the current step, its last lines, and the image in the end."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report
        self.number = ""
        self.command = ""
        self.image_id = ""
        self.error = ""
        self.last: list[str] = []
        self.container = ""  # of the current step
        self.made: list[str] = []  # images that the steps of this build made, oldest first
        self._is_found = True  # whether the step's image existed before: the base of the first step, or a cached one

    def take(self, event: Mapping[str, Any]) -> None:
        if "error" in event:
            self.error = str(event["error"]).strip()
        if "ID" in (event.get("aux") or {}):
            self.image_id = str(event["aux"]["ID"])
        for line in COLOUR.sub("", str(event.get("stream", ""))).splitlines():
            if not line.strip():
                continue
            if step := re.fullmatch(r"Step (\d+)/(\d+) : (.*)", line.rstrip()):
                self.container = ""
                self._is_found = step[3].upper().startswith("FROM ")
                # the engine adds one for our label
                self.number, self.command, self.last = f"{step[1]} of {int(step[2]) - 1}", step[3], []
            elif line.strip() == "---> Using cache":
                self._is_found = True
            elif made := re.fullmatch(r" ---> ([0-9a-f]{12})", line.rstrip()):
                self.made += [] if self._is_found else [made[1]]
            else:
                if running := re.fullmatch(r" ---> Running in ([0-9a-f]{12})", line.rstrip()):
                    self.container = running[1]
                self.last = [*self.last[1 - LAST_LINES :], line.rstrip()]
            self.report(line.rstrip())  # last: whoever has read it may interrupt, and what the engine has by then is known


def _cannot_pull(reference: str, registry: str, setting: str, output: str) -> BuildError:
    return BuildError(
        f"image {reference} cannot be pulled", ("from", setting), ("registry", registry), ("the engine said", output.strip()),
        hint=f"is the name right, and does `docker pull {reference}` work? Else name another image in {setting}; `docker login` for a "
        "private registry",
    )


def _client(engine: Engine, why: str, instead: str, registries: Collection[str]) -> Any:
    """The SDK's client, logged in at those of the registries that `log_in` was given credentials for."""
    try:
        import docker
    except ImportError as error:
        raise ContainerEngineError(
            f"the docker SDK is needed {why}", hint="pip install 'trainconf[docker]'" + (f"; or {instead}" if instead else "")
        ) from error
    client = docker.APIClient(base_url=engine.address, version=engine.api, timeout=3600)
    for registry, (username, password) in _logins.items():
        if registry in registries:
            _log_in(client, registry, username, password)
    return client


def _log_in(client: Any, registry: str, username: str, password: str) -> None:
    """Have the engine ask a registry whether it takes the credentials. Raises BuildError."""
    from docker.errors import DockerException

    try:
        client.login(username, password=password, registry=None if registry == DOCKER_HUB else registry, reauth=True)
    except DockerException as error:
        client.close()
        said = str(getattr(error, "explanation", None) or error).replace(password, "***")
        raise BuildError(
            f"the registry {registry} refuses the user {username}", ("the engine said", said),
            hint="are username and password of the ContainerRegistry right?",
        ) from None
