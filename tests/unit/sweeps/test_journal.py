"""The journal of a sweep: every trial before its folder, whatever becomes of the file or of the one who wrote it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.errors import StorageError
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry


@pytest.fixture
def sweep(tmp_path: Path) -> RunPaths:
    paths = WorkspacePaths(str(tmp_path)).run("digits", "digits-1")
    os.makedirs(paths.run_dir)
    return paths


def entry(sweep: RunPaths, number: int, experiment: str = "digits") -> Entry:
    paths = sweep.workspace.run(experiment, f"{sweep.run_id}_{number}")
    return Entry(number, {"params.lr": number / 10}, [f"params.lr={number / 10}"], paths)


def told(entries: list[Entry]) -> list[tuple[int, dict[str, object], list[str], str]]:
    return [(each.number, dict(each.values), each.overrides, each.paths.run_dir) for each in entries]


def test_what_is_asked_is_read_back_in_order_also_in_a_workspace_that_was_moved(sweep: RunPaths, tmp_path: Path) -> None:
    asked = [entry(sweep, 0), entry(sweep, 1, "other"), entry(sweep, 2)]
    journal.ask(sweep, [asked[2], asked[0]])
    journal.ask(sweep, [asked[1]])
    assert told(journal.read(sweep)) == told(asked)
    moved = tmp_path / "moved"
    (tmp_path / "runs").rename(moved)
    found = journal.read(RunPaths(str(moved / "digits" / "digits-1")))
    assert [os.path.relpath(each.paths.run_dir, moved) for each in found] == ["digits/digits-1_0", "other/digits-1_1", "digits/digits-1_2"]


def test_a_run_that_completed_before_stands_for_its_trial(sweep: RunPaths) -> None:
    journal.ask(sweep, [entry(sweep, 0), entry(sweep, 1)])
    journal.reuse(sweep, {1: sweep.workspace.run("digits", "before")})
    assert [each.paths.run_id for each in journal.read(sweep)] == ["digits-1_0", "before"]


def test_a_torn_an_edited_and_a_foreign_line_cost_only_themselves(sweep: RunPaths) -> None:
    journal.ask(sweep, [entry(sweep, 0)])
    with open(sweep.journal, "ab") as stream:
        stream.write(b'{"deed": "ask", "number": 1, "val')
    for run in (["..", "x"], ["digits", "../../x"], ["digits"], "digits", ["digits", "a\0b"]):
        files.append_line(sweep.journal, {"deed": "ask", "number": 2, "values": {}, "overrides": [], "run": run})
    files.append_line(sweep.journal, {"deed": "reuse", "number": 9, "run": ["digits", "before"]})
    files.append_line(sweep.journal, {"deed": "later", "number": 0, "run": ["digits", "x"]})
    journal.ask(sweep, [entry(sweep, 3)])
    assert [each.number for each in journal.read(sweep)] == [0, 3]


def test_a_sweep_without_a_journal_has_the_trials_that_have_folders(sweep: RunPaths) -> None:
    trial = sweep.workspace.run("digits", "digits-1_0")
    files.append_line(sweep.trials, {"run_dir": trial.run_dir})
    assert [(each.number, each.paths.run_id) for each in journal.read(sweep)] == [(0, "digits-1_0")]
    assert journal.read(sweep.workspace.run("digits", "nothing")) == []


LINES: list[dict[str, Any]] = [
    {"deed": "ask", "number": 0, "values": {"lr": 0.5}, "overrides": [], "run": ["x", "s_0"]},
    {"deed": "ask", "number": 1, "values": {"lr": 0.25}, "overrides": [], "run": ["x", "s_1"]},
    {"deed": "told", "number": 0, "state": "Completed", "value": 3.5},
    {"deed": "told", "number": 1, "state": "Failed", "value": None},
]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize(("edit", "line"), [
    (lambda lines: [lines[0], lines[1].replace(b"0.25", b"0.75"), *lines[2:]], 2),
    (lambda lines: [lines[0], *lines[2:]], 2),
    (lambda lines: lines[1:], 1),
    (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
    (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
    (lambda lines: [*lines[:3], lines[3].replace(b"Failed", b"Completed")], 4),
    (lambda lines: [*lines[:3], b"[]\n", lines[3]], 4),
    (lambda lines: [*lines[:3], b"{\n", lines[3]], 4),
])  # fmt: skip
def test_an_edit_of_the_journal_is_refused_where_it_is(sweep: RunPaths, edit: Any, line: int, is_old: bool) -> None:
    """Also with first lines of before there were checksums: the first line that has one tells of them all."""
    if is_old:
        files.append_lines(sweep.journal, LINES[:2])
    log = journal.Journal(sweep)
    for known in LINES[2 if is_old else 0 :]:
        log.write(known["deed"], **{key: value for key, value in known.items() if key != "deed"})
    log.close()
    path = Path(sweep.journal)
    whole = path.read_bytes().splitlines(keepends=True)
    assert [found["deed"] for found in journal.Journal(sweep).lines] == ["ask", "ask", "told", "told"]
    path.write_bytes(b"".join(edit(whole)))
    with pytest.raises(StorageError) as error:
        journal.Journal(sweep)
    assert is_old or f"journal.jsonl:{line}" in str(error.value)


def test_what_is_written_before_the_controller_is_checked_too(sweep: RunPaths) -> None:
    journal.begin(sweep, [{"deed": "earlier", "sweep": "s", "values": {"lr": 1}, "value": None}])
    journal.ask(sweep, [journal.Entry(0, {"lr": 0.5}, [], sweep)])
    log = journal.Journal(sweep)
    log.write("pause")
    log.close()
    assert [line["deed"] for line in journal.Journal(sweep).lines] == ["earlier", "ask", "pause"]
    path = Path(sweep.journal)
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.6"))
    with pytest.raises(StorageError, match="line 2 of"):
        journal.Journal(sweep)
