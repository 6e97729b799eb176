"""The series of a run's metrics: for each name and source every number that was logged, with its step and its time.

A step that was logged again replaces what was logged for it before: an attempt after a requeue goes over steps that an earlier one had.
A value without a step has the one after the last. Texts and nulls are no points: a name that never had a number has an empty series.

`of_run` is where all sources meet. Each hands its points to `Series.extend`, a block at a time, so that only the arrays grow.
"""

from __future__ import annotations

from array import array
from itertools import chain, islice
from operator import add, lt

from trainconf.fast.json import loads
from trainconf.fast.stdlib import re
from trainconf.history import events, metrics, system
from trainconf.history.event_files import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainconf.history.event_files.scan import EventFile
    from trainconf.paths import RunPaths

LOGGED = "log"  # the source of what `Run.log` and stdout_metrics write; that of an event file is its folder, such as `logs/train`
SYSTEM = "system"  # the source of what the agent samples of the machine
UNKNOWN = float("nan")  # the time of a point that has none
BLOCK_BYTES = 1 << 18  # of lines that are looked at together
# A line as `Run.log` writes it: minute, seconds, name, value and step. Any other line is decoded as JSON.
PLAIN = re.compile(
    rb'^\{"time":"([0-9:T-]{17})([0-9.]{9})Z","name":("[^"\\\n]*(?:\\.[^"\\\n]*)*"),"value":([-+.0-9eE]+|NaN|-?Infinity),'
    rb'"step":(-?[0-9]{1,18}|null)\}$', 8,  # re.MULTILINE
)  # fmt: skip


class Series:
    """The numbers of one name from one source: `steps` grow, `times` are seconds since the epoch. All three are of one length.

    is_in_order: whether each step is larger than the one before it.
    """

    __slots__ = ("is_in_order", "name", "source", "steps", "times", "values")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.steps, self.values, self.times = array("q"), array("d"), array("d")
        self.is_in_order = True

    def __len__(self) -> int:
        return len(self.values)

    @property
    def folder(self) -> str:
        """The folder of its event files, below ./logs."""
        return "" if self.source in (LOGGED, SYSTEM) else scan.folder_of(f"{self.source}/")

    @property
    def names(self) -> set[str]:
        """What it may be asked for by: its name alone or, of event files, with their folder before it."""
        return {self.name, f"{self.folder}/{self.name}" if self.folder else self.name}

    @property
    def next_step(self) -> int:
        """The step of a value that comes without one."""
        return self.steps[-1] + 1 if self.steps else 0

    def extend(self, steps: array[int], values: array[float], times: array[float]) -> None:
        """Add points, in the order in which they were written. Call `settle` after the last ones."""
        if self.is_in_order and steps:
            begins_later = not self.steps or self.steps[-1] < steps[0]
            self.is_in_order = begins_later and all(map(lt, steps, steps[1:]))
        self.steps.extend(steps)
        self.values.extend(values)
        self.times.extend(times)

    def settle(self, *, by_time: bool = False) -> None:
        """Put the points in the order of their steps, each step once. Of two for one step the last one added counts, or the later one."""
        if self.is_in_order:
            return
        steps, times = self.steps, self.times
        if by_time:
            order = sorted(range(len(steps)), key=lambda place: (steps[place], times[place]))
        else:
            order = sorted(range(len(steps)), key=steps.__getitem__)  # equal ones stay in the order in which they were added
        following = chain(islice(order, 1, None), (-1,))
        kept = [place for place, after in zip(order, following, strict=True) if after < 0 or steps[place] != steps[after]]
        self.steps = array("q", map(steps.__getitem__, kept))
        self.values = array("d", map(self.values.__getitem__, kept))
        self.times = array("d", map(times.__getitem__, kept))
        self.is_in_order = True


class Log:
    """The series in one file of lines, by name. made: of which kind they are."""

    def __init__(self, wanted: Callable[[str], bool] | None, made: type[Series] = Series) -> None:
        self.found: dict[str, Series | None] = {}  # None: not wanted
        self._wanted = wanted
        self._made = made

    def take(self, lines: bytes) -> None:
        """Add the points of whole lines."""
        start = 0
        while start < len(lines):
            end = lines.find(b"\n", start + BLOCK_BYTES)
            end = len(lines) if end < 0 else end
            block = lines[start:end]
            plain = PLAIN.findall(block)
            if len(plain) == block.count(b"\n") + 1:
                self._take_plain(plain)
            else:
                self._take_any(block)
            start = end + 1

    def series(self, name: str) -> Series | None:
        """Where the points of a name go; None when they are not wanted."""
        if name not in self.found:
            self.found[name] = self._made(name, LOGGED) if self._wanted is None or self._wanted(name) else None
        return self.found[name]

    def _take_plain(self, lines: list[tuple[bytes, ...]]) -> None:
        grouped: dict[bytes, list[tuple[bytes, ...]]] = {}
        for line in lines:
            try:
                grouped[line[2]].append(line)
            except KeyError:
                grouped[line[2]] = [line]
        for name, mine in grouped.items():
            if (series := self.series(loads(name))) is not None:
                self._add(series, mine)

    def _add(self, series: Series, lines: list[tuple[bytes, ...]]) -> None:
        """Add points to a series, all at once; one by one where a number is none, or some have no step."""
        minutes, seconds, _, values, steps = zip(*lines, strict=True)
        try:
            if steps.count(b"null") == len(steps):
                first = series.next_step
                numbers = array("q", range(first, first + len(steps)))
            else:
                numbers = array("q", map(int, steps))
            series.extend(numbers, array("d", map(float, values)), _times(minutes, seconds))
        except ValueError:
            for line in lines if len(lines) > 1 else ():
                self._add(series, [line])

    def _take_any(self, block: bytes) -> None:
        """The same, line by line, as JSON: for a block in which a line is torn, foreign or written in another way."""
        for entry in filter(None, map(metrics.decode, block.split(b"\n"))):
            series = self.series(entry["name"])
            if series is None or not isinstance(entry["value"], (int, float)):
                continue
            step = entry.get("step")
            step = series.next_step if step is None else step
            if isinstance(step, int) and abs(step) <= metrics.LARGEST_STEP:
                time, value = events.seconds(entry.get("time")), metrics.as_float(entry["value"])
                series.extend(array("q", [step]), array("d", [value]), array("d", [UNKNOWN if time is None else time]))


def of_run(paths: RunPaths, wanted: Callable[[str], bool] | None = None) -> list[Series]:
    """Every series of a run, sorted by name and source; of all names, or of those that are wanted.

    Never raises for what is in the run's files.
    """
    logs = []
    for path in metrics.files_of(paths):
        logs.append(Log(wanted))
        metrics.read_from(path, logs[-1].take)
    found: list[Series] = []
    for name in {name: None for log in logs for name in log.found}:
        parts = [series for log in logs if (series := log.found.get(name)) is not None]
        found += [_joined(parts)] if parts else []
    found += _of_event_files(paths, wanted)
    found += _of_machine(paths, wanted)
    return sorted(found, key=lambda series: (series.name, series.source))


def _of_event_files(paths: RunPaths, wanted: Callable[[str], bool] | None) -> list[Series]:
    """The series of event files, one for each name and folder. A name may be asked for with its folder, too."""
    found: dict[tuple[str, str], Series] = {}

    def take(file: EventFile, name: str, steps: array[int], values: array[float], times: array[float]) -> None:
        series = found.get((name, file.folder))
        if series is None:
            series = Series(name, scan.source_of(file.folder))
            if wanted is not None and not any(map(wanted, series.names)):
                return
            found[name, file.folder] = series
        series.extend(steps, values, times)

    scan.read(paths, {}, take)
    for series in found.values():
        series.settle(by_time=True)
    return list(found.values())


def _of_machine(paths: RunPaths, wanted: Callable[[str], bool] | None) -> list[Series]:
    """The series of what the agent has measured. Their steps are seconds since the first sample."""
    found = []
    for name, (steps, values, times) in system.columns(paths).items():
        if wanted is None or wanted(name):
            found.append(Series(name, SYSTEM))
            found[-1].extend(steps, values, times)
            found[-1].settle(by_time=True)
    return found


def _joined(parts: list[Series]) -> Series:
    """One series from those of several machines. Of two points for one step it has the later one."""
    for part in parts:
        part.settle()
    first, *others = parts
    for part in others:
        first.extend(part.steps, part.values, part.times)
    first.settle(by_time=True)
    return first


def _times(minutes: Sequence[bytes], seconds: Sequence[bytes]) -> array[float]:
    """Seconds since the epoch of `2026-11-23T05:32:` and `07.123456`."""
    began_at: dict[bytes, float] = {}
    for minute in set(minutes):
        began = events.seconds(f"{minute.decode()}00.000000Z")
        began_at[minute] = UNKNOWN if began is None else began
    try:
        return array("d", map(add, map(began_at.__getitem__, minutes), map(float, seconds)))
    except ValueError:
        return array("d", [_time(began_at[minute], text) for minute, text in zip(minutes, seconds, strict=True)])


def _time(minute: float, seconds: bytes) -> float:
    try:
        return minute + float(seconds)
    except ValueError:
        return UNKNOWN
