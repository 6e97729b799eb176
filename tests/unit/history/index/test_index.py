from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from threading import Event, Thread

import pytest

from trainconf import files
from trainconf.history import events
from trainconf.history.index.index import Index
from trainconf.history.index.query import Asked
from trainconf.paths import RunPaths, WorkspacePaths

from ..build import make_run, write_json

SECOND = 1_000_000


def listed(workspace: WorkspacePaths, **asked: object) -> list[str]:
    with Index(workspace) as index:
        return [row.paths.run_id for row in index.latest(**asked)]  # type: ignore[arg-type]


def settle(workspace: WorkspacePaths) -> None:
    """Make the folders' times old enough to be trusted, and list them once."""
    for name in [*os.listdir(workspace.runs), "."]:
        os.utime(os.path.join(workspace.runs, name), (time.time() - 100, time.time() - 100))
    listed(workspace)


def reads(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The experiments that the next questions list from disk."""
    seen: list[str] = []
    scandir = os.scandir

    def counting(path: str | bytes) -> object:
        folder = os.fsdecode(path)
        if os.path.dirname(folder) in (workspace.root, workspace.runs):  # not what lies in a run
            seen.append(os.path.basename(folder))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    return seen


def test_the_newest_come_first_and_no_more_than_asked(workspace: WorkspacePaths) -> None:
    for number in range(5):
        make_run(workspace, f"run-{number}", at=number * SECOND)
    assert listed(workspace, limit=3) == ["run-4", "run-3", "run-2"]
    assert len(listed(workspace)) == 5


def test_runs_are_narrowed_by_experiment_and_status(workspace: WorkspacePaths) -> None:
    make_run(workspace, "a1", "a", at=1)
    make_run(workspace, "a2", "a", at=2, states=("NotStarted", "Failed"), exit_code=3)
    make_run(workspace, "b1", "b", at=3, states=("NotStarted", "Failed"), exit_code=3)
    assert listed(workspace, experiment="a") == ["a2", "a1"]
    assert listed(workspace, status="Failed") == ["b1", "a2"]
    assert listed(workspace, status="Failed", experiment="a") == ["a2"]
    assert listed(workspace, experiment="c") == []


def test_no_runs_leave_no_index_behind(workspace: WorkspacePaths) -> None:
    assert listed(workspace) == []
    assert os.listdir(workspace.root) == []


def test_a_living_run_is_shown_as_it_is_now(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=("NotStarted", "Queued"), metrics={"loss": 2.0})
    with files.FileLock(paths.lock), Index(workspace) as index:
        assert index.latest()[0].fields["status"] == "Queued"
        events.append(paths, "Running")
        files.append_line(paths.metrics, {"time": "t", "name": "loss", "value": 1.0, "step": 1})
        row = index.latest()[0]
        assert row.fields["status"] == "Running"
        assert row.fields["metrics"] == {"loss": 1.0}
        assert row.metric == "val_accuracy"
        assert [row.paths.run_id for row in index.latest(status="Running")] == [paths.run_id]
    assert listed(workspace, status="Running") == []
    assert listed(workspace, status="NotResponding") == [paths.run_id]
    events.append(paths, "Completed", exit_code=0)
    assert listed(workspace, status="Completed") == [paths.run_id]


def test_a_removed_run_is_dropped_and_the_next_one_moves_up(workspace: WorkspacePaths) -> None:
    runs = [make_run(workspace, f"run-{number}", at=number * SECOND) for number in range(4)]
    settle(workspace)
    shutil.rmtree(runs[3].run_dir)
    os.utime(os.path.dirname(runs[3].run_dir), (time.time() - 100, time.time() - 100))
    assert listed(workspace, limit=2) == ["run-2", "run-1"]
    shutil.rmtree(os.path.join(workspace.runs, "digits"))
    assert listed(workspace) == []


def test_a_run_that_was_copied_in_is_found(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "run-1")
    settle(workspace)
    shutil.copytree(paths.run_dir, workspace.run("digits", "run-2").run_dir)
    shutil.copytree(paths.run_dir, workspace.run("new", "run-3").run_dir)
    assert sorted(listed(workspace)) == ["run-1", "run-2", "run-3"]


def test_files_that_arrive_later_are_seen_also_of_a_run_that_has_ended(workspace: WorkspacePaths) -> None:
    whole = make_run(workspace, "run-1", metrics={"loss": 1.0}, params={"lr": 0.5})
    write_json(whole.git, {"commit": "c0ffee"})
    part = workspace.run("digits", "run-2")
    os.makedirs(part.run_dir)
    for name, what in (("events.jsonl", "status"), ("git.json", "git"), ("metrics.jsonl", "metrics"), ("run.json", "params")):
        shutil.copy(os.path.join(whole.run_dir, name), part.run_dir)
        for path in (part.events, part.git, part.metrics, part.record, part.run_dir):
            if os.path.exists(path):
                os.utime(path, (time.time() - 100, time.time() - 100))  # as rsync -a leaves it
        with Index(workspace) as index:
            (found,) = (row.fields for row in index.latest() if row.paths.run_id == "run-2")
        assert found[what], f"after {name}"
    assert found["params"] == {"lr": 0.5}
    assert found["metrics"] == {"loss": 1.0}


def test_a_run_that_was_replaced_under_its_name_is_read_anew(workspace: WorkspacePaths) -> None:
    old = make_run(workspace, "run-1", metrics={"loss": 1.0})
    make_run(workspace, "run-2", at=SECOND)
    for paths in (old, workspace.run("digits", "run-2")):
        for name in (*os.listdir(paths.run_dir), "."):
            os.utime(os.path.join(paths.run_dir, name), (time.time() - 100, time.time() - 100))
    settle(workspace)
    shutil.rmtree(old.run_dir)
    make_run(workspace, "run-1", states=("NotStarted", "Failed"), metrics={"loss": 2.0}, at=2 * SECOND)
    os.utime(os.path.dirname(old.run_dir), (time.time() - 100, time.time() - 100))
    with Index(workspace) as index:
        rows = index.latest()
        assert [(row.paths.run_id, row.fields["status"], row.fields["metrics"]) for row in rows] == [
            ("run-1", "Failed", {"loss": 2.0}), ("run-2", "Completed", {}),
        ]  # fmt: skip
        assert [row.paths.run_id for row in index.latest(1)] == ["run-1"]
        assert [row.paths.run_id for row in index.latest(status="Completed")] == ["run-2"]


def test_a_half_made_folder_is_passed_over_until_it_is_a_run(workspace: WorkspacePaths) -> None:
    make_run(workspace, "run-1")
    half = make_run(workspace, "run-2", states=())
    settle(workspace)
    assert listed(workspace) == ["run-1"]
    events.append(half, "Completed", exit_code=0)  # changes no folder that is watched
    assert sorted(listed(workspace)) == ["run-1", "run-2"]


def test_a_sweep_s_folder_is_not_a_run(workspace: WorkspacePaths) -> None:
    make_run(workspace, "trial-1", parent="sweep-1")
    sweep = make_run(workspace, "sweep-1", states=("NotStarted", "Running"))
    os.unlink(sweep.spec)
    write_json(sweep.sweep, {})
    assert listed(workspace) == ["trial-1"]


def test_an_added_run_is_listed_without_looking_through_the_folder(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(workspace, "run-1")
    settle(workspace)
    Index(workspace).add(make_run(workspace, "run-2", at=SECOND))
    seen = reads(workspace, monkeypatch)
    assert listed(workspace) == ["run-2", "run-1"]
    assert seen == []


def test_the_first_run_of_a_workspace_or_experiment_is_added_likewise(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Index(workspace).add(make_run(workspace, "a1", "a"))
    Index(workspace).add(make_run(workspace, "b1", "b", at=SECOND), make_run(workspace, "b2", "b", at=2 * SECOND))
    seen = reads(workspace, monkeypatch)
    assert listed(workspace) == ["b2", "b1", "a1"]
    assert seen == []


def test_a_stranger_s_run_beside_an_added_one_is_found(workspace: WorkspacePaths) -> None:
    make_run(workspace, "run-1")
    settle(workspace)
    make_run(workspace, "stranger", at=SECOND)
    Index(workspace).add(make_run(workspace, "run-2", at=2 * SECOND))
    Index(workspace).add(make_run(workspace, "run-3", at=3 * SECOND))
    assert listed(workspace) == ["run-3", "run-2", "stranger", "run-1"]
    make_run(workspace, "other", "elsewhere", at=4 * SECOND)
    Index(workspace).add(make_run(workspace, "run-4", at=5 * SECOND))
    assert listed(workspace, limit=2) == ["run-4", "other"]


def test_adding_an_existing_run_again_renews_its_row(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    Index(workspace).add(paths)
    write_json(paths.record, {"tags": {"best": "yes"}})
    Index(workspace).add(paths)
    with Index(workspace) as index:
        assert index.latest()[0].fields["tags"] == {"best": "yes"}


def test_the_index_moves_with_its_workspace(workspace: WorkspacePaths) -> None:
    make_run(workspace)
    listed(workspace)
    moved = WorkspacePaths(workspace.root + " moved")
    os.rename(workspace.root, moved.root)
    with Index(moved) as index:
        assert index.latest()[0].fields["run_dir"].startswith(moved.root)


DAMAGES = {
    "empty": b"", "text": b"this is no database", "binary": bytes(range(256)) * 64, "header": b"SQLite format 3\x00" + b"\xff" * 5000,
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_rebuilt(workspace: WorkspacePaths, damage: str) -> None:
    make_run(workspace)
    listed(workspace)
    with open(workspace.index, "wb") as stream:
        stream.write(DAMAGES[damage])
    assert len(listed(workspace)) == 1
    with closing(sqlite3.connect(workspace.index)) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_an_index_with_damaged_pages_is_rebuilt(workspace: WorkspacePaths) -> None:
    for number in range(50):
        make_run(workspace, f"run-{number:02d}", at=number * SECOND)
    settle(workspace)
    with open(workspace.index, "r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        for page in range(4096, size, 4096):
            stream.seek(page)
            stream.write(b"\x07\xff" * 500)
    assert len(listed(workspace)) == 50


def test_rows_that_hold_rubbish_are_rebuilt(workspace: WorkspacePaths) -> None:
    make_run(workspace)
    make_run(workspace, "living", states=("NotStarted", "Running"))
    for table, column, value in (("texts", "row", "{"), ("texts", "row", "[]"), ("runs", "seen", "{")):
        settle(workspace)
        database = sqlite3.connect(workspace.index)
        database.execute(f"UPDATE {table} SET {column} = ?", (value,))
        database.commit()
        database.close()
        assert len(listed(workspace)) == 2


def test_a_foreign_or_older_database_is_replaced(workspace: WorkspacePaths) -> None:
    make_run(workspace)
    os.makedirs(workspace.state)
    database = sqlite3.connect(workspace.index)
    database.execute("CREATE TABLE runs (x)")
    database.execute("PRAGMA user_version = 77")
    database.commit()
    database.close()
    assert len(listed(workspace)) == 1


def test_a_locked_index_is_passed_by(workspace: WorkspacePaths) -> None:
    make_run(workspace, "run-1")
    settle(workspace)
    database = sqlite3.connect(workspace.index)
    database.execute("BEGIN EXCLUSIVE")
    paths = make_run(workspace, "run-2", at=SECOND)
    Index(workspace).add(paths)
    assert listed(workspace) == ["run-2", "run-1"]
    database.execute("ROLLBACK")
    database.close()
    assert listed(workspace) == ["run-2", "run-1"]


def test_an_index_that_cannot_be_a_file_is_passed_by(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    os.makedirs(workspace.index)
    Index(workspace).add(paths)
    assert len(listed(workspace)) == 1
    shutil.rmtree(workspace.state)
    with open(workspace.state, "w"):
        pass
    Index(workspace).add(paths)
    assert len(listed(workspace)) == 1


def test_a_read_only_workspace_can_be_listed(workspace: WorkspacePaths) -> None:
    make_run(workspace)
    for folder, _, names in os.walk(workspace.root):
        os.chmod(folder, 0o555)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o444)
    code = (
        "import os\nfrom trainconf.history.index.index import Index\nfrom trainconf.paths import WorkspacePaths\n"
        "import datetime, encodings.ascii, json, re\n"  # what is imported later may lie where only root can read
        "if os.getuid() == 0: os.setuid(65534)\n"
        "print(len(Index(WorkspacePaths('.')).latest()), os.path.exists('.trainconf'))"
    )
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], cwd=workspace.root, capture_output=True, text=True, env=env)
    assert (done.stdout, done.stderr) == ("1 False\n", "")


def test_after_a_restart_every_folder_is_listed_again(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(workspace)
    settle(workspace)
    monkeypatch.setattr("trainconf.history.liveness.boot_id", lambda: "after the restart")
    seen = reads(workspace, monkeypatch)
    assert len(listed(workspace)) == 1
    assert "digits" in seen


def test_rebuilding_reads_everything_again(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    settle(workspace)
    write_json(paths.record, {"tags": {"edited": "yes"}})
    with Index(workspace) as index:
        assert index.rebuild() == 1
        assert index.latest()[0].fields["tags"] == {"edited": "yes"}


class Interrupted(Index):
    """An index whose command is ended after so many of its transactions."""

    writes_left = 0

    def _write(self, *statements: object) -> None:
        super()._write(*statements)  # type: ignore[arg-type]
        self.writes_left -= 1
        if not self.writes_left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("is_known", [False, True], ids=["first look", "later look"])
def test_a_look_that_is_interrupted_at_any_moment_hides_no_run(workspace: WorkspacePaths, is_known: bool) -> None:
    writes, was_interrupted = 0, True
    while was_interrupted:
        shutil.rmtree(workspace.runs, ignore_errors=True)
        shutil.rmtree(workspace.state, ignore_errors=True)
        make_run(workspace, "a1", "a")
        if is_known:
            settle(workspace)
        for number in range(2, 5):
            make_run(workspace, f"a{number}", "a")
            make_run(workspace, f"b{number}", "b")
        for name in ("a", "b", "."):
            os.utime(os.path.join(workspace.runs, name), (time.time() - 50, time.time() - 50))
        writes += 1
        was_interrupted = False
        with Interrupted(workspace) as index:
            assert isinstance(index, Interrupted)
            index.writes_left = writes
            try:
                index.latest()
            except KeyboardInterrupt:
                was_interrupted = True
        assert sorted(listed(workspace)) == ["a1", "a2", "a3", "a4", "b2", "b3", "b4"], f"interrupted after {writes} transactions"
    assert writes > 4


def test_strange_folder_names_are_listed(workspace: WorkspacePaths) -> None:
    names = [os.fsdecode(name) for name in (b"\xff\xfe", b"a\nb", b"'; DROP TABLE runs", b"%s$(x)")]
    for name in names:
        make_run(workspace, name, name)
    assert sorted(listed(workspace)) == sorted(names)
    assert listed(workspace, experiment=names[0]) == [names[0]]


@pytest.mark.parametrize("created", [None, 5, "\udcff", "yesterday", ["x"], {}])
def test_a_run_without_a_sensible_time_is_listed_last(workspace: WorkspacePaths, created: object) -> None:
    make_run(workspace, "good", at=SECOND)
    odd = make_run(workspace, "odd", states=(), created=created)
    files.append_line(odd.events, {"time": "\udcff", "state": "Running"})
    files.append_line(odd.events, {"time": created, "state": "Completed"})
    assert listed(workspace) == ["good", "odd"]


def test_many_processes_may_add_and_list_at_once(workspace: WorkspacePaths) -> None:
    make_run(workspace, "first")
    code = (
        "import os, sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from build import make_run\nfrom trainconf.history.index.index import Index\nfrom trainconf.paths import WorkspacePaths\n"
        "w = WorkspacePaths(os.getcwd())\n"
        "for i in range(10):\n    Index(w).add(make_run(w, f'run-{os.getpid()}-{i}'))\n    Index(w).latest(5)\n"
    )
    argv = [sys.executable, "-c", code, os.getcwd(), os.path.dirname(os.path.dirname(__file__))]
    workers = [subprocess.Popen(argv, cwd=workspace.root, stderr=subprocess.PIPE) for _ in range(4)]
    assert [worker.communicate()[1] for worker in workers] == [b""] * 4
    assert len(listed(workspace)) == 41


def test_runs_are_found_by_the_beginning_of_their_id(workspace: WorkspacePaths) -> None:
    for name in ("digits-1", "digits-2", "iris-1"):
        make_run(workspace, name)
    with Index(workspace) as index:
        assert [paths.run_id for paths in index.starting_with("dig", 9)] == ["digits-1", "digits-2"]
        assert [paths.run_id for paths in index.starting_with("digits-", 1)] == ["digits-1"]
        assert index.starting_with("digits%", 9) == []


def test_listing_ten_thousand_runs_reads_only_the_shown_ones(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    for number in range(10_000):
        paths = workspace.run("many", f"run-{number:06d}")
        os.makedirs(paths.run_dir)
        files.append_line(paths.events, {"time": f"2026-11-23T05:00:00.{number:06d}Z", "state": "Running"})
        files.append_line(paths.events, {"time": "2026-11-23T06:00:00.000000Z", "state": "Completed", "exit_code": 0})
    settle(workspace)
    touched: list[str] = []
    stat = os.stat

    def counting(path: str, **options: object) -> os.stat_result:
        touched.append(path)
        return stat(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", counting)
    assert listed(workspace, limit=50)[0] == "run-009999"
    assert len(touched) < 200


def test_a_run_is_a_path_of_its_own(workspace: WorkspacePaths) -> None:
    make_run(workspace)
    with Index(workspace) as index:
        paths = index.latest()[0].paths
    assert isinstance(paths, RunPaths)
    assert events.exists(paths)


def test_a_completed_run_is_found_by_its_spec_also_beside_metrics_that_json_does_not_have(workspace: WorkspacePaths) -> None:
    make_run(workspace, "diverged", metrics={"loss": float("nan"), "best": float("inf")}, spec_hash="cd" * 32)
    wanted = make_run(workspace, "wanted", states=("NotStarted", "Queued", "Running", "Completed"), spec_hash="ef" * 32)
    with Index(workspace) as index:
        found = index.completed("ef" * 32)
        assert index.completed("00" * 32) is None
    assert found is not None
    assert found.run_id == wanted.run_id


def test_a_run_that_is_read_again_keeps_its_number_while_others_come_and_go(workspace: WorkspacePaths) -> None:
    runs = [make_run(workspace, f"run-{number}", at=number) for number in range(3)]

    def numbers() -> dict[bytes, int]:
        listed(workspace)  # all are young, and read again at each look
        with closing(sqlite3.connect(workspace.index)) as db:
            return dict(db.execute("SELECT run_id, id FROM runs"))

    before = numbers()
    assert numbers() == before
    shutil.rmtree(runs[1].run_dir)
    make_run(workspace, "run-3", at=3)
    after = numbers()
    assert {name: after[name] for name in (b"run-0", b"run-2")} == {name: before[name] for name in (b"run-0", b"run-2")}
    assert len(set(after.values())) == 3


def test_no_run_is_missing_from_a_list_while_another_process_reads_it_again(workspace: WorkspacePaths) -> None:
    for number in range(4):
        make_run(workspace, f"run-{number}", at=number, metrics={"loss": number})
    is_over = Event()

    def look() -> None:
        while not is_over.is_set():
            listed(workspace)

    other = Thread(target=look)
    other.start()
    try:
        for _ in range(30):
            with Index(workspace) as index:
                rows = list(index.each(Asked(sort="-metrics.loss", columns=("max(metrics.loss)",))))
            assert [[*row.values.values()] for row in rows] == [[3], [2], [1], [0]]
    finally:
        is_over.set()
        other.join()
