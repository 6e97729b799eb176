"""A run as a stream of events: all of its output, every state once, its metrics, and one end."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator

import pytest

from trainconf import files
from trainconf.control.follow import Changed, Ended, Event, Logged, Unreadable, Waiting, Written, follow
from trainconf.history import events
from trainconf.history.follow import CHUNK_BYTES, Output
from trainconf.paths import RunPaths, WorkspacePaths

from ..history.build import make_run, write_json

QUEUED = ("NotStarted", "Queued")


def append(path: str, data: bytes) -> None:
    with open(path, "ab") as stream:
        stream.write(data)


def written(found: list[Event]) -> list[bytes]:
    return [event.chunk for event in found if isinstance(event, Written)]


def states(found: list[Event]) -> list[str]:
    return [event.event["state"] for event in found if isinstance(event, Changed)]


def end(found: list[Event]) -> Ended:
    (only,) = (event for event in found if isinstance(event, Ended))
    assert found[-1] is only
    return only


def test_all_output_comes_also_what_comes_with_the_end_and_over_attempts(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED)
    os.unlink(paths.log(0))  # it has not started yet
    lock = files.FileLock(paths.lock)
    lock.acquire()

    def job() -> None:
        for attempt in (1, 2):
            events.append(paths, "Running", attempt=attempt)
            for _ in range(5):
                append(paths.log(0), b"\xff line\n" * 1000)
                time.sleep(0.01)
        append(paths.log(0), b"last words")
        events.append(paths, "Completed", attempt=2, exit_code=0)
        lock.release()

    worker = threading.Thread(target=job)
    worker.start()
    found = list(follow(paths, Output(paths.log(0))))
    worker.join()
    assert end(found).state.status == "Completed"
    assert states(found) == ["NotStarted", "Queued", "Running", "Running", "Completed"]
    assert b"".join(written(found)) == b"\xff line\n" * 10_000 + b"last words"
    assert max(map(len, written(found))) <= CHUNK_BYTES


def test_following_ends_with_words_when_the_agent_is_lost(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED, log=b"so far")
    found = list(follow(paths, Output(paths.log(0))))
    assert b"".join(written(found)) == b"so far"
    assert end(found).state.status == "NotResponding"
    assert end(found).state.reason


def test_following_notices_that_nobody_reads_any_more(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED)
    read_end, write_end = os.pipe()
    with files.FileLock(paths.lock):
        os.close(read_end)
        with pytest.raises(BrokenPipeError):
            list(follow(paths, Output(paths.log(0)), reader_fd=write_end))
    os.close(write_end)


def test_output_that_cannot_be_read_is_told_once_and_the_run_is_followed_on(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=(*QUEUED, "Running", "Completed"), exit_code=0)

    class Broken(Output):
        def read(self) -> Iterator[bytes]:
            yield b"so far"
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)

    found = list(follow(paths, Broken(paths.log(0))))
    assert written(found) == [b"so far"]
    assert len([event for event in found if isinstance(event, Unreadable)]) == 1
    assert end(found).state.status == "Completed"


def test_metrics_come_once_each_when_they_are_asked_for(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED, metrics={"loss": 0.5})
    lock = files.FileLock(paths.lock)
    lock.acquire()
    found: list[Event] = []
    for event in follow(paths, with_metrics=True):
        found.append(event)
        if isinstance(event, Logged) and len(logged(found)) == 1:
            files.append_line(paths.metrics, {"name": "loss", "value": 0.25, "step": 2})
        elif isinstance(event, Logged):
            events.append(paths, "Completed", exit_code=0)
            lock.release()
    assert logged(found) == [("loss", 0.5), ("loss", 0.25)]
    assert not any(isinstance(event, Logged) for event in follow(paths))


def logged(found: list[Event]) -> list[tuple[str, float]]:
    return [(entry["name"], entry["value"]) for event in found if isinstance(event, Logged) for entry in event.entries]


def test_a_run_that_waits_for_a_slot_says_its_place(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainconf.agent.leases import queue

    paths = make_run(workspace, states=("NotStarted",))
    write_json(paths.plan, {"slots": {"dir": "/the/leases"}})
    places = iter([2, 2, 1])
    monkeypatch.setattr(queue, "place", lambda folder, run_id: next(places, 1) if folder == "/the/leases" else None)
    monkeypatch.setattr(queue, "holders", lambda folder: ["slot-0: another"])
    with files.FileLock(paths.lock):
        events.append(paths, "Queued", waiting_for="slot")
        found = []
        for event in follow(paths):
            found.append(event)
            if isinstance(event, Waiting) and event.place == 1:
                break
    assert [(event.resource, event.place, event.holders) for event in found if isinstance(event, Waiting)] == [
        ("slot", 2, ["slot-0: another"]), ("slot", 1, ["slot-0: another"]),
    ]  # fmt: skip


def test_a_follower_that_stops_lets_go_of_the_log(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED, log=b"so far")
    before = os.listdir("/proc/self/fd")
    with files.FileLock(paths.lock):
        found = follow(paths, Output(paths.log(0)))
        assert isinstance(next(found), Written)
        found.close()
    assert set(os.listdir("/proc/self/fd")) <= set(before)


def test_a_run_that_is_removed_while_it_is_followed_is_lost(workspace: WorkspacePaths) -> None:
    paths: RunPaths = make_run(workspace, states=QUEUED)
    found = []
    with files.FileLock(paths.lock):
        for event in follow(paths):
            found.append(event)
            if os.path.exists(paths.events):
                os.unlink(paths.events)
    assert "was removed" in end(found).state.reason
