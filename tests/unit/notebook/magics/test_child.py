"""A command for a magic: its output as of a terminal, and what an interruption does."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from trainconf.notebook.magics import child

SCRIPT = """
import os, signal, sys, time
words = sys.argv[1:]
print("out", os.isatty(1), os.isatty(2), os.isatty(0), os.get_terminal_size(1).columns, words, flush=True)
print("err", file=sys.stderr, flush=True)
count = 0
def interrupted(*_):
    global count
    count += 1
    print("interrupted", count, flush=True)
    if count == int(words[1]):
        sys.exit(130)
if words[0] == "wait":
    signal.signal(signal.SIGINT, interrupted)
    print("ready", flush=True)
    end = time.monotonic() + 300
    while time.monotonic() < end:
        time.sleep(0.01)
    sys.exit(99)
if words[0] == "leave":
    if os.fork() == 0:
        time.sleep(60)
    print(os.getpid(), flush=True)
if words[0] == "kill":
    os.kill(os.getpid(), 9)
sys.stdout.buffer.write("å\\r\\n".encode() + b"\\xff\\n")
sys.exit(int(words[1]))
"""


class Taken:
    """What a command has printed."""

    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self._left = 0

    def run(self, *words: str, interruptions: int = 0) -> int:
        self._left = interruptions
        return child.run(words, self._take_out, self._take_err)

    def _take_out(self, text: str) -> None:
        self.out += text
        # a line may come in pieces
        if self._left and self.out.endswith(("ready\n", "interrupted 1\n", "interrupted 2\n")):
            self._left -= 1
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    def _take_err(self, text: str) -> None:
        self.err += text


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taken:
    """The command is a script of the test's instead of trainconf."""
    package = tmp_path / "trainconf"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONUTF8", "1")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    return Taken()


def test_standard_output_is_a_terminal_and_nothing_else_is(taken: Taken) -> None:
    assert taken.run("end", "3") == 3
    assert taken.out == "out True False False 100 ['end', '3']\nå\r\n\ufffd\n"
    assert taken.err == "err\n"


def test_columns_says_how_wide_it_is(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    taken.run("end", "0")
    assert "False 60 [" in taken.out
    monkeypatch.setenv("COLUMNS", "wide")
    taken.run("end", "0")
    assert "False 100 [" in taken.out


def test_an_interruption_is_the_commands_own_to_answer(taken: Taken) -> None:
    assert taken.run("wait", "2", interruptions=2) == 130
    assert taken.out.endswith("interrupted 1\ninterrupted 2\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_third_interruption_kills_a_command_that_does_not_end(taken: Taken) -> None:
    assert taken.run("wait", "9", interruptions=3) == 128 + 9
    assert "interrupted 2" in taken.out


def test_a_command_that_is_killed_has_the_code_of_a_shell(taken: Taken) -> None:
    assert taken.run("kill", "0") == 128 + 9


def test_what_a_command_leaves_behind_is_not_waited_for(taken: Taken) -> None:
    assert taken.run("leave", "0") == 0
    group = int(taken.out.split("\n")[1])
    os.killpg(group, signal.SIGKILL)  # what it has left; it began a session


def test_in_another_thread_it_works_without_interruptions(taken: Taken) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(taken.run("end", "4")))
    thread.start()
    thread.join()
    assert codes == [4]


def test_nothing_stays_open(taken: Taken) -> None:
    taken.run("end", "0")
    before = os.listdir("/proc/self/fd")
    taken.run("end", "0")
    assert os.listdir("/proc/self/fd") == before
    assert sys.executable
