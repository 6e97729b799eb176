"""Writes a run's directory at submission, in an order that makes the first line of events.jsonl the moment it exists."""

from __future__ import annotations

import os

from trainconf import __version__
from trainconf.agent import job_folders
from trainconf.fast.records import replace
from trainconf.files import dumps, write_new
from trainconf.history import events
from trainconf.spec import RUN_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
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


def with_run_id(spec: RunSpec, run_id: str) -> RunSpec:
    """The spec as the job of one run sees it, whose id stands wherever `{run.id}` is written."""
    variables = spec.environment.variables
    if not any(RUN_ID in text for text in (spec.params_json, *spec.code.command, *spec.code.arguments, *(value for _, value in variables))):
        return spec

    def named(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(text.replace(RUN_ID, run_id) for text in texts)

    return replace(
        spec, params_json=spec.params_json.replace(RUN_ID, run_id),
        code=replace(spec.code, command=named(spec.code.command), arguments=named(spec.code.arguments)),
        environment=replace(spec.environment, variables=tuple((name, value.replace(RUN_ID, run_id)) for name, value in variables)),
    )


def _params_of_job(paths: RunPaths, spec: RunSpec) -> str:
    """The params as the job reads them: `{inputs.<name>}` is that input's path, `{run.id}` the run's id."""
    spec = with_run_id(spec, paths.run_id)
    if "{inputs." not in spec.params_json:
        return spec.params_json
    from trainconf.launchers.job.argv import filled
    from trainconf.spec import canonical

    root = paths.workspace.root
    return canonical(filled(spec.params, {name: os.path.join(root, path) for name, path in spec.code.inputs}))


def _here(paths: RunPaths) -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody removed the folder around a controller
        return paths.workspace.root


def _record(paths: RunPaths, resolved: Resolved, spec: RunSpec, parent: str | None, lock_path: str) -> dict[str, Any]:
    config = resolved.config
    return {
        "run_id": paths.run_id, "experiment_name": resolved.experiment_name, "display_name": config.display_name,
        "tags": config.tags, "created": events.now(), "spec_hash": spec.spec_hash, "hashes": spec.part_hashes(),
        "env": resolved.env_name, "compute": resolved.choice("compute"), "distributed": resolved.choice("distributed"),
        "params": spec.params, "metric": config.tree["metric"], "parent": parent, "overrides": resolved.composed.overrides,
        "retries": config.retries, "lock": lock_path, "source_directory": resolved.source_directory, "trainconf": __version__,
        "config_name": resolved.composed.config_name, "folder": resolved.composed.folder or _here(paths),
        "choices": resolved.composed.choices, "config": config.tree, "origins": resolved.composed.origins,
        **({} if resolved.composed.derived is None else {"derived": resolved.composed.derived}),
        **({"layers": list(map(list, resolved.composed.layers))} if resolved.composed.layers else {}),
    }
