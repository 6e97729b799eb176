"""What a run's processes have recorded: read in the order of its times, from every machine's file, whatever else lies in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf.control import labels as saying
from trainconf.history import labels, record
from trainconf.history.index.rows import fingerprint
from trainconf.history.logged import records
from trainconf.job_api import Run
from trainconf.paths import RunPaths


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    folder = tmp_path / "runs/exp/exp-1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"run_id": "exp-1", "tags": {"a": "submitted"}}')
    return RunPaths(str(folder))


def run_of(paths: RunPaths, **more: str) -> Run:
    return Run({"TRAINCONF_RUN_DIR": paths.run_dir, "TRAINCONF_RUN_ID": paths.run_id, **more})


def write(path: str, *values: Any) -> None:
    with open(path, "a") as stream:
        stream.write("".join(json.dumps(value) + "\n" for value in values))


def test_the_files_of_all_machines_are_read_in_the_order_of_their_times(paths: RunPaths) -> None:
    os.mkdir(paths.metrics_folder)
    row = {"name": "t", "columns": {"n": 1}}
    write(f"{paths.metrics_folder}/b.records", {"row": {**row, "columns": {"n": 2}}, "time": "2026-01-01T00:00:02.000000Z"})
    write(f"{paths.metrics_folder}/a.records", {"row": {**row, "columns": {"n": 3}}, "time": "2026-01-01T00:00:03.000000Z"})
    write(paths.records, {"row": row, "time": "2026-01-01T00:00:01.000000Z"})
    assert [facts["columns"]["n"] for _, facts in records.read(paths)] == [1, 2, 3]
    assert len(records.files_of(paths)) == 3


def test_each_machine_of_a_shared_disk_has_a_file_of_its_own(paths: RunPaths) -> None:
    os.mkdir(paths.metrics_folder)
    run = run_of(paths, TRAINCONF_METRICS=paths.metrics_folder)
    run.log_row("t", n=1)
    run.tag("x", "y")
    assert [name.rpartition(".")[2] for name in sorted(os.listdir(paths.metrics_folder))] == ["jsonl", "records"]
    assert not os.path.exists(paths.records)
    assert record.details(paths)["tags"] == {"a": "submitted", "x": "y"}


def test_people_and_the_job_say_it_by_turns_and_the_later_word_counts(paths: RunPaths) -> None:
    run = run_of(paths)
    run.tag("a", "job")
    saying.tag([paths], {"a": "people", "b": "people"})
    assert run.tags == saying.read(paths).tags == {"a": "people", "b": "people"}
    run.set_tags({"b": "job"})
    saying.untag([paths], ["a"])
    run.description = "of the job"
    assert run.tags == saying.read(paths).tags == {"b": "job"}
    assert labels.read(paths).note == "of the job"
    saying.note([paths], "of people")
    assert run.description == "of people"


def test_a_list_of_runs_sees_what_a_job_says(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainconf.files.RACY_NS", 0)
    before = fingerprint(paths)
    run_of(paths).tag("x", "y")
    assert fingerprint(paths) != before


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "7", "null", '"text"', '{"row": 1}', '{"row": {"name": "", "columns": {}}}',
     '{"row": {"name": "t", "columns": {"a": {}}}}',
     '{"table": {"name": "t", "columns": {"a": 1}}}', '{"image": {"name": "i"}}', '{"chart": {"name": "c", "value": {"data": {}}}}',
     '{"child": {"id": "../x"}}', '{"child": {"id": ".."}}', '{"error": {"text": 1}}', '{"described": {"name": "m"}}', '{"other": {}}',
     "[" * 100_000, '{"row": {"name": "torn"'],
)  # fmt: skip
def test_what_is_of_another_form_is_passed_over(line: str, paths: RunPaths) -> None:
    good = {"row": {"name": "t", "columns": {"n": 1}}, "time": "now"}
    Path(paths.records).write_text(json.dumps(good) + "\n" + line + "\n" + json.dumps(good) + "\n")
    assert records.read(paths) == [("row", good["row"])] * 2
    assert record.details(paths)["tables"] == {"t": {"rows": 2, "columns": ["n"]}}


@pytest.mark.parametrize(
    "label",
    [{"tags": {"a": 1}}, {"tags": []}, {"tags": {"a": "x" * 100_000}}, {"untag": [1]}, {"note": 7}, {"display_name": {}},
     {"archived": True}, {"properties": {"p": None}}, 7, None],
)  # fmt: skip
def test_a_label_of_another_form_changes_nothing(label: Any, paths: RunPaths) -> None:
    Path(paths.records).write_text(json.dumps({"label": label, "time": "now"}, separators=(",", ":")) + "\n")
    found = record.details(paths)
    assert found["tags"] == {"a": "submitted"}
    assert (found["note"], found["display_name"], found["archived"], found["properties"]) == (None, None, False, {})


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_what_is_no_file_is_not_waited_for(kind: str, paths: RunPaths) -> None:
    if kind == "fifo":
        os.mkfifo(paths.records)
    elif kind == "link":
        os.symlink("/etc/passwd", paths.records)
    else:
        os.mkdir(paths.records)
    assert records.read(paths) == []
    assert record.details(paths)["tags"] == {"a": "submitted"}
    assert run_of(paths).get_tags() == {"a": "submitted"}


def test_a_chart_of_megabytes_is_read(paths: RunPaths) -> None:
    edges = [*range(400_001)]
    chart = {"schema_type": "residuals", "schema_version": "1.0.0", "data": {"bin_edges": edges, "bin_counts": edges[1:]}}
    run = run_of(paths)
    run.log_residuals("c", chart)
    assert [kind for kind, _ in records.read(paths)] == ["chart"]
    chart["data"] = {"bin_edges": [*range(1_000_001)], "bin_counts": [*range(1_000_000)]}
    with pytest.raises(ValueError, match=r"allowed are .* write it to a file in \./outputs"):
        run.log_residuals("d", chart)
