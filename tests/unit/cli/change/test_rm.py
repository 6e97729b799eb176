"""`trainconf rm` as it is typed: in a pipe it needs --yes, on a terminal it asks."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run
from ..conftest import Verb


def is_there(paths: RunPaths) -> bool:
    return os.path.exists(paths.run_dir)


def test_in_a_pipe_it_lists_and_refuses_without_yes(workspace: WorkspacePaths, verb: Verb) -> None:
    runs = [make_run(workspace, name) for name in ("a", "b")]
    said = verb("rm", "a", "b")
    assert said.code == 2
    assert [line.split()[:2] for line in said.out.splitlines()[1:]] == [["a", "Completed"], ["b", "Completed"]]
    assert "--yes" in said.err
    assert all(map(is_there, runs))
    said = verb("rm", "a", "b", "--yes")
    assert (said.code, said.out) == (0, "removed  a\nremoved  b\n")
    assert "kB freed" in said.err
    assert not any(map(is_there, runs))


@pytest.mark.parametrize(("answer", "is_removed"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("\x04", False)])
def test_on_a_terminal_it_asks(
    workspace: WorkspacePaths, verb: Verb, monkeypatch: pytest.MonkeyPatch, answer: str, is_removed: bool
) -> None:
    paths = make_run(workspace, "a")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(ours, answer.encode())
        said = verb("rm", "a")
    os.close(ours)
    assert "remove them for good? 1 of them" in said.err
    assert (said.code, is_there(paths)) == ((0, False) if is_removed else (1, True))


def test_a_mistake_leaves_all_of_them(workspace: WorkspacePaths, verb: Verb) -> None:
    runs = [make_run(workspace, "a"), make_run(workspace, "b", states=("NotStarted", "Running"))]
    said = verb("rm", "a", "b", "--yes")
    assert said.code == 2
    assert "b is NotResponding" in said.err
    assert "trainconf cancel b" in said.err
    assert all(map(is_there, runs))


def test_an_expression_removes_what_it_finds_and_spares_the_archive(workspace: WorkspacePaths, verb: Verb) -> None:
    runs = [make_run(workspace, name, states=("NotStarted", end)) for name, end in (("a", "Failed"), ("b", "Completed"), ("c", "Failed"))]
    verb("archive", "c")
    assert verb("rm", "--where", "status == Failed", "--yes").out == "removed  a\n"
    assert list(map(is_there, runs)) == [False, True, True]
    assert verb("rm", "--where", "status == Failed", "--yes").code == 2
