"""What is asked of a run from outside: whether it has ended, how, and what it wrote."""

from __future__ import annotations

from trainconf.compat.azureml.exceptions import ActivityFailedException, ExperimentExecutionException, UserErrorException, told_as
from trainconf.compat.azureml.runs import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTLE_LOOKS, SETTLE_SECONDS = 600, 0.1
FINAL = ("Completed", "Failed", "Canceled")
REASONS = ("reason", "error", "failure")  # of a run, and of a sweep


class Waited:
    """The calls of a run that has another process, or had one."""

    ours: Any
    experiment: Any

    @property
    def _seen(self) -> Any:
        """The run as it is seen from outside. Raises UserErrorException in a container, which does not see the workspace."""
        if hasattr(self.ours, "get_details"):
            return self.ours
        if not getattr(self.ours, "run_dir", ""):
            return Offline(self.ours)
        with told_as(UserErrorException):
            return self.experiment.workspace._ours.get_run(self.ours.id)

    @property
    def status(self) -> str:
        return self.get_status()

    def get_status(self) -> str:
        """The state: the original's words are ours."""
        return str(self.ours.get_status())

    def get_detailed_status(self) -> dict[str, Any]:
        return {"status": self.get_status(), "details": {}}

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True, timeout_seconds: Any = None
    ) -> dict[str, Any]:
        """Wait for the end; `get_details()`. Raises ActivityFailedException for a run that failed, and ExperimentExecutionException when
        the wait is interrupted: the run then goes on."""
        from trainconf.compat.azureml.runs.registering import collect

        try:
            with told_as(UserErrorException):
                self._seen.wait_for_completion(show_output=show_output, raise_on_error=False)
                self._settle()
        except KeyboardInterrupt:
            raise ExperimentExecutionException(f"the wait was interrupted; the run {self.ours.id} goes on") from None
        collect(self)
        details = self.get_details()
        if raise_on_error and self.get_status() == "Failed":
            import json

            raise ActivityFailedException(json.dumps({"error": details["error"]}, indent=1))
        return details

    def _settle(self) -> None:
        """Wait until the state says that it has ended: of a sweep the trials end before its controller."""
        from time import sleep

        for _ in range(SETTLE_LOOKS):
            if self.get_status() in (*FINAL, "NotResponding", "NoController", "Paused", "NotStarted"):  # the last: nothing was submitted
                return
            sleep(SETTLE_SECONDS)

    def get_details(self) -> dict[str, Any]:
        """What is known of the run, by the original's keys."""
        ours = dict(self._seen.get_details())
        files = self.ours.get_file_names()
        error = None
        if self.get_status() == "Failed":
            error = {"error": {"code": "UserError", "message": str(next(filter(None, map(ours.get, REASONS)), "the run failed"))}}
        spec = ours.get("spec") or self._recorded_spec()
        return {
            **ours,
            "runId": self.ours.id, "target": ours.get("compute"), "status": self.get_status(),
            "startTimeUtc": ours.get("started"), "endTimeUtc": ours.get("ended"), "properties": self.get_properties(),
            "inputDatasets": [], "outputDatasets": [], "runDefinition": definition(spec, str(ours.get("compute"))),
            "logFiles": {name: name for name in files if name[:5] == "logs/"},
            "submittedBy": ours.get("by") or ours.get("user"), "error": error, "warnings": [],
        }  # fmt: skip

    def get_details_with_logs(self) -> dict[str, Any]:
        """`get_details()`, with what the logs hold."""
        details = self.get_details()
        return {**details, "logFiles": {name: self._read(name) for name in details["logFiles"]}}

    def get_all_logs(self, destination: str | None = None) -> list[str]:
        """Copy the logs to a folder, by default a new one; the paths of the copies."""
        import os
        from tempfile import mkdtemp

        folder = destination or mkdtemp(prefix="logs-")
        names = [name for name in self.ours.get_file_names() if name[:5] == "logs/"]
        return [str(self.ours.download_file(name, os.path.join(folder, name))) for name in names]

    def get_properties(self) -> dict[str, str]:
        """Properties, those of git by the original's names included."""
        found = dict(self.ours.get_properties())
        git = getattr(self.ours, "git", None) or {}
        names = {"commit": "azureml.git.commit", "branch": "azureml.git.branch", "dirty": "azureml.git.dirty",
                 "repository": "azureml.git.repository_uri"}  # fmt: skip
        return {**{names[key]: str(git[key]) for key in names if isinstance(git, dict) and git.get(key) is not None}, **found}

    def get_portal_url(self) -> str:
        """The path of the run's folder: there is no portal."""
        return str(getattr(self.ours, "run_dir", ""))

    def get_environment(self) -> Any:
        with told_as(UserErrorException):
            return self._seen.get_environment()

    def get_snapshot_id(self) -> str:
        """The id of the code's snapshot."""
        return str((self._recorded_spec().get("code") or {}).get("snapshot", ""))

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | None = None) -> Any:
        """Put the code of the run into a folder; its path."""
        with told_as(UserErrorException):
            return self._seen.restore_snapshot(snapshot_id=snapshot_id, path=path)

    def _recorded_spec(self) -> dict[str, Any]:
        found: dict[str, Any] = dict(self._seen.get_details()).get("spec") or {}
        return found

    def _read(self, name: str) -> str:
        import os
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            copy = self.ours.download_file(shapes.file_name(name, self.ours.get_file_names()), os.path.join(folder, "log"))
            with open(copy, encoding="utf-8", errors="replace") as stream:
                return stream.read()


def definition(spec: dict[str, Any], target: str) -> dict[str, Any]:
    """What ran, by the original's keys; the values of a sweep's trial are among its arguments."""
    code, distributed = spec.get("code") or {}, spec.get("distributed") or {}
    inputs = dict(code.get("inputs") or [])
    params = [word for name, value in (spec.get("params") or {}).items() for word in (f"--{name}", str(value))]
    return {
        "script": code.get("script") or None, "command": list(code.get("command") or []),
        "arguments": [_filled(word, inputs) for word in [*(code.get("arguments") or []), *params]],
        "target": target, "framework": "Python", "nodeCount": distributed.get("node_count", 1),
        "maxRunDurationSeconds": (spec.get("compute") or {}).get("max_run_duration_seconds"), "environment": spec.get("environment") or {},
        "data": inputs, "communicator": distributed.get("kind", "none"),
    }  # fmt: skip


def _filled(word: str, inputs: dict[str, str]) -> str:
    for name, path in inputs.items():
        word = word.replace("{inputs." + name + "}", path)
    return word


class Offline:
    """What can be asked of a run outside any run."""

    def __init__(self, ours: Any) -> None:
        self._ours = ours

    def get_details(self) -> dict[str, Any]:
        return {"compute": "local", "status": self._ours.get_status()}

    def wait_for_completion(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: it is this process."""

    def __getattr__(self, name: str) -> Any:
        raise UserErrorException(f"there is no {name} outside of a run")
