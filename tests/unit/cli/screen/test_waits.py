"""What is told of work that takes over a second: a line that is drawn again on a terminal, two plain lines elsewhere."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.terminal import Terminal
from trainconf.cli.screen import waits
from trainconf.cli.screen.printer import Printer

PROGRAM = """
import sys, time
from pathlib import Path
from trainconf.cli.main import told
from trainconf.cli.screen.printer import printer
how, go = sys.argv[1], Path(sys.argv[2])
def work():
    printer.info("before")
    with printer.wait("pulling a/name/of/an/image/that/is/long:1 from registry.example") as wait:
        wait.at(1_500_000, 3_000_000, "B")
        wait.now("1 of 2 layers")
        while not go.exists():
            time.sleep(0.02)
        printer.info("in between")
        if how == "fails":
            raise OSError(28, "No space left on device", "x")
        while not Path(f"{go}2").exists():
            time.sleep(0.02)
    printer.info("after")
    return 0
sys.exit(told(work))
"""
WHAT = "pulling a/name/of/an/image/that/is/long:1 from registry.example"


@pytest.fixture
def program(shell: Shell) -> tuple[str, ...]:
    shell.write("program.py", PROGRAM)
    return (str(shell.root / "program.py"),)


def on_terminal(shell: Shell, program: tuple[str, ...], how: str, columns: int = 100, env: dict[str, str] | None = None) -> Terminal:
    return Terminal(shell, [how, str(shell.root / "go")], columns, program=program, env=env)


def test_a_terminal_has_one_line_that_changes_below_what_is_printed(shell: Shell, program: tuple[str, ...]) -> None:
    terminal = on_terminal(shell, program, "ends")
    shown = re.compile(re.escape(WHAT) + r"  1\.5 MB of 3\.0 MB  (\d+) s  1 of.*")
    terminal.until(lambda: bool(shown.fullmatch(terminal.shown[1])))
    first = terminal.shown[1]
    terminal.until(lambda: bool(shown.fullmatch(terminal.shown[1])) and terminal.shown[1] != first)  # the seconds go on
    assert [line for line in terminal.shown if line] == ["before", terminal.shown[1]]
    (shell.root / "go").touch()
    terminal.until(lambda: bool(shown.fullmatch(terminal.shown[2])))
    assert terminal.shown[:2] == ["before", "in between"]
    (shell.root / "go2").touch()
    assert terminal.end() == 0
    lines = [line for line in terminal.shown if line]
    assert lines[:2] == ["before", "in between"]
    assert re.fullmatch(re.escape(WHAT) + r": done in \d+\.\d s", lines[2])
    assert lines[3:] == ["after"]


def test_a_narrow_terminal_cuts_the_name_and_keeps_how_far_it_is(shell: Shell, program: tuple[str, ...]) -> None:
    terminal = on_terminal(shell, program, "ends", 50)
    terminal.until(lambda: bool(re.fullmatch(r"pulling a/name/.*\.\.  1\.5 MB of 3\.0 MB  \d+ s", terminal.shown[1][:49].rstrip())))
    assert not terminal.shown[2]
    terminal.press(b"\x03")
    assert terminal.end() == 130
    assert [line for line in terminal.shown if line] == ["before", "interrupted"]


def test_what_fails_leaves_no_line_behind(shell: Shell, program: tuple[str, ...]) -> None:
    terminal = on_terminal(shell, program, "fails")
    terminal.until(lambda: "1 of" in terminal.shown[1])
    (shell.root / "go").touch()
    assert terminal.end() != 0
    lines = [line for line in terminal.shown if line]
    assert lines[:2] == ["before", "in between"]
    assert WHAT not in "\n".join(lines)
    assert "No space left on device" in "\n".join(lines)


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_a_terminal_that_keeps_every_line_has_two_plain_ones(shell: Shell, program: tuple[str, ...], env: dict[str, str]) -> None:
    terminal = on_terminal(shell, program, "ends", env=env)
    terminal.until(lambda: terminal.shown[1] == WHAT)
    (shell.root / "go").touch()
    (shell.root / "go2").touch()
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.written
    assert [re.sub(r"\d+\.\d", "N", line) for line in terminal.lines if line] == [
        "before", WHAT, "in between", f"{WHAT}: done in N s", "after"
    ]  # fmt: skip


def test_nothing_is_told_of_what_is_quick(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FIRST_S", 600.0)
    printer = Printer()
    for is_told_often in (False, True):
        with printer.wait("work", is_told_often=is_told_often) as wait:
            wait.at(1, 2)
            wait.now("x")
    assert capsys.readouterr() == ("", "")
    assert printer.waiting is None


def test_work_inside_other_work_is_not_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FIRST_S", 0.0)
    monkeypatch.setattr(waits, "EVERY_S", 0.0)
    printer = Printer()
    with printer.wait("outer", is_told_often=True) as outer:
        outer.at(1, 2)
        with printer.wait("inner", is_told_often=True) as inner:
            inner.at(1, 2)
    outer.at(2, 2)  # it is over
    assert re.fullmatch(r"outer\nouter: done in \d+\.\d s\n", capsys.readouterr().err)


def test_the_thread_that_draws_takes_no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[int]] = []
    monkeypatch.setattr(waits, "EVERY_S", 0.01)
    monkeypatch.setattr(waits.ShownWait, "_tick", lambda _: asked.append({*signal.pthread_sigmask(signal.SIG_BLOCK, ())}))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Printer().wait("work"):
        until = time.monotonic() + 300
        while not asked:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert {signal.SIGINT, signal.SIGTERM} <= asked[0]


def test_verbs_tell_how_far_they_are(shell: Shell, tmp_path: Path) -> None:
    """The snapshot, an input, the index, a download: each line with what is done of how much. No work is too quick here."""
    shell.write("train.py", "open('outputs/big', 'wb').write(bytes(5_000_000))\n")
    shell.write("data.bin", "x" * 3_000_000)
    shell.write("sitecustomize.py", "from trainconf.cli.screen import waits\nwaits.FIRST_S = waits.EVERY_S = 0.0\n")
    env = {"PYTHONPATH": f"{shell.root}:{shell.env['PYTHONPATH']}"}
    run = Terminal(shell, shell.script("+inputs.data=data.bin"), 100, env=env)
    assert run.end() == 0, run.lines
    written = run.written.decode()
    assert re.search(r"recording \S+  \d+ of \d+ files  0 s", written)
    assert re.search(r"reading input data  [123]\.\d MB of 3\.0 MB  0 s", written)
    listed = Terminal(shell, ["ls", "--reindex"], 100, env=env)
    assert listed.end() == 0
    assert "reading runs into the index  1 of 1 runs  0 s" in listed.written.decode()
    copied = Terminal(shell, ["download", "last", "outputs/big", str(tmp_path / "copy")], 100, env=env)
    assert copied.end() == 0
    assert re.search(r"copying outputs/big of \S+  \d\.\d MB of 5\.0 MB  0 s", copied.written.decode())
