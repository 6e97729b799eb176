"""From a `ScriptRunConfig` to what composes it: choices as overrides, values as layers with the lines that set them.

Later wins: config files, `run_config` as it was given, the constructor and what was set since, the experiment and tags of `submit`,
overrides.
"""

from __future__ import annotations

import os

from trainconf.control.compose import ComposeRequest, compose
from trainconf.errors import UserError
from trainconf.fast.records import Record
from trainconf.paths import is_inside
from trainconf.sdk.docker import DockerConfiguration
from trainconf.sdk.run_configuration import COMMUNICATORS
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.submission.layers import PlacedValues, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf import ScriptRunConfig
    from trainconf.sdk.distributed import DistributedConfiguration
    from trainconf.sdk.run_configuration import RunConfiguration
    from trainconf.sdk.workspace import Workspace

IMAGES = ("image", "base_image", "dockerfile", "build_context")
ON_THIS_MACHINE = (None, "local")


class Part(Record):
    """Something that one line sets: choices of groups as overrides, and values."""

    place: str
    choices: list[str] = []  # noqa: RUF012  # nobody changes it
    values: dict[str, Any] = {}  # noqa: RUF012
    is_image: bool = False  # an environment that is an image


def request(
    config: ScriptRunConfig, workspace: Workspace, more: Sequence[Part] = (), further: Sequence[str] = ()
) -> ComposeRequest:
    """What composes it in a workspace. `more` wins over its values, and words after its overrides.

    Raises UserError for what does not go together.
    """
    parts = [*parts_of(config, workspace.root), *more]
    values = PlacedValues()
    for part in parts:
        values.put(part.place, part.values)
    overrides = words([*config.overrides, *further], parts)
    return ComposeRequest(overrides, layers=values.layers(), typed_in=config._place, folder=config._folder)


def words(given: list[str], parts: Sequence[Part]) -> list[str]:
    """The overrides: the choices of groups, the last of each, and what the user has given, which wins."""
    chosen = {word.partition("=")[0]: word for part in parts for word in part.choices}
    for word in given:
        chosen.pop(word.partition("=")[0], None)
    return [*chosen.values(), *given]


def parts_of(config: ScriptRunConfig, root: str = "") -> list[Part]:
    """What a config sets. Paths in the workspace `root` are relative to it, so that what is recorded holds on other machines, too."""
    return [Part(config._place, [f"experiment={config._experiment}"]), *_run_parts(config, root), *_own_parts(config, root)]


def _own_parts(config: ScriptRunConfig, root: str) -> Iterator[Part]:
    """What is not of its run_config."""
    for name in ("source_directory", "params", "metric", "tags", "display_name", "argument_style", "inputs"):
        value = config._values.get(name)
        if value is None or value == {}:
            continue
        if name == "inputs":
            value = {key: _in_workspace(os.path.normpath(os.path.join(config._folder, path)), root) for key, path in value.items()}
        elif name == "source_directory":
            value = _in_workspace(value, root)
        yield Part(config._places[name], [], {name: value})


def _run_parts(config: ScriptRunConfig, root: str) -> Iterator[Part]:
    """What its run_config sets."""
    run = config.run_config
    found = {name: value for name in run._names if (value := run._found(name)) is not None}
    environment = _environment(found)
    docker = found.get("docker") or _docker_of(found)
    target, place = found.get("target", (None, config._place))
    yield from environment
    if docker is not None and docker[0]._values["use_docker"] is not False:
        yield Part(docker[1], *docker[0]._layer())
    if (wanted := _target(target, environment, docker, place, config)) is not None:
        yield Part(wanted[1], [f"compute={wanted[0]}"])
    yield from _distributed(run, found)
    yield from _command(config, found, root)
    if "max_run_duration_seconds" in found and found["max_run_duration_seconds"][0] is not None:
        seconds, place = found["max_run_duration_seconds"]
        yield Part(place, [], {"max_run_duration_seconds": seconds})


def _environment(found: dict[str, tuple[Any, str]]) -> list[Part]:
    parts = []
    environment, place = found.get("environment", (None, ""))
    if isinstance(environment, str):
        parts.append(Part(place, [f"env={environment}"]))
    elif environment is not None:
        choices, values = environment._layer()
        names = values.get("env", {}).get("docker") or {}
        is_image = any(names.get(name) for name in IMAGES) or getattr(environment, "_is_image", False)
        parts.append(Part(getattr(environment, "_place", place), choices, values, is_image))
    if "environment_variables" in found:
        variables, place = found["environment_variables"]
        parts.append(Part(place, [], {"env": {"variables": variables}}))
    return parts


def _docker_of(found: dict[str, tuple[Any, str]]) -> tuple[DockerConfiguration, str] | None:
    """What the environment's own section `docker` says of how a container runs: the older place for it."""
    environment, place = found.get("environment", (None, ""))
    section = getattr(environment, "_container", None)
    return None if section is None else (section, getattr(environment, "_place", place))


def _target(
    target: str | None, environment: Sequence[Part], docker: tuple[DockerConfiguration, str] | None, place: str, config: ScriptRunConfig
) -> tuple[str, str] | None:
    """The choice of `compute` and its place. An image implies Docker on this machine, unless Docker is refused: that is an error."""
    use_docker = None if docker is None else docker[0]._values["use_docker"]
    image = next((part for part in environment if part.is_image), None)
    if image is not None and use_docker is False and target in (*ON_THIS_MACHINE, "docker"):
        assert docker is not None
        raise UserError(
            "the environment is an image, and use_docker is False", ("from", docker[1]), ("environment", image.place),
            hint="leave use_docker out, or take an environment of packages",
        )
    if target == "docker" and use_docker is False:
        assert docker is not None
        raise UserError("compute_target is 'docker', and use_docker is False", ("from", docker[1]), hint="leave use_docker out")
    is_here = target == "local" or (target is None and config._experiment == "adhoc")
    if is_here and (use_docker or image is not None):
        return "docker", docker[1] if use_docker and docker is not None else image.place if image is not None else place
    if target is None:
        return ("docker", docker[1]) if use_docker and docker is not None else None
    return target, place


def _distributed(run: RunConfiguration, found: dict[str, tuple[Any, str]]) -> Iterator[Part]:
    """The choice of `distributed`: the object that was given, else the section that communicator or framework means."""
    section, place = _section(run, found)
    backend = {"Nccl": "nccl", "Gloo": "gloo"}.get(found["communicator"][0]) if "communicator" in found else None
    if section is not None:
        yield Part(place, *section._layer())
        if backend is not None and section._kind == "pytorch" and "distributed" not in found:
            yield Part(found["communicator"][1], [], {"distributed": {"communication_backend": backend}})
    if "node_count" in found:
        count, place = found["node_count"]
        processes = getattr(section, "process_count", None)
        if processes and processes % count:
            arguments = Arguments("RunConfiguration", place)
            arguments.refuse("node_count", count, f"a divisor of process_count, which is {processes}")
            arguments.check()
        yield Part(place, [], {"distributed": {"node_count": count}})


def _section(run: RunConfiguration, found: dict[str, tuple[Any, str]]) -> tuple[DistributedConfiguration | None, str]:
    if "distributed" in found:
        return found["distributed"]
    communicator, place = found.get("communicator", ("None", ""))
    kind = COMMUNICATORS[communicator]
    if not kind and "framework" in found:
        framework, place = found["framework"]
        kind = {"PyTorch": "pytorch", "TensorFlow": "tensorflow"}.get(framework, "")
        kind = kind if kind in found else ""  # a framework alone distributes nothing
    if not kind:
        return None, ""
    return getattr(run, kind), found[kind][1] if kind in found else place


def _command(config: ScriptRunConfig, found: dict[str, tuple[Any, str]], root: str) -> Iterator[Part]:
    """Script or command, and the arguments."""
    names = [name for name in ("script", "command") if name in found and found[name][0] is not None]
    if len(names) > 1:
        raise UserError(
            "script and command are both given, and a run has one of them",
            ("script", f"{found['script'][0]} from {found['script'][1]}"), ("command", f"{found['command'][0]} from {found['command'][1]}"),
            hint="set one of them to None",
        )
    for name in names:
        value, place = found[name]
        yield Part(place, [], {name: value, "command" if name == "script" else "script": None})
    if not names and config._experiment == "adhoc":
        hint = 'ScriptRunConfig(".", "train.py"), or command=["python", "-m", "pkg"]'
        raise UserError("there is nothing to run", ("from", config._place), hint=hint)
    arguments, place = found.get("arguments", ([], config._place))
    texts, further = bound(arguments)
    folder = config._values.get("resume_from")
    if folder is not None:
        further.append({"inputs": {"resume_from": _in_workspace(folder, root)}})
        texts += ["--resume-from", "{inputs.resume_from}"]
    if "arguments" in found or folder is not None:
        yield Part(place, [], {"arguments": texts})
    for tree in further:
        yield Part(place, [], tree)


def bound(arguments: Sequence[Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Arguments as words, and what they bring: an object with `_bind() -> (word, values)`, such as a dataset, is asked for both."""
    found, further = [], []
    for argument in arguments:
        bind = getattr(argument, "_bind", None)
        if callable(bind):
            word, values = bind()
            found.append(word)
            further.append(values)
        else:
            found.append(plain(argument))
    return found, further


def _in_workspace(path: str, root: str) -> str:
    """A path as it is recorded: relative to the workspace, where it lies inside."""
    return os.path.relpath(path, root) if root and is_inside(path, root) else path


def explained(config: ScriptRunConfig) -> str:
    """Which line set what, the winner of each."""
    parts = parts_of(config)
    values = PlacedValues()
    chosen: dict[str, tuple[str, str]] = {}
    for part in parts:
        values.put(part.place, part.values)
        for word in part.choices:
            group, _, choice = word.partition("=")
            chosen[group] = choice, part.place
    given = {word.partition("=")[0] for word in config.overrides}
    lines = ["later wins: config files, the lines of the program, overrides"]
    lines += [f"{group} = {choice}  <- {place}" for group, (choice, place) in chosen.items() if group not in given]
    lines += [f"{key} = {value}  <- {place}" for key, value, place in values.leaves() if value is not None]
    lines += [f"{word}  <- overrides of {config._places.get('overrides', config._place)}" for word in config.overrides]
    return "\n".join(lines)


def explained_in(config: ScriptRunConfig, workspace: Workspace) -> str:
    """Every setting of the composed config, and what set it."""
    from trainconf.resolve.origins import leaves

    composed = compose(request(config, workspace), workspace._paths)
    return "\n".join(f"{key} = {value}  <- {composed.origin(key)}" for key, value in leaves(composed.config))
