"""Tells which settings are part of a spec. The others are facts of a machine or choices around the run, and each machine has its own."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves
from trainconf.resolve.search import config_dirs, label
from trainconf.schema import group_schema

LOCAL = "local.yaml"
_AROUND_THE_SPEC = {
    "experiment_name", "display_name", "metric", "stdout_metrics", "retries", "retry_backoff_seconds", "tags", "submit", "snapshot",
    "monitor", "sweep",
}  # fmt: skip
_OF_THE_ENVIRONMENT = ("env.name", "env.docker.build.network", "env.docker.build.ca_file", "env.docker.build.pip_config")
_OF_THE_PROCESSES = {"interface", "launcher", "pmi", "mpirun", "mpirun_arguments"}


def is_in_spec(key: str, config: dict[str, Any]) -> bool:
    """Whether a setting, by its dotted key, can change the spec of a run with this config."""
    group, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    if group == "compute":
        node = group_schema("compute", config["compute"])
        own = fields(node) if node is not None else ()
        return name in ("target", "cpus", "gpus") or any(field.name == name and field.metadata.get("in_spec") for field in own)
    if group == "distributed":
        return name not in _OF_THE_PROCESSES
    return group not in _AROUND_THE_SPEC and not key.startswith(_OF_THE_ENVIRONMENT)


def without_machine(composed: Composed, workspace: WorkspacePaths, config_dir: str | None) -> dict[str, Any]:
    """The config without what only `conf/local.yaml` says and no spec holds: the machine that runs it has its own."""
    files = {label(os.path.join(folder, LOCAL), workspace) for folder in config_dirs(workspace, config_dir)}

    def is_local(key: str) -> bool:
        return composed.origin(key).rpartition(":")[0] in files and key != "experiment_name" and not is_in_spec(key, composed.config)

    return _pruned(composed.config, {key for key, _ in leaves(composed.config) if is_local(key)})


def of_machine(config: dict[str, Any], workspace: WorkspacePaths) -> dict[str, Any]:
    """What `conf/local.yaml` of this machine says about what no spec holds and the config leaves open: unresolved values by dotted key.

    Raises ConfigError when the file cannot be read.
    """
    from trainconf.composition.hydra.yaml_files import read_yaml

    path = os.path.join(workspace.conf, LOCAL)
    said = read_yaml(path)[2] if os.path.exists(path) else None
    known = dict(leaves(config))
    found = leaves({key: value for key, value in said.items() if key != "defaults"}) if isinstance(said, dict) else ()
    return {key: value for key, value in found if key and key not in known and not is_in_spec(key, config)}


def _pruned(config: dict[str, Any], keys: set[str], prefix: str = "") -> dict[str, Any]:
    """The config without those leaves; a mapping that held nothing else goes with them."""
    found = {}
    for name, value in config.items():
        key = f"{prefix}{name}"
        if key in keys:
            continue
        left = _pruned(value, keys, f"{key}.") if isinstance(value, dict) else value
        if left or not value:
            found[name] = left
    return found
