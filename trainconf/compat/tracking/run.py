"""One run of wandb's or trackio's API: what it logs are metrics of the run of trainconf, its files lie in ./outputs."""

from __future__ import annotations

import _thread
import os
import time
import weakref

from trainconf.compat.tracking import artifacts, folder, keeping, record
from trainconf.compat.tracking.config import Config, ConfigError
from trainconf.compat.tracking.notes import KeepsGoing, note, say
from trainconf.compat.tracking.summary import Rules, Summary
from trainconf.compat.tracking.values import NOT_ONE, flat, is_whole, jsonable, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple, Type

_alive: weakref.WeakSet[Any] = weakref.WeakSet()
_counts: Dict[str, int] = {}


class TrackedRun:
    """What `init` returns. May be used from threads and after a fork. What it cannot record is told once and never raised.

    The first run of a process is the run of trainconf. Each further one, as of a loop over folds, is a child run of it.
    """

    tool = "tracking"
    config_error: Type[Exception] = ConfigError
    config_is_strict = True

    counts = True  # as one of the script's runs

    def __init__(self, name: Optional[str] = None, project: Optional[str] = None, group: Optional[str] = None, config: Any = None) -> None:
        number = _counts[self.tool] = _counts.get(self.tool, 0) + self.counts
        self._job = record.job() if number <= 1 or not self.counts else record.child(name, number)
        self._is_child = number > 1
        self._name = name or self._job.id or "offline"
        self.project = project
        self.group = group
        self.start_time = time.time()
        self._folder = folder.Folder(self.tool, self._job)
        self._step = self._asked = 0
        self._latest: Dict[str, Any] = {}
        self._rules = Rules()
        self._saved: List[Tuple[str, str]] = []
        self._properties: Dict[str, str] = {}
        self._is_finished = False
        self._is_changed = True
        self._pid = os.getpid()
        self._lock = _thread.RLock()
        self.summary = Summary(self._put, self._latest)
        self.config = Config(record.given(record.job()), self.config_error, is_strict=self.config_is_strict)
        with KeepsGoing("the config given to init"):
            self.config.update(config, allow_val_change=True)
        self.config._bind(self._changed)
        _alive.add(self)
        _register()

    # What a run is called
    @property
    def id(self) -> str:
        return self._job.id or "offline"

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: Any) -> None:
        self._name = str(value)
        record.named(self._job, self._name)

    @property
    def step(self) -> int:
        return self._step

    @property
    def dir(self) -> str:
        """The folder for files of the script's own: they are outputs of the run."""
        path = os.path.join(self._folder.path, "files")
        with KeepsGoing("the folder outputs/%s/files" % self.tool):
            os.makedirs(path, exist_ok=True)
        return path

    # Metrics
    def log(self, data: Any = None, step: Any = None, commit: Any = None, sync: Any = None) -> None:
        """Record one row. Without a step it gets the next one; with `commit=False` the next call adds to the same row. No data ends it."""
        if type(data) is not dict:
            data = {} if data is None else data
            if not hasattr(data, "keys"):
                raise TypeError("%s.log takes a dict of names and values, not a %s" % (self.tool, type(data).__name__))
            data = dict(data)
        if self._is_finished:
            note("log after finish", "%s.log after finish(): this row and later ones are not recorded" % self.tool)
            return
        with self._lock:
            if step is not None:
                self._go_to(step)
            at = self._step if step is None else self._asked
            # What most scripts log, a number under a name that is a metric already, goes straight into the file.
            write, kinds, latest, plainly = self._job._store.metric, self._job._kinds, self._latest, not self._rules
            for name, value in data.items():
                if plainly and (type(value) is float or type(value) is int) and kinds.get(name) == "metric":
                    write(name, value, at)
                    latest[name] = value
                else:
                    self._log_other(name, value, at, data)
            if commit or (commit is None and step is None):
                self._step += 1
        if self._is_changed:
            self._write_config()

    def _go_to(self, step: Any) -> None:
        found = one(step)
        if not is_whole(found):
            note("step", "%s.log(step=%r): a step must be a whole number; such rows get the step %d" % (self.tool, step, self._step))
            self._asked = self._step
            return
        self._asked = int(found)
        if self._asked < self._step:
            said = (self.tool, self._asked, self._step)
            note("step back", "%s.log(step=%d) after step %d: the row is recorded at the step it asks for" % said)
        self._step = max(self._step, self._asked)

    def _log_other(self, name: Any, value: Any, at: int, row: Dict[str, Any]) -> None:
        if not isinstance(name, str):
            note("name", "%s.log: the name %r is no text; it counts as %r" % (self.tool, name, str(name)))
            name = str(name)
        for full, below in flat({name: value}) if type(value) is dict else ((name, value),):
            self._log_one(full or "(no name)", below, at, row)

    def _log_one(self, name: str, value: Any, at: int, row: Dict[str, Any]) -> None:
        plain = one(value)
        if plain is NOT_ONE:
            kept = keeping.keep(self._folder, name, value, at)
            if kept is not None:
                self._latest[name] = kept
            return
        step = self._rules.step(name, row, self._latest, at)
        if step is None:
            rule = self._rules.of(name)
            told = "the step metric %s of %s is not whole; its values have the number of the row"
            note("step of " + name, told % (rule and rule.step_metric, name))
            step = at
        self._record(name, plain, step)
        self._rules.summarise(name, plain, self._latest)

    def _record(self, name: str, value: Any, step: Optional[int]) -> None:
        try:
            self._job.log(name, value, step)
        except (TypeError, ValueError) as error:
            note("metric " + name, "the metric %r cannot be recorded, the script goes on without: %s" % (name, error))

    def _put(self, name: str, value: Any) -> None:
        """A script has set `summary[name]`: that is a metric, too. A dict's values are metrics each."""
        for full, below in flat({name: value}) if isinstance(value, dict) else ((name, value),):
            plain = one(below)
            if plain is NOT_ONE:
                self._latest[name] = keeping.keep(self._folder, full, below, "summary")
            elif not self._is_finished:
                self._record(full, plain, None)
        self._is_changed = True

    # What a run holds besides
    def log_artifact(
        self, artifact_or_path: Any, name: Optional[str] = None, type: Optional[str] = None, aliases: Any = None, **more: Any
    ) -> Any:
        """Keep an artifact's files below outputs/<tool>/artifacts, as its next version."""
        artifact = artifact_or_path
        if not isinstance(artifact, artifacts.Artifact):
            artifact = artifacts.of_path(artifact_or_path, name or "run-%s-%s" % (self.id, os.path.basename(str(artifact_or_path))), type)
        with KeepsGoing("the artifact %r" % artifact.name):
            artifact._keep(self._folder, [aliases] if isinstance(aliases, str) else list(aliases or ()))
        return artifact

    def use_artifact(self, artifact_or_name: Any, type: Optional[str] = None, **more: Any) -> Any:
        """An artifact of this run, an input of its name, or the newest of that name in the workspace. Raises LookupError."""
        if isinstance(artifact_or_name, artifacts.Artifact):
            return artifact_or_name
        return artifacts.find(str(artifact_or_name), self._folder, self._job.run_dir)

    def alert(self, title: str, text: Any = "", level: Any = None, **more: Any) -> None:
        """Say it in the run's log, and keep it in alerts.jsonl. Nobody is sent a message."""
        word = str(getattr(level, "value", level) or "INFO").upper()
        say("%s alert %s: %s%s" % (self.tool, word, title, ": %s" % text if text else ""))
        self._folder.append("alerts.jsonl", {"level": word, "title": str(title), "text": jsonable(text), "step": self._step})

    def _changed(self) -> None:
        self._is_changed = True

    def _write_if_changed(self) -> None:
        if self._is_changed:
            self._write_config()

    def _go_on(self) -> None:
        """Begin after the last step that an earlier attempt has logged."""
        self._step = record.next_step(self._job)

    def _write_config(self) -> None:
        """Before a script logs again, and when it ends: what it has set since."""
        self._is_changed = False
        values = jsonable(self.config.as_dict())
        self._folder.write("config.json", values)
        if self._asked or self._step or self._is_finished:  # a property never changes: until a script logs, its config may
            record.properties(self._job, values, self._properties)

    def finish(self, exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
        """Write the config and the summary, copy what `save` was asked for. May be called again."""
        if self._is_finished:
            return
        if exit_code and not self._is_child:
            note("exit code", "%s.finish(exit_code=%s): the run ends with the exit code of the script" % (self.tool, exit_code))
        self._is_finished = True
        if os.getpid() != self._pid:
            return  # a forked process has its own end, the run's is that of its first process
        self._write_config()
        self._folder.write("summary.json", jsonable(self._latest))
        for source, target in self._saved:
            with KeepsGoing("the saved file %s" % source):
                if os.path.isfile(source):
                    folder.copy(source, target)
        if self._is_child and self.counts:
            record.ended(self._job, exit_code)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.finish(1 if error is not None and self._is_child else None)


_is_registered: List[int] = []


def _register() -> None:
    """Runs that a script has not finished are finished when it ends; a lock that another thread had at a fork is nobody's in the child."""
    if not _is_registered:
        _is_registered.append(1)
        import atexit

        atexit.register(_finish_all)
        os.register_at_fork(after_in_child=_new_locks)


def _finish_all() -> None:
    for run in list(_alive):
        run.finish()


def _new_locks() -> None:
    for run in list(_alive):
        run._lock = _thread.RLock()
