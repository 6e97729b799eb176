"""When what is logged reaches the disk: at once where that is cheap, soon where it is not, and however the process ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainconf.job_api import writer
from trainconf.job_api.writer import AppendFile

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AppendFile]:
    appender = AppendFile(str(tmp_path / "lines"))
    yield appender
    appender.close()


def lines(path: str | Path) -> list[str]:
    return Path(path).read_text().splitlines()


def in_process(tmp_path: Path, script: str, *, slow: bool = False, patience_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Carry a script out as a job of a run; `slow` makes every write take a while, as over a network."""
    before = SLOW if slow else ""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TRAINCONF_RUN_DIR": str(tmp_path), "TRAINCONF_RUN_ID": "r"}
    return subprocess.run([sys.executable, "-c", before + script], env=environ, capture_output=True, text=True, timeout=patience_s)


SLOW = """
import os, time
write = os.write
def slowly(fd, data):
    time.sleep(0.002)
    return write(fd, data)
os.write = slowly
"""
LOG = """
import os, signal, sys, threading, time
from trainconf import Run
run = Run.get_context()
for n in range(100):
    run.log("n", n, step=n)
"""


def logged(tmp_path: Path) -> list[int]:
    found = [json.loads(line) for line in lines(tmp_path / "metrics.jsonl") if line]
    return [entry["value"] for entry in found]


def test_a_line_is_on_the_disk_when_the_call_returns(file: AppendFile) -> None:
    for n in range(50):
        file.add(b"%d\n" % n)
        assert lines(file.path)[-1] == str(n)


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "import atexit; atexit.register(run.log, 'n', 100)"])
@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
def test_nothing_is_lost_when_a_process_exits(end: str, slow: bool, tmp_path: Path) -> None:
    in_process(tmp_path, LOG + end, slow=slow)
    assert logged(tmp_path)[:100] == list(range(100))
    assert len(logged(tmp_path)) == 100 + ("atexit" in end)


@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
def test_nothing_is_lost_at_sigterm_and_the_process_ends_of_it(slow: bool, tmp_path: Path) -> None:
    done = in_process(tmp_path, LOG + "os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)", slow=slow)
    assert done.returncode == -signal.SIGTERM
    assert logged(tmp_path) == list(range(100))


@pytest.mark.parametrize("early", [False, True])
def test_a_handler_of_the_scripts_own_stays(early: bool, tmp_path: Path) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: (print('mine', flush=True), sys.exit(7)))\n"
    before, after = (handler, "") if early else ("", handler)
    script = "import signal, sys\n" + before + LOG + after + "os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)"
    done = in_process(tmp_path, script, slow=True)
    assert (done.returncode, done.stdout) == (7, "mine\n")
    assert logged(tmp_path) == list(range(100))


def test_sigterm_is_left_alone_where_nothing_is_gathered(tmp_path: Path) -> None:
    done = in_process(tmp_path, LOG + "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)")
    assert done.stdout == "True\n"


def test_a_killed_process_loses_nothing_where_writing_is_cheap(tmp_path: Path) -> None:
    in_process(tmp_path, LOG + "os.kill(os.getpid(), signal.SIGKILL)")
    assert logged(tmp_path) == list(range(100))


def test_a_killed_process_loses_only_what_is_younger_than_the_longest_wait(tmp_path: Path) -> None:
    wait = f"time.sleep({4 * writer.LONGEST_S}); run.log('n', 100); os.kill(os.getpid(), signal.SIGKILL)"
    in_process(tmp_path, LOG + wait, slow=True)
    assert logged(tmp_path)[:100] == list(range(100))


@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
def test_a_forked_process_loses_nothing_and_repeats_nothing(slow: bool, tmp_path: Path) -> None:
    fork = """
pid = os.fork()
if pid == 0:
    for n in range(100, 150):
        run.log("n", n)
    os._exit(0)
os.waitpid(pid, 0)
"""
    in_process(tmp_path, LOG + fork, slow=slow)
    assert sorted(logged(tmp_path)) == list(range(150))


def test_workers_of_multiprocessing_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text("""
from trainconf import Run

def work(n):
    Run.get_context().log("n", n)
""")
    start = "import sys; sys.path.insert(0, os.environ['TRAINCONF_RUN_DIR'])\nimport multiprocessing, work\n"
    pools = """
for how in ("fork", "spawn"):
    with multiprocessing.get_context(how).Pool(2) as pool:
        pool.map(work.work, range(100, 130))
"""
    done = in_process(tmp_path, LOG + start + pools)
    assert done.returncode == 0, done.stderr
    assert sorted(logged(tmp_path)) == sorted([*range(100), *range(100, 130), *range(100, 130)])


def test_threads_that_log_at_once_keep_every_line_whole(file: AppendFile) -> None:
    def work(who: int) -> None:
        for n in range(500):
            file.add(b"%d %d\n" % (who, n))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.flush()
    found = [tuple(map(int, line.split())) for line in lines(file.path)]
    assert sorted(found) == [(who, n) for who in range(6) for n in range(500)]


def test_a_thread_that_keeps_the_interpreter_makes_lines_wait_and_none_is_lost(tmp_path: Path) -> None:
    busy = """
import sys, threading
stop = False
def work():
    while not stop:
        pass
thread = threading.Thread(target=work, daemon=True)
thread.start()
"""
    done = in_process(tmp_path, busy + LOG.replace("range(100)", "range(2000)") + "stop = True")
    assert done.returncode == 0, done.stderr
    assert logged(tmp_path) == list(range(2000))


def test_a_signal_handler_may_log_while_the_script_logs(tmp_path: Path) -> None:
    script = """
import signal
from trainconf import Run
run = Run.get_context()
signal.signal(signal.SIGALRM, lambda *_: run.log("alarm", 1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for n in range(20000):
    run.log("n", n)
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    done = in_process(tmp_path, script)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["value"] for line in lines(tmp_path / "metrics.jsonl") if '"n"' in line] == list(range(20000))


def test_lines_of_a_slow_disk_are_gathered_and_come_soon(file: AppendFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: (time.sleep(0.002), write(fd, data))[1])
    for n in range(300):
        file.add(b"%d\n" % n)
    assert len(lines(file.path)) < 300
    until = time.monotonic() + 300
    while len(lines(file.path)) < 300:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert lines(file.path) == [str(n) for n in range(300)]


def test_a_file_whose_number_another_file_has_now_is_opened_again(file: AppendFile, tmp_path: Path) -> None:
    file.add(b"1\n")
    os.close(file._fd)
    with open(tmp_path / "other", "wb", buffering=0) as other:
        assert other.fileno() == file._fd
        file.add(b"2\n")
    assert (lines(file.path), (tmp_path / "other").read_bytes()) == (["1", "2"], b"")


def test_a_file_that_was_removed_is_made_again(file: AppendFile) -> None:
    file.add(b"1\n")
    os.unlink(file.path)
    file.add(b"2\n")
    assert lines(file.path) == ["2"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_is_full_is_told_once_tears_nothing_and_gets_the_rest_when_there_is_room(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = AppendFile(str(small_disk / "lines"))
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 40_000)
    expected = [f"{n:06d}{'.' * 90}" for n in range(400)]
    for line in expected:
        file.add(line.encode() + b"\n")
    found = Path(file.path).read_bytes()
    assert 0 < len(found) < 30_000
    assert found.endswith(b"\n")
    assert capsys.readouterr().err.count("cannot be recorded") == 1
    filler.unlink()
    file.flush()
    assert lines(file.path) == expected
    file.close()


def test_what_a_full_disk_refuses_is_kept_up_to_a_megabyte(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = AppendFile(str(small_disk / "lines"))
    for _ in range(4000):
        file.add(b"x" * 999 + b"\n")
    assert file._size < writer.KEPT_BYTES + 2000
    file.forget()
    file.close()
    assert capsys.readouterr().err.count("cannot be recorded") == 1


def test_speed_does_not_depend_on_how_much_was_logged(tmp_path: Path) -> None:
    """The work of a call is the same however long the file is: the file is opened once and never read."""
    calls: dict[str, int] = {"open": 0, "pread": 0}
    file = AppendFile(str(tmp_path / "lines"))
    opened, pread = os.open, os.pread

    def count(name: str, real: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            return real(*args, **kwargs)

        return counted

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", count("open", opened))
        patched.setattr(os, "pread", count("pread", pread))
        for n in range(1000):
            file.add(b"%d\n" % n)
        file.close()
    assert calls == {"open": 1, "pread": 0}
