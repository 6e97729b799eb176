from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import wait_for
from trainconf import files
from trainconf.history import events
from trainconf.notebook import live
from trainconf.notebook.live import Watched, Watcher
from trainconf.notebook.subject import Seen, Subject
from trainconf.paths import RunPaths

from .conftest import log


@pytest.fixture
def lock(going_on: RunPaths) -> files.FileLock:
    """Held: the run's agent lives."""
    found = files.FileLock(going_on.lock)
    assert found.acquire(blocking=False)
    return found


@pytest.fixture
def watched(going_on: RunPaths, lock: files.FileLock, published: list[Seen], monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(live, "LOOK_S", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    subject = Subject([going_on])
    return Watched(subject, published.append, subject.now(), "cell 1")


@pytest.fixture
def published() -> list[Seen]:
    return []


def test_only_what_has_changed_is_published(watched: Watched, going_on: RunPaths, published: list[Seen]) -> None:
    watched.look()
    assert published == []
    log(going_on, "loss", 0.1, begin=3)
    watched.look()
    watched.look()
    assert [len(seen.view.charts[0].lines[0].values) for seen in published] == [4]


def test_a_metric_that_is_not_a_number_is_no_change(watched: Watched, going_on: RunPaths, published: list[Seen]) -> None:
    log(going_on, "loss", float("nan"), begin=3)
    watched.look()
    watched.look()
    assert len(published) == 1


def test_a_run_that_is_silent_for_long_is_shown_with_the_time(
    watched: Watched, published: list[Seen], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(live, "CONFIRM_S", 0.0)
    watched.look()
    assert len(published) == 1


def test_the_end_of_the_run_is_published_and_is_the_end(
    watched: Watched, going_on: RunPaths, lock: files.FileLock, published: list[Seen]
) -> None:  # fmt: skip
    events.append(going_on, "Completed", exit_code=0)
    lock.release()
    watched.look()
    assert [seen.view.status for seen in published] == ["Completed"]
    assert watched.is_over


def test_an_agent_that_is_gone_is_seen_although_no_file_has_changed(watched: Watched, lock: files.FileLock, published: list[Seen]) -> None:
    lock.release()
    watched.look()
    assert [seen.view.status for seen in published] == ["NotResponding"]


def test_what_is_expensive_to_look_at_is_looked_at_less_often(
    watched: Watched, going_on: RunPaths, published: list[Seen], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(live, "SHARE", 1e-9)
    watched.look()
    log(going_on, "loss", 0.1, begin=3)
    watched.look()
    assert published == []


def test_the_end_of_a_cell_shows_at_once_what_is_quick_to_look_at(
    watched: Watched, going_on: RunPaths, published: list[Seen], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    has_looked = threading.Event()
    watcher = Watcher(lambda _: has_looked.set() or threading.Event().wait(600))
    watcher.add(watched)
    assert has_looked.wait(300), "its own thread's look, after which that waits"
    log(going_on, "loss", 0.1, begin=3)
    watcher.look_at_once()
    wait_for(lambda: published)
    monkeypatch.setattr(live, "QUICK_S", -1.0)
    log(going_on, "loss", 0.1, begin=4)
    watcher.look_at_once()
    assert len(published) == 1
    watcher.remove(watched)


def test_the_thread_ends_with_the_last_run(watched: Watched, going_on: RunPaths, lock: files.FileLock, published: list[Seen]) -> None:
    watcher = Watcher(lambda _: threading.Event().wait(0.001))
    watcher.add(watched)
    events.append(going_on, "Completed", exit_code=0)
    lock.release()
    wait_for(lambda: watcher.count == 0 and watcher._thread is None)
    assert published[-1].view.status == "Completed"


def test_a_display_is_left_when_its_cell_runs_again_and_no_other_one_is(watched: Watched) -> None:
    watcher = Watcher(lambda _: threading.Event().wait(0.001))
    watcher.add(watched)
    watcher.leave_cell("cell 2")
    assert watcher.count == 1
    watcher.leave_cell("cell 1")
    assert watcher.count == 0


def test_a_mistake_of_ours_ends_one_display_and_not_the_thread(
    watched: Watched, going_on: RunPaths, lock: files.FileLock, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    def fail(seen: Seen) -> None:
        raise RuntimeError("no")

    subject = Subject([going_on])
    broken = Watched(subject, fail, subject.now())
    watcher = Watcher(lambda _: threading.Event().wait(0.001))
    watcher.add(watched)
    watcher.add(broken)
    log(going_on, "loss", 0.1, begin=3)
    wait_for(lambda: watcher.count == 1)
    assert "RuntimeError: no" in capfd.readouterr().err
    watcher.remove(watched)


def test_the_shell_tells_which_cell_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    monkeypatch.setattr(live.watcher, "leave_cell", left.append)
    registered: list[Any] = []
    shell = SimpleNamespace(events=SimpleNamespace(register=lambda name, call: registered.append((name, call))))
    live.hook(shell)
    live.hook(shell)
    (name, begins), (other, _) = registered
    assert (name, other) == ("pre_run_cell", "post_run_cell")
    begins(SimpleNamespace(cell_id="a"))
    begins(SimpleNamespace(cell_id=None))
    begins(object())
    assert left == ["a"]


def test_a_notebook_that_does_not_say_its_cell_has_none() -> None:
    parents: list[Any] = [None, {}, {"metadata": {}}, {"metadata": {"cellId": 3}}]
    for parent in parents:
        assert live.cell_of(SimpleNamespace(get_parent=lambda parent=parent: parent)) is None
    assert live.cell_of(object()) is None
    assert live.cell_of(SimpleNamespace(get_parent=lambda: {"metadata": {"cellId": "a"}})) == "a"
