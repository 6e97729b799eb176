"""Environments saved in a folder: ours, and those that Azure ML's SDK has saved."""

from __future__ import annotations

import os

from trainconf.errors import Mistake, StorageError
from trainconf.files import write_atomic
from trainconf.sdk.environments import definition
from trainconf.sdk.environments.conda import CondaDependencies
from trainconf.sdk.environments.reading import read_yaml
from trainconf.sdk.settings.arguments import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf import Environment

OURS, AZURES = "environment.yaml", "azureml_environment.json"
AZURES_DEFAULT_IMAGES = ("mcr.microsoft.com/azureml/",)


def save(environment: Environment, path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write an environment to a folder. Raises FileExistsError, UserError, StorageError."""
    arguments = Arguments("save_to_directory")
    folder = str(arguments.path("path", path, optional=False))
    arguments.flag("overwrite", overwrite)
    arguments.check()
    if os.path.lexists(folder) and not overwrite:
        where = ("folder", os.path.abspath(folder))
        mistake = Mistake("the folder is there already", ("from", arguments.place), where, hint="overwrite=True")
        raise FileExistsError(17, mistake.render(), folder)
    comment = f"{environment.name}, saved from Python; as conf/env/NAME.yaml of a workspace it is env=NAME."
    try:
        os.makedirs(folder, exist_ok=True)
        write_atomic(os.path.join(folder, OURS), definition.file_text(definition.tree_of(environment), comment))
    except OSError as error:
        raise StorageError.from_os_error(error, "the environment cannot be saved") from error


def load(kind: type[Environment], path: str | os.PathLike[str]) -> Environment:
    """Read an environment from a folder. Raises FileNotFoundError, UserError."""
    arguments = Arguments("load_from_directory")
    folder = str(arguments.path("path", path, optional=False))
    arguments.check()
    for name, read in ((OURS, definition.read_file), (AZURES, read_azures)):
        file = os.path.join(folder, name)
        if os.path.isfile(file):
            tree = read(read_yaml(file, arguments))
            found = kind(str(tree.get("name") or "custom"))
            definition.fill(found, tree, os.path.abspath(folder))
            return found
    mistake = Mistake("the folder holds no environment", ("from", arguments.place), ("looked for", f"{OURS}, {AZURES}"),
                      ("folder", os.path.abspath(folder)))
    raise FileNotFoundError(2, mistake.render(), folder)


def read_azures(document: dict[str, Any]) -> dict[str, Any]:
    """What a file of Azure ML's SDK says, as the node `env`. Raises UserError for what only conda has."""
    python, docker = document.get("python") or {}, document.get("docker") or {}
    packages = CondaDependencies.of_document(python.get("condaDependencies") or {})
    is_managed = not python.get("userManagedDependencies")
    tree: dict[str, Any] = {
        "name": document.get("name"), "python": {"version": packages._python} if is_managed and packages._python else {},
        "requirements": packages.requirements if is_managed else [], "variables": document.get("environmentVariables") or {},
    }
    tree["variables"].pop("EXAMPLE_ENV_VAR", None)  # each of theirs has it
    if python.get("interpreterPath") not in (None, "python"):
        tree["python"]["interpreter_path"] = python["interpreterPath"]
    image = docker.get("baseImage")
    if image and not image.startswith(AZURES_DEFAULT_IMAGES):
        tree["docker"] = {"base_image" if is_managed else "image": image}
    elif docker.get("baseDockerfile"):
        tree["docker"] = {"dockerfile": docker["baseDockerfile"]}
    elif not is_managed:
        tree["python"]["user_managed_dependencies"] = True
    return tree
