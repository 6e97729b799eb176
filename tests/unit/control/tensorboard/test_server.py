"""The real TensorBoard on runs, asked by its HTTP API."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from trainconf.control.tensorboard import server
from trainconf.control.tensorboard.log_directory import named
from trainconf.errors import UserError
from trainconf.history import events
from trainconf.job_api import Run
from trainconf.paths import WorkspacePaths

from ...history.build import make_run

pytest.importorskip("tensorboard")


def ask(url: str, body: object = None, **query: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{url}?{urllib.parse.urlencode(query)}" if query else url, data, headers)
    with urllib.request.urlopen(asked, timeout=300) as answer:
        return json.load(answer)


def test_runs_are_shown_live_with_hyperparameters_and_nothing_is_left(
    workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runs = [make_run(workspace, f"r-{lr}", params={"lr": lr}, states=("NotStarted", "Queued")) for lr in (0.25, 0.5)]
    for paths in runs:
        Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log("loss", 0.5, step=10)
    with server.TensorBoard(named(runs)) as board:
        url = board.start()
        assert url.startswith("http://127.0.0.1:")
        assert ask(f"{url}data/plugin/scalars/tags").keys() == {"lr=0.25", "lr=0.5"}
        Run({"TRAINCONF_RUN_DIR": runs[0].run_dir}).log("loss", 0.25, step=20)
        events.append(runs[0], "Completed", exit_code=0)

        def points() -> list[list[float]]:
            return [point[1:] for point in ask(f"{url}data/plugin/scalars/scalars", run="lr=0.25", tag="loss")]

        wait_for(lambda: points() == [[10, 0.5], [20, 0.25]])
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        columns = [{"hparam": "lr"}, {"metric": {"group": "", "tag": "loss"}}]
        body = {"experimentName": "", "allowedStatuses": statuses, "colParams": columns, "startIndex": 0, "sliceSize": 10}

        def sessions() -> dict[float, tuple[float, str]]:
            groups = ask(f"{url}data/plugin/hparams/session_groups", body)["sessionGroups"]
            return {
                group["hparams"]["lr"]: (group["metricValues"][0]["value"], group["sessions"][0].get("status", "")) for group in groups
            }

        wait_for(lambda: sessions() == {0.25: (0.25, "STATUS_SUCCESS"), 0.5: (0.5, "STATUS_UNKNOWN")})
        pid = board._pid
    assert not [name for name in os.listdir(tmp_path) if name.startswith("trainconf-tensorboard")]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_that_is_taken_is_told_and_otherwise_the_next_one_used(
    workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shown = named([make_run(workspace)])
    with socket.socket() as other:
        other.bind((server.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is taken"):
            server.TensorBoard(shown, port).start()
        monkeypatch.setattr(server, "FIRST_PORT", port)
        monkeypatch.setattr(server, "PORTS", 1)
        with pytest.raises(UserError, match=f"port {port} is taken"):
            server.TensorBoard(shown).start()
    assert not [name for name in os.listdir(tmp_path) if name.startswith("trainconf-tensorboard")]


def test_without_tensorboard_it_says_what_to_install(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UserError) as caught:
        server.TensorBoard(named([make_run(workspace)])).start()
    assert caught.value.mistakes[0].hint == "pip install 'trainconf[tensorboard]'"


def test_the_tunnel_is_that_of_the_ssh_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert server.tunnel(6006) == ""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50312 10.0.0.1 22")
    assert server.tunnel(6007) == "ssh -N -L 6007:127.0.0.1:6007 ada@10.0.0.1"
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50312 10.0.0.1 2222")
    assert server.tunnel(6006) == "ssh -N -L 6006:127.0.0.1:6006 -p 2222 ada@10.0.0.1"
