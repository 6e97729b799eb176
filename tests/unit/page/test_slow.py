"""Who opens connections and says nothing, or says it slowly: the page is there for the others."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from trainconf.page.connection import HEAD_S
from trainconf.page.server import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.page.conftest import Page

    Serve = Callable[..., Page]

SLOW = (
    b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nx: y\r\n",
    b"POST /api/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1",
)  # fmt: skip


def test_connections_that_say_nothing_or_not_enough_are_closed_and_shut_nobody_out(serve: Serve) -> None:
    page, begun = serve(), time.monotonic()
    opened = [socket.create_connection(("127.0.0.1", page.port), timeout=300) for _ in range(CONNECTIONS + 10)]
    try:
        status = page.ask("GET", "/api/about")[0]
        if time.monotonic() < begun + HEAD_S:  # else a busy machine has closed some already
            assert status == 503
        for number, connection in enumerate(opened):
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(SLOW[number % len(SLOW)])
        for connection in opened[len(SLOW) - 1 :: len(SLOW)]:
            with suppress(BrokenPipeError, ConnectionResetError):
                assert connection.recv(65536)
                connection.sendall(b"2")  # of what is refused already, and goes on
        for connection in opened:
            connection.settimeout(60)
            with suppress(ConnectionResetError):
                while connection.recv(65536):
                    pass
        assert page.ask("GET", "/api/about")[0] == 200
    finally:
        for connection in opened:
            connection.close()


def test_a_request_that_comes_too_slowly_is_given_up(serve: Serve) -> None:
    page = serve()
    head = f"POST /api/stream HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nAuthorization: Bearer {page.token}\r\n"
    with socket.create_connection(("127.0.0.1", page.port), timeout=1) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 900\r\n\r\n".encode())
        answer, until = b"", time.monotonic() + 300
        while not answer and time.monotonic() < until:
            connection.sendall(b" ")
            with suppress(TimeoutError):
                answer = connection.recv(65536)
    assert b" 408 " in answer.split(b"\r\n")[0]
