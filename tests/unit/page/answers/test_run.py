"""One run's config with origins, code, software and events; what is not recorded is said, and the rest is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from trainconf.control import labels
from trainconf.errors import UserError
from trainconf.history import events as history
from trainconf.page.answers.parts import code, config, environment, events
from trainconf.page.answers.parts.place import place
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.snapshot import SnapshotStore

from ...history.build import make_run, write_json
from .conftest import Ask

A, B = "digits-20261123-0532-aaaa", "digits-20261123-0532-bbbb"
ME = {"id": A}


def with_code(workspace: WorkspacePaths, tmp_path: Path, run_id: str, **texts: bytes) -> RunPaths:
    source = tmp_path / run_id
    source.mkdir()
    for name, text in texts.items():
        (source / name).write_bytes(text)
    snapshot = SnapshotStore(workspace.snapshots).take(str(source), max_mb=5, max_files=10).id
    paths = make_run(workspace, run_id, source_directory=str(source))
    write_json(paths.spec, {"code": {"snapshot": snapshot, "script": "train"}})
    return paths


def test_each_value_has_the_file_and_line_that_set_it(ask: Ask, workspace: WorkspacePaths) -> None:
    values = {"params": {"lr": 0.5, "deep": {"a:b": [1]}}, "compute": {"cpus": 1}, "name": None}
    origins = {"params.lr": "command line: params.lr=0.5", "params.deep.a:b": "conf/a b:3/x.yaml:10", "compute.cpus": "default"}
    make_run(workspace, A, config=values, origins=origins, overrides=["params.lr=0.5"])
    found = ask(config.config, params=ME)
    rows = {row["key"]: row for row in found["rows"]}
    assert (rows["params.deep.a:b"]["file"], rows["params.deep.a:b"]["line"]) == ("conf/a b:3/x.yaml", 10)
    assert (rows["params.lr"]["is_typed"], rows["params.lr"]["file"], rows["params.lr"]["value"]) == (True, None, 0.5)
    assert rows["name"]["origin"] is None
    found = ask(config.config, params=ME, set="1", search="PARAMS")
    assert [row["key"] for row in found["rows"]] == ["params.lr", "params.deep.a:b"]
    assert ask(config.config, params=ME, set="1")["left_out"] == 1


def test_what_a_typed_value_replaced_is_the_value_of_todays_files(ask: Ask, workspace: WorkspacePaths) -> None:
    os.makedirs(os.path.join(workspace.conf, "experiment"))
    Path(workspace.conf, "experiment", "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - _self_\nexperiment_name: mine\nscript: train.py\nparams:\n  epochs: 30\n"
    )
    make_run(workspace, A, config={"params": {"epochs": 5}}, origins={"params.epochs": "command line: params.epochs=5"},
             overrides=["experiment=mine", "params.epochs=5"])  # fmt: skip
    (row,) = ask(config.config, params=ME, before="1")["rows"]
    assert row["before"] == {"value": 30, "origin": "conf/experiment/mine.yaml:7"}
    os.unlink(os.path.join(workspace.conf, "experiment", "mine.yaml"))
    (row,) = ask(config.config, params=ME, before="1")["rows"]
    assert row["before"] is None


@pytest.mark.parametrize("recorded", [{}, {"config": [1], "origins": {}}, {"config": {"a": 1}, "origins": 3, "overrides": [1, "a=1"]}])
def test_an_old_record_has_its_params_alone_and_says_so(ask: Ask, workspace: WorkspacePaths, recorded: dict[str, Any]) -> None:
    make_run(workspace, A, **recorded)
    found = ask(config.config, params=ME, before="1")
    assert (found["recorded"], [row["key"] for row in found["rows"]]) == (False, ["params.lr", "params.optim.name"])
    assert "only its params are known" in found["words"]


def test_code_is_listed_read_and_compared(ask: Ask, workspace: WorkspacePaths, tmp_path: Path) -> None:
    with_code(workspace, tmp_path, A, train=b"one\n", data=b"\0\1", large=b"x" * (code.TEXT_BYTES + 1), latin=b"\xe4")
    with_code(workspace, tmp_path, B, train=b"one\ntwo\n", data=b"\0\1")
    found = ask(code.code, params=ME)
    assert [file["path"] for file in found["files"]] == ["data", "large", "latin", "train"]
    assert (found["script"], found["words"]) == ("train", "")
    assert ask(code.file, params=ME, path="train")["text"] == "one\n"
    notes = {name: ask(code.file, params=ME, path=name)["note"] for name in ("data", "large", "latin")}
    assert notes == {"data": "not a text", "large": "too large to be shown: more than 400 kB", "latin": "not a text"}
    with pytest.raises(UserError, match=r"has no '\.\./train'"):
        ask(code.file, params=ME, path="../train")
    changed = ask(code.changes, params=ME, **{"with": B})
    assert [(file["path"], file["kind"]) for file in changed["files"]] == [("large", "removed"), ("latin", "removed"), ("train", "changed")]
    assert changed["hunks"] == []
    (tmp_path / A / "train").write_text("changed\n")
    (hunk,) = ask(code.changes, params=ME, path="train")["hunks"]
    assert hunk["lines"] == [["-", 1, None, "one"], ["+", None, 1, "changed"]]


def test_code_that_is_not_recorded_or_not_kept_is_said(ask: Ask, workspace: WorkspacePaths, tmp_path: Path) -> None:
    paths = with_code(workspace, tmp_path, A, train=b"one\n")
    shutil.rmtree(workspace.snapshots)
    assert "is not kept any more" in ask(code.code, params=ME)["words"]
    os.unlink(paths.spec)
    found = ask(code.code, params=ME)
    assert (found["files"], found["words"]) == ([], f"it is not recorded which code {A} had")


def test_software_is_what_was_installed_and_what_differs_from_another_run(ask: Ask, workspace: WorkspacePaths) -> None:
    for run_id, lock in ((A, "# python 3.11.7\nnumpy==1.26\n-e /src/mine\n"), (B, "# python 3.12.1\nnumpy==1.26\n")):
        paths = make_run(workspace, run_id)
        Path(paths.environment_lock).write_text(lock)
        write_json(paths.spec, {"environment": {"kind": "venv", "python": "3.11", "requirements": ["numpy"]}})
    found = ask(environment.environment, params=ME, **{"with": B})
    assert found["packages"] == [["-e /src/mine", ""], ["numpy", "1.26"], ["python", "3.11.7"]]
    assert found["facts"] == [["kind", "venv"], ["python", "3.11"]]
    assert [(change["name"], change["old"], change["new"]) for change in found["changes"]] == [
        ("-e /src/mine", "", None), ("python", "3.11.7", "3.12.1"),
    ]  # fmt: skip


def test_software_that_is_not_recorded_is_said(ask: Ask, workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, A)
    assert ask(environment.environment, params=ME)["words"] == f"it was not recorded what was installed for {A}"
    os.mkfifo(paths.environment_lock)
    assert ask(environment.environment, params=ME)["packages"] == []


def test_events_are_told_in_words_with_what_was_said_since(ask: Ask, workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, A, states=("NotStarted", "Queued", "Running"))
    history.append(paths, "Queued", 2, waiting_for="gpu")
    history.append(paths, "Queued", 2, waiting_for="retry", seconds=30, reason="rank 2 exited with 137")
    history.append(paths, "Failed", 2, exit_code=3, reason="rank 0 exited with 3", notes=["a note"])
    history.append(paths, "Failed", 3, exit_code=1, reason="exit code 1")
    labels.tag([paths], {"paper": "yes"})
    found = ask(events.events, params=ME)
    assert found["state"] == "Failed"
    assert [event["words"].partition(" by ")[0] for event in found["events"]] == [
        "submitted", "waits for its turn", "runs", "waits for a GPU of this machine",
        "the next attempt starts in 30.0 s; rank 2 exited with 137", "failed with exit code 3; rank 0 exited with 3",
        "failed with exit code 1", "tagged paper=yes",
    ]  # fmt: skip
    assert found["events"][5]["notes"] == ["a note"]
    assert found["events"][0]["took_s"] == 1.0


def test_a_run_whose_agent_is_gone_says_so_and_damaged_lines_are_passed_over(ask: Ask, workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, A, states=("NotStarted", "Running"))
    with open(paths.events, "a", encoding="utf-8") as stream:
        stream.write('{"time": 3, "state": "Strange"}\n[1]\n{"torn')
    Path(paths.labels).write_text('3\n{"tags": 4}\n{"note": "x"}\n')
    found = ask(events.events, params=ME)
    assert (found["state"], found["events"][-1]["state"]) == ("NotResponding", "NotResponding")
    assert "note: x" in [event["words"] for event in found["events"]]


def test_where_a_run_is_is_told_as_far_as_it_was_recorded(workspace: WorkspacePaths) -> None:
    def told() -> dict[str, str]:
        return dict(place(paths, history.read_all(paths), {"environment": {"image": ""}}))

    paths = make_run(workspace, A, states=("NotStarted",))
    assert told() == {}
    write_json(paths.plan, {"ranks": [{"rank": rank, "container": {"Image": f"sha256:{'a' * 64}"}} for rank in range(10)]})
    history.append(paths, "Queued", scheduler={"kind": "slurm", "job_id": "7", "cluster": ""})
    assert told() == {"job": "slurm 7", "image": "a" * 12}
    job = {"kind": "slurm", "job_id": "7", "cluster": "main", "nodes": "node[1-2]"}
    history.append(paths, "Starting", agent={"host": "node1"}, scheduler=job)
    history.append(paths, "Running", ranks=[{"rank": rank, "host": f"node{rank % 2}", "container": f"{rank}" * 64} for rank in range(10)])
    assert (told()["job"], told()["machine"]) == ("slurm 7 on main", "node[1-2]")
    assert told()["container"] == ", ".join(f"{rank}" * 12 for rank in range(8)) + " and 2 more"
    history.append(paths, "Queued", 2, scheduler="damaged", agent=[3])
    assert told()["machine"] == "node[1-2]"
    assert dict(place(paths, [], {"environment": {"image": "python:3.11-slim"}}))["image"] == "python:3.11-slim"
