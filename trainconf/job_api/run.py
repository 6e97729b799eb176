"""`Run`: one interface in a job, outside any run, and for a run of the history.

What it does is behind its store: `in_run.RunFolder` appends to the files of a run's directory, `offline.Offline` prints and remembers.
`trainconf.sdk` makes runs of the history from it.
"""

from __future__ import annotations

import os

from trainconf.job_api import values
from trainconf.job_api.calls.filed import Filed
from trainconf.job_api.calls.labelled import Labelled
from trainconf.job_api.calls.recorded import Recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

    from trainconf import Experiment, SubmittedRun, Workspace
    from trainconf.job_api.reach import ExperimentName

_shared: Dict[str, Any] = {}  # the store outside any run, and what is known of names, by run directory


class Run(Recorded, Labelled, Filed):
    """A run: `id`, `run_dir`, `experiment`, `attempt`, `params`, what it logs, what is said of it, its files and the runs below it.

    Outside of a run (no TRAINCONF_RUN_DIR in the environment) `id` and `run_dir` are empty, `params` too. What is logged is then
    printed and kept in memory, and files are in ./outputs: one script serves both. May be used from threads and after a fork.
    """

    def __init__(self, environ: Optional[Mapping[str, str]] = None) -> None:
        variables = os.environ if environ is None else environ
        self.run_dir = variables.get("TRAINCONF_RUN_DIR", "")
        self.id = variables.get("TRAINCONF_RUN_ID", "")
        self.attempt = int(variables.get("TRAINCONF_ATTEMPT", "1"))
        self._experiment = variables.get("TRAINCONF_EXPERIMENT", "")
        self._params_file = variables.get("TRAINCONF_PARAMS", "")
        self._params: Optional[Dict[str, Any]] = None
        self._life: Any = None  # of a run that this process is, without an agent
        self._parent: Optional[Run] = None
        if self.run_dir:
            from trainconf.job_api.in_run import RunFolder

            self._store: Any = RunFolder(variables)
        elif environ is None and "offline" in _shared:
            self._store = _shared["offline"]
        else:
            from trainconf.job_api.offline import Offline

            self._store = Offline()
            if environ is None:
                _shared["offline"] = self._store
        if not self.run_dir:
            from trainconf.job_api.life import OfflineLife

            self._life = OfflineLife(self._store)
        self._kinds = _shared.setdefault(self.run_dir, {}) if environ is None else {}

    @classmethod
    def get_context(cls, allow_offline: bool = True) -> Run:
        """The run this process belongs to; outside any run one that prints what is logged.

        Raises RuntimeError there without `allow_offline`.
        """
        run = cls()
        if not run.run_dir and not allow_offline:
            raise RuntimeError("this process is in no run (TRAINCONF_RUN_DIR is not set); start it with `trainconf script=...`")
        return run

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> SubmittedRun:
        """A run of the history, by its id or the unique beginning of one. Raises RuntimeError where trainconf itself is not installed."""
        from trainconf.job_api import reach

        run: SubmittedRun = reach.get(workspace, run_id)
        return run

    @staticmethod
    def list(
        experiment: Experiment, type: Optional[str] = None, tags: Any = None, properties: Any = None, include_children: bool = False
    ) -> Iterator[SubmittedRun]:
        """The runs of an experiment, newest first: `experiment.get_runs(...)`."""
        return experiment.get_runs(type, tags, properties, include_children)

    @property
    def params(self) -> Dict[str, Any]:
        """The run's params as a tree, read once from the file TRAINCONF_PARAMS. Raises OSError when that cannot be read."""
        if self._params is None:
            self._params = {}
            if self._params_file:
                import json

                with open(self._params_file, "rb") as stream:
                    self._params = json.loads(stream.read().decode("utf-8"))
        return self._params

    @property
    def experiment(self) -> ExperimentName:
        """The experiment's name: a text that has `name` and `workspace`, too."""
        from trainconf.job_api.reach import ExperimentName

        return ExperimentName.of(self._experiment, self.run_dir)

    @property
    def name(self) -> str:
        """The display name, else the id."""
        return self.display_name or self.id

    @property
    def number(self) -> Optional[int]:
        """Which run of its experiment it is, from 1, by the times in their ids; None where the others are not seen, as in a container."""
        from trainconf.job_api import interactive

        return interactive.number_of(self)

    @property
    def type(self) -> str:
        """`script` of a submitted run, `interactive` of one that a process is, `child` of one below a run, `offline` outside any run."""
        kind = self._store.facts().get("type")
        return kind if isinstance(kind, str) else "script"

    @property
    def status(self) -> str:
        """The state, such as `Running`."""
        from trainconf.job_api import interactive

        return interactive.status_of(self)

    def get_status(self) -> str:
        """The state now: `status`."""
        return self.status

    def complete(self) -> None:
        """End a run that this process is. The end of a submitted run is its script's exit code: there it only writes what is gathered."""
        self.flush()
        if self._life is not None:
            self._life.end("Completed")

    def fail(self, error_details: Any = None, error_code: Optional[str] = None) -> None:
        """End a run that this process is, as failed. In a submitted run it records the error, which `trainconf show` prints.

        `error_details` is a text or an exception; `error_code` a word of the script's own.
        """
        from trainconf.job_api import life

        facts = life.error(error_details, error_code)
        if self._life is None or not self._life.has_ended:
            self._store.record("error", facts)
        self.flush()
        if self._life is not None:
            self._life.end("Failed", life.reason(facts))

    def cancel(self) -> None:
        """Ask for the end of the run, as `trainconf cancel` does; a run that this process is, is canceled at once."""
        from trainconf.job_api import interactive

        self.flush()
        interactive.cancel(self)

    def child_run(self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Any = None) -> Run:
        """Make a run below this one; this process is that run, until `complete`, `fail` or `cancel`, or the end of a `with` block.

        `name` becomes its display name; `outputs` is a folder whose files are put into its outputs when it ends. A child that has no end
        when its script ends, ends as the run above it does. Raises ValueError for a `run_id` that is taken or no name, OSError.
        """
        from trainconf.job_api import interactive

        child: Run = interactive.child_of(self, name, run_id, outputs, {})
        return child

    def create_children(
        self, count: Optional[int] = None, tag_key: Optional[str] = None, tag_values: Optional[Sequence[Any]] = None
    ) -> List[Run]:
        """Make several runs below this one: `count` of them, or one for each of `tag_values`, with that tag.

        Each of `count` has the tag `batch_child_number`, from 0. Raises TypeError unless it is one of both.
        """
        from trainconf.job_api import interactive

        has_tags = tag_key is not None and tag_values is not None
        if (count is None) == (not has_tags) or (not has_tags and (tag_key is not None or tag_values is not None)):
            raise TypeError("children are made by run.create_children(count=N), or by tag_key=... with tag_values=[...]")
        if count is not None:
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError("count must be a whole number from 1 on, not %r" % (count,))
            tags = [{"batch_child_number": str(number)} for number in range(count)]
        else:
            tags = [values.texts("tags", {tag_key: value}) for value in tag_values or ()]
        return [interactive.child_of(self, None, None, None, each) for each in tags]

    def submit_child(self, config: Any, tags: Optional[Mapping[str, str]] = None) -> Run:
        """Submit a ScriptRunConfig as a run below this one; it starts as every run does, and on the job's machine ends with the job.

        Raises RuntimeError where trainconf itself is not installed, as in most containers: only `Run` is there, in every job.
        """
        from trainconf.job_api import reach

        child: Run = reach.submit_child(self, config, tags)
        return child

    def get_children(
        self, recursive: bool = False, tags: Any = None, properties: Any = None, type: Optional[str] = None, status: Optional[str] = None
    ) -> List[Run]:
        """The runs below this one, oldest first; with `recursive` also those below them.

        `tags` and `properties` are mappings of what a child must have, or one name of a tag or property. `type` and `status` are those a
        child must have.
        """
        from trainconf.job_api import interactive

        found = []
        for child in interactive.children_of(self):
            if interactive.matches(child, tags, properties, type, status):
                found.append(child)
            if recursive:
                found += child.get_children(True, tags, properties, type, status)
        return found

    @property
    def parent(self) -> Optional[Run]:
        """The run that this one is below; None where there is none."""
        from trainconf.job_api import interactive

        above: Optional[Run] = interactive.parent_of(self)
        return above

    def get_secret(self, name: str) -> str:
        """A secret that the run was given, from this process' environment. Raises LookupError, which says how one is declared."""
        from trainconf.job_api import reach

        return reach.secret(name)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """What IPython shows of it: state, params, metrics, the last lines of its log."""
        from trainconf.job_api import reach

        return reach.displayed(self, "mimebundle")

    def _ipython_display_(self) -> None:
        """In a notebook, shown so that it changes until the run has ended. Raises NotImplementedError elsewhere: IPython asks the other."""
        from trainconf.job_api import reach

        if reach.displayed(self, "is_displayed") is not True:
            raise NotImplementedError

    @staticmethod
    def _at(variables: Mapping[str, str]) -> Run:
        """Another run, by the variables that its job would have."""
        return Run(variables)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self.complete()
        elif self._life is not None:
            self.fail(error)

    def __repr__(self) -> str:
        return "<Run %s of %s, %s>" % (self.id or "outside any run", self._experiment or "no experiment", self.status)
