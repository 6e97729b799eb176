"""`run.register_model`: files of a run become a model of the workspace.

A container does not see the workspace. There the request is kept in ./outputs, and carried out by who waits for the run.
"""

from __future__ import annotations

import json
import os

from trainconf.compat.azureml.exceptions import ModelPathNotFoundException
from trainconf.compat.azureml.models import Model, keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUESTS = "outputs/.registered_models.jsonl"


def register(run: Any, name: str, path: str | None, facts: dict[str, Any]) -> Any:
    """Register a file or folder of the run. In a container None: it is registered when the run was waited for.

    Raises ModelPathNotFoundException.
    """
    workspace = run.experiment.workspace
    wanted = (path or "outputs").rstrip("/")
    found = _found(run, wanted)
    facts = {**facts, "run_id": run.id, "experiment_name": run.experiment.name}
    if workspace.is_visible:
        return Model._of(workspace, keep(workspace.root, found, name, facts))
    with open(REQUESTS, "a", encoding="utf-8") as stream:
        stream.write(json.dumps({"name": name, "path": wanted, "facts": facts}, default=str) + "\n")
    return None


def collect(run: Any) -> None:
    """Carry out what the run has asked for in a container, once."""
    requests = os.path.join(run.ours.run_dir, REQUESTS) if getattr(run.ours, "run_dir", "") else ""
    if not requests or not os.path.isfile(requests) or os.path.islink(requests):
        return
    done = requests + ".done"
    try:
        os.rename(requests, done)
    except OSError:
        return  # another process was quicker
    with open(done, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
    for line in lines:
        try:
            asked = json.loads(line)
            facts = {**asked["facts"], "run_id": run.id}
            keep(run.experiment.workspace.root, _found(run, str(asked["path"])), str(asked["name"]), facts)
        except (ValueError, KeyError, TypeError):
            continue  # a job wrote the file, and may write anything


def _found(run: Any, name: str) -> str:
    """The path of a file or folder of the run: in its job ./outputs, else its outputs; never outside of its folder."""
    run_dir = getattr(run.ours, "run_dir", "")
    is_ours = bool(run_dir) and os.environ.get("TRAINCONF_RUN_DIR") == run_dir
    top = os.path.realpath(os.getcwd() if is_ours or not run_dir else run_dir)
    for wanted in (name, f"outputs/{name}"):
        path = os.path.realpath(os.path.join(top, wanted))
        if os.path.exists(path) and (is_ours or not run_dir or path.startswith(top + os.sep)):
            return path
    there = ", ".join(run.get_file_names()[:8]) or "none"
    raise ModelPathNotFoundException(f"the run {run.id} has no file or folder {name!r}; it has {there}")
