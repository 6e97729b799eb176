"""`submitit.AutoExecutor(folder=..., cluster="trainconf")`: each call is a run, an array of calls a sweep."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core import core, utils

from trainconf.compat import calls, imports
from trainconf.compat.submitit import parameters as known
from trainconf.compat.submitit.job import TrainconfJob, link_of
from trainconf.compat.submitit.task import PLACES
from trainconf.composition.layers import Layer
from trainconf.control.compose import ComposeRequest
from trainconf.control.submit import submit
from trainconf.control.sweeps.steer import submit as submit_sweep
from trainconf.errors import UserError
from trainconf.paths import RunPaths, find_workspace, packaged
from trainconf.sdk.place import caller


class TrainconfExecutor(core.Executor):
    """Submits calls to trainconf's queue on this machine, to its containers, or to Slurm (`trainconf_compute="slurm"`).

    workspace: a folder with runs/, or one below it; default: that of the current folder. The others are submitit's.
    """

    job_class = TrainconfJob

    def __init__(
        self, folder: Path | str, max_num_timeout: int = 3, max_pickle_size_gb: float = 1.0, workspace: Path | str | None = None
    ) -> None:
        super().__init__(folder)
        self.max_num_timeout = max_num_timeout
        self.max_pickle_size_gb = max_pickle_size_gb
        self.workspace = None if workspace is None else os.path.abspath(workspace)
        if self.workspace is not None and not os.path.isdir(self.workspace):
            raise UserError("there is no such workspace", ("folder", self.workspace), hint="make the folder, or name another one")

    @classmethod
    def affinity(cls) -> int:
        """Only when it is asked for."""
        return 0

    @classmethod
    def _valid_parameters(cls) -> set[str]:
        return set(known.OWN)

    def _internal_update_parameters(self, **kwargs: Any) -> None:
        known.check(kwargs)
        super()._internal_update_parameters(**kwargs)

    def _internal_process_submissions(self, delayed_submissions: list[utils.DelayedSubmission]) -> list[core.Job[Any]]:
        """Raises UserError for a pickle that is too large or a folder that cannot be written, and what a submission raises."""
        place = caller(os.path.dirname(submitit.__file__))
        folder = self._dump(delayed_submissions)
        checkpoints = any(hasattr(delayed.function, "checkpoint") or hasattr(delayed.function, "__submitit_checkpoint__")
                          for delayed in delayed_submissions)
        words, values = known.wanted(self.parameters, folder, str(self.folder), self.max_num_timeout, checkpoints=checkpoints)
        values["params"]["function"] = _name(delayed_submissions)
        workspace = find_workspace(self.workspace or os.getcwd())
        values["source_directory"] = os.path.relpath(values["source_directory"], workspace.root)
        if len(delayed_submissions) == 1:
            found = submit(ComposeRequest(words, config_dir=packaged("conf"), layers=[Layer(place, values)]), workspace).paths
            return [self._job(found)]
        axis = f"+params.index=range({len(delayed_submissions)})"
        words = [*words, "sweep.max_total_runs=1000000", axis]
        sweep = submit_sweep(ComposeRequest(words, config_dir=packaged("conf"), layers=[Layer(place, values)]), workspace)
        parent = os.path.dirname(sweep.run_dir)
        return [self._job(RunPaths(os.path.join(parent, f"{sweep.run_id}_{index}"))) for index in range(len(delayed_submissions))]

    def _job(self, run: RunPaths) -> core.Job[Any]:
        """The job that a run is, with links to what submitit expects in its folder."""
        tasks = range(self.parameters.get("tasks_per_node", 1) * self.parameters.get("nodes", 1))
        for task in tasks:
            paths = utils.JobPaths(self.folder, job_id=run.run_id, task_id=task)
            calls.make(paths.folder)
            links = {link_of(paths): run.run_dir, paths.stdout: run.log(task)}
            if not self.parameters.get("stderr_to_stdout"):
                links[paths.stderr] = run.log(task)  # one file holds both
            for link, target in links.items():
                if not os.path.lexists(link):
                    os.symlink(target, link)
        return self.job_class(folder=self.folder, job_id=run.run_id, tasks=list(tasks))

    def _dump(self, delayed_submissions: Sequence[utils.DelayedSubmission]) -> str:
        """Write the calls, `<index>.pkl` each; their folder. So the run's params say what was called."""

        def write(folder: Path) -> None:
            for index, delayed in enumerate(delayed_submissions):
                delayed.set_timeout(self.parameters.get("timeout_min", 0), self.max_num_timeout)
                delayed.dump(folder / f"{index}.pkl")
                self._check_size((folder / f"{index}.pkl").stat().st_size, len(delayed_submissions))
            (folder / PLACES).write_text(json.dumps(imports.of(self.parameters.get("source_directory", "."))))

        return calls.keep(utils.JobPaths.get_first_id_independent_folder(self.folder), write)

    def _check_size(self, size_bytes: int, count: int) -> None:
        if count * size_bytes > self.max_pickle_size_gb * 2**30:
            what = f"{count} calls of {size_bytes / 2**30:.2f} GiB are more than max_pickle_size_gb"
            raise UserError(what, ("max_pickle_size_gb", str(self.max_pickle_size_gb)), hint="pass paths of data, or give a larger limit")


def _name(delayed_submissions: Sequence[utils.DelayedSubmission]) -> str:
    """What is called, for people: `train.main`."""
    function = delayed_submissions[0].function
    function = getattr(function, "func", function)  # of functools.partial
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(kind, '__module__', 'builtins')}.{kind.__qualname__}"
