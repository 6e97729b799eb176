"""What is pushed while files grow, are cut, replaced and deleted; nothing is lost and nothing comes twice."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.history.build import make_run, write_json
from trainconf import files
from trainconf.history import events
from trainconf.paths import WorkspacePaths
from trainconf.sweeps import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.page.conftest import Page
    from trainconf.paths import RunPaths

    Serve = Callable[..., Page]
    Follow = Callable[..., "Stream"]

LIVE = ("NotStarted", "Queued", "Running")


class Stream:
    """An open stream of a page."""

    def __init__(self, page: Page, topics: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
        origin = f"http://127.0.0.1:{page.port}"
        headers = {"Authorization": f"Bearer {page.token}", "Origin": origin, "Content-Type": "application/json"}
        self._connection.request("POST", "/api/stream", json.dumps({"topics": topics}), headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        assert self._answer.getheader("content-type") == "text/event-stream"

    def next(self, name: str) -> Any:
        """The next event of a name; others are passed over, but for what says that something went wrong."""
        while True:
            found = self._answer.readline().decode().strip().removeprefix("event: ")
            data = json.loads(self._answer.readline().decode().removeprefix("data: "))
            self._answer.readline()
            if found == name:
                return data
            assert found != "gone", data

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def follow(serve: Serve) -> Iterator[Follow]:
    opened: list[Stream] = []

    def start(page: Page, **topics: Any) -> Stream:
        opened.append(Stream(page, topics))
        return opened[-1]

    yield start
    for stream in opened:
        stream.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunPaths]:
    """A run that goes on for as long as the test does."""
    paths = make_run(WorkspacePaths(str(tmp_path)), "one", states=LIVE, log=b"begin\n")
    with files.FileLock(paths.lock):
        yield paths


def log_values(paths: RunPaths, values: list[float], first: int = 0, path: str = "") -> None:
    now = time.time()
    files.append_lines(path or paths.metrics, [
        {"time": events.text(now), "name": "loss", "value": value, "step": step} for step, value in enumerate(values, first)
    ])  # fmt: skip


def append(path: str, data: bytes) -> None:
    with open(path, "ab") as stream:
        stream.write(data)


def test_a_log_is_pushed_from_the_byte_that_the_page_has(serve: Serve, follow: Follow, run: RunPaths) -> None:
    page = serve()
    end = page.get("/api/runs/one/log")["end"]
    stream = follow(page, log={"one/0": end})
    append(run.log(0), b"epoch 1 \xc3")
    found = stream.next("log")
    assert (found["id"], found["rank"], found["start"], found["end"], found["text"]) == ("one", "0", 6, 14, "epoch 1 ")
    append(run.log(0), b"\xa5\n")
    assert stream.next("log")["text"] == "å\n"
    os.truncate(run.log(0), 0)
    assert stream.next("reset") == {"topic": "log", "id": "one", "rank": "0"}
    append(run.log(0), b"anew\n")
    assert stream.next("log")["start"] == 0


def test_points_go_on_where_the_curve_ended_and_a_new_stream_repeats_none(serve: Serve, follow: Follow, run: RunPaths) -> None:
    log_values(run, [3.0, 2.0])
    page = serve()
    cursor = page.get("/api/series?runs=one&names=loss")["cursors"]["one"]
    stream = follow(page, points={"one": cursor})
    log_values(run, [1.0], first=2)
    found = stream.next("points")
    assert (found["id"], found["from"]) == ("one", cursor)
    assert [(step, value, attempt) for step, _, value, attempt in found["names"]["loss"]] == [(2, 1.0, 1)]
    stream.close()
    log_values(run, [float("nan")], first=3)
    again = follow(page, points={"one": found["cursor"]}).next("points")
    assert again["from"] == found["cursor"]
    assert [(step, value) for step, _, value, _ in again["names"]["loss"]] == [(3, "NaN")]


def test_points_of_several_machines_go_on_from_one_number(serve: Serve, follow: Follow, run: RunPaths) -> None:
    os.mkdir(run.metrics_folder)
    others = [os.path.join(run.metrics_folder, f"{name}.jsonl") for name in ("a", "b")]
    for number, path in enumerate(others):
        log_values(run, [float(number)], first=number, path=path)
    page = serve()
    cursor = page.get("/api/series?runs=one&names=loss")["cursors"]["one"]
    stream = follow(page, points={"one": cursor})
    log_values(run, [7.0], first=9, path=others[0])
    found = stream.next("points")
    assert [(step, value) for step, _, value, _ in found["names"]["loss"]] == [(9, 7.0)]
    unknown = follow(page, points={"one": found["cursor"] - 1})
    assert unknown.next("reset") == {"topic": "points", "id": "one"}


def test_points_of_a_file_that_was_replaced_are_asked_for_again(serve: Serve, follow: Follow, run: RunPaths) -> None:
    log_values(run, [3.0, 2.0])
    page = serve()
    stream = follow(page, points={"one": os.path.getsize(run.metrics)})
    os.replace(run.log(0), run.metrics)
    assert stream.next("reset") == {"topic": "points", "id": "one"}


def test_a_table_is_pushed_when_a_run_comes_ends_and_goes(serve: Serve, follow: Follow, run: RunPaths) -> None:
    page = serve()
    stream = follow(page, runs={"k": {"limit": 10}})
    assert [row["id"] for row in stream.next("runs")["rows"]] == ["one"]
    other = make_run(run.workspace, "two", at=5)
    while len((found := stream.next("runs"))["rows"]) < 2:
        pass
    assert (found["key"], found["total"]) == ("k", 2)
    events.append(run, "Failed", exit_code=1, reason="it broke")
    while next(row for row in stream.next("runs")["rows"] if row["id"] == "one")["state"] != "Failed":
        pass
    shutil.rmtree(other.run_dir)
    while len(stream.next("runs")["rows"]) != 1:
        pass


def test_a_run_is_pushed_when_it_changes_and_told_of_when_it_is_deleted(serve: Serve, follow: Follow, run: RunPaths) -> None:
    page = serve()
    stream = follow(page, run=["one"])
    assert stream.next("run")["state"] == "Running"
    log_values(run, [3.0])
    while not stream.next("run")["metrics"]:
        pass
    shutil.rmtree(run.run_dir)
    with pytest.raises(AssertionError, match="there is no run"):
        stream.next("never")


def test_a_sweep_is_pushed_with_each_trial_and_again_when_one_has_a_value(serve: Serve, follow: Follow, tmp_path: Path) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    home = make_run(workspace, "s", states=LIVE)
    metric = {"name": "score", "goal": "maximize"}
    write_json(home.sweep, {"sweep_id": "s", "experiment_name": "digits", "created": "2026-11-23T05:32:00.0Z", "metric": metric})
    stream = follow(serve(), sweep=["s"])
    assert stream.next("sweep")["trials"] == []
    trial = workspace.run("digits", "s_0")
    journal.ask(home, [journal.Entry(0, {"lr": 0.5}, ["lr=0.5"], trial)])
    make_run(workspace, "s_0")
    while not (found := stream.next("sweep"))["trials"]:
        pass
    assert [each["number"] for each in found["trials"]] == [0]
    files.append_line(trial.metrics, {"time": events.now(), "name": "score", "value": 0.75, "step": 0})
    while (found := stream.next("sweep"))["trials"][0]["value"] is None:
        pass
    assert (found["trials"][0]["value"], found["best"]["number"]) == (0.75, 0)


def test_what_runs_now_is_pushed_as_runs_begin_and_end(serve: Serve, follow: Follow, run: RunPaths) -> None:
    stream = follow(serve(), now=True)
    while not (found := stream.next("now"))["others"]:
        pass
    assert [row["id"] for row in found["others"]] == ["one"]
    assert (found["running"], found["waiting"]) == (1, 0)
    files.append_line(run.events, {"time": events.now(), "state": "Completed", "attempt": 1, "exit_code": 0, "reason": ""})
    while (found := stream.next("now"))["others"]:
        pass
    assert found["running"] == 0


def test_how_many_runs_go_on_is_pushed_as_they_begin_and_end(serve: Serve, follow: Follow, run: RunPaths, tmp_path: Path) -> None:
    stream = follow(serve(), running=True)
    assert stream.next("running") == {"count": 1}
    second = make_run(WorkspacePaths(str(tmp_path)), "two", states=LIVE)
    with files.FileLock(second.lock):
        assert stream.next("running") == {"count": 2}
    assert stream.next("running") == {"count": 1}  # its agent was lost
    make_run(WorkspacePaths(str(tmp_path)), "three", states=("NotStarted", "Queued"))
    files.append_line(run.events, {"time": events.now(), "state": "Completed", "attempt": 1})
    assert stream.next("running") == {"count": 0}


def test_a_quiet_stream_beats(serve: Serve, follow: Follow) -> None:
    stream = follow(serve())
    assert stream.next("beat")["now"].endswith("Z")
    assert stream.next("beat")["now"].endswith("Z")


def test_a_server_ends_at_once_though_a_stream_is_open(serve: Serve, follow: Follow, run: RunPaths) -> None:
    page = serve()
    follow(page, run=["one"]).next("run")
    code, said = page.end()
    assert (code, "Traceback" in said) == (0, False), said
