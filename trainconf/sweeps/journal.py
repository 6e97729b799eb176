"""A sweep's journal: every deed is written down before it is done, one JSON line each, oldest first.

So a sweep tells what it was to do, also when whoever did it was killed. Every sweep has the first two; `search.progress` tells what the
other lines of a sweep with a controller mean.

    {"deed": "ask", "number": 0, "values": {"params.lr": 0.1}, "overrides": ["params.lr=0.1"], "run": ["digits", "<sweep>_0"]}
    {"deed": "reuse", "number": 0, "run": ["digits", "<run id>"]}     a run that completed before stands for this trial

Each line ends with `check`, a checksum of itself and of all lines before it: one that was changed, removed or doubled is noticed. Lines of
before this have none. `run` is an experiment and a run id: the run's folder, beside that of the sweep. A controller holds the lock of
`controller.lock` while it writes; another process that wants something of it leaves a request, a file of its own.
"""

from __future__ import annotations

import math
import os
import time
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping, Sequence

from trainconf import files
from trainconf.errors import StorageError
from trainconf.fast.json import loads
from trainconf.fast.tuples import NamedTuple
from trainconf.history import events
from trainconf.history.events import now
from trainconf.history.find import trials_of
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHECK = b',"check":"'
SYNC_SECONDS = 1.0  # of lines that a power cut may take; a killed process loses none


class Entry(NamedTuple):
    """One trial: its number, the values and overrides that make it differ, and where its run is or would be."""

    number: int
    values: Mapping[str, Any]
    overrides: list[str]
    paths: RunPaths
    point: int | None = None  # of a search with repeats; else the number
    repeat: int = 0

    def line(self) -> dict[str, Any]:
        """Its line, but for the deed."""
        of_point = {} if self.point is None else {"point": self.point, "repeat": self.repeat}
        return {"number": self.number, **of_point, "values": self.values, "overrides": self.overrides, "run": run_of(self.paths)}


def begin(sweep: RunPaths, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the first lines, of `sweeps.earlier`; nothing where there are none. Raises OSError."""
    found = list(lines)
    if found:
        _append(sweep, found)


def ask(sweep: RunPaths, entries: Iterable[Entry]) -> None:
    """Write down trials that are to be made. Raises OSError."""
    _append(sweep, ({"deed": "ask", **entry.line()} for entry in entries))


def reuse(sweep: RunPaths, runs: Mapping[int, RunPaths]) -> None:
    """Write down which runs stand for which trials, by number. Raises OSError."""
    _append(sweep, ({"deed": "reuse", "number": number, "run": run_of(paths)} for number, paths in runs.items()))


def _append(sweep: RunPaths, lines: Iterable[Mapping[str, Any]]) -> None:
    fd = files.open_regular(sweep.journal, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        with os.fdopen(os.dup(fd), "rb") as stream:
            check = crc32(stream.read())
        text = []
        for line in lines:
            text.append(_checked(line, check))
            check = crc32(text[-1], check)
        files.write_all(fd, b"".join(text))
    finally:
        os.close(fd)


def _checked(line: Mapping[str, Any], check: int) -> bytes:
    """A line, as it is written behind lines of that checksum."""
    body = files.dumps(line).encode()[:-1]
    return body + b'%s%08x"}\n' % (CHECK, crc32(body, check))


def read(sweep: RunPaths) -> list[Entry]:
    """Every trial, in order. Of a sweep without a journal, which an older trainconf made: those that have a folder."""
    found: dict[int, Entry] = {}
    for line in files.read_lines(sweep.journal):
        try:
            if line["deed"] == "ask":
                number = int(line["number"])
                found[number] = Entry(number, dict(line["values"]), list(map(str, line["overrides"])), paths_of(sweep, line["run"]))
            elif line["deed"] in ("reuse", "again"):
                number = int(line["number"])
                found[number] = found[number]._replace(paths=paths_of(sweep, line["run"]))
        except (LookupError, TypeError, ValueError):
            continue  # a line that was torn or edited costs itself
    if found:
        return [found[number] for number in sorted(found)]
    return [Entry(number, {}, [], paths) for number, paths in enumerate(trials_of(sweep))]


def compute_settings(sweep: RunPaths) -> dict[str, Any]:
    """Settings of `compute` that were changed since the sweep began, by key: further trials have them."""
    found: dict[str, Any] = {}
    for line in files.read_lines(sweep.journal):
        if isinstance(line, dict) and line.get("deed") == "compute" and isinstance(line.get("settings"), dict):
            found.update(line["settings"])
    return found


def run_of(paths: RunPaths) -> list[str]:
    """A run as a line has it: its experiment and its id."""
    return paths.run_dir.split(os.sep)[-2:]


def paths_of(sweep: RunPaths, name: list[str]) -> RunPaths:
    """The folder of a run of the same workspace. Raises ValueError for a name that leads elsewhere."""
    experiment, run_id = name
    if not {experiment, run_id}.isdisjoint({"", os.curdir, os.pardir}) or {os.sep, "\0"} & {*experiment, *run_id}:
        raise ValueError(name)
    return RunPaths(os.path.join(os.path.dirname(os.path.dirname(sweep.run_dir)), experiment, run_id))


def refuse_another(home: RunPaths, paths: RunPaths, overrides: Sequence[str]) -> None:
    """Raise StorageError where a trial that is about to be made is there already, with other values: the journal does not know it.

    A power cut may take the last lines of a journal, and the trial is the same then.
    """
    if not events.exists(paths):
        return
    found = read_mapping(paths.record).get("overrides")
    known = {str(text).lstrip("+") for text in found} if isinstance(found, list) else set()
    if not known.issuperset(text.lstrip("+") for text in overrides):
        raise StorageError(
            f"{paths.run_id} is there already with other values, and the sweep's journal does not know it: lines of that were lost",
            ("from", home.journal), ("trial", paths.run_dir), ("would be", " ".join(overrides)),
            hint=f"restore the journal from a copy, or begin a sweep that knows what this one has found: sweep.resume_from=[{home.run_id}]",
        )


class Journal:
    """The journal of a sweep with a controller, opened by its one writer. `lines` are those it had.

    A last line that was torn when the writer before was killed is cut off. Raises StorageError when the disk refuses, and for a line
    that is none, or not the one that was written there: nobody can tell then which trials there are.
    """

    def __init__(self, sweep: RunPaths, *, is_only_read: bool = False) -> None:
        self.path = sweep.journal
        try:
            self._fd = files.open_regular(self.path, os.O_RDONLY if is_only_read else os.O_RDWR | os.O_CREAT | os.O_APPEND)
            with os.fdopen(self._fd if is_only_read else os.dup(self._fd), "rb") as stream:
                text = stream.read()
            whole, newline, torn = text.rpartition(b"\n")
            if torn and not is_only_read:
                os.ftruncate(self._fd, len(whole) + len(newline))
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep's journal cannot be written") from error
        self._sweep_id = sweep.run_id
        self._check = 0
        self.lines = [self._line(number, raw) for number, raw in enumerate(whole.split(b"\n"), 1)] if newline else []
        self._synced = time.monotonic()

    def _line(self, number: int, raw: bytes) -> dict[str, Any]:
        try:
            line = loads(raw)
        except ValueError:
            line = None
        if not isinstance(line, dict) or not isinstance(line.get("deed"), str):
            raise self.damaged(number, "is damaged", raw)
        body, _, check = raw.rpartition(CHECK)
        if "check" in line and check != b'%08x"}' % crc32(body, self._check):
            raise self.damaged(number, "does not follow from the lines before: one was changed, removed or doubled here", raw)
        self._check = crc32(raw + b"\n", self._check)
        return line

    def damaged(self, number: int, what: str, raw: bytes = b"") -> StorageError:
        """The refusal of a line, whose number is counted from 1."""
        return StorageError(
            f"line {number} of the sweep's journal {what}", ("from", f"{self.path}:{number}"),
            *([("line", repr(raw[:200]))] if raw else []),
            hint=f"restore the file from a copy, or begin a sweep that knows what this one has found: sweep.resume_from=[{self._sweep_id}]",
        )

    def write(self, deed: str, **facts: Any) -> dict[str, Any]:
        """Add a line; the line, as it was written. Raises StorageError."""
        line = {"deed": deed, **facts, "time": now()}
        try:
            raw = _checked(line, self._check)
            files.write_all(self._fd, raw)
            self._check = crc32(raw, self._check)
            if time.monotonic() > self._synced + SYNC_SECONDS:
                self.sync()
        except OSError as error:
            raise self._refusal(error) from error
        return line

    def _refusal(self, error: OSError) -> StorageError:
        return StorageError.from_os_error(OSError(error.errno, error.strerror, self.path), "the sweep's journal cannot be written")

    def sync(self) -> None:
        """Have a power cut leave what was written. Raises OSError."""
        os.fdatasync(self._fd)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync, and let go of the file. Raises StorageError."""
        try:
            self.sync()
        except OSError as error:
            raise self._refusal(error) from error
        finally:
            os.close(self._fd)


def lines_of(sweep: RunPaths) -> list[dict[str, Any]]:
    """The lines of a journal, which somebody may write meanwhile. Raises StorageError for a damaged one."""
    return Journal(sweep, is_only_read=True).lines if os.path.exists(sweep.journal) else []


def is_handed_over(sweep: RunPaths) -> bool:
    """Whether an agent or a scheduler was given every trial."""
    listed = list(files.read_lines(sweep.trials))
    last = listed[-1] if listed and isinstance(listed[-1], dict) else {}
    return "end" in last and last.get("state", "Completed") == "Completed"  # else its controller has gone before all were asked for


def request(sweep: RunPaths, deed: str, **facts: Any) -> str:
    """Ask a sweep's controller for something; it hears of it within seconds. The file that asks. Raises StorageError."""
    try:
        os.makedirs(sweep.requests, exist_ok=True)
        path = os.path.join(sweep.requests, f"{time.time_ns():020d}-{os.getpid()}.json")
        files.write_atomic(path, files.dumps({"deed": deed, **facts}))
    except OSError as error:
        raise StorageError.from_os_error(error, "the sweep's folder cannot be written") from error
    return path


def has_requests(sweep: RunPaths, *deeds: str) -> bool:
    """Whether somebody has asked for something that no controller has heard of; for one of these deeds, where some are given."""
    names = [name for name in files.names_in(sweep.requests) if name.endswith(".json")]
    return bool(names) and (not deeds or any(_asked(os.path.join(sweep.requests, name)).get("deed") in deeds for name in names))


def _asked(path: str) -> dict[str, Any]:
    """What a request says; nothing where it cannot be read."""
    try:
        found = files.read_json(path, files.LINE_BYTES)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def take_requests(sweep: RunPaths, until_ns: float = math.inf) -> Iterator[dict[str, Any]]:
    """The requests there are, oldest first, no later ones than of that time since the epoch.

    Each is removed once the caller asks for the next, so a kill loses none.
    """
    try:
        names = sorted(name for name in os.listdir(sweep.requests) if name.endswith(".json"))
    except FileNotFoundError:
        return
    for name in names:
        made_ns = name.partition("-")[0]
        if made_ns.isdecimal() and int(made_ns) > until_ns:
            continue
        path = os.path.join(sweep.requests, name)
        asked = _asked(path)
        if isinstance(asked.get("deed"), str):
            yield asked
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
