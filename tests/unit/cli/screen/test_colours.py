"""Where there are colours and lines that are drawn again: on terminals, and where variables ask for or forbid them."""

from __future__ import annotations

import io
import sys

import pytest

from tests.conftest import Shell
from tests.terminal import Terminal
from trainconf.cli.screen.tables import table
from trainconf.cli.screen.terminal import redraws, shows_colours

VARIABLES = ("CI", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "NO_COLOR", "TERM")


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("variables", "on_terminal", "in_pipe"), [
    ("", True, False), ("TERM=xterm", True, False), ("TERM=dumb", False, False), ("CI=true", True, False),
    ("NO_COLOR=1", False, False), ("NO_COLOR=", True, False), ("NO_COLOR=0", False, False),
    ("FORCE_COLOR=1", True, True), ("FORCE_COLOR=3", True, True), ("FORCE_COLOR=true", True, True), ("FORCE_COLOR=", True, False),
    ("FORCE_COLOR=0", False, False), ("CLICOLOR_FORCE=1", True, True), ("CLICOLOR_FORCE=0", True, False),
    ("CLICOLOR=0", False, False), ("CLICOLOR=1", True, False), ("CLICOLOR=0 CLICOLOR_FORCE=1", True, True),
    ("NO_COLOR=1 FORCE_COLOR=1 CLICOLOR_FORCE=1", False, False), ("TERM=dumb FORCE_COLOR=1", True, True),
    ("CI=true FORCE_COLOR=1", True, True),
])  # fmt: skip
def test_colours_are_where_variables_and_the_channel_say_so(
    monkeypatch: pytest.MonkeyPatch, variables: str, on_terminal: bool, in_pipe: bool
) -> None:
    for pair in variables.split():
        monkeypatch.setenv(*pair.split("="))
    assert (shows_colours(Screen()), shows_colours(io.StringIO())) == (on_terminal, in_pipe)
    assert not shows_colours(None)
    for stream, is_coloured in ((Screen(), on_terminal), (io.StringIO(), in_pipe)):
        monkeypatch.setattr(sys, "stdout", stream)
        table(("run", "status"), [("a", "Failed")], status="status")
        assert ("\x1b[31mFailed" in stream.getvalue()) is is_coloured


@pytest.mark.parametrize(("variables", "expected"), [
    ("", True), ("TERM=xterm", True), ("TERM=dumb", False), ("CI=true", False), ("CI=1", False), ("CI=false", True), ("CI=", True),
    ("NO_COLOR=1", True), ("FORCE_COLOR=1", True),
])  # fmt: skip
def test_lines_are_drawn_again_on_a_terminal_that_is_neither_dumb_nor_of_ci(
    monkeypatch: pytest.MonkeyPatch, variables: str, expected: bool
) -> None:
    for pair in variables.split():
        monkeypatch.setenv(*pair.split("="))
    assert redraws(Screen()) is expected
    assert not redraws(io.StringIO())
    assert not redraws(None)


def test_a_program_has_colours_as_it_is_told(shell: Shell) -> None:
    shell.write("train.py", "print('trained')\n")
    assert shell(*shell.script()).code == 0
    forced = {"FORCE_COLOR": "1"}
    assert "\x1b" not in shell("ls").out
    assert "\x1b[1mrun" in shell("ls", env=forced).out
    assert "\x1b" not in shell("ls", env=forced | {"NO_COLOR": "1"}).out
    assert "\x1b" not in shell("ls", "--csv", env=forced).out + shell("ls", "--json", env=forced).out
    for env, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"CI": "true"}, True)):
        terminal = Terminal(shell, ["ls"], 80, env=env)
        assert terminal.end() == 0
        assert (b"\x1b[1mrun" in terminal.written) is is_coloured, env
    refused = Terminal(shell, ["ls", "--watch"], 80, env={"CI": "true"})
    assert refused.end() == 2
    assert b"\x1b[?1049h" not in refused.written
