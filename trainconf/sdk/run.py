"""`SubmittedRun`: a run that was submitted, or fetched from the history. `SweepRun`: one of many trials.

What a run logs, is called and has of files is `trainconf.job_api.Run`'s; here is what only whoever submits can know and do.
"""

from __future__ import annotations

import os

import trainconf
from trainconf.control import history, runs
from trainconf.control.interactive import logged
from trainconf.errors import UserError
from trainconf.fast import spawn
from trainconf.history import metrics, record
from trainconf.job_api import Run
from trainconf.sdk.place import caller
from trainconf.sdk.runs import facts, waiting
from trainconf.sdk.runs.said import SaidRun
from trainconf.sdk.runs.talk import Talk
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.workspace import Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any

    import pandas

    from trainconf import Environment
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths


class SubmittedRun(SaidRun):
    """A run of a workspace. It is made by `Experiment.submit`, `Run.get`, `Experiment.get_runs`, and like them may be used by threads.

    Everything is read anew each time: another process, or another machine, may carry the run out.
    """

    def __init__(self, workspace: Workspace, paths: RunPaths, *, agent_pid: int | None = None) -> None:
        spawn.let_go(agent_pid)
        variables = {
            "TRAINCONF_RUN_DIR": paths.run_dir, "TRAINCONF_RUN_ID": paths.run_id,
            "TRAINCONF_EXPERIMENT": os.path.basename(os.path.dirname(paths.run_dir)),
        }  # fmt: skip
        super().__init__(variables)
        self.workspace = workspace
        self._paths = paths

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> SubmittedRun:
        """The run or sweep of a workspace with this id, or its unique beginning; `last` is the newest, `SWEEP:best` a sweep's best trial.

        Raises RunNotFoundError, and UserError for a run of another workspace.
        """
        arguments = Arguments("Run.get")
        if not isinstance(workspace, Workspace):
            arguments.refuse("workspace", workspace, "a Workspace, such as Workspace()")
        arguments.text("run_id", run_id, "the id of a run", optional=False)
        arguments.check()
        paths = runs.find(workspace._paths, run_id)
        if os.path.realpath(paths.workspace.root) != os.path.realpath(workspace.root):
            raise UserError(
                f"{paths.run_id} belongs to another workspace", ("from", arguments.place), ("its workspace", paths.workspace.root),
                ("this one", workspace.root), hint=f'Run.get(Workspace("{paths.workspace.root}"), "{paths.run_id}")',
            )
        return of(workspace, paths)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}, {self.status}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubmittedRun) and os.path.realpath(other.run_dir) == os.path.realpath(self.run_dir)

    def __hash__(self) -> int:
        return hash(os.path.realpath(self.run_dir))

    # -- its state ---------------------------------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """The state, such as `Running`; a scheduler is asked where the run's files leave it open."""
        return self._state().status

    def get_status(self) -> str:
        """The state now: `status`."""
        return self.status

    def get_detailed_status(self) -> dict[str, Any]:
        """`status`, and `details`: why it is in that state, where there is something to say."""
        state = self._state()
        return {"status": state.status, "details": state.reason}

    def _state(self) -> State:
        found = runs.state(self._paths)
        if found.is_final:
            self._reap()
        return found

    def _reap(self) -> None:
        """Let the system forget the agent, where it was a child of this process."""
        spawn.reap()

    # -- waiting -----------------------------------------------------------------------------------------------------------------------

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True, timeout: float | None = None
    ) -> dict[str, Any]:
        """Wait until the run has ended; `get_details()`.

        show_output: print what it writes, and what happens to it. wait_post_processing: also until its agent is gone and has given back
        its slots. timeout: seconds. Ctrl-C ends the wait and leaves the run going on. Raises RunFailedError if `raise_on_error` and it
        failed, WaitTimeoutError; a canceled run raises nothing.
        """
        arguments = Arguments("wait_for_completion")
        given = {"show_output": show_output, "wait_post_processing": wait_post_processing, "raise_on_error": raise_on_error}
        for name, value in given.items():
            arguments.flag(name, value)
        arguments.seconds("timeout", timeout)
        arguments.check()
        try:
            state = self._show_to_end(timeout) if show_output else waiting.until_end(self._paths, timeout)
        except KeyboardInterrupt:
            waiting.tell_interrupted(self._paths)
            raise
        if wait_post_processing:
            waiting.until_let_go(self._paths)
        return self._ended(state, raise_on_error=raise_on_error)

    def _show_to_end(self, timeout: float | None) -> State:
        return waiting.showing(self._paths, timeout)

    def _ended(self, state: State, *, raise_on_error: bool = True) -> dict[str, Any]:
        self._reap()
        if raise_on_error:
            waiting.raise_if_failed(self._paths, state)
        return self.get_details()

    def __await__(self) -> Generator[Any, None, dict[str, Any]]:
        """`await run` waits without holding up the loop, and raises as `wait_for_completion` does."""
        return self._awaited().__await__()

    async def _awaited(self) -> dict[str, Any]:
        return self._ended(await waiting.in_loop(self._paths))

    # -- what is known of it -----------------------------------------------------------------------------------------------------------

    def get_details(self) -> dict[str, Any]:
        """Everything about the run, in the fields of `trainconf show --json`, and `log_files`: the path of each log by its name."""
        return {**history.details(self._paths), "log_files": facts.log_files(self._paths)}

    def get_details_with_logs(self) -> dict[str, Any]:
        """The same, with the content of each log instead of its path."""
        found = self.get_details()
        return {**found, "log_files": {name: facts.content(path) for name, path in found["log_files"].items()}}

    @property
    def params(self) -> dict[str, Any]:
        """Its params, as a tree."""
        found = record.read_mapping(self._paths.record).get("params")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def metrics(self) -> dict[str, Any]:
        """The last value of each metric, as `trainconf ls` has them."""
        return dict(metrics.summarise(self._paths).values)

    def get_metrics(self, name: str | None = None, recursive: bool = False) -> dict[str, Any]:
        """All values of each metric, in order: `{"loss": [0.5, 0.25]}`, a table as columns. Event files of TensorBoard count.

        name: this one alone. recursive: by id of each run below this one, this one included.
        """
        found = logged.get_metrics(self._paths, name)
        if not recursive:
            return found
        return {self.id: found, **{child.id: child.get_metrics(name) for child in self.get_children(recursive=True)}}

    def metrics_table(self, *names: str) -> pandas.DataFrame:
        """The logged series as a pandas table: metric, step, value, time; those named, or all. Raises UserError without pandas."""
        from trainconf.sdk.runs import tables

        return tables.of_metrics(self._paths, names)

    def get_all_logs(self, destination: str | os.PathLike[str] | None = None) -> list[str]:
        """Copy all logs into a folder, by default a new temporary one; their paths."""
        from tempfile import mkdtemp

        folder = mkdtemp(prefix=f"{self.id}-") if destination is None else destination
        return self.download_files("logs", folder)

    def get_snapshot_id(self) -> str:
        """The id of the source tree that it ran."""
        return facts.snapshot_id(self._paths)

    def restore_snapshot(self, snapshot_id: str | None = None, path: str | os.PathLike[str] | None = None) -> str:
        """Put the recorded source tree into a new folder, by default `./<run id>-code`; the folder. Raises SnapshotError, StorageError."""
        arguments = Arguments("restore_snapshot")
        folder = arguments.path("path", path) or f"{self.id}-code"
        arguments.text("snapshot_id", snapshot_id)
        arguments.check()
        return facts.restore(self._paths, snapshot_id or self.get_snapshot_id(), os.path.abspath(folder))

    def get_environment(self) -> Environment:
        """The environment that it was given, as an Environment of this workspace. Raises RunNotFoundError for a damaged record."""
        from trainconf.sdk.runs import environment

        return environment.of(self._paths)

    def get_portal_url(self) -> str:
        """The address of its folder: file://..."""
        from pathlib import Path

        return Path(self.run_dir).as_uri()

    # -- what one can do with it -------------------------------------------------------------------------------------------------------

    def cancel(self, *, force: bool = False) -> None:
        """Ask for its end: SIGTERM, and SIGKILL after its grace time, or at once with `force`. One that has ended stays as it is."""
        runs.cancel(self._paths, force=force)

    def complete(self) -> None:
        """Nothing: the end of a submitted run is its script's exit code. Raises UserError: it is not this process' run."""
        raise self._not_mine("complete")

    def fail(self, error_details: Any = None, error_code: str | None = None) -> None:
        """As `complete`. Raises UserError."""
        raise self._not_mine("fail")

    def _not_mine(self, call: str) -> UserError:
        return UserError(
            f"{self.id} ends as its script ends, so {call}() is not for whoever submitted it", ("from", caller()),
            hint="run.cancel() ends it; a run that this process is comes from Experiment.start_logging()",
        )

    def rerun(self, *overrides: str) -> SubmittedRun:
        """Submit it again: its own code and config, with words of the command line on top, such as "params.lr=0.2"."""
        from trainconf.control import submit

        words = list(words_given("rerun", overrides))
        submitted = submit.rerun(self._paths, words, self.workspace._paths, Talk(), typed_in=caller())
        return SubmittedRun(self.workspace, submitted.paths, agent_pid=submitted.agent_pid)

    def resume(self, *overrides: str) -> SubmittedRun:
        """Go on with a run that failed, was canceled or lost its agent: its next attempt, in its own directory."""
        from trainconf.control import submit

        submitted = submit.resume(self._paths, list(words_given("resume", overrides)), self.workspace._paths, Talk())
        return SubmittedRun(self.workspace, submitted.paths, agent_pid=submitted.agent_pid)

    def submit_child(self, config: Any, tags: Mapping[str, object] | None = None) -> SubmittedRun:
        """Submit a ScriptRunConfig as a run below this one, in the same experiment."""
        experiment = trainconf.Experiment(self.workspace, os.path.basename(os.path.dirname(self.run_dir)))
        return experiment.submit(config, tags, parent=self)

    def get_children(
        self, recursive: bool = False, tags: Any = None, properties: Any = None, type: str | None = None, status: str | None = None
    ) -> list[Run]:
        """The runs below this one, oldest first, of a sweep its trials; with `recursive` also those below them."""
        from trainconf.sdk.runs import finding

        found: list[Run] = []
        for paths in finding.children_of(self._paths):
            child = of(self.workspace, paths)
            has_them = finding.has(tags or {}, child.get_tags()) and finding.has(properties or {}, child.get_properties())
            if has_them and type in (None, child.type) and status in (None, child.status):
                found.append(child)
            if recursive:
                found += child.get_children(True, tags, properties, type, status)
        return found

    @property
    def parent(self) -> SubmittedRun | None:
        """The run or sweep that this one is below; None where there is none."""
        name = record.read_mapping(self._paths.record).get("parent")
        if not isinstance(name, str) or not name:
            return None
        return of(self.workspace, runs.find(self.workspace._paths, name))


def of(workspace: Workspace, paths: RunPaths) -> SubmittedRun:
    """The run or sweep of a folder."""
    if runs.is_sweep(paths):
        kind: type[SubmittedRun] = getattr(trainconf, "HyperDriveRun", None) or trainconf.SweepRun
        return kind(workspace, paths)
    return SubmittedRun(workspace, paths)


def words_given(call: str, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """The overrides of a call. Raises UserError for what is no text."""
    arguments = Arguments(call)
    for word in overrides:
        arguments.text("an override", word, 'words such as "params.lr=0.2"', optional=False)
    arguments.check()
    return overrides
