"""Runs as TensorBoard shows them: a log directory that follows them, or one that is written once; and TensorBoard on it.

    <name>/<folder>/...      a link to each event file of the run's own, in the folder below ./logs that it has there
    <name>/events.out...     what is not in those: the metrics of `Run.log`, samples of the machine, hyperparameters, how the run ended

A run has one name, made of what differs between the runs. Nothing is written into a run's own folder.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import NamedTuple

from trainconf.errors import StorageError, UserError
from trainconf.history import events, labels, metrics, record, series, system
from trainconf.history.event_files import encode, scan
from trainconf.history.series import LOGGED, SYSTEM
from trainconf.launchers import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from trainconf.history.event_files.scan import EventFile, Place
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

    Point = tuple[float, int, float]  # time, step, value

OWN_FILE = f"events.out.{scan.MARK}.0000000000.trainconf"  # the first of its folder, by name
BLOCK_POINTS = 50_000  # that are encoded at once
NAME_LENGTH = 100  # a folder's name may have 255 bytes, and a reader wants to see it
STATUSES = {"Completed": encode.SUCCESS, "Failed": encode.FAILURE, "Canceled": encode.FAILURE}


class Shown(NamedTuple):
    """A run, and the name under which it is shown."""

    paths: RunPaths
    name: str


def named(runs: Iterable[RunPaths]) -> list[Shown]:
    """Each run once, with a name of its own: its display name and the params that differ, or its id where that tells nothing."""
    chosen = list({paths.run_dir: paths for paths in runs}.values())
    records = [record.read_mapping(paths.record) for paths in chosen]
    params = [flat(found.get("params")) for found in records]
    differing = [name for name in {name: None for each in params for name in each} if len({repr(each.get(name)) for each in params}) > 1]
    short = {name: name.rpartition(".")[2] for name in differing}
    short = {name: last if list(short.values()).count(last) == 1 else name for name, last in short.items()}
    names = []
    for paths, found, values in zip(chosen, records, params, strict=True):
        words = [f"{short[name]}={values[name]}" for name in differing if name in values]
        own = labels.read(paths, display_name=found.get("display_name")).display_name
        names.append(as_folder(" ".join([*([own] if isinstance(own, str) else []), ",".join(words)]).strip()) or paths.run_id)
    experiments = [os.path.basename(os.path.dirname(paths.run_dir)) for paths in chosen]
    if len(set(experiments)) > 1:
        names = [f"{experiment}/{name}" for experiment, name in zip(experiments, names, strict=True)]
    counts = Counter(name.casefold() for name in names)
    return [
        Shown(paths, name if counts[name.casefold()] == 1 else f"{name} {paths.run_id}") for paths, name in zip(chosen, names, strict=True)
    ]  # fmt: skip


def flat(params: Any, before: str = "") -> dict[str, Any]:
    """Params under their whole names."""
    if not isinstance(params, dict):
        return {}
    found: dict[str, Any] = {}
    for name, value in params.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) and value else {f"{before}{name}": value}
    return found


def as_folder(text: str) -> str:
    """A text as one folder's name."""
    clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in text)
    return clean.encode("utf-8", "replace")[:NAME_LENGTH].decode("utf-8", "ignore").strip(". ")


class LogDirectory:
    """A folder for TensorBoard that follows runs: `update` takes in what is new. Raises OSError when the disk refuses.

    more: finds runs that are to be shown from now on, such as trials that have begun since; those that are known are passed over.
    """

    def __init__(self, folder: str, runs: Sequence[Shown], more: Callable[[], Sequence[Shown]] | None = None) -> None:
        self._folder = folder
        self._runs: list[_Followed] = []
        self._more = more
        self._add(runs)

    def _add(self, runs: Sequence[Shown]) -> None:
        known = {run.paths.run_dir for run in self._runs}
        self._runs += [_Followed(os.path.join(self._folder, name), paths, name) for paths, name in runs if paths.run_dir not in known]

    def update(self) -> None:
        """Take in what runs have logged since."""
        if self._more is not None:
            self._add(self._more())
        living = [run for run in self._runs if not run.is_done]
        for run, state in zip(living, states.states_of([run.paths for run in living]), strict=True):
            run.update(state)


class _Followed:
    """One run's folder. `is_done` when nothing will come any more."""

    def __init__(self, folder: str, paths: RunPaths, name: str) -> None:
        self.paths = paths
        self.is_done = False
        self._has_begun = False
        self._folder = folder
        self._name = name
        self._cursor = metrics.Cursor()
        self._steps: dict[str, int] = {}  # the next one of a metric that is logged without steps
        self._measured: dict[str, int] = {}  # how many samples of each name were taken in
        self._traced: set[str] = set()  # names in the run's own event files beside ours
        self._places: dict[str, Place] = {}

    def update(self, state: State) -> None:
        """Link new event files, and write what no event file has."""
        own = os.path.join(self._folder, OWN_FILE)
        if not self._has_begun:
            os.makedirs(self._folder, exist_ok=True)
            with open(own, "wb") as stream:  # a folder that is kept may have one of before
                stream.write(beginning(self.paths, self._name))
            self._has_begun = True
        found = scan.files_of(self.paths)
        for file in found:
            self._link(file)
        entries = metrics.logged_since(self.paths, self._cursor)
        if entries and any(not file.folder for file in found):
            scan.read(self.paths, self._places, self._note)
        points: dict[str, list[Point]] = {}
        for entry in entries:
            if entry["name"] not in self._traced and (point := self._point(entry)) is not None:
                points.setdefault(entry["name"], []).append(point)
        for name, (steps, values, times) in system.columns(self.paths).items():
            first = self._measured.get(name, 0)
            points[f"{SYSTEM}/{name}"] = [*zip(times[first:], steps[first:], values[first:], strict=True)]
            self._measured[name] = len(steps)
        _append(own, b"".join(encode.scalars(name, each) for name, each in points.items() if each))
        if state.is_final:
            _append(own, ending(state))
            self.is_done = True

    def _note(self, file: EventFile, name: str, *_: array[Any]) -> None:
        if not file.folder:
            self._traced.add(name)

    def _point(self, entry: dict[str, Any]) -> Point | None:
        value, step = entry["value"], entry.get("step")
        if not isinstance(value, (int, float)):
            return None
        name = entry["name"]
        step = step if isinstance(step, int) else self._steps.get(name, 0)
        self._steps[name] = step + 1
        return events.seconds(entry.get("time")) or 0.0, step, metrics.as_float(value)

    def _link(self, file: EventFile) -> None:
        """A link to an event file, which moves when its run ends."""
        place = os.path.join(self._folder, file.folder, os.path.basename(file.path))
        try:
            if os.readlink(place) == file.path:
                return
            os.unlink(place)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(file.path, place)


def beginning(paths: RunPaths, name: str) -> bytes:
    """How our event file of a run begins: with its hyperparameters."""
    recorded = record.read_mapping(paths.record)
    created = events.seconds(recorded.get("created")) or 0.0
    return encode.header(created) + encode.session_start(created, flat(recorded.get("params")), name)


def ending(state: State) -> bytes:
    """How our event file of a run ends."""
    return encode.session_end(events.seconds(state.event.get("time")) or 0.0, STATUSES.get(state.status, encode.RUNNING))


def _append(path: str, data: bytes) -> None:
    if data:
        with open(path, "ab") as stream:
            stream.write(data)


def export(runs: Sequence[Shown], folder: str, *, is_added: bool = False) -> None:
    """Write a log directory that needs the runs no more: every series, each step once.

    is_added: there may be other things in the folder; a run that was exported there before is replaced. Raises UserError when there is
    something at `folder`, StorageError when the disk refuses; nothing is left there then.
    """
    import shutil

    folder = os.path.abspath(folder)
    is_free = not os.path.lexists(folder) or (os.path.isdir(folder) and not os.path.islink(folder) and not os.listdir(folder))
    if not is_free and not (is_added and os.path.isdir(folder)):
        hint = "name a folder that is not there yet"
        raise UserError("there is something already where the export shall be", ("folder", folder), hint=hint)
    if not is_free:
        _refuse_others(runs, folder)
    temp = f"{folder}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        os.makedirs(temp)
        for (paths, name), state in zip(runs, states.states_of([paths for paths, _ in runs]), strict=True):
            _export_run(paths, state, temp, name)
        if is_free:
            os.replace(temp, folder)
        else:
            for _, name in runs:
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
                os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
                os.rename(os.path.join(temp, name), os.path.join(folder, name))
    except OSError as error:
        raise StorageError("the export could not be written", ("folder", folder), ("because", error.strerror or str(error))) from None
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def _refuse_others(runs: Sequence[Shown], folder: str) -> None:
    """Raise UserError where a run's folder holds what no export has written."""
    for _, name in runs:
        own = os.path.join(folder, name)
        others = [os.path.join(here, file) for here, _, files in os.walk(own) for file in files if file != OWN_FILE]
        if others:
            raise UserError("there is something else where the export shall be", ("file", others[0]), hint="name another folder")


def _export_run(paths: RunPaths, state: State, directory: str, name: str) -> None:
    found, folder = series.of_run(paths), os.path.join(directory, name)
    logged = {each.name for each in found if each.source == LOGGED}
    os.makedirs(folder, exist_ok=True)
    _append(os.path.join(folder, OWN_FILE), beginning(paths, name))
    for each in found:
        if not each.folder and each.source not in (LOGGED, SYSTEM) and each.name in logged:
            continue  # what `Run.log` says counts
        own = os.path.join(folder, each.folder, OWN_FILE)
        if not os.path.exists(own):
            os.makedirs(os.path.dirname(own), exist_ok=True)
            _append(own, encode.header(each.times[0] if len(each) else 0.0))
        tag = f"{SYSTEM}/{each.name}" if each.source == SYSTEM else each.name
        for start in range(0, len(each), BLOCK_POINTS):
            part = slice(start, start + BLOCK_POINTS)
            _append(own, encode.scalars(tag, zip(each.times[part], each.steps[part], each.values[part], strict=True)))
    if state.is_final:
        _append(os.path.join(folder, OWN_FILE), ending(state))
