"""`wandb.Run`: a tracked run with the methods and properties of the original."""

from __future__ import annotations

import enum
import os

from trainconf.compat.tracking import artifacts, folder, record
from trainconf.compat.tracking.notes import KeepsGoing, Unanswered, note, unanswered
from trainconf.compat.tracking.run import TrackedRun
from trainconf.compat.wandb import current
from trainconf.compat.wandb.errors import CommError, ConfigError
from trainconf.compat.wandb.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple


class AlertLevel(enum.Enum):
    """How urgent an alert is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class ArtifactTTL(enum.Enum):
    """How long an artifact lives. Here: as long as its run."""

    INHERIT = 0


class Classes(list):  # type: ignore[type-arg]
    """Names of the classes of a picture's boxes and masks."""


class Metric:
    """What `define_metric` returns."""

    def __init__(self, name: str, step_metric: Optional[str] = None, summary: Tuple[str, ...] = ()) -> None:
        self.name = name
        self.step_metric = step_metric
        self.summary = summary


class Run(TrackedRun):
    """A run of wandb's API."""

    tool = "wandb"
    config_error = ConfigError

    def __init__(self, settings: Optional[Settings] = None, **given: Any) -> None:
        super().__init__(**given)
        self.settings = settings or Settings()
        self.entity: Optional[str] = None
        self.job_type: Optional[str] = None
        self.sweep_id: Optional[str] = None
        self.disabled = False
        self.offline = True
        self.resumed = self._job.attempt > 1
        self.url = self.project_url = self.sweep_url = ""
        self._id: Optional[str] = None
        self._tags: Tuple[str, ...] = ()
        self._notes: Optional[str] = None

    @property
    def id(self) -> str:
        return self._id or super().id

    @property
    def path(self) -> str:
        return "/".join(filter(None, [self.entity, self.project, self.id]))

    @property
    def starting_step(self) -> int:
        return 0

    @property
    def tags(self) -> Tuple[str, ...]:
        return self._tags

    @tags.setter
    def tags(self, tags: Any) -> None:
        self._tags = (tags,) if isinstance(tags, str) else tuple(str(tag) for tag in tags or ())
        record.tagged(self._job, dict.fromkeys(self._tags, ""))

    @property
    def notes(self) -> Optional[str]:
        return self._notes

    @notes.setter
    def notes(self, text: Any) -> None:
        self._notes = str(text)
        record.described(self._job, self._notes)

    def get_url(self) -> str:
        return self.url

    get_project_url = get_sweep_url = get_url

    def project_name(self) -> str:
        return self.project or ""

    def finish(self, exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
        super().finish(exit_code, quiet)
        current.end(self)

    join = finish

    def define_metric(
        self, name: Any, step_metric: Any = None, step_sync: Any = None, hidden: Any = None, summary: Optional[str] = None,
        goal: Optional[str] = None, overwrite: Optional[bool] = None, **more: Any
    ) -> Metric:  # fmt: skip
        """Say which metric is the step of another one, and whether its least, greatest or mean value shall be in the summary."""
        rule = self._rules.add(str(getattr(name, "name", name)), step_metric, summary, goal, bool(overwrite))
        return Metric(rule.name, rule.step_metric, rule.summaries)

    # Files
    def save(self, glob_str: Any = None, base_path: Any = None, policy: str = "live", glob: bool = True) -> List[str]:
        """Copy files into the run's outputs: now, and with `live` and `end` once more when it is finished."""
        import glob as globbing

        if glob_str is None:
            return []
        pattern = os.path.abspath(os.fspath(glob_str))
        base = os.path.abspath(os.fspath(base_path)) if base_path is not None else os.path.dirname(pattern)
        copied = []
        for source in globbing.glob(pattern, recursive=True) if glob else [pattern]:
            inside = os.path.relpath(source, base)
            if inside.startswith(".."):
                inside = os.path.basename(source)
            target = os.path.join(self.dir, inside)
            if os.path.isfile(source) and not os.path.samefile(source, target if os.path.exists(target) else os.devnull):
                with KeepsGoing("the saved file %s" % source):
                    folder.copy(source, target)
                    copied.append(target)
                if policy in ("live", "end"):
                    self._saved.append((source, target))
        if not copied:
            note("save %s" % glob_str, "wandb.save(%r): there is no such file" % (os.fspath(glob_str),))
        return copied

    def restore(self, name: str, run_path: Any = None, replace: bool = False, root: Any = None) -> Any:
        """A saved file of this run, opened, as after another attempt. Raises ValueError when there is none."""
        path = os.path.join(self.dir, name)
        if run_path is not None or not os.path.isfile(path):
            raise ValueError("wandb.restore(%r): this run has no such file; declare what another run has saved as an input" % name)
        return open(path, encoding="utf-8", errors="surrogateescape")

    def use_artifact(self, artifact_or_name: Any, type: Optional[str] = None, *args: Any, **more: Any) -> Any:
        try:
            return super().use_artifact(artifact_or_name, type)
        except artifacts.NotThere as error:
            raise CommError(str(error)) from None

    upsert_artifact = finish_artifact = TrackedRun.log_artifact

    def log_model(self, path: Any, name: Optional[str] = None, aliases: Any = None) -> None:
        self.log_artifact(path, name=name, type="model", aliases=aliases)

    def use_model(self, name: str) -> str:
        """The path of a model: its file, or the folder of its files."""
        found = self.use_artifact(name)
        names = found._names()
        return os.path.join(found.download(), names[0]) if len(names) == 1 else str(found.download())

    def link_model(self, path: Any, registered_model_name: str, name: Optional[str] = None, aliases: Any = None) -> None:
        self.log_artifact(path, name=registered_model_name, type="model", aliases=aliases)

    def link_artifact(self, artifact: Any, target_path: str, aliases: Any = None) -> Any:
        note("link_artifact", "wandb.link_artifact: there is no registry; the artifact is in the outputs of this run")
        return artifact

    # Harmless
    def watch(self, models: Any = None, *args: Any, **options: Any) -> Any:
        note("watch", "wandb.watch: gradients and parameters are not recorded; log wandb.Histogram of those you want")
        return ()

    def unwatch(self, models: Any = None) -> None:
        """Nothing is watched."""

    def log_code(self, *args: Any, **options: Any) -> None:
        """The snapshot of the run has the code."""

    def mark_preempting(self) -> None:
        return None

    def pin_config_keys(self, keys: Any = ()) -> None:
        return None

    def write_logs(self, text: str) -> None:
        print(text)

    def status(self) -> Any:
        return Settings(sync_items_total=0, sync_items_pending=0, sync_time=None)

    def display(self, *args: Any, **options: Any) -> bool:
        return False

    def to_html(self, *args: Any, **options: Any) -> str:
        return "<p>run %s of trainconf</p>" % self.id

    def _label(self, *args: Any, **options: Any) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return unanswered("wandb.Run." + name)

    def __repr__(self) -> str:
        return "<wandb run %s of trainconf>" % self.id

    def __reduce__(self) -> Any:
        return _the_run, (self.id,)  # another process has the run it has begun


class RunDisabled(Run):
    """What `init(mode="disabled")` returns: it takes every call and records nothing."""

    counts = False

    def __init__(self, config: Any = None) -> None:
        super().__init__(config=config)
        self.disabled = True
        self._is_changed = False
        self.summary.__dict__["_put"] = lambda name, value: None

    def log(self, data: Any = None, step: Any = None, commit: Any = None, sync: Any = None) -> None:
        self._latest.update(data or {})

    def _write_config(self) -> None:
        """Nothing is recorded."""

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: Any) -> None:
        self._name = str(value)

    @property
    def tags(self) -> Tuple[str, ...]:
        return self._tags

    @tags.setter
    def tags(self, tags: Any) -> None:
        self._tags = tuple(tags or ())

    def finish(self, exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
        self._is_finished = True
        current.end(self)

    def save(self, *args: Any, **options: Any) -> List[str]:
        return []

    def log_artifact(self, artifact_or_path: Any, *args: Any, **options: Any) -> Any:
        return artifact_or_path if isinstance(artifact_or_path, artifacts.Artifact) else Unanswered("wandb.Artifact")

    upsert_artifact = finish_artifact = log_artifact

    def alert(self, *args: Any, **options: Any) -> None:
        return None

    @property
    def dir(self) -> str:
        import tempfile

        return tempfile.gettempdir()


Disabled = RunDisabled


def _the_run(run_id: str) -> Any:
    return current.run() or Run()


def describe(run: Run, given: Dict[str, Any]) -> None:
    """Give a new run what `init` was called with."""
    run.entity, run.job_type, run._id = given.get("entity"), given.get("job_type"), given.get("id")
    if given.get("name"):
        run.name = given["name"]
    if given.get("notes"):
        run.notes = given["notes"]
    if given.get("tags"):
        run.tags = given["tags"]
    words = {"group": given.get("group"), "job_type": given.get("job_type"), "project": given.get("project")}
    record.tagged(run._job, {name: str(word) for name, word in words.items() if word})
