"""The page over a full or a read-only disk, and over runs whose clock is ahead: it goes on, says what is amiss, and does all or nothing."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, wait_for
from tests.unit.history.build import make_run
from trainconf.files import FileLock
from trainconf.paths import WorkspacePaths

from .conftest import Page

Serve = Callable[..., Page]
READ = ("runs", "runs?sort=metrics.loss&columns=metrics.loss:min", "now", "sweeps", "ui", "about")
ENDLESS = """
import time
from trainconf import Run
for step in range(100000):
    Run.get_context().log("loss", 1 / (step + 1), step=step)
    print(step, flush=True)
    time.sleep(0.05)
"""


class Disk:
    """A small disk with a workspace on it."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.shell = Shell(root, home)
        self.filler = root / "filler"

    def fill(self) -> None:
        """Leave not one byte."""
        with open(self.filler, "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"x" * 4096)
            except OSError:
                pass
        assert os.statvfs(self.root).f_bavail == 0

    def free(self) -> None:
        self.filler.unlink()

    def seen(self) -> dict[str, int]:
        """The files of the workspace with their sizes, but for locks and what a page keeps for itself."""
        found = {path.relative_to(self.root).as_posix(): path.stat().st_size for path in self.root.rglob("*") if path.is_file()}
        return {name: size for name, size in found.items() if not name.startswith((".trainconf/", "filler"))}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder, home = tmp_path / "disk", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr}")
    yield Disk(folder, home)
    subprocess.run(["umount", "-l", folder], check=True)


def ask(page: Page, path: str, value: Any) -> tuple[int, Any]:
    """The status and the JSON that a POST is answered with."""
    origin = f"http://127.0.0.1:{page.port}"
    status, _, data = page.ask("POST", path, json.dumps(value).encode(), content_type="application/json", origin=origin)
    return status, json.loads(data)


def do(page: Page, verb: str, **body: Any) -> tuple[int, Any]:
    return ask(page, f"/api/actions/{verb}", {**body, "do": True})


def hint_of(answer: tuple[int, Any]) -> str:
    status, said = answer
    assert status == 507, said
    return str(said["error"]["what"] + " " + said["error"]["hint"])


def test_on_a_full_disk_the_page_is_read_as_before_and_a_deed_says_why_it_is_not_done_and_changes_nothing(disk: Disk, serve: Serve) -> None:
    workspace = WorkspacePaths(str(disk.root))
    runs = [make_run(workspace, f"run-{number}", at=number, metrics={"loss": number}) for number in range(3)]
    page = serve(root=disk.root)
    assert do(page, "tag", runs=["run-0"], tags={"first": "yes"})[0] == 200  # whose file has room for another line
    page.get("/api/runs")
    disk.fill()
    before = disk.seen()
    every = [run.run_id for run in runs]
    deeds: list[tuple[str, dict[str, Any]]] = [
        ("tag", {"runs": every, "tags": {"paper": "yes"}}), ("note", {"runs": ["run-0"], "text": "x" * 30_000}),
        ("note", {"runs": ["run-1"], "text": "hello"}), ("archive", {"runs": every}), ("rename", {"runs": ["run-2"], "name": "mine"}),
    ]  # fmt: skip
    for verb, body in deeds:
        said = hint_of(do(page, verb, **body))
        assert "cannot be labelled: No space left on device the disk is full: free some space" in said
        assert disk.seen() == before, verb
    assert "cannot be kept: No space left" in hint_of(ask(page, "/api/ui", {"values": {"columns": ["params.lr"]}}))
    for path in (*READ, *(f"runs/{run}" for run in every), "series?runs=run-1&names=loss", "compare?runs=run-0,run-1"):
        page.get(f"/api/{path}")
    rows = {row["id"]: row for row in page.get("/api/runs")["rows"]}
    assert [rows[run]["tags"] for run in every] == [{"who": "me", "first": "yes"}, {"who": "me"}, {"who": "me"}]
    assert [(rows[run]["note"], rows[run]["archived"], rows[run]["damage"]) for run in every] == [(None, False, None)] * 3
    disk.free()
    assert do(page, "tag", runs=every, tags={"paper": "yes"})[0] == 200
    assert [row["tags"]["paper"] for row in page.get("/api/runs")["rows"]] == ["yes"] * 3
    code, told = page.end()
    assert (code, "Traceback" in told) == (0, False), told


def test_a_page_that_starts_on_a_full_disk_shows_all_there_is(disk: Disk, serve: Serve) -> None:
    workspace = WorkspacePaths(str(disk.root))
    for number in range(3):
        make_run(workspace, f"run-{number}", at=number, metrics={"loss": number})
    (disk.root / ".trainconf").mkdir()
    disk.fill()
    page = serve(root=disk.root)
    for path in READ:
        page.get(f"/api/{path}")
    assert page.get("/api/runs")["total"] == 3
    code, told = page.end()
    assert (code, "Traceback" in told) == (0, False), told


def test_a_run_that_fills_the_disk_is_ended_from_the_page_and_none_is_begun(disk: Disk, serve: Serve) -> None:
    shell = disk.shell
    shell.write("train.py", ENDLESS)
    run = shell(*shell.script("submit.detach=true", "grace_seconds=2")).out.split()[-1]
    log = next(disk.root.glob("runs/*/*")) / "metrics.jsonl"
    wait_for(lambda: log.exists() and log.stat().st_size)
    page = serve(root=disk.root, env=shell.env)
    page.get("/api/runs")
    disk.fill()
    folders = sorted(disk.root.glob("runs/*/*"))
    status, begun = do(page, "rerun", runs=[run])
    while "pending" in begun:
        begun = page.get(f"/api/actions/pending/{begun['pending']}")
    (result,) = begun["results"]
    assert (status, result["ok"], "No space left on device" in result["words"]) == (200, False, True), begun
    assert sorted(disk.root.glob("runs/*/*")) == folders, "nothing is left of what could not be made"
    status, canceled = do(page, "cancel", runs=[run])
    assert (status, canceled["results"][0]["ok"]) == (200, True), canceled
    pids = [int(rank["pid"]) for event in page.get(f"/api/runs/{run}/events")["events"] for rank in event.get("ranks") or ()]
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    disk.free()
    wait_for(lambda: page.get(f"/api/runs/{run}")["state"] == "Canceled")
    assert page.get(f"/api/runs/{run}")["state_words"] == "cancellation was requested"
    code, told = page.end()
    assert (code, "Traceback" in told) == (0, False), told


def test_over_a_read_only_disk_the_page_is_read_and_a_deed_says_why_it_is_not_done(disk: Disk, serve: Serve) -> None:
    workspace = WorkspacePaths(str(disk.root))
    for number in range(3):
        make_run(workspace, f"run-{number}", at=number, metrics={"loss": number})
    make_run(workspace, "waits", at=9, states=("NotStarted", "Queued"))
    (disk.root / ".trainconf").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", disk.root], check=True)
    page = serve(root=disk.root)
    for path in (*READ, "runs/run-1", "series?runs=run-1&names=loss", "compare?runs=run-0,run-1"):
        page.get(f"/api/{path}")
    assert page.get("/api/runs")["total"] == 4
    for verb, body in (("tag", {"tags": {"a": "b"}}), ("note", {"text": "x"}), ("archive", {})):
        assert "Read-only file system" in hint_of(do(page, verb, runs=["run-0"], **body))
    (result,) = do(page, "cancel", runs=["waits"])[1]["results"]
    assert (result["ok"], "Read-only file system" in result["words"], "Traceback" in result["words"]) == (False, True, False)
    assert "Read-only file system" in hint_of(ask(page, "/api/ui", {"values": {"columns": []}}))
    code, told = page.end()
    assert (code, "Traceback" in told) == (0, False), told


AHEAD = "2136-"


def test_of_runs_whose_clock_is_ahead_every_time_is_told_as_it_was_written_and_nothing_has_lasted_less_than_no_time(
    tmp_path: Path, serve: Serve
) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    make_run(workspace, "now", metrics={"loss": 1})
    done = make_run(workspace, "done", at=1, metrics={"loss": 2})
    going = make_run(workspace, "going", at=2, states=("NotStarted", "Queued", "Running"), metrics={"loss": 3})
    for file in (file for run in (done, going) for file in Path(run.run_dir).rglob("*.json*")):
        file.write_text(file.read_text().replace("2026-", AHEAD))
    with FileLock(going.lock):
        page = serve()
        rows = page.get("/api/runs")["rows"]
        assert [(row["id"], row["state"]) for row in rows] == [("going", "Running"), ("done", "Completed"), ("now", "Completed")]
        assert [row["duration_s"] for row in rows] == [0.0, 2.0, 2.0]
        assert [row["created"].startswith(AHEAD) for row in rows] == [True, True, False]
        assert [row["damage"] for row in rows] == [None] * 3
        for path in (*READ, "runs/going", "runs/done", "runs/going/events", "compare?runs=done,going"):
            page.get(f"/api/{path}")
        series = page.get("/api/series?runs=going&names=loss&x=relative")["series"]
        assert [each["last"] for each in series] == [[3]]
        assert do(page, "tag", runs=["going"], tags={"a": "b"})[0] == 200
        assert page.get("/api/runs?filter=tag:a")["matching"] == 1
    code, told = page.end()
    assert (code, "Traceback" in told) == (0, False), told
