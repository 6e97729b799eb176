"""The server as a whole: it starts, answers who has the token, and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.history.build import make_run
from trainconf.paths import WorkspacePaths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.page.conftest import Page

    Serve = Callable[..., Page]


def test_a_page_answers_who_has_the_token_and_tells_what_it_is_of(serve: Serve) -> None:
    page = serve()
    about = page.get("/api/about")
    assert about["workspace"] == {"name": page.root.name, "path": str(page.root)}
    assert about["read_only"] is False
    status, headers, data = page.ask("GET", "/api/about", authorization="")
    assert status == 401
    assert "trainconf ui --link" in json.loads(data)["error"]["hint"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_page_ends_quietly_when_it_is_asked_to(serve: Serve, number: int) -> None:
    page = serve()
    code, said = page.end(number)
    assert (code, "Traceback" in said) == (0, False), said


def test_who_is_here_by_ssh_is_told_what_to_type_on_their_own_machine(serve: Serve) -> None:
    page = serve(env={"SSH_CONNECTION": "10.0.0.7 50312 10.0.0.1 22", "USER": "ada", "LOGNAME": "ada"})
    command = f"ssh -N -L {page.port}:127.0.0.1:{page.port} ada@10.0.0.1"
    assert page.get("/api/about")["ssh"] == command
    assert f"from your own machine: {command}" in page.end()[1]


def test_of_a_socket_it_is_told_how_a_port_elsewhere_leads_to_it(open_tmp_path: Path, tmp_path: Path) -> None:
    path = open_tmp_path / "ui.sock"
    command = [sys.executable, "-m", "trainconf", "ui", "--socket", str(path), "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as page:
        assert page.stdout is not None
        link = page.stdout.readline()
        page.terminate()
        said = page.communicate(timeout=300)[1]
    assert link.startswith("http://localhost:8787/#t=")
    assert f"from your own machine: ssh -N -L 8787:{path} {os.uname().nodename}" in said


def test_runs_of_an_empty_workspace_are_none(serve: Serve) -> None:
    found = serve().get("/api/runs")
    assert (found["total"], found["matching"], found["rows"]) == (0, 0, [])


def test_a_second_page_of_a_workspace_tells_of_the_first(serve: Serve, tmp_path: Path) -> None:
    page = serve()

    def ui(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "trainconf", "ui", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert ui("--link").stdout.strip() == page.link
    again = ui()
    assert (again.returncode, again.stdout.strip()) == (0, page.link)
    assert f"pid {page.process.pid}" in again.stderr
    other = ui("--read-only")
    assert other.returncode == 2
    assert f"kill {page.process.pid}" in other.stderr
    page.end()
    gone = ui("--link")
    assert gone.returncode == 2
    assert "`trainconf ui` serves one" in gone.stderr


def test_a_port_that_is_taken_is_told_and_without_one_the_next_is_found(serve: Serve, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "trainconf", "ui", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "is taken" in done.stderr
    assert "leave out --port" in done.stderr
    (tmp_path / "other").mkdir()
    first, second = serve(), serve(root=tmp_path / "other")
    assert first.port != second.port


def test_a_workspace_that_cannot_be_written_to_is_shown_all_the_same(serve: Serve, tmp_path: Path) -> None:
    make_run(WorkspacePaths(str(tmp_path)), "one", metrics={"val_accuracy": 0.5})
    state = tmp_path / ".trainconf"
    state.write_text("")  # a file where the folder should be: no user may write there
    page = serve()
    assert [row["id"] for row in page.get("/api/runs?sort=metrics.val_accuracy")["rows"]] == ["one"]
    assert page.get("/api/series?runs=one&names=val_accuracy")["series"][0]["last"] == [0.5]
