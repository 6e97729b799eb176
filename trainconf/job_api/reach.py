"""What `Run` reaches beyond the job: its experiment, its secrets, and trainconf as a whole where that is installed."""

from __future__ import annotations

import os

from trainconf.job_api.in_run import read_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional

_submitted: List[Any] = []  # by the job of this process, below it


class ExperimentName(str):
    """The name of an experiment: a text, as scripts compare and print it, that leads to the experiment, as scripts for Azure ML ask it.

    `name` is the text, and `workspace` the workspace. Anything else is asked of `trainconf.Experiment`, where trainconf is installed.
    """

    _run_dir = ""

    @classmethod
    def of(cls, name: str, run_dir: str) -> ExperimentName:
        """The name of the experiment of a run; an empty `run_dir` is that of no run."""
        found = cls(name)
        found._run_dir = run_dir
        return found

    @property
    def name(self) -> str:
        """The text."""
        return str(self)

    @property
    def workspace(self) -> Any:
        """The workspace that the run belongs to. Raises RuntimeError where trainconf itself is not installed."""
        return _workspace(self._run_dir)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            experiment = _sdk("experiment").Experiment(self.workspace, str(self))
        except RuntimeError as error:
            raise AttributeError("the experiment has no %r here: %s" % (name, error)) from None
        return getattr(experiment, name)


def displayed(run: Any, form: str) -> Any:
    """How a notebook shows a run; None where trainconf itself is not installed, and its text is shown."""
    from importlib import import_module

    try:
        details = import_module("trainconf.notebook.details")
    except (ImportError, SyntaxError):
        return None
    return getattr(details, form)(run)


def get(workspace: Any, run_id: str) -> Any:
    """A run of the history."""
    return _sdk("run").SubmittedRun.get(workspace, run_id)


def submit_child(run: Any, config: Any, tags: Optional[Mapping[str, str]]) -> Any:
    """Submit a run whose parent is `run`. Outside any run it has none, and is a child to this process alone."""
    experiment = _sdk("experiment").Experiment(_workspace(run.run_dir), str(run.experiment) or "child")
    child = experiment.submit(config, tags=tags, parent=None if run._store.is_offline else run)
    if run._store.is_offline:
        run.__dict__.setdefault("_made", {})[child.id] = child
    elif run._life is None:
        _tell_at_exit(child)
    run._store.record("child", {"id": child.id})
    run._store.flush()
    return child


def _tell_at_exit(child: Any) -> None:
    """Nothing that a job starts on its machine outlives it. Say so at its end, of a child that it did not wait for."""
    import atexit

    if not _submitted:
        atexit.register(_tell_unfinished)
    _submitted.append(child)


def _tell_unfinished() -> None:
    import sys

    for child in _submitted:
        state = child._state()
        if not state.is_final and state.scheduler is None:
            print(
                "note: %s is %s, and ends with the job that submitted it; child.wait_for_completion() lets it end first"
                % (child.id, state.status), file=sys.stderr, flush=True,
            )  # fmt: skip


def secret(name: str) -> str:
    """The value of a secret. In a run it is one of those that `env.variables` declares; outside any run a variable of this process."""
    if not isinstance(name, str) or not name:
        raise TypeError("the name of a secret must be a text that is not empty, not %r" % (name,))
    run_dir = os.environ.get("TRAINCONF_RUN_DIR", "")
    if not run_dir:
        if name in os.environ:
            return os.environ[name]
        raise LookupError("the secret %r is not set; outside a run it is an environment variable: export %s=..." % (name, name))
    variables = _declared(run_dir)
    for variable, text in variables.items():
        if text == "${secret:%s}" % name and variable in os.environ:
            return os.environ[variable]
    if name in variables and name in os.environ:
        return os.environ[name]
    known = ", ".join(sorted(variables)) or "none"
    raise LookupError("the run was given no secret %r; declare it in the experiment, env.variables.%s: ${secret:%s}, and set it where you "
                      "submit; secrets of this run: %s" % (name, name, name, known))  # fmt: skip


def _declared(run_dir: str) -> Dict[str, str]:
    """The variables of a run whose values hold a secret, as they were declared."""
    spec = read_json(os.path.join(run_dir, "spec.json"))
    environment = spec.get("environment")
    pairs: Any = environment.get("variables") if isinstance(environment, dict) else None
    found: List[Any] = list(pairs.items()) if isinstance(pairs, dict) else list(pairs or [])
    return {pair[0]: pair[1] for pair in found if len(pair) == 2 and isinstance(pair[1], str) and "${secret:" in pair[1]}


def _workspace(run_dir: str) -> Any:
    if run_dir and os.path.ismount(run_dir):
        raise RuntimeError("the workspace is not seen in a container, only the run's own directory is; outside of one (compute=local, "
                           "compute=slurm) this works, and run.child_run() works everywhere")  # fmt: skip
    module = _sdk("workspace")
    if run_dir:
        return module.Workspace(os.path.dirname(os.path.dirname(os.path.dirname(run_dir))))
    return module.Workspace.from_config()


def _sdk(name: str) -> Any:
    """A module of trainconf.sdk. Raises RuntimeError where trainconf is not installed as a whole."""
    from importlib import import_module

    try:
        return import_module("trainconf.sdk." + name)
    except (ImportError, SyntaxError) as error:
        raise RuntimeError(
            "this needs trainconf itself in the job's Python, where only `Run` is now (%s); "
            "add `trainconf` to the environment's requirements" % error
        ) from error
