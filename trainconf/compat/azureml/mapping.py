"""`conf/azureml.yaml`: what names of the cloud are here.

    cpu-cluster: slurm            # a compute target: a choice of conf/compute. `'*': local` stands for every other name
    datastores: {blob: /data}     # a datastore: a folder, relative to the workspace
    addresses: {"https://…": f}   # what would be fetched: a file that is here
"""

from __future__ import annotations

import os

from trainconf.compat.azureml.exceptions import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE = os.path.join("conf", "azureml.yaml")
SECTIONS = ("datastores", "addresses")


class Mapping:
    """The mapping of a workspace; empty without the file."""

    def __init__(self, targets: dict[str, str], sections: dict[str, dict[str, str]]) -> None:
        self.targets = targets
        self.datastores = sections.get("datastores", {})
        self.addresses = sections.get("addresses", {})


def read(root: str) -> Mapping:
    """The mapping of the workspace at `root`. Raises UserErrorException for what it cannot hold."""
    path = os.path.join(root, FILE)
    if not os.path.isfile(path):
        return Mapping({}, {})
    tree = _tree(path)
    targets = {str(key): value for key, value in tree.items() if key not in SECTIONS}
    sections = {name: tree[name] or {} for name in SECTIONS if name in tree}
    wrong = [name for name, value in targets.items() if not isinstance(value, str)]
    wrong += [name for name, section in sections.items() if not isinstance(section, dict)]
    wrong += [
        f"{name}.{key}" for name, section in sections.items() if isinstance(section, dict) for key in section
        if not isinstance(section[key], str)
    ]  # fmt: skip
    if wrong:
        raise UserErrorException(f"{path}: {', '.join(wrong)} must be text; {', '.join(SECTIONS)} are mappings of names to text")
    return Mapping(targets, sections)


def _tree(path: str) -> dict[Any, Any]:
    from importlib import import_module

    try:
        yaml = import_module("yaml")
    except ImportError:  # a job's own Python: what needs the file there is not to be had
        return {}
    with open(path, encoding="utf-8") as stream:
        try:
            tree = yaml.safe_load(stream)
        except yaml.YAMLError as error:
            raise UserErrorException(f"{path} is not YAML: {error}") from error
    if tree is not None and not isinstance(tree, dict):
        raise UserErrorException(f"{path} must be a mapping, such as `cpu-cluster: slurm`")
    return tree or {}
