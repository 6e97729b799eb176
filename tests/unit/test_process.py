"""The door to other programs: no shell, both outputs, and nobody left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from trainconf import files
from trainconf.process import processes

SPLIT = "import sys; sys.stdout.buffer.write(b'out\\xff\\n'); sys.stderr.write('err\\n'); sys.exit(3)"


def test_both_outputs_and_the_exit_code_come_back() -> None:
    done = processes.run([sys.executable, "-c", SPLIT])
    assert (done.returncode, done.stdout, done.stderr, done.found, done.ok) == (3, b"out\xff\n", b"err\n", True, False)
    assert done.text() == "out\udcff"
    assert done.last_lines(1) == "err"


def test_words_go_through_no_shell() -> None:
    words = ["$(touch x)", "a b", "*", "'\"", "\n"]
    done = processes.run([sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *words])
    assert done.text() == ascii(words)


@pytest.mark.parametrize("program", ["no-such-program", "/no/such/program", "/etc", "/etc/hostname", "/etc/hostname/x"])
def test_a_program_that_is_none_is_not_found(program: str) -> None:
    for done in (processes.run([program]), processes.stream([program], print)):
        assert (done.found, done.returncode, done.ok) == (False, 127, False)


def test_a_program_that_takes_too_long_is_124() -> None:
    done = processes.run(["sh", "-c", "echo a; sleep 60"], timeout_s=0.3)
    assert (done.returncode, done.found) == (124, True)


def test_input_folder_and_variables_are_handed_on(tmp_path: Path) -> None:
    done = processes.run(["sh", "-c", "cat; echo $A"], env={"A": "1", "PATH": os.environ["PATH"]}, input=b"in\n")
    assert done.stdout == b"in\n1\n"
    lines: list[str] = []
    processes.stream(["sh", "-c", "pwd; echo $A"], lines.append, cwd=str(tmp_path), env={"A": "1", "PATH": os.environ["PATH"]})
    assert lines == [str(tmp_path), "1"]


def test_without_input_a_program_reads_nothing_and_ours_stays_ours() -> None:
    assert processes.run(["cat"], timeout_s=10).stdout == b""


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_more_than_a_pipe_holds_goes_both_ways_at_once(timeout_s: float | None) -> None:
    data = os.urandom(3_000_000)
    done = processes.run(["sh", "-c", "tee /dev/stderr"], input=data, timeout_s=timeout_s)
    assert (done.stdout, done.stderr, done.ok) == (data, data, True)


def test_input_that_nobody_reads_is_no_mistake() -> None:
    assert processes.run(["true"], input=b"x" * 3_000_000).ok


def test_a_program_that_has_closed_its_outputs_is_waited_for() -> None:
    script = "exec >&- 2>&-; sleep 0.3; exit 5"
    assert processes.run(["sh", "-c", script]).returncode == 5
    assert processes.run(["sh", "-c", script], timeout_s=10).returncode == 5
    assert processes.run(["sh", "-c", script], timeout_s=0.05).returncode == 124


def test_a_program_that_a_signal_ended_has_its_number_below_zero() -> None:
    assert processes.run(["sh", "-c", "kill -9 $$"]).returncode == -signal.SIGKILL


def test_an_interruption_ends_the_program(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def stop(*_: object) -> None:
        if pid.exists() and pid.read_text():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        with pytest.raises(KeyboardInterrupt):
            processes.run(["sh", "-c", 'echo $$ >"$0"; exec sleep 60', str(pid)])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ChildProcessError):
        os.waitpid(int(pid.read_text()), os.WNOHANG)


def test_no_descriptor_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    for argv in (["true"], ["no-such-program"], ["sh", "-c", "echo x >&2; exec <&-"]):
        processes.run(argv, input=b"data")
    assert set(os.listdir("/proc/self/fd")) <= before


def test_lines_are_handed_over_as_they_come() -> None:
    seen: list[tuple[str, float]] = []
    done = processes.stream(
        ["sh", "-c", "echo a; echo b >&2; sleep 0.3; printf 'c\\377'"], lambda line: seen.append((line, time.monotonic()))
    )
    assert done.ok
    assert [line for line, _ in seen] == ["a", "b", "c\ufffd"]
    assert seen[1][1] < seen[2][1]
    assert done.stdout == b"a\nb\nc\xff"


def test_an_error_while_reading_ends_the_program_and_its_children(tmp_path: Path) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    program = "trap '' TERM; sleep 100 & echo $!; wait"
    with pytest.raises(KeyboardInterrupt) as stopped:
        processes.stream(["sh", "-c", program], stop)
    child = int(str(stopped.value))
    for _ in range(100):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("the program's child lives on")


def test_a_lock_that_is_passed_on_is_the_programs_too(tmp_path: Path) -> None:
    lock = files.FileLock(str(tmp_path / "lock"))
    lock.acquire()
    held: list[bool] = []

    def let_go(_: str) -> None:
        lock.release()
        held.append(files.is_locked(lock.path))

    assert processes.stream(["sh", "-c", "echo a; sleep 0.2"], let_go, pass_fds=[lock.fd]).ok
    assert held == [True]
    assert not files.is_locked(lock.path)


def test_streaming_ends_with_the_program_and_not_with_what_it_left_behind() -> None:
    lines: list[str] = []
    begin = time.monotonic()
    done = processes.stream(["sh", "-c", "(sleep 60; :) & echo hi; printf 'no newline'"], lines.append)
    assert (done.ok, lines) == (True, ["hi", "no newline"])
    assert time.monotonic() - begin < 50


def test_streaming_ends_while_what_was_left_behind_writes_without_end() -> None:
    assert processes.stream(["sh", "-c", "yes left & sleep 0.1"], lambda line: None).ok
