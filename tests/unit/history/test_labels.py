"""Labels are read from whatever is in their file, and the index sees every change of it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from trainconf.history import labels, record
from trainconf.history.index.index import Index
from trainconf.paths import WorkspacePaths

from .build import make_run

SUBMITTED: dict[str, Any] = {"tags": {"who": "me"}, "display_name": "first"}


def test_later_lines_win_and_what_is_no_change_is_passed_over(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, **SUBMITTED)
    with open(paths.labels, "w") as stream:
        stream.write(
            '{"tags":{"a":"1","b":2,"c":"3"},"untag":"who"}\n[1]\n{"tags":["a"],"note":7,"archived":"yes","display_name":null}\n'
            '{"note":"good","archived":true,"display_name":"best"}\n{"untag":["c",4,"who"]}\n{"note":"torn'
        )
    row = record.describe(paths)
    assert [row[name] for name in ("tags", "display_name", "note", "archived")] == [{"a": "1"}, "best", "good", True]


def test_without_a_file_a_run_is_as_it_was_submitted(workspace: WorkspacePaths) -> None:
    row = record.describe(make_run(workspace, **SUBMITTED))
    assert [row[name] for name in ("tags", "display_name", "note", "archived")] == [{"who": "me"}, "first", None, False]


def test_an_empty_text_takes_back_what_was_said(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    with open(paths.labels, "w") as stream:
        stream.write('{"note":"x","display_name":"y"}\n{"note":"","display_name":""}\n')
    assert labels.read(paths, {}, "first") == labels.Labels({}, "first", None, False)


@pytest.mark.parametrize("what", ["folder", "link", "fifo"])
def test_what_is_no_file_in_its_place_costs_the_labels_alone(workspace: WorkspacePaths, what: str) -> None:
    paths = make_run(workspace, **SUBMITTED)
    {"folder": os.mkdir, "link": lambda path: os.symlink("/etc/passwd", path), "fifo": os.mkfifo}[what](paths.labels)
    assert record.describe(paths)["tags"] == {"who": "me"}
    assert record.describe(paths)["status"] == "Completed"


def test_the_index_sees_a_change_of_labels_in_a_run_that_has_ended(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    long_ago = 1_600_000_000
    for number in range(3):
        with open(paths.labels, "a") as stream:
            stream.write(f'{{"note":"{number}"}}\n')
        os.utime(paths.labels, (long_ago, long_ago))  # its ctime still tells
        with Index(workspace) as index:
            assert [row.fields["note"] for row in index.latest()] == [str(number)]
