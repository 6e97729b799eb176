from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from trainconf import files
from trainconf.history import events, follow, liveness
from trainconf.history.liveness import State
from trainconf.paths import RunPaths, WorkspacePaths

from .build import make_run

QUEUED = ("NotStarted", "Queued")


def append(path: str, data: bytes) -> None:
    with open(path, "ab") as stream:
        stream.write(data)


@pytest.mark.parametrize("is_recorded", [True, False])
def test_the_end_of_the_agent_wakes_a_waiter_at_once(workspace: WorkspacePaths, is_recorded: bool) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as agent:
        if is_recorded:
            watch = follow.Watch(make_run(workspace, states=QUEUED, agent=liveness.identity(agent.pid)))
        else:
            watch = follow.Watch(make_run(workspace, states=("NotStarted",)), agent_pid=agent.pid)
        ended = threading.Event()

        def pause() -> None:
            watch.pause(60)
            ended.set()

        waiter = threading.Thread(target=pause)
        waiter.start()
        assert not ended.wait(0.1)
        agent.kill()
        assert ended.wait(30)
        waiter.join()
        watch.close()


def test_waiting_ends_with_the_run(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED)
    with files.FileLock(paths.lock):
        timer = threading.Timer(0.1, lambda: events.append(paths, "Failed", exit_code=7))
        timer.start()
        state = follow.wait(paths)
        timer.join()
    assert (state.status, follow.exit_code(state)) == ("Failed", 7)


def test_waiting_gives_up_at_its_time(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED)
    with files.FileLock(paths.lock):
        assert follow.wait(paths, time.monotonic() + 0.05).status == "Queued"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("Completed", 0, 0), ("Failed", 3, 3), ("Failed", 124, 124), ("Failed", None, 1), ("Failed", 0, 1), ("Canceled", 143, 130),
        ("NotResponding", 0, 1),
    ],
)
def test_the_exit_code_is_the_script_s_own_or_says_what_happened(status: str, code: int | None, expected: int) -> None:
    assert follow.exit_code(State(status, "", {"exit_code": code})) == expected


def test_a_file_that_appears_later_is_read_from_its_beginning(tmp_path: object) -> None:
    output = follow.Output(RunPaths(str(tmp_path)).agent_log)
    assert list(output.read()) == []
    os.makedirs(os.path.dirname(output.path))
    append(output.path, b"abc")
    assert list(output.read()) == [b"abc"]
    assert list(output.read()) == []
    output.close()
