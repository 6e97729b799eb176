"""A client of the Docker Engine API over a Unix socket. Standard library only: an agent uses it beside every container.

Requests and answers are JSON, as https://docs.docker.com/reference/api/engine/ describes them. Each request is a connection of its own in
HTTP/1.0, so an answer ends where the connection ends, and nothing is chunked. `http.client` would save 45 lines, and cost each agent
8 ms and 6 MiB.
"""

from __future__ import annotations

import json
import socket
from urllib.parse import quote, urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OLDEST_API = (1, 41)  # engine 20.10
NEWEST_API = (1, 51)  # what this was written for; an engine that is newer still speaks it
TIMEOUT_SECONDS = 60.0
PING_SECONDS = 10.0  # an engine that is there answers a ping in a millisecond
SCHEME = "unix://"


class EngineError(Exception):
    """The engine said no: `status` as in HTTP, `message` in its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for does not exist."""
        return self.status == 404


class EngineUnreachable(EngineError):
    """Nobody answered, or the answer broke off: `status` is 0."""

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(0, message)
        self.errno = errno


class Engine:
    """An engine at an address such as `unix:///var/run/docker.sock`. May be used from several threads.

    Every method raises EngineError, or EngineUnreachable. `api` is the version of the interface that is spoken, such as "1.41"; when it
    is not given the engine is asked once.
    """

    def __init__(self, address: str, api: str = "") -> None:
        self.address = address
        self._api = api

    @property
    def api(self) -> str:
        if not self._api:
            self._api = self._agree()
        return self._api

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The answer to GET, such as `get("/images/<name>/json")`."""
        return self.call("GET", path, query)

    def get_lines(self, path: str, query: Mapping[str, Any] | None = None) -> list[Any]:
        """The answer to GET where that is one JSON value a line, such as `/events` of a time that has passed."""
        return [json.loads(line) for line in self._ask("GET", self._target(path, query))[1].splitlines() if line.strip()]

    def post(
        self, path: str, query: Mapping[str, Any] | None = None, body: Any = None, *, timeout_s: float | None = TIMEOUT_SECONDS
    ) -> Any:
        """The answer to POST. `timeout_s` None waits for ever, as `/containers/<id>/wait` has to."""
        return self.call("POST", path, query, body, timeout_s=timeout_s)

    def delete(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The answer to DELETE."""
        return self.call("DELETE", path, query)

    def call(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, *, timeout_s: float | None = TIMEOUT_SECONDS
    ) -> Any:
        """One request; its answer as JSON, None where there is none. Values of `query` that are not text are sent as JSON."""
        headers, content = self._ask(method, self._target(path, query), body, timeout_s)
        return json.loads(content) if content.strip() and "json" in headers.get("content-type", "") else None

    def _target(self, path: str, query: Mapping[str, Any] | None) -> str:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (query or {}).items()}
        return f"/v{self.api}{path}{'?' if texts else ''}{urlencode(texts)}"

    def _ask(
        self, method: str, target: str, body: Any = None, timeout_s: float | None = TIMEOUT_SECONDS
    ) -> tuple[dict[str, str], bytes]:
        connection = self._connect(timeout_s)
        try:
            _send(connection, method, target, body)
            status, headers, content = _receive(connection)
        finally:
            connection.close()
        if status >= 400:
            raise EngineError(status, _message(content))
        return headers, content

    def attach_stdin(self, container: str) -> socket.socket:
        """A connection to the standard input of a container; what is sent arrives there, and closing it is its end."""
        target = self._target(f"/containers/{quote(container)}/attach", {"stream": "1", "stdin": "1"})
        connection = self._connect(TIMEOUT_SECONDS)
        try:
            _send(connection, "POST", target, None)
            head = b""
            while b"\r\n\r\n" not in head:
                head += _more(connection) or _broken()
            status, _ = _head(head)
            if status >= 400:
                raise EngineError(status, _message(head.partition(b"\r\n\r\n")[2] + _rest(connection)))
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return connection

    def _agree(self) -> str:
        """The newest interface both sides know."""
        version = self._ask("GET", "/_ping", timeout_s=PING_SECONDS)[0].get("api-version", "0")
        theirs = tuple(map(int, version.split(".")))
        if theirs < OLDEST_API:
            raise EngineError(505, f"the engine is too old: it speaks API {version if theirs[0] else 'of no version'}, 1.41 is needed")
        return ".".join(map(str, min(theirs, NEWEST_API)))

    def _connect(self, timeout_s: float | None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout_s)
        try:
            connection.connect(self.address.removeprefix(SCHEME))
        except OSError as error:
            connection.close()
            raise EngineUnreachable(f"{self.address}: {error.strerror or error}", error.errno) from error
        return connection


def _send(connection: socket.socket, method: str, path: str, body: Any) -> None:
    content = b"" if body is None else json.dumps(body).encode()
    kind = "Content-Type: application/json\r\n" if body is not None else ""
    head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\n{kind}Content-Length: {len(content)}\r\n\r\n"
    try:
        connection.sendall(head.encode("ascii") + content)
    except OSError as error:
        raise EngineUnreachable(f"the request could not be sent: {error.strerror or error}", error.errno) from error


def _receive(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    answer = _rest(connection)
    head, found, content = answer.partition(b"\r\n\r\n")
    if not found:
        _broken()
    status, headers = _head(head)
    if len(content) < int(headers.get("content-length", 0)):
        _broken()
    return status, headers, content


def _rest(connection: socket.socket) -> bytes:
    parts = []
    while part := _more(connection):
        parts.append(part)
    return b"".join(parts)


def _more(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except OSError as error:
        raise EngineUnreachable(f"the answer broke off: {error.strerror or error}", error.errno) from error


def _broken() -> bytes:
    raise EngineUnreachable("the answer broke off")


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (names in lower case) of an answer."""
    first, *lines = head.decode("latin-1").split("\r\n")
    try:
        status = int(first.split(" ", 2)[1])
    except (IndexError, ValueError):
        raise EngineUnreachable(f"this is no HTTP: {first[:80]!r}") from None
    pairs = [line.partition(":") for line in lines if ":" in line]
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _message(content: bytes) -> str:
    """The engine's own words for a refusal."""
    text = content.decode("utf-8", "replace").strip()
    try:
        return str(json.loads(text)["message"]).strip()
    except (ValueError, LookupError, TypeError):
        return text
