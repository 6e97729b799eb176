from __future__ import annotations

import pytest

from trainconf.notebook import log_tail
from trainconf.paths import RunPaths, WorkspacePaths

from ..history.build import make_run


@pytest.mark.parametrize(("written", "shown"), [
    ("plain", "plain"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("10%\r50%\r100%", "100%"),
    ("100%\r", "100%"),
    ("ab\bc", "ac"),
    ("\x1b]0;a title\x07text", "text"),
    ("\x1b]8;;http://example.org\x1b\\link", "link"),
    ("a\tb", "a       b"),
    ("safe\u202etext", r"safe\u202etext"),
    ("nul\x00", r"nul\x00"),
])  # fmt: skip
def test_a_line_is_what_a_terminal_would_have_at_its_end(written: str, shown: str) -> None:
    assert log_tail.shown(written) == shown


def test_only_the_last_lines_are_read(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, log=b"".join(b"line %d\n" % number for number in range(50)) + b"\xff\n\n\n")
    found = log_tail.read(paths)
    assert found[-1] == r"\xff"
    assert found[0] == "line 39"
    assert len(found) == log_tail.LINES


def test_a_run_without_a_log_has_no_lines(workspace: WorkspacePaths) -> None:
    assert log_tail.read(RunPaths(workspace.runs + "/x/y")) == []
