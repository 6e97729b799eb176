"""A run as mlflow's store sees it: what is logged goes through `trainconf.Run`, and what only mlflow knows into logs/mlflow.jsonl."""

from __future__ import annotations

import json
import os

from trainconf.compat.tracking.notes import KeepsGoing
from trainconf.job_api import Run, interactive
from trainconf.job_api.in_run import read_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PARAM = "param."  # begins the names of properties that are params of mlflow
OF_MLFLOW = "mlflow."  # begins the names of tags that mlflow sets itself: they are no tags of the run
RUN_NAME, NOTE, PARENT = "mlflow.runName", "mlflow.note.content", "mlflow.parentRunId"
EXPERIMENT = "mlflow_experiment"  # tag with the name that the script gives its experiment
ENDS = {"FINISHED": "complete", "FAILED": "fail", "KILLED": "cancel"}


class OwnRun:
    """One run, by its handle. `is_begun_here`: this process has made it, and ends it."""

    def __init__(self, run: Run, *, is_begun_here: bool = False) -> None:
        self.run = run
        self.is_begun_here = is_begun_here
        self._folders: dict[str, str] = dict(reversed(run._store.folders()))  # the first of a name is written to
        self._at_zero: set[str] = set()

    @property
    def outputs(self) -> str:
        """The folder of the run's outputs: mlflow's artifacts."""
        return self._folders["outputs"]

    def metric(self, name: str, value: Any, step: Any) -> None:
        """Record a value. mlflow gives the step 0 to each that has none: of a name, only the first of these is at step 0."""
        if not step:
            step = None if name in self._at_zero else 0
            self._at_zero.add(name)
        self.run.log(name, value, step)

    def params(self) -> dict[str, str]:
        """What scripts have logged as params."""
        return {name[len(PARAM) :]: value for name, value in self.run.get_properties().items() if name.startswith(PARAM)}

    def log_params(self, params: dict[str, str]) -> None:
        """Record params. Raises ValueError for another value of a known one."""
        self.run.add_properties({PARAM + name: value for name, value in params.items()})

    def set_tags(self, tags: dict[str, str]) -> None:
        """Tags of the script are tags of the run; the name and the note are the run's; mlflow's other ones are kept beside."""
        with KeepsGoing("the tags of mlflow"):
            if tags.get(RUN_NAME):
                self.run.display_name = tags[RUN_NAME]
            if tags.get(NOTE):
                self.run.description = tags[NOTE]
            own = {name: value for name, value in tags.items() if not name.startswith(OF_MLFLOW)}
            if own:
                self.run.set_tags(own)
            kept = {name: value for name, value in tags.items() if name.startswith(OF_MLFLOW)}
            if kept:
                self.note({"tags": kept})

    def remove_tag(self, name: str) -> None:
        with KeepsGoing("the tags of mlflow"):
            if name.startswith(OF_MLFLOW):
                self.note({"untag": name})
            else:
                self.run.remove_tags(name)

    def tags(self, fields: dict[str, Any], notes: list[dict[str, Any]]) -> dict[str, str]:
        """Tags of the run, as its fields have them, and those of mlflow."""
        found: dict[str, str] = {}
        for line in notes:
            found.update(line.get("tags") or {})
            found.pop(str(line.get("untag")), None)
        name, text = fields["display_name"], fields["note"]
        found.update({**({RUN_NAME: name} if name else {}), **({NOTE: text} if text else {})})
        return {**found, **{key: str(value or "") for key, value in fields["tags"].items()}}

    def note(self, facts: dict[str, Any]) -> None:
        """Append what only mlflow knows. Raises OSError."""
        path = os.path.join(self._folders["logs"], "mlflow.jsonl")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(facts) + "\n")

    def notes(self) -> list[dict[str, Any]]:
        """What was appended, in order; of an ended run it lies in its own logs/."""
        folders = [folder for top, folder in self.run._store.folders() if top == "logs"]
        return [line for folder in folders for line in read_lines(os.path.join(folder, "mlflow.jsonl"))]

    def end(self, status: str) -> None:
        """End a run that this process has begun below its own. That of the job ends with its script."""
        if self.is_begun_here and status in ENDS:
            getattr(self.run, ENDS[status])()
        else:
            self.run.flush()


def of_folder(run_dir: str, experiment: str) -> OwnRun:
    """A run of the history."""
    return OwnRun(interactive.handle(Run._at, run_dir, experiment))
