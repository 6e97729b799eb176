"""`Experiment`: runs of one name in a workspace; what submits them and finds them."""

from __future__ import annotations

import os

from trainconf.fast.plain import PLAIN, not_plain
from trainconf.job_api import Run
from trainconf.paths import is_inside
from trainconf.resolve.resolver import is_run_name
from trainconf.sdk.run import of
from trainconf.sdk.runs import finding
from trainconf.sdk.script_run_config import ScriptRunConfig
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.submission.layers import plain
from trainconf.sdk.submission.request import Part
from trainconf.sdk.workspace import Workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping
    from typing import Any

    import pandas

    from trainconf.sdk.run import SubmittedRun
    from trainconf.sdk.sweep_run import SweepRun

NAME = "a letter or digit, then letters, digits, `_`, `-`, `.`; at most 200"


class Experiment:
    """The runs of one name in a workspace. It needs no run to exist. Raises UserError for a name that cannot be one.

    name: a letter or digit, then letters, digits, `_`, `-`, `.`; at most 200 characters. It is the folder of the runs below runs/.

        >>> from trainconf import Experiment, Workspace
        >>> ws = Workspace.create(".")
        >>> Experiment(ws, "first").name
        'first'
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        arguments = Arguments("Experiment")
        if not isinstance(workspace, Workspace):
            arguments.refuse("workspace", workspace, "a Workspace, such as Workspace()", "Workspace.create(\".\") makes this folder one")
        if not isinstance(name, str) or not is_run_name(name):
            arguments.refuse("name", name, NAME)
        arguments.check()
        self.workspace = workspace
        self.name = name

    def submit(
        self, config: Any, tags: Mapping[str, object] | None = None, *, display_name: str | None = None, parent: Run | None = None
    ) -> SubmittedRun:
        """Submit a run, or a sweep, and return at once; it goes on when this process has ended.

        config: a ScriptRunConfig, or a HyperDriveConfig. parent: the run it is below. An environment that is missing is built first, here.
        Raises UserError kinds before anything was started, BuildError, LaunchError.
        """
        arguments = Arguments("Experiment.submit")
        texts = arguments.texts("tags", tags)
        arguments.text("display_name", display_name)
        submit_itself = getattr(config, "_submit", None)
        if not isinstance(config, ScriptRunConfig) and not callable(submit_itself):
            arguments.refuse("config", config, "a ScriptRunConfig or a HyperDriveConfig")
        if parent is not None and (not isinstance(parent, Run) or not parent.id):
            arguments.refuse("parent", parent, "a run of this workspace")
        elif parent is not None and not is_inside(os.path.realpath(parent.run_dir), os.path.realpath(self.workspace._paths.runs)):
            arguments.wrong("the parent is a run of another workspace", ("parent", parent.run_dir), ("this one", self.workspace.root))
        arguments.check()
        if not isinstance(config, ScriptRunConfig):
            return submit_itself(self, texts)  # type: ignore[misc,no-any-return]
        from trainconf.sdk.submission.submit import submit

        part = self._part(arguments.place, texts, display_name)
        return submit(self.workspace, config, part, parent=None if parent is None else parent.id)

    def submit_sweep(
        self, config: ScriptRunConfig, *words: str, tags: Mapping[str, object] | None = None, display_name: str | None = None
    ) -> SweepRun:
        """Submit a sweep, as `-m` on the command line does, and return at once.

        words: what varies, such as "params.lr=0.1,0.2" or "sweep=random"; they come after the overrides of the config.
        """
        arguments = Arguments("Experiment.submit_sweep")
        if not isinstance(config, ScriptRunConfig):
            arguments.refuse("config", config, "a ScriptRunConfig")
        for word in words:
            arguments.text("a word", word, 'words such as "params.lr=0.1,0.2"', optional=False)
        texts = arguments.texts("tags", tags)
        arguments.text("display_name", display_name)
        arguments.check()
        from trainconf.sdk.submission.submit import submit_sweep

        return submit_sweep(self.workspace, config, words, self._part(arguments.place, texts, display_name))

    def start_logging(
        self, outputs: str | os.PathLike[str] | bool | None = None, snapshot_directory: str | os.PathLike[str] | None = ".",
        display_name: str | None = None, *, run_id: str | None = None, tags: Mapping[str, object] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Run:  # fmt: skip
        """Begin a run that this process is: it logs to it, until `complete`, `fail`, `cancel`, the end of a `with` block or of the process.

        outputs: folder whose files are put into the run's outputs at its end, by default ./outputs; False: none. snapshot_directory: the
        source tree that is recorded with it; None: none. Raises UserError for wrong arguments and an id that is taken, SnapshotError,
        StorageError.

            >>> from trainconf import Experiment, Workspace
            >>> with Experiment(Workspace.create("."), "by-hand").start_logging() as run:
            ...     run.log("accuracy", 0.9)
            >>> run.get_status()
            'Completed'
        """
        arguments = Arguments("start_logging")
        folder = None if outputs is False else arguments.path("outputs", "outputs" if outputs in (None, True) else outputs)
        source = arguments.path("snapshot_directory", snapshot_directory)
        if source is not None and not os.path.isdir(source):
            arguments.refuse("snapshot_directory", snapshot_directory, "a folder, or None")
        arguments.text("display_name", display_name)
        arguments.text("run_id", run_id)
        texts = arguments.texts("tags", tags)
        if params is not None and not isinstance(params, dict):
            arguments.refuse("params", params, "a dict")
        else:
            for key, problem in not_plain(plain(dict(params or {})), "params"):
                arguments.wrong(f"start_logging: {key} cannot be {problem}", ("allowed", PLAIN))
        arguments.check()
        from trainconf.control.interactive.start import start

        run = start(
            self.workspace._paths, self.name, run_id=run_id, display_name=display_name, tags=texts, params=plain(dict(params or {})),
            snapshot_directory=None if source is None else os.path.abspath(source),
        )  # fmt: skip
        if folder is not None:
            run._life._outputs = os.path.abspath(folder)
        return run

    def get_runs(
        self, type: str | None = None, tags: Any = None, properties: Any = None, include_children: bool = False, *, where: str = "",
        sort: str = "", limit: int | None = None, archived: bool = False,
    ) -> Iterator[SubmittedRun]:  # fmt: skip
        """The runs and sweeps of the experiment, newest first.

        type: `script`, `sweep`, `interactive` or `child`. tags, properties: a dict of what a run must have, or one name. include_children:
        also trials of sweeps, and runs below runs. where, sort: expressions as those of `trainconf ls`, such as
        "metrics.loss < 0.5" and "-metrics.accuracy"; with either of them no sweep is found, for a sweep has no metrics. archived: those in
        the archive instead. Raises UserError for a wrong expression.
        """
        arguments = Arguments("get_runs")
        for name, value in (("where", where), ("sort", sort)):
            if not isinstance(value, str):
                arguments.refuse(name, value, "an expression, as a text")
        for name, value in (("tags", tags), ("properties", properties)):
            if value is not None and not isinstance(value, (str, dict, list, tuple)):
                arguments.refuse(name, value, 'a dict, such as {"by": "hand"}, or names, such as "by"')
        arguments.text("type", type)
        arguments.whole("limit", limit, minimum=1, optional=True)
        arguments.check()
        wanted = finding.Wanted(type, tags, properties, include_children, where, sort, limit, archived, arguments.place)
        return (of(self.workspace, paths) for paths in finding.runs_of(self.workspace._paths, self.name, wanted))

    def to_pandas(
        self, *, where: str = "", sort: str = "", include_children: bool = True, archived: bool | None = False
    ) -> pandas.DataFrame:
        """The runs as a pandas table, newest first: the fields of `trainconf ls --json`; `params.lr`, `metrics.loss` and tags as columns.

        Trials of sweeps are runs like others. Raises UserError without pandas, and for a wrong expression.
        """
        from trainconf.sdk.runs import tables

        arguments = Arguments("to_pandas")
        for name, value in (("where", where), ("sort", sort)):
            if not isinstance(value, str):
                arguments.refuse(name, value, "an expression, as a text")
        arguments.check()
        found = finding.rows(self.workspace._paths, self.name, where, sort, None, archived=archived, place=arguments.place)
        return tables.of_runs(row for row in found if include_children or not row.fields["parent"])

    def archive(self) -> None:
        """Hide the runs that it has now from lists, `trainconf ls` included; a new run shows. `reactivate` brings them back."""
        self._archive(is_archived=True)

    def reactivate(self) -> None:
        """Take its runs out of the archive."""
        self._archive(is_archived=False)

    def _archive(self, *, is_archived: bool) -> None:
        from trainconf.control import labels

        found = [row.paths for row in finding.rows(self.workspace._paths, self.name, "", "", None, archived=not is_archived)]
        if found:
            labels.archive(found, archived=is_archived)

    def _part(self, place: str, tags: dict[str, str], display_name: str | None = None) -> Part:
        """What the experiment and a call of `submit` say of a run."""
        given = {"experiment_name": self.name, "tags": tags or None, "display_name": display_name}
        return Part(place, [], {name: value for name, value in given.items() if value is not None})

    @staticmethod
    def list(workspace: Workspace) -> builtins.list[Experiment]:
        """The experiments that have runs, by name."""
        arguments = Arguments("Experiment.list")
        if not isinstance(workspace, Workspace):
            arguments.refuse("workspace", workspace, "a Workspace")
        arguments.check()
        try:
            names = sorted(entry.name for entry in os.scandir(workspace._paths.runs) if entry.is_dir() and is_run_name(entry.name))
        except FileNotFoundError:
            names = []
        return [Experiment(workspace, name) for name in names]

    def __repr__(self) -> str:
        return f"Experiment({self.workspace!r}, {self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and (other.workspace, other.name) == (self.workspace, self.name)

    def __hash__(self) -> int:
        return hash((self.workspace, self.name))
