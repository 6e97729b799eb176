"""The functions and classes of the package `trackio`."""

from __future__ import annotations

import contextvars
import enum
import sys
from types import ModuleType

from trainconf.compat.tracking import record
from trainconf.compat.tracking.artifacts import Artifact
from trainconf.compat.tracking.config import Config
from trainconf.compat.tracking.media import Audio, Html, Image, Markdown, Molecule, Object3D, Video
from trainconf.compat.tracking.media import Figure as Plotly
from trainconf.compat.tracking.modules import Finder
from trainconf.compat.tracking.notes import Unanswered, note, say, unanswered
from trainconf.compat.tracking.run import TrackedRun
from trainconf.compat.tracking.tables import Histogram, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional

VERSION = "0.43.0"  # of the interface that is answered
EvalTable = Table


class AlertLevel(str, enum.Enum):
    """How urgent an alert is."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Run(TrackedRun):
    """A run of trackio's API."""

    tool = "trackio"
    config_is_strict = False

    def log_system(self, metrics: Any) -> None:
        """Record values of the machine, as `system/<name>`. They do not count as a row."""
        for name, value in dict(metrics).items():
            self._log_one("system/%s" % name, value, self._step, {})

    def link_artifact(self, artifact: Any, *args: Any, **more: Any) -> Any:
        note("link_artifact", "trackio's link_artifact: there is no registry; the artifact is in the outputs of this run")
        return artifact

    def finish(self, exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
        super().finish(exit_code, quiet)
        if self in _runs:
            _runs.remove(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return unanswered("trackio.Run." + name)


class Trace(Markdown):
    """A conversation, kept as JSON."""

    kind = "trace"
    ending = ".json"

    def __init__(self, messages: Any = None, metadata: Any = None, spans: Any = None) -> None:
        import json

        from trainconf.compat.tracking.values import jsonable

        super().__init__(json.dumps(jsonable({"messages": messages, "metadata": metadata, "spans": spans})))


_runs: List[Run] = []
_had_one: List[bool] = []


def init(
    project: Any = None, name: Optional[str] = None, group: Optional[str] = None, space_id: Any = None, server_url: Any = None,
    dataset_id: Any = None, bucket_id: Any = None, config: Any = None, resume: str = "never", settings: Any = None, **more: Any
) -> Run:  # fmt: skip
    """Begin a run: in a job it is the run of trainconf. A run that goes on is finished first, as in the original."""
    for word, value in (("space_id", space_id), ("server_url", server_url), ("dataset_id", dataset_id), ("bucket_id", bucket_id)):
        if value:
            note(word, "trackio.init(%s=...) is not used: what is logged stays in the run of trainconf" % word)
    if _runs:
        _runs[-1].finish()
    run = Run(name=name, project=project, group=group, config=config)
    if resume in ("must", "allow") and run._job.attempt > 1:
        run._go_on()
    if name:
        run.name = name
    record.tagged(run._job, {key: str(value) for key, value in (("project", project), ("group", group)) if value})
    if not _had_one:
        where = "in the run %s" % run._job.id if run._job.id else "in ./outputs/trackio and printed, for this is no run of trainconf"
        say("what the script gives to trackio is recorded %s; no server, no network (docs/tracking.md)" % where)
    _runs.append(run)
    _had_one.append(True)
    run._write_if_changed()
    return run


def _run(what: str) -> Optional[Run]:
    """The current run. Raises RuntimeError before the first `init`; a call after `finish` is told once."""
    if not _runs and not _had_one:
        raise RuntimeError("trackio.%s: call trackio.init() first" % what)
    if not _runs:
        note("after finish " + what, "trackio.%s after trackio.finish(): this call and later ones are not recorded" % what)
    return _runs[-1] if _runs else None


def log(metrics: Any, step: Optional[int] = None) -> None:
    """Record one row in the current run."""
    run = _runs[-1] if _runs else _run("log")
    if run is not None:
        run.log(metrics, step)


def log_system(metrics: Any) -> None:
    run = _run("log_system")
    if run is not None:
        run.log_system(metrics)


def log_artifact(artifact_or_path: Any, name: Any = None, type: Any = None, aliases: Any = None, **more: Any) -> Any:
    run = _run("log_artifact")
    return run.log_artifact(artifact_or_path, name, type, aliases) if run is not None else artifact_or_path


def use_artifact(artifact_or_name: Any, type: Any = None) -> Any:
    run = _run("use_artifact")
    return run.use_artifact(artifact_or_name, type) if run is not None else Unanswered("trackio.Artifact")


def alert(title: str, text: Any = None, level: Any = AlertLevel.WARN, webhook_url: Any = None, **more: Any) -> None:
    run = _run("alert")
    if run is not None:
        run.alert(title, text, level)


def save(glob_str: Any, project: Any = None) -> List[str]:
    """Copy files into the run's outputs. A file outside of any run is none of its business: then nothing is copied."""
    import glob
    import os

    from trainconf.compat.tracking import folder
    from trainconf.compat.tracking.notes import KeepsGoing

    run = _run("save")
    copied: List[str] = []
    for source in glob.glob(os.fspath(glob_str), recursive=True) if run is not None else ():
        target = os.path.join(run.dir, os.path.basename(source)) if run is not None else ""
        if os.path.isfile(source):
            with KeepsGoing("the saved file %s" % source):
                folder.copy(source, target)
                copied.append(target)
    return copied


def finish() -> None:
    """End the current run. Raises RuntimeError before the first `init`."""
    run = _run("finish")
    if run is not None:
        run.finish()


def log_gpu(run: Any = None, device: Any = None) -> Any:
    """trainconf samples the machine itself: `trainconf metrics RUN --system`."""
    note("log_gpu", "trackio.log_gpu and log_cpu: trainconf samples the machine itself: `trainconf metrics RUN --system`")
    return {}


log_cpu = log_gpu


def show(*args: Any, **options: Any) -> Any:
    note("show", "trackio.show does nothing here: `trainconf metrics RUN`, `compare` and `tensorboard` show runs (docs/history.md)")
    return (Unanswered("trackio.show()"),) * 4  # what runs, its address here, its address elsewhere, its whole address


def sync(*args: Any, **options: Any) -> None:
    note("sync", "trackio.sync, freeze and delete_project do nothing here: runs stay where they are")


freeze = delete_project = sync


class _CurrentConfig:
    """`trackio.config`: that of the current run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        run = _run("config")
        return getattr(run.config if run is not None else Config(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.as_dict()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        run = _run("config")
        if run is not None:
            run.config[name] = value

    def __contains__(self, name: object) -> bool:
        return bool(_runs) and name in _runs[-1].config

    def __iter__(self) -> Any:
        return iter(_runs[-1].config if _runs else ())


config = _CurrentConfig()


def lookup(name: str) -> Any:
    """What stands for any other name. Raises AttributeError for those that Python itself asks for."""
    if name.startswith("__"):
        raise AttributeError(name)
    return unanswered("trackio." + name)


def _look_up(module: str, name: str) -> Any:
    return globals()[name] if name in __all__ else unanswered("%s.%s" % (module, name))


def offer(package: str) -> None:
    """Make the modules of the package that integrations import; any other one has the names of the package."""
    Finder(package, _look_up, lambda module: None).install()
    context: Any = ModuleType(package + ".context_vars")
    for variable in ("current_run", "current_project", "current_space_id", "current_server_url"):
        setattr(context, variable, contextvars.ContextVar(variable, default=None))
    for short, contents in (
        ("context_vars", vars(context)),
        ("run", {"Run": Run}),
        ("table", {"Table": Table}),
        ("alerts", {"AlertLevel": AlertLevel}),
        ("media", {"TrackioImage": Image, "TrackioVideo": Video, "TrackioAudio": Audio}),
        ("histogram", {"Histogram": Histogram}),
    ):
        module = ModuleType("%s.%s" % (package, short))
        module.__dict__.update({name: value for name, value in contents.items() if not name.startswith("__")})
        sys.modules["%s.%s" % (package, short)] = module
        setattr(sys.modules[package], short, module)


__all__ = [
    "AlertLevel", "Artifact", "Audio", "Config", "EvalTable", "Histogram", "Html", "Image", "Markdown", "Molecule", "Object3D", "Plotly",
    "Run", "Table", "Trace", "Video", "alert", "config", "delete_project", "finish", "freeze", "init", "log", "log_artifact", "log_cpu",
    "log_gpu", "log_system", "save", "show", "sync", "use_artifact",
]  # fmt: skip
