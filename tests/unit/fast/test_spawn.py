"""Both roads to a started program, posix_spawn(3) with a session of its own and fork with exec, give it the same."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from trainconf.agent.processes import tree
from trainconf.fast.spawn import spawn

TELL = """
import json, os, signal
def name(fd):
    try: return os.readlink(f"/proc/self/fd/{fd}")
    except OSError: return None
told = {"session": os.getsid(0) == os.getpid(), "fds": {fd: name(fd) for fd in map(int, os.listdir("/proc/self/fd")) if name(fd)},
        "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))), "hup": signal.getsignal(signal.SIGHUP) == signal.SIG_DFL,
        "env": os.environ.get("X"), "cwd": os.getcwd()}
os.write(1, json.dumps(told).encode())
"""


@pytest.fixture(params=["posix_spawn", "no setsid", "no posix_spawn"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The second is a Python built against glibc 2.19, as CPython's own `argument_unavailable_error` answers there."""
    real = os.posix_spawn

    def old(*args: object, setsid: bool = False, **named: object) -> int:
        if setsid:
            raise NotImplementedError("posix_spawn: setsid unavailable on this platform")
        return real(*args, **named)  # type: ignore[arg-type]

    if request.param == "no setsid":
        monkeypatch.setattr(os, "posix_spawn", old)
    elif request.param == "no posix_spawn":
        monkeypatch.delattr(os, "posix_spawn")
    return str(request.param)


def told(tmp_path: Path, **how: object) -> dict[str, object]:
    out = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    env = {"X": "\udcff ü", "LC_ALL": "C.UTF-8"}
    try:
        pid = spawn(sys.executable, [sys.executable, "-I", "-S", "-c", TELL], env, (nothing, out, out), **how)  # type: ignore[arg-type]
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        os.close(nothing)
        os.close(out)
    found: dict[str, object] = json.loads((tmp_path / "out").read_text())
    return found


def _is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def test_every_road_gives_the_same_session_descriptors_signals_and_variables(road: str, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    not_for_it = os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC)
    kept = os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = told(tmp_path, blocked=[signal.SIGUSR1], keep=[kept])
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(not_for_it)
    out = str(tmp_path / "out")
    inherited = {str(fd) for fd in map(int, os.listdir("/proc/self/fd")) if fd > 2 and _is_inheritable(fd)}
    fds: dict[str, str] = found["fds"]  # type: ignore[assignment]
    assert {fd: name for fd, name in fds.items() if fd not in inherited} == {"0": "/dev/null", "1": out, "2": out, str(kept): str(tmp_path)}
    assert (found["session"], found["hup"], found["mask"], found["env"]) == (True, True, [signal.SIGUSR1], "\udcff ü")
    assert not os.get_inheritable(kept)
    os.close(kept)


def test_the_session_can_be_the_callers(road: str, tmp_path: Path) -> None:
    assert told(tmp_path, new_session=False)["session"] is False


@pytest.mark.parametrize("name", ["/nowhere/at/all", "/etc/passwd"])
def test_what_cannot_be_executed_is_an_error_of_the_system_with_its_number(road: str, name: str) -> None:
    before = tree.children()
    with pytest.raises(FileNotFoundError if "nowhere" in name else PermissionError):
        spawn(name, [name], {}, (0, 1, 2))
    assert tree.children() == before


def test_a_word_with_a_nul_is_a_wrong_value(road: str) -> None:
    with pytest.raises(ValueError, match="null"):
        spawn("/bin/true", ["/bin/true", "a\0b"], {}, (0, 1, 2))


def test_descriptors_may_be_swapped(road: str, tmp_path: Path) -> None:
    """What is to be 1 may be 2 now, and the other way round."""
    reader, writer = os.pipe()
    saved = os.dup(1), os.dup(2)
    try:
        os.dup2(writer, 2)
        pid = spawn("/bin/sh", ["/bin/sh", "-c", "echo out; exec 2>&-"], {}, (0, 2, 1))
    finally:
        os.dup2(saved[1], 2)
        os.close(writer)
        for fd in saved:
            os.close(fd)
    assert os.read(reader, 100) == b"out\n"
    os.close(reader)
    os.waitpid(pid, 0)
