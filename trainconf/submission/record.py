"""Writes a run's directory at submission, in an order that makes the first line of events.jsonl the moment it exists."""

from __future__ import annotations

import os

from trainconf import __version__
from trainconf.agent import job_folders
from trainconf.files import dumps, write_new
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.git.state import GitFacts
    from trainconf.paths import RunPaths
    from trainconf.resolve.resolver import Resolved
    from trainconf.spec import RunSpec


def write_run(
    paths: RunPaths, resolved: Resolved, spec: RunSpec, lock_text: str, git: GitFacts | None,
    parent: str | None, lock_path: str, *, durable: bool,
) -> None:
    """Everything but the code, and the plan, which its launcher writes. Raises OSError; the caller removes the folder then.

    Whoever makes many runs at once syncs the disk once for all of them, and not each: `durable` is off.
    """
    job_folders.make(paths)
    write_new(paths.spec, spec.to_json(), durable=durable)
    write_new(paths.params, _params_of_job(paths, spec), durable=False)
    write_new(paths.config, resolved.composed.text(), durable=False)
    write_new(paths.environment_lock, lock_text, durable=False)
    write_new(paths.git, dumps(git.to_dict() if git is not None else {}), durable=False)
    if git is not None and git.patch:
        write_new(paths.patch, git.patch, durable=False)
    write_new(paths.record, dumps(_record(paths, resolved, spec, parent, lock_path)), durable=durable)
    events.append(paths, "NotStarted")


def _params_of_job(paths: RunPaths, spec: RunSpec) -> str:
    """The params as the job reads them: `{inputs.<name>}` is that input's path."""
    if "{inputs." not in spec.params_json:
        return spec.params_json
    from trainconf.launchers.command import filled
    from trainconf.spec import canonical

    root = paths.workspace.root
    return canonical(filled(spec.params, {name: os.path.join(root, path) for name, path in spec.code.inputs}))


def _record(paths: RunPaths, resolved: Resolved, spec: RunSpec, parent: str | None, lock_path: str) -> dict[str, Any]:
    config = resolved.config
    return {
        "run_id": paths.run_id, "experiment_name": resolved.experiment_name, "display_name": config["display_name"],
        "tags": config["tags"], "created": events.now(), "spec_hash": spec.spec_hash, "hashes": spec.part_hashes(),
        "env": resolved.choice("env"), "compute": resolved.choice("compute"), "distributed": resolved.choice("distributed"),
        "params": spec.params, "metric": config["metric"], "parent": parent, "overrides": resolved.composed.overrides,
        "retries": config["retries"], "lock": lock_path, "source_directory": resolved.source_directory, "trainconf": __version__,
        "choices": resolved.composed.choices, "config": config, "origins": resolved.composed.origins,
        "derived": resolved.composed.derived,
    }
