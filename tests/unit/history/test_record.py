from __future__ import annotations

import json
import os

import pytest

from trainconf import files
from trainconf.history import events, record
from trainconf.paths import WorkspacePaths

from .build import make_run, write_json

# The promise of DESIGN, "Machine-readable". A change here breaks other people's scripts.
DESCRIBED = [
    "run_id", "experiment_name", "display_name", "status", "created", "started", "ended", "duration_s", "exit_code", "attempt", "params",
    "metrics", "tags", "note", "archived", "properties", "type", "compute", "env", "distributed", "spec_hash", "parent", "git", "run_dir",
]  # fmt: skip
DAMAGE = [None, b"", b"\xff\x00rubbish", b'{"torn": ', b"[1, 2]", b"[" * 100_000, b'{"params": 3, "tags": null, "metric": 1}']
DETAILED = [
    *DESCRIBED, "reason", "spec", "events", "resources", "files", "damage",
    "tables", "images", "charts", "errors", "children", "descriptions",
]  # fmt: skip


def test_the_stable_fields_are_all_there_and_no_others(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, metrics={"loss": 1.0})
    assert list(record.describe(paths)) == DESCRIBED
    assert list(record.details(paths)) == DETAILED


def test_a_finished_run_is_described_from_its_files(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, exit_code=0, metrics={"loss": 1.0}, display_name="mine", parent="sweep-1")
    write_json(paths.git, {"commit": "abc", "dirty": False})
    found = record.details(paths)
    assert found["status"] == "Completed"
    assert (found["created"], found["started"], found["ended"]) == tuple(f"2026-11-23T05:00:0{s}.000000Z" for s in (0, 2, 4))
    assert (found["duration_s"], found["exit_code"], found["attempt"]) == (2.0, 0, 1)
    assert (found["display_name"], found["parent"], found["git"]["commit"]) == ("mine", "sweep-1", "abc")
    assert found["metrics"] == {"loss": 1.0}
    assert found["params"]["optim"] == {"name": "sgd"}
    assert found["resources"]["peak_rss_bytes"] == 50_000_000
    assert found["spec"]["code"]["script"] == "train.py"
    assert len(found["events"]) == 5
    json.dumps(found)


def test_a_running_run_has_no_end_and_its_duration_grows(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=("NotStarted", "Queued", "Running"))
    with files.FileLock(paths.lock):
        first, second = record.describe(paths), record.describe(paths)
    assert first["status"] == "Running"
    assert first["ended"] is None
    assert first["exit_code"] is None
    assert second["duration_s"] > first["duration_s"]


def test_a_lost_run_has_no_duration(workspace: WorkspacePaths) -> None:
    found = record.describe(make_run(workspace, states=("NotStarted", "Queued", "Running")))
    assert found["status"] == "NotResponding"
    assert found["duration_s"] is None


def test_a_run_canceled_in_the_queue_never_started(workspace: WorkspacePaths) -> None:
    found = record.describe(make_run(workspace, states=("NotStarted", "Queued", "CancelRequested", "Canceled"), exit_code=130))
    assert (found["started"], found["duration_s"], found["exit_code"]) == (None, None, 130)


@pytest.mark.parametrize("name", ["run.json", "spec.json", "plan.json", "git.json", "metrics.jsonl", "events.jsonl", "params.json"])
@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_file_costs_only_its_own_fields(workspace: WorkspacePaths, name: str, content: bytes | None) -> None:
    paths = make_run(workspace, metrics={"loss": 1.0})
    path = os.path.join(paths.run_dir, name)
    if os.path.exists(path):
        os.unlink(path)
    if content is not None:
        with open(path, "wb") as stream:
            stream.write(content)
    found = record.details(paths)
    assert list(found) == DETAILED
    assert found["run_id"] == paths.run_id
    assert found["experiment_name"] == "digits"
    assert isinstance(found["params"], dict)
    assert isinstance(found["tags"], dict)
    assert found["status"] == ("NotResponding" if name == "events.jsonl" else "Completed")
    if name != "metrics.jsonl":
        assert found["metrics"] == {"loss": 1.0}


def test_files_are_listed_without_the_code_and_without_following_links(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, log=b"12345")
    for folder, name in ((paths.code, "secret.py"), (paths.outputs, os.fsdecode(b"a\n\xff"))):
        with open(os.path.join(folder, name), "w") as stream:
            stream.write("abc")
    os.symlink(paths.run_dir, os.path.join(paths.outputs, "loop"))
    listed = {file["path"]: file["bytes"] for file in record.list_files(paths)}
    assert listed["logs/std_log.txt"] == 5
    assert listed[os.fsdecode(b"outputs/a\n\xff")] == 3
    assert "outputs/loop" in listed
    assert not any(path.startswith("code") for path in listed)


def test_resources_are_those_of_all_attempts(workspace: WorkspacePaths) -> None:
    used = [{"wall_s": 2.0, "cpu_s": 1.0, "peak_rss_bytes": 50}, {"wall_s": 3.5, "cpu_s": 1.5, "peak_rss_bytes": 20}]
    paths = make_run(workspace, states=("NotStarted", "Running"))
    events.append(paths, "Queued", 2, waiting_for="retry", resources=used[0])
    events.append(paths, "Running", 2)
    events.append(paths, "Completed", 2, exit_code=0, resources=used[1])
    found = record.details(paths)
    assert found["resources"] == {"wall_s": 5.5, "cpu_s": 2.5, "peak_rss_bytes": 50}
    assert found["duration_s"] > found["resources"]["wall_s"]


def test_what_one_attempt_does_not_know_nobody_knows(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=("NotStarted", "Running"))
    events.append(paths, "Queued", 2, waiting_for="retry", resources={"wall_s": 1.0, "cpu_s": None})
    events.append(paths, "Failed", 2, exit_code=1, resources={"wall_s": 1.0, "cpu_s": 2.0})
    assert record.details(paths)["resources"] == {"wall_s": 2.0, "cpu_s": None}
