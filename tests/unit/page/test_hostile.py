"""Who wants in and may not: a row of the table of threats after the other (docs/page.md), against the real server."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.history.build import make_run
from trainconf.paths import WorkspacePaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.page.conftest import Page

    Serve = Callable[..., Page]

PATHS = (
    "/api/about", "/api/runs", "/api/runs/one", "/api/runs/one/log", "/api/series?runs=one&names=loss", "/api/no-such-thing", "/elsewhere",
)  # fmt: skip
HOSTS = ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", "0.0.0.0", "a@localhost")
TOPICS: tuple[Any, ...] = (
    [], {"x": 1}, {"points": {"one": -1}}, {"points": {"one": "1"}}, {"log": []}, {"runs": {"k": 1}}, {"run": [1]}, {"log": {"one/..": 0}},
    {"runs": {"k": {"limit": "x"}}}, {"run": ["a"] * 300},
)  # fmt: skip
GARBAGE = (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100, b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One server for all who only ask."""
    from tests.unit.page.conftest import Page

    root = tmp_path_factory.mktemp("hostile")
    make_run(WorkspacePaths(str(root)), "one", log=b"hello\n", metrics={"loss": 1.0})
    page = Page(root)
    yield page
    page.end()


def raw(page: Page, request: bytes) -> bytes:
    """What a server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=300) as connection:
        connection.sendall(request)
        answer = b""
        while True:
            try:
                block = connection.recv(65536)
            except ConnectionResetError:
                return answer
            if not block:
                return answer
            answer += block


def test_another_user_of_this_machine_gets_nothing_without_the_token(page: Page) -> None:
    wrong = (page.token[:-1], f"{page.token}x", page.token.lower(), "")
    for path in PATHS:
        for word in ("", "Bearer", f"Basic {page.token}", page.token, *(f"Bearer {token}" for token in wrong)):
            status, _, data = page.ask("GET", path, authorization=word)
            assert status == 401, (path, word)
            assert b"hello" not in data
    status, headers, _ = page.ask("GET", "/", authorization="")
    assert status in (200, 404)  # the page itself holds nothing
    assert "set-cookie" not in headers


def test_a_page_listens_on_loopback_alone(page: Page) -> None:
    with open("/proc/net/tcp") as stream:
        bound = {line.split()[1] for line in stream if line.split()[3] == "0A" and line.split()[1].endswith(f":{page.port:04X}")}
    assert bound == {f"0100007F:{page.port:04X}"}


def test_the_token_is_new_at_each_start_and_in_nobodys_list_of_processes(page: Page, serve: Serve) -> None:
    other = serve()
    assert other.token != page.token
    assert len(other.token) >= 43
    assert other.ask("GET", "/api/about", authorization=f"Bearer {page.token}")[0] == 401
    for name in ("cmdline", "environ"):
        with open(f"/proc/{page.process.pid}/{name}", "rb") as stream:
            assert page.token.encode() not in stream.read()
    kept = page.root / ".trainconf" / "page.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_leads_here_by_rebinding_is_not_answered(page: Page, host: str) -> None:
    for path in ("/", *PATHS):
        status, _, data = page.ask("GET", path, host=host)
        assert status == 421, path
        assert "--allow-host" in json.loads(data)["error"]["hint"]


def test_a_request_without_a_name_is_not_answered(page: Page) -> None:
    assert b" 421 " in raw(page, b"GET /api/about HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


def test_a_forwarded_port_and_a_name_that_was_allowed_are_answered(page: Page, serve: Serve) -> None:
    for host in ("localhost:9000", "127.0.0.1", "[::1]:80", "LOCALHOST"):
        assert page.ask("GET", "/api/about", host=host)[0] == 200
    assert serve("--allow-host", "my.box").ask("GET", "/api/about", host="My.Box:1")[0] == 200


def test_two_names_in_one_request_are_refused(page: Page) -> None:
    token = f"Authorization: Bearer {page.token}\r\n".encode()
    answer = raw(page, b"GET /api/about HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n" + token + b"\r\n")
    assert b" 400 " in answer.split(b"\r\n")[0] or b" 421 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1.evil.example"])
def test_a_foreign_page_is_not_answered_whatever_it_bears(page: Page, origin: str) -> None:
    assert page.ask("GET", "/api/about", origin=origin)[0] == 403
    status, _, _ = page.ask("POST", "/api/stream", b'{"topics": {}}', origin=origin, content_type="application/json")
    assert status == 403


def test_what_writes_needs_the_pages_own_origin_and_json(page: Page) -> None:
    origin = f"http://127.0.0.1:{page.port}"
    body = b'{"topics": {}}'
    assert page.ask("POST", "/api/stream", body, content_type="application/json")[0] == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert page.ask("POST", "/api/stream", body, origin=origin, content_type=kind)[0] == 415
    status, headers, _ = page.ask("OPTIONS", "/api/stream", origin="http://evil.example", access_control_request_method="POST")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_page_may_run_only_its_own_scripts(page: Page) -> None:
    _, headers, _ = page.ask("GET", "/", authorization="")
    policy = headers["content-security-policy"]
    for rule in ("default-src 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    for path in PATHS:
        _, headers, _ = page.ask("GET", path)
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_a_frame_is_allowed_by_name_alone_and_nothing_else_gets_into_the_policy(serve: Serve, tmp_path: Path) -> None:
    page = serve("--allow-frame", "http://localhost:8888", "--allow-frame", "vscode-webview://1abc-2", "--allow-frame", "vscode-file://vscode-app")
    _, headers, _ = page.ask("GET", "/", authorization="")
    assert "frame-ancestors http://localhost:8888 vscode-webview://1abc-2 vscode-file://vscode-app" in headers["content-security-policy"]
    wrong = ["http://x; script-src *", "*", "vscode-webview://", "vscode-webview://a; script-src *", "file://x"]
    for words in (*(["--allow-frame", origin] for origin in wrong), ["--allow-host", "a b"], ["--allow-host", "x:80"]):
        done = subprocess.run([sys.executable, "-m", "trainconf", "ui", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), words


def test_a_page_for_a_frame_is_served_beside_the_one_of_the_workspace(serve: Serve, tmp_path: Path) -> None:
    first, framed = serve(), serve("--allow-frame", "http://localhost:8888")
    assert first.ask("GET", "/")[0] == framed.ask("GET", "/")[0] == 200
    words = [sys.executable, "-m", "trainconf", "ui"]
    done = subprocess.run([*words, "--link"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == first.link
    assert framed.link != first.link
    done = subprocess.run([*words, "--read-only"], cwd=tmp_path, capture_output=True, text=True)
    assert "is served already" in done.stderr


def test_the_page_asks_for_nothing_by_an_absolute_path(serve: Serve) -> None:
    page = serve()  # a proxy, such as that of code-server, may have put it below a path of its own
    for path in ("/", "/static/first.js", "/static/rest.js", "/static/page.css"):
        text = page.ask("GET", path)[2].decode()
        assert not re.search(r"""["'`(]/(?:api|static|files)/""", text), path


@pytest.mark.parametrize(
    "path",
    [
        "/static/../site.py", "/static/..%2fsite.py", "/static/%2e%2e/site.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
        "/static/",
        "/static/app", "/static/app/../../site.py", "/static/index.html%00.js", "//etc/passwd", "/../etc/passwd", "/static/\\..\\site.py",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_files_of_the_page(page: Page, path: str) -> None:
    status, _, data = page.ask("GET", path)
    assert status == 404, data
    assert b"root:" not in data
    assert b"TOKEN_BYTES" not in data


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "..%2f..%2fetc", "%2fetc", "one%00", "%ff%fe", "one%2f..%2fone", "a" * 5000])
def test_no_id_is_a_path(page: Page, name: str) -> None:
    for rest in ("", "/log", "/log/first-error", "/config", "/files"):
        status, _, data = page.ask("GET", f"/api/runs/{name}{rest}")
        assert status == 404, data
    assert page.ask("GET", f"/api/series?runs={name}&names=loss")[0] == 404


def test_links_fifos_and_devices_in_a_run_are_no_files_and_nobody_waits_for_them(serve: Serve, tmp_path: Path) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    secret = tmp_path / "secret"
    secret.write_text("Traceback (most recent call last): s3cret\n")
    linked = make_run(workspace, "linked")
    waiting = make_run(workspace, "waiting")
    for path in (linked.log(0), linked.events):
        os.unlink(path)
    os.symlink(secret, linked.log(0))
    os.symlink("/dev/zero", linked.metrics)
    os.symlink(secret, linked.events)
    for path in (waiting.metrics, waiting.labels, waiting.log(3), waiting.system()):
        os.mkfifo(path)
    page = serve()
    for run_id in ("linked", "waiting"):
        for rest in ("", "/log", "/log?rank=3", "/log/first-error"):
            began = time.monotonic()
            _, _, data = page.ask("GET", f"/api/runs/{run_id}{rest}")
            assert b"s3cret" not in data
            assert time.monotonic() - began < 8, rest
        page.ask("GET", f"/api/series?runs={run_id}&names=loss,system.cpu_percent")
    assert page.ask("GET", "/api/runs")[0] == 200


def test_names_with_markup_are_text_in_json(serve: Serve, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)></script>\x1b]0;x\x07\u202e"
    make_run(WorkspacePaths(str(tmp_path)), "one", display_name=name, tags={name: name})
    found = serve().get("/api/runs")["rows"][0]
    assert (found["name"], found["tags"]) == (name, {name: name})


def test_a_page_that_changes_nothing_refuses_what_writes(serve: Serve) -> None:
    page = serve("--read-only")
    assert page.get("/api/about")["read_only"] is True
    origin = f"http://127.0.0.1:{page.port}"
    status, _, data = page.ask("POST", "/api/ui", b"{}", origin=origin, content_type="application/json")
    assert status == 403
    assert "--read-only" in json.loads(data)["error"]["what"]


def test_no_request_is_larger_than_its_bound(page: Page) -> None:
    origin = f"http://127.0.0.1:{page.port}"
    large = b'{"topics": {"now": "' + b"x" * (1 << 16) + b'"}}'
    status, _, data = page.ask("POST", "/api/stream", large, origin=origin, content_type="application/json")
    assert status == 413
    assert "65536" in str(json.loads(data)["error"]["allowed"])
    head = f"POST /api/stream HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nAuthorization: Bearer {page.token}\r\n"
    chunks = b"".join(b"1000\r\n" + b"x" * 4096 + b"\r\n" for _ in range(20))
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = raw(page, head.encode() + chunks)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert page.ask("GET", "/api/runs?" + "&".join(f"a{number}=1" for number in range(200)))[0] == 400
    assert raw(page, b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * (1 << 20)).split(b"\r\n")[0].split()[1:2] in ([b"400"], [b"431"], [])
    assert page.ask("GET", "/api/about")[0] == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"x"', b"\xff", b"[" * 60_000])
def test_what_is_no_json_object_is_refused(page: Page, body: bytes) -> None:
    origin = f"http://127.0.0.1:{page.port}"
    assert page.ask("POST", "/api/stream", body, origin=origin, content_type="application/json")[0] == 400


@pytest.mark.parametrize("topics", TOPICS, ids=str)
def test_topics_that_are_none_are_refused(page: Page, topics: Any) -> None:
    origin = f"http://127.0.0.1:{page.port}"
    body = json.dumps({"topics": topics}).encode()
    assert page.ask("POST", "/api/stream", body, origin=origin, content_type="application/json")[0] == 400


def test_garbage_harms_nobody(page: Page) -> None:
    for request in GARBAGE:
        with socket.create_connection(("127.0.0.1", page.port), timeout=300) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
    assert page.ask("GET", "/api/about")[0] == 200


def test_streams_are_bounded_and_one_that_ends_makes_room(page: Page) -> None:
    from trainconf.page.live.hub import STREAMS

    opened = []
    head = f"POST /api/stream HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nAuthorization: Bearer {page.token}\r\n"
    body = b'{"topics": {"run": ["one"]}}'
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    try:
        for _ in range(STREAMS):
            opened.append(socket.create_connection(("127.0.0.1", page.port), timeout=300))
            opened[-1].sendall(request)
            assert b" 200 " in opened[-1].recv(65536)
        origin = f"http://127.0.0.1:{page.port}"
        status, _, data = page.ask("POST", "/api/stream", body, origin=origin, content_type="application/json")
        assert (status, json.loads(data)["error"]["allowed"]) == (503, [f"{STREAMS} streams"])
        opened.pop().close()
        until = time.monotonic() + 300
        while True:
            with socket.create_connection(("127.0.0.1", page.port), timeout=300) as connection:
                connection.sendall(request)
                if b" 200 " in connection.recv(65536):
                    break
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        for connection in opened:
            connection.close()


def test_a_socket_is_for_its_user_alone_and_is_gone_at_the_end(tmp_path: Path, open_tmp_path: Path) -> None:
    path = open_tmp_path / "ui.sock"
    command = [sys.executable, "-m", "trainconf", "ui", "--socket", str(path), "--no-browser"]
    process = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    link = process.stdout.readline()
    info = path.stat()
    assert stat.S_ISSOCK(info.st_mode)
    assert stat.S_IMODE(info.st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        token = link.strip().partition("#t=")[2]
        connection.sendall(f"GET /api/about HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert b" 200 " in connection.recv(65536)
    if os.geteuid() == 0:
        os.seteuid(65534)  # nobody, who may look into the folder
        try:
            with socket.socket(socket.AF_UNIX) as connection, pytest.raises(PermissionError):
                connection.connect(str(path))
        finally:
            os.seteuid(0)
    process.terminate()
    assert process.wait(300) == 0
    process.communicate()
    assert list(open_tmp_path.iterdir()) == []
