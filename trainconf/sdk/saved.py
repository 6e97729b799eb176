"""A `RunConfiguration` as `<path>/.azureml/<name>.runconfig`: YAML with the names of Azure ML's SDK v1, whose files are read, too."""

from __future__ import annotations

import os
from difflib import get_close_matches

from trainconf.errors import Mistake, StorageError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

FOLDERS = (".azureml", "aml_config")  # the second one is that of its first years
SUFFIX = ".runconfig"
SIMPLE = {
    "script": "script", "arguments": "arguments", "command": "command", "target": "target", "framework": "framework",
    "communicator": "communicator", "nodeCount": "node_count", "maxRunDurationSeconds": "max_run_duration_seconds",
    "environmentVariables": "environment_variables",
}  # fmt: skip
SECTIONS = {
    "docker": {"useDocker": "use_docker", "sharedVolumes": "shared_volumes", "shmSize": "shm_size", "arguments": "arguments"},
    "mpi": {"processCountPerNode": "process_count_per_node", "nodeCount": "node_count"},
    "pytorch": {"communicationBackend": "communication_backend", "processCount": "process_count", "nodeCount": "node_count"},
    "tensorflow": {"workerCount": "worker_count", "parameterServerCount": "parameter_server_count", "nodeCount": "node_count"},
    "history": {
        "outputCollection": "output_collection", "snapshotProject": "snapshot_project", "directoriesToWatch": "directories_to_watch",
    },
}  # fmt: skip
OF_AZURE = (  # what its files have besides, and what means nothing here
    "autoPrepareEnvironment", "spark", "hdi", "amlcompute", "kubernetescompute", "paralleltask", "data", "outputData", "dataReferences",
    "datacaches", "sourceDirectoryDataStore", "services", "priority", "credentialPassthrough", "autoClusterComputeSpecification",
    "identity", "applicationEndpoints", "fileShares", "cmk8scompute", "cmAksCompute", "useAbsolutePath", "snapshotIdentifier",
)  # fmt: skip


def path_of(folder: str, name: str) -> str:
    """Where the file is: the first of the places where it may be, else the one where it is written."""
    names = [name] if name.endswith(SUFFIX) else [name + SUFFIX, name]
    places = [os.path.join(folder, home, each) for home in FOLDERS for each in names]
    return next((path for path in places if os.path.isfile(path)), places[0])


def write(path: str, given: Mapping[str, Any]) -> None:
    """Write values by the names that they have here. Raises UserError."""
    import yaml

    from trainconf.files import write_atomic

    body: dict[str, Any] = {there: given[here] for there, here in SIMPLE.items() if here in given}
    for section, names in SECTIONS.items():
        if section in given:
            body[section] = {there: value for there, here in names.items() if (value := given[section]._values[here]) is not None}
    if given.get("distributed") is not None:
        part = given["distributed"]
        body["communicator"] = {"mpi": "OpenMpi", "pytorch": "Gloo", "tensorflow": "ParameterServer"}[part._kind]
        if part._kind == "pytorch" and part.communication_backend.lower() != "gloo":
            body["communicator"] = "Nccl"
        body[part._kind] = {there: value for there, here in SECTIONS[part._kind].items() if (value := part._values[here]) is not None}
        if part._kind == "pytorch" and part.communication_backend == "auto":
            body.pop("communicator")
            body["framework"] = "PyTorch"
    if given.get("environment") is not None:
        body["environment"] = given["environment"] if isinstance(given["environment"], str) else _environment(given["environment"])
    try:
        text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
        is_new = not os.path.exists(os.path.dirname(path))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            write_atomic(path, text)
        except OSError:
            if is_new:
                os.rmdir(os.path.dirname(path))
            raise
    except OSError as error:
        error.filename = path
        raise StorageError.from_os_error(error, "the run configuration cannot be saved") from error
    except yaml.YAMLError as error:
        raise UserError("the run configuration holds what no file can", ("path", path), ("because", str(error).splitlines()[0])) from error


def read(path: str) -> dict[str, Any]:
    """The values of a file by the names that they have here; sections are dicts. Raises UserError with every mistake."""
    import yaml

    try:
        with open(path, encoding="utf-8") as stream:
            body = yaml.safe_load(stream)
    except FileNotFoundError as error:
        hint = "RunConfiguration.save(path, name) writes one"
        raise UserError("there is no such run configuration", ("looked for", path), hint=hint) from error
    except yaml.MarkedYAMLError as error:
        place = f"{path}:{error.problem_mark.line + 1}" if error.problem_mark else path
        raise UserError("the run configuration is no YAML", ("from", place), ("because", str(error.problem or error))) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError("the run configuration cannot be read", ("path", path), ("because", str(error).splitlines()[0])) from error
    if not isinstance(body, dict):
        raise UserError("the run configuration holds no settings", ("path", path), ("allowed", "a YAML mapping, such as `target: local`"))
    mistakes: list[Mistake] = []
    found: dict[str, Any] = {}
    known = {**SIMPLE, **SECTIONS, "environment": ""}
    for key, value in body.items():
        if key in SIMPLE:
            if value is not None:
                found[SIMPLE[key]] = value
        elif key in SECTIONS:
            found[key] = _section(key, value, path, mistakes)
        elif key == "environment":
            found[key] = value
        elif key not in OF_AZURE:
            mistakes.append(_unknown(str(key), known, path))
    if mistakes:
        raise UserError(mistakes)
    return {key: value for key, value in found.items() if value not in (None, {})}


def _section(section: str, value: Any, path: str, mistakes: list[Mistake]) -> dict[str, Any]:
    names = SECTIONS[section]
    if not isinstance(value, dict):
        if value is not None:
            mistakes.append(Mistake(f"{section} is no mapping", ("from", path)))
        return {}
    mistakes += [_unknown(f"{section}.{key}", [f"{section}.{name}" for name in names], path) for key in value if key not in names]
    return {names[key]: item for key, item in value.items() if key in names and item is not None}


def _unknown(key: str, known: Any, path: str) -> Mistake:
    near = get_close_matches(key, list(known), n=1)
    return Mistake(f"{key} is no setting of a run configuration", ("from", path), *([("nearest", near[0])] if near else []))


def _environment(environment: Any) -> dict[str, Any]:
    """An Environment by the names of the original's files."""
    python, docker = environment.python, environment.docker
    found: dict[str, Any] = {"name": environment.name, "python": {
        "interpreterPath": python.interpreter_path, "userManagedDependencies": python.user_managed_dependencies,
        "condaDependencies": python.conda_dependencies.as_dict(),
    }}  # fmt: skip
    if environment.environment_variables:
        found["environmentVariables"] = dict(environment.environment_variables)
    images = {"baseImage": docker.base_image, "baseDockerfile": docker.base_dockerfile}
    if any(images.values()):
        found["docker"] = {key: value for key, value in images.items() if value}
    if docker.build_context is not None:
        found["docker"] = {"buildContext": {"location": docker.build_context.path, "dockerfilePath": docker.build_context.dockerfile_path}}
    return found


def environment_of(body: Any, path: str) -> Any:
    """The Environment of a file; a text is the name of one. Raises UserError."""
    from trainconf.sdk.environments.conda import CondaDependencies
    from trainconf.sdk.environments.environment import Environment
    from trainconf.sdk.environments.sections import DockerBuildContext

    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        raise UserError("environment is neither a name nor a mapping", ("from", path))
    found = Environment(str(body.get("name") or "environment"))
    python, docker = body.get("python") or {}, body.get("docker") or {}
    set_if: list[tuple[Any, Callable[[Any], None]]] = [
        (python.get("interpreterPath"), lambda value: setattr(found.python, "interpreter_path", value)),
        (python.get("userManagedDependencies"), lambda value: setattr(found.python, "user_managed_dependencies", value)),
        (python.get("condaDependencies"), lambda value: setattr(found.python, "conda_dependencies", CondaDependencies.of_document(value))),
        (docker.get("baseImage"), lambda value: setattr(found.docker, "base_image", value)),
        (docker.get("baseDockerfile"), lambda value: setattr(found.docker, "base_dockerfile", value)),
        (body.get("environmentVariables"), found.environment_variables.update),
    ]
    for value, use in set_if:
        if value is not None:
            use(value)
    context = docker.get("buildContext")
    if isinstance(context, dict) and context.get("location"):
        found.docker.build_context = DockerBuildContext(context["location"], context.get("dockerfilePath") or "Dockerfile")
    return found
