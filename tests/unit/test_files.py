"""Files and locks: the old or the new, whole lines, and locks that die with their holder."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.conftest import ROOT
from trainconf import files
from trainconf.paths import RunPaths


def test_a_file_is_replaced_in_one_step_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_atomic(str(path), "old")
    inode = path.stat().st_ino
    files.write_atomic(str(path), "n\udcffw", mode=0o600)
    assert path.read_bytes() == b"n\xffw"
    assert path.stat().st_ino != inode
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["a"]


def test_a_write_that_fails_leaves_the_old_and_no_temp_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    code = (
        "import resource, signal, sys; from trainconf import files; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try: files.write_atomic(sys.argv[1], 'x' * 100)\nexcept OSError as error: print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout == "27\n", done.stderr
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_target_that_is_a_folder_leaves_no_temp_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        files.write_atomic(str(tmp_path / "a"), "x")
    assert os.listdir(tmp_path) == ["a"]


def test_appended_lines_of_many_processes_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    code = (
        "import sys; from trainconf import files\n"
        "for n in range(100): files.append_line(sys.argv[1], {'who': sys.argv[2], 'n': n, 'text': 'x' * 500})\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    children = [subprocess.Popen([sys.executable, "-c", code, path, str(who)], env=env) for who in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    found = sorted((line["who"], line["n"]) for line in files.read_lines(str(path)))
    assert found == sorted((str(who), n) for who in range(4) for n in range(100))
    assert {line for line in path.read_text().splitlines() if not line.startswith("{")} <= {""}  # a line in the making may look torn


@pytest.mark.parametrize("torn", [b'{"a": 1', b"\xff\x00", b'{"a": 1}\n{"b'])
def test_a_torn_last_line_stays_one_bad_line(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(torn)
    files.append_line(str(path), {"c": 3})
    assert list(files.read_lines(str(path)))[-1] == {"c": 3}
    assert {"b"} & set().union(*files.read_lines(str(path))) == set()


def test_lines_that_are_no_json_are_passed_over_and_a_missing_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"1\n\n{\n\xff\n" + b"[" * 100_000 + b'\n"end"\n')
    assert list(files.read_lines(str(path))) == [1, "end"]
    assert list(files.read_lines(str(tmp_path / "none"))) == []


def test_a_line_that_is_too_long_is_passed_over_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINE_BYTES", 100)
    path = tmp_path / "log"
    for block in (7, 64, 99, 100, 1000):  # a line ends within a block, with it, or several later
        monkeypatch.setattr(files, "BLOCK_BYTES", block)
        for length in (98, 99, 100, 101, 250, 1001):
            path.write_text("1\n" + '"' + "x" * (length - 2) + '"\n[2]\n\n3')
            assert list(files.read_lines(str(path))) == [1, *(["x" * (length - 2)] if length < 100 else []), [2], 3]


def test_of_a_file_of_too_many_lines_the_rest_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINES_BYTES", 100)
    path = tmp_path / "log"
    path.write_text('"x"\n' * 1000)
    assert list(files.read_lines(str(path))) == ["x"] * 25


def test_a_file_is_read_from_an_offset_to_its_end_unless_that_is_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    assert files.read_untrusted(str(path), 10) == b"0123456789"
    assert files.read_untrusted(str(path), 3, 7) == b"789"
    assert files.read_untrusted(str(path), 0, 10) == files.read_untrusted(str(path), 0, 11) == b""
    with pytest.raises(OSError, match="more than 2 bytes"):
        files.read_untrusted(str(path), 2, 7)


def test_whoever_is_handed_a_file_to_write_to_never_finds_it_non_blocking(tmp_path: Path) -> None:
    fd = files.open_regular(str(tmp_path / "a"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    assert os.get_blocking(fd)
    os.close(fd)


def test_nesting_without_end_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        files.read_json(str(tmp_path / "a"))


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    lock = files.FileLock(path)
    assert files.is_locked(path) is False
    assert lock.acquire(blocking=False)
    assert files.is_locked(path)
    assert not files.FileLock(path).acquire(blocking=False)
    lock.release()
    lock.release()
    assert files.is_locked(path) is False
    with files.FileLock(path):
        assert files.is_locked(path)
    assert files.is_locked(path) is False


def test_shared_locks_go_together_and_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    one, two = files.FileLock(path), files.FileLock(path)
    assert one.acquire(shared=True)
    assert two.acquire(blocking=False, shared=True)
    assert not files.FileLock(path).acquire(blocking=False)
    one.release()
    two.release()


def test_the_kernel_frees_the_lock_of_whoever_was_killed_and_the_waiter_wakes(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    code = "import sys, time; from trainconf import files; l = files.FileLock(sys.argv[1]); l.acquire(); print(flush=True); time.sleep(100)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen([sys.executable, "-c", code, path], env=env, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert files.is_locked(path)
        waiter = threading.Thread(target=files.wait_unlocked, args=(path,))
        waiter.start()
        assert waiter.is_alive()
        holder.send_signal(signal.SIGKILL)
    waiter.join(10)
    assert not waiter.is_alive()
    assert not files.is_locked(path)


def test_a_lock_that_a_child_inherited_outlives_its_taker(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    lock = files.FileLock(path)
    lock.acquire()
    with subprocess.Popen(["sleep", "100"], pass_fds=[lock.fd]) as child:
        lock.release()
        assert files.is_locked(path)
        child.kill()
    assert not files.is_locked(path)


def test_waiting_for_a_lock_nobody_made_returns(tmp_path: Path) -> None:
    files.wait_unlocked(str(tmp_path / "none"))


def test_a_pause_ends_once_when_a_lock_is_let_go(tmp_path: Path) -> None:
    lock = files.FileLock(str(tmp_path / "lock"))
    lock.acquire()
    pause = files.until_unlocked(lock.path)
    assert not pause(0.01)
    lock.release()
    assert pause(60)
    assert not pause(0.01)


def test_a_new_file_never_takes_the_place_of_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a 'b\n%"
    files.write_new(str(path), "first")
    with pytest.raises(FileExistsError):
        files.write_new(str(path), "second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == [path.name]


def test_a_whole_disk_is_synced_at_once_and_a_refusal_names_the_path(tmp_path: Path) -> None:
    files.sync_disk(str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        files.sync_disk(str(tmp_path / "missing"))
    assert caught.value.filename == str(tmp_path / "missing")


def test_only_a_regular_file_is_opened_and_nobody_is_waited_for(tmp_path: Path) -> None:
    made = {name: str(tmp_path / name) for name in ("file", "link", "dangling", "pipe", "folder", "socket")}
    Path(made["file"]).write_text("1\n")
    os.symlink(made["file"], made["link"])
    os.symlink("nowhere", made["dangling"])
    os.mkfifo(made["pipe"])
    os.mkdir(made["folder"])
    with socket.socket(socket.AF_UNIX) as served:
        served.bind(made["socket"])
        for name in ("link", "dangling", "pipe", "folder", "socket"):
            with pytest.raises(files.NotAFileError):
                files.open_regular(made[name])
            with pytest.raises(OSError, match=name) as error:
                files.append_line(made[name], 2)
            assert not isinstance(error.value, FileNotFoundError)  # it is there, and may be a file again
            assert list(files.read_lines(made[name])) == []
            with pytest.raises(FileNotFoundError):
                files.read_json(made[name])
    assert not os.path.exists(tmp_path / "nowhere")
    assert list(files.read_lines(made["file"])) == [1]


def test_the_files_of_a_run_are_opened_by_this_module_alone() -> None:
    names = {name for name, value in vars(RunPaths).items() if isinstance(value, property) or callable(value)} - {"__init__"}
    openers = {
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sorted((ROOT / "trainconf").rglob("*.py")) if "testing" not in path.parts
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("open", "os.open") and call.args
        for opened in [call.args[0].func if isinstance(call.args[0], ast.Call) else call.args[0]]
        if isinstance(opened, ast.Attribute) and opened.attr in names
    }
    assert openers == set()
