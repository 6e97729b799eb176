"""A sweep's journal: every trial is written down before its folder is made.

So a sweep tells what it was to do, also when whoever made it was killed. One JSON line for each deed, oldest first:

    {"deed": "ask", "number": 0, "values": {"params.lr": 0.1}, "overrides": ["params.lr=0.1"], "run": ["digits", "<sweep>_0"]}
    {"deed": "reuse", "number": 0, "run": ["digits", "<run id>"]}     a run that completed before stands for this trial

`run` is an experiment and a run id: the run's folder, beside that of the sweep.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from trainconf import files
from trainconf.history.find import trials_of
from trainconf.paths import RunPaths


class Entry(NamedTuple):
    """One trial: its number, the values and overrides that make it differ, and where its run is or would be."""

    number: int
    values: Mapping[str, Any]
    overrides: list[str]
    paths: RunPaths


def ask(sweep: RunPaths, entries: Iterable[Entry]) -> None:
    """Write down trials that are to be made. Raises OSError."""
    files.append_lines(sweep.journal, (
        {"deed": "ask", "number": entry.number, "values": entry.values, "overrides": entry.overrides, "run": _name(entry.paths)}
        for entry in entries
    ))  # fmt: skip


def reuse(sweep: RunPaths, runs: Mapping[int, RunPaths]) -> None:
    """Write down which runs stand for which trials, by number. Raises OSError."""
    files.append_lines(sweep.journal, ({"deed": "reuse", "number": number, "run": _name(paths)} for number, paths in runs.items()))


def read(sweep: RunPaths) -> list[Entry]:
    """Every trial, in order. Of a sweep without a journal, which an older trainconf made: those that have a folder."""
    found: dict[int, Entry] = {}
    for line in files.read_lines(sweep.journal):
        try:
            number, paths = int(line["number"]), _paths(sweep, line["run"])
            if line["deed"] == "ask":
                found[number] = Entry(number, dict(line["values"]), list(map(str, line["overrides"])), paths)
            elif line["deed"] == "reuse":
                found[number] = found[number]._replace(paths=paths)
        except (LookupError, TypeError, ValueError):
            continue  # a line that was torn or edited costs itself
    if found:
        return [found[number] for number in sorted(found)]
    return [Entry(number, {}, [], paths) for number, paths in enumerate(trials_of(sweep))]


def _name(paths: RunPaths) -> list[str]:
    return paths.run_dir.split(os.sep)[-2:]


def _paths(sweep: RunPaths, name: list[str]) -> RunPaths:
    """The folder of a run of the same workspace. Raises ValueError for a name that leads elsewhere."""
    experiment, run_id = name
    if not {experiment, run_id}.isdisjoint({"", os.curdir, os.pardir}) or {os.sep, "\0"} & {*experiment, *run_id}:
        raise ValueError(name)
    return RunPaths(os.path.join(os.path.dirname(os.path.dirname(sweep.run_dir)), experiment, run_id))
