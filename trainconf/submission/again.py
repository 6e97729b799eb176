"""Recorded runs as something to submit again: the config and code of then, other values where asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from trainconf import environments
from trainconf.errors import ConfigError, Mistake, RunNotFoundError
from trainconf.files import read_json
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.resolver import Resolved, resolve
from trainconf.spec import EnvironmentSpec, RunSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def recorded(
    paths: RunPaths, overrides: list[str], workspace: WorkspacePaths, report: Callable[[str], None]
) -> tuple[Resolved, dict[str, Any]]:
    """A run's own config with `overrides` on top, its own snapshot, and what git said then.

    The software stays as recorded unless an override of `env` changes it. Raises RunNotFoundError for a damaged record, ConfigError.
    """
    try:
        record = read_json(paths.record)
        spec = RunSpec.from_dict(read_json(paths.spec), paths.spec)
        config, source = record["config"], record["source_directory"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunNotFoundError(
            "the run's record is damaged, so it cannot be run again", ("path", paths.run_dir), ("because", str(error))
        ) from error
    then = Composed(config, record.get("origins", {}), record.get("choices", {}), record.get("overrides", []))
    resolved = _changed(then, overrides, spec, source, workspace) if overrides else Resolved(spec, source, then)
    resolved.config["submit"] = {"detach": False, "stream": True, "reuse": False}
    try:
        git = read_json(paths.git)
    except (OSError, ValueError):
        git = {}
    return adopt_environment(resolved, workspace, report), git


def _changed(then: Composed, overrides: list[str], spec: RunSpec, source: str, workspace: WorkspacePaths) -> Resolved:
    """The recorded config with some values replaced, checked like any other."""
    from trainconf.resolve.compose import change

    composed = change(then, overrides, workspace)
    touched = {word.lstrip("+~").partition("=")[0].partition(".")[0] for word in overrides}
    if touched & {"source_directory", "snapshot"}:
        raise ConfigError(Mistake("a rerun keeps the code of its run", ("from", f"command line: {' '.join(overrides)}"),
                                  hint="submit anew for other code: `trainconf experiment=...`"))
    fresh = resolve(composed, workspace, cwd=workspace.root, source=source)
    code = replace(fresh.spec.code, snapshot=spec.code.snapshot)
    environment = fresh.spec.environment if "env" in touched else spec.environment
    return Resolved(replace(fresh.spec, code=code, environment=environment), source, composed)


def adopt_environment(resolved: Resolved, workspace: WorkspacePaths, report: Callable[[str], None]) -> Resolved:
    """A recorded spec in the software that is really here.

    A managed environment is rebuilt from its recipe and stays what it was. A user-managed one is whatever this Python has: what
    differs is told, and the new run's spec says what it really ran in.
    """
    before = resolved.spec.environment
    if before.kind != "current":
        return resolved
    mistakes: list[Mistake] = []
    now = environments.resolve(resolved.config["env"], workspace.root, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    for what in _drift(before, now):
        report(f"note: the environment is not as it was: {what}")
    spec = replace(resolved.spec, environment=replace(now, variables=before.variables))
    return Resolved(spec, resolved.source_directory, resolved.composed)


def _drift(before: EnvironmentSpec, now: EnvironmentSpec) -> list[str]:
    told = []
    if before.python != now.python:
        told.append(f"Python {before.python} then, {now.python} now")
    if before.packages != now.packages:
        told.append(f"other packages are installed ({json.dumps(before.packages[:12])} then, {json.dumps(now.packages[:12])} now)")
    return told
