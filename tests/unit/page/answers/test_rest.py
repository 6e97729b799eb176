"""What is personal survives damage; what is exported is what the verbs print; what runs now is what `watch` has."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.agent.leases import shared_folder
from trainconf.errors import StorageError, UserError
from trainconf.page.answers import export, now, ui
from trainconf.page.request import File
from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run, time_text
from .conftest import Ask

A, B = "digits-20261123-0532-aaaa", "digits-20261123-0532-bbbb"


def test_what_is_personal_is_kept_key_by_key(ask: Ask, workspace: WorkspacePaths) -> None:
    assert ask(ui.read) == {"values": {}, "damage": ""}
    ask(ui.change, body={"values": {"columns": ["params.lr"], "colours": {A: 3}}})
    ask(ui.change, body={"values": {"colours": None, "theme": "dark"}})
    assert ask(ui.read)["values"] == {"columns": ["params.lr"], "theme": "dark"}
    assert os.stat(ui.path_of(workspace)).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 5000, b'{"a": "' + b"x" * ui.MOST_BYTES + b'"}'])
def test_a_damaged_file_is_named_and_put_aside_by_the_next_change(ask: Ask, workspace: WorkspacePaths, content: bytes) -> None:
    path = Path(ui.path_of(workspace))
    path.write_bytes(content)
    assert str(path) in ask(ui.read)["damage"]
    assert path.read_bytes() == content
    ask(ui.change, body={"values": {"a": 1}})
    assert ask(ui.read) == {"values": {"a": 1}, "damage": ""}
    (aside,) = [name for name in os.listdir(workspace.state) if ".damaged-" in name]
    assert Path(workspace.state, aside).read_bytes() == content


@pytest.mark.parametrize("values", [
    None, [], {"": 1}, {"x" * 65: 1}, {"a": "x" * ui.MOST_BYTES}, {str(number): 1 for number in range(101)},
])  # fmt: skip
def test_what_is_no_object_of_values_or_too_much_is_refused(ask: Ask, workspace: WorkspacePaths, values: Any) -> None:
    with pytest.raises(UserError):
        ask(ui.change, body={"values": values})
    assert not os.path.exists(ui.path_of(workspace))


def test_a_folder_in_its_place_is_a_mistake_in_words(ask: Ask, workspace: WorkspacePaths) -> None:
    os.mkdir(f"{ui.path_of(workspace)}.lock")
    with pytest.raises(StorageError, match="cannot be kept"):
        ask(ui.change, body={"values": {"a": 1}})


# ------------------------------------------------------------ export


def text_of(file: File) -> str:
    try:
        return os.pread(file.fd, file.size + 1, 0).decode()  # as the server reads it
    finally:
        os.close(file.fd)


def test_exports_have_the_columns_of_the_verbs(ask: Ask, workspace: WorkspacePaths) -> None:
    for run_id, value in ((A, 0.5), (B, float("nan"))):
        paths = make_run(workspace, run_id, params={"lr": value}, display_name='a "b",\nc')
        files.append_line(paths.metrics, {"time": time_text(0), "name": "loss", "value": value, "step": 3})
    rows = list(csv.DictReader(io.StringIO(text_of(ask(export.export, view="runs")))))
    assert {row["run_id"]: (row["params.lr"], row["status"]) for row in rows} == {A: ("0.5", "Completed"), B: ("nan", "Completed")}
    chosen = text_of(ask(export.export, view="runs", columns="run,metrics.loss", filter="params.lr == 0.5"))
    assert chosen == f"run,metrics.loss\n{A},0.5\n"
    assert json.loads(text_of(ask(export.export, view="metrics", format="json", runs=B)))[0]["series"][0]["values"] == ["NaN"]
    assert text_of(ask(export.export, view="metrics", runs=A)).splitlines()[1].startswith(f"{A},loss,log,3,2026-11-23T")
    assert text_of(ask(export.export, view="compare", runs=f"{A},{B}")).splitlines()[0] == "run_id,params.lr,metrics.loss"


@pytest.mark.parametrize("query", [
    {"view": "x"}, {"view": "runs", "format": "xml"}, {"view": "metrics"}, {"view": "metrics", "runs": "../x"}, {"view": "sweep", "id": A},
    {"view": "runs", "filter": "params.lr >"},
])  # fmt: skip
def test_what_cannot_be_exported_is_said(ask: Ask, workspace: WorkspacePaths, query: dict[str, str]) -> None:
    make_run(workspace, A)
    with pytest.raises(UserError):
        ask(export.export, **query)


# ------------------------------------------------------------ now


def test_who_holds_and_who_waits_is_told_with_the_place_in_the_queue(
    ask: Ask, workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_folder, "default_dir", lambda: str(tmp_path / "leases"))
    found = ask(now.now)
    assert (found["running"], found["waiting"], found["scheduled"], found["others"]) == (0, 0, [], [])
    (machine,) = found["here"]
    assert machine["slots"] == {"taken": 0, "total": len(os.sched_getaffinity(0))}
    assert {lease["words"] for lease in machine["leases"]} == {"free"}


def test_a_run_that_is_a_job_of_a_scheduler_is_told_apart(
    ask: Ask, workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainconf.history import events
    from trainconf.history.liveness import State
    from trainconf.launchers import states

    monkeypatch.setattr(shared_folder, "default_dir", lambda: str(tmp_path / "leases"))
    for run_id in (A, B):
        make_run(workspace, run_id, states=("NotStarted",))
    job = {"kind": "slurm", "job_id": "71"}
    events.append(workspace.run("digits", A), "Queued", waiting_for="scheduler", scheduler=job)

    def states_of(runs: list[RunPaths]) -> list[State]:
        return [State("Queued", "Priority", {}, job if paths.run_id == A else None) for paths in runs]

    monkeypatch.setattr(states, "states_of", states_of)
    found = ask(now.now)
    (row,) = found["scheduled"]
    assert (row["id"], row["scheduler"], row["job"], row["nodes"], row["words"]) == (A, "slurm", "71", None, "Priority")
    assert ([row["id"] for row in found["others"]], found["counts"], found["waiting"]) == ([B], {"Queued": 1}, 2)
    events.append(workspace.run("digits", A), "Starting", scheduler={**job, "nodes": "node[1-2]"})
    assert ask(now.now)["scheduled"][0]["nodes"] == "node[1-2]"
