"""From HTTP to an answer and back: who may ask, what is asked, in bounds of time and size. An ASGI application, whole.

ASGI (https://asgi.readthedocs.io, HTTP connection scope) is three functions: a framework would add a second table of addresses, and a
fifth to the memory and the start of a server whose every path should be seen at one glance.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

from trainconf.errors import StorageError, TrainconfError
from trainconf.page import guard, routes
from trainconf.page.live import topics
from trainconf.page.live.hub import Hub, Stream, beat
from trainconf.page.request import File, Request
from trainconf.page.site import ANSWER_S, late
from trainconf.page.static import StaticFiles
from trainconf.page.wire import Refusal, encode, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    from trainconf.page.site import Site

    Answer = TypeVar("Answer")
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Receive = Callable[[], Awaitable[dict[str, Any]]]

LOOK_S = 0.2  # between two looks whether the server is to end
THREADS = 6  # for answers
BODY_BYTES = 1 << 16
ANSWER_BYTES = 1 << 20  # of JSON; what is more says what to ask for instead
PACKED_FROM = 1 << 11
BLOCK_BYTES = 1 << 16  # of a file, at once
WORDS = 100  # of a query
LATE_S = 60  # for which an answer that came too late waits to be asked for again
JSON = "application/json"
ICON_KEPT = b"max-age=86400"  # Chromium asks for the icon at each change of the address


class App:
    """Answers the requests to a site. `close` when the last was answered."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.is_ending: Callable[[], bool] = lambda: False  # whether the server was asked to end
        self._static = StaticFiles()
        self._threads = ThreadPoolExecutor(THREADS, "answer")
        self._hub = Hub()
        self._late: dict[tuple[bytes, bytes], asyncio.Future[dict[str, Any] | File]] = {}  # by path and query

    def close(self) -> None:
        """Let go of the threads; what they are at is not waited for."""
        self._hub.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, send)
        except Refusal as error:
            again = [(b"retry-after", str(error.again_s).encode())] if error.again_s else []
            await self._send(send, error.status, JSON, encode(error.body), *again)

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        guard.check_names(self.site, method, headers)
        path = scope["raw_path"]
        if method == "GET" and (path == b"/" or path.startswith(b"/static/")):
            return await self._send_static(send, path.decode("latin-1"), headers)
        if not path.startswith(b"/files/"):
            guard.check_token(self.site, headers)
        if (method, path) == ("POST", b"/api/stream"):
            return await self._send_stream(receive, send, headers)
        route, params = routes.find(method, path)
        if not route.is_open:
            guard.check_token(self.site, headers)
        if route.writes and self.site.read_only:
            raise Refusal(403, "nothing is changed from this page: it was started with --read-only", hint="start `trainconf ui` without it")
        body = await _body(receive, headers) if method == "POST" else {}
        request = Request(self.site, params, _query(scope["query_string"]), body)
        key = path, scope["query_string"]
        made = self._late.pop(key, None) if method == "GET" else None
        made = made or asyncio.get_running_loop().run_in_executor(self._threads, route.answer, request)
        try:
            answer = await self._within(asyncio.shield(made))
        except asyncio.TimeoutError:
            if method == "GET" and key not in self._late:  # it goes on, and is not begun again for whoever asks again
                self._late[key] = made
                asyncio.get_running_loop().call_later(LATE_S, self._forget, key, made)
            else:
                made.add_done_callback(_let_go)
            raise late(path.decode("latin-1").removeprefix("/api/")) from None
        if isinstance(answer, File):
            return await self._send_file(send, answer)
        is_packed = "gzip" in headers.get("accept-encoding", "")
        data = await asyncio.get_running_loop().run_in_executor(self._threads, _encoded, answer, is_packed)
        return await self._send(send, 200, JSON, *data)

    def _forget(self, key: tuple[bytes, bytes], made: asyncio.Future[dict[str, Any] | File]) -> None:
        """Let go of an answer that nobody has asked for again."""
        if self._late.get(key) is made:
            del self._late[key]
            made.add_done_callback(_let_go)

    async def _within(self, made: Awaitable[Answer]) -> Answer:
        """What comes in time. Raises TimeoutError, and for what an answer raises Refusal."""
        try:
            return await asyncio.wait_for(made, ANSWER_S)
        except (Refusal, asyncio.TimeoutError):
            raise
        except TrainconfError as error:
            raise refusal(error) from None
        except OSError as error:
            raise refusal(StorageError.from_os_error(error, "a file cannot be read or written")) from None
        except Exception as error:  # a fault of ours: it is told where the server runs, and the page goes on
            import traceback

            traceback.print_exc(file=sys.stderr)
            hint = "`trainconf ui` has printed where it happened"
            raise Refusal(500, f"a fault of trainconf's: {type(error).__name__}", hint=hint) from None

    async def _send_stream(self, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        """Events until the browser or the server goes."""
        body = await _body(receive, headers)
        try:
            wanted = asyncio.get_running_loop().run_in_executor(self._threads, topics.read, self.site, body)
            stream = Stream(*await self._within(wanted))
        except asyncio.TimeoutError:
            raise late("what is to be followed") from None
        self._hub.add(stream)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            start = {"type": "http.response.start", "status": 200, "headers": guard.headers_of(self.site, "text/event-stream")}
            await send(start)
            await send({"type": "http.response.body", "body": beat(), "more_body": True})
            taken = asyncio.ensure_future(stream.take())
            while not self.is_ending():  # uvicorn waits for streams to end by themselves
                await asyncio.wait((gone, taken), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    break
                if taken.done():
                    await send({"type": "http.response.body", "body": taken.result(), "more_body": True})
                    taken = asyncio.ensure_future(stream.take())
            taken.cancel()
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self._hub.remove(stream)

    async def _send(self, send: Send, status: int, content_type: str, data: bytes, *more: tuple[bytes, bytes]) -> None:
        await send({
            "type": "http.response.start", "status": status,
            "headers": [*guard.headers_of(self.site, content_type), (b"content-length", str(len(data)).encode()), *more],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": data})

    async def _send_static(self, send: Send, path: str, headers: dict[str, str]) -> None:
        found = self._static.get("index.html" if path == "/" else path.removeprefix("/static/"))
        if found is None:
            raise Refusal(404, "there is no such file of the page")
        is_known = headers.get("if-none-match") == f'"{found.tag}"'
        is_packed = "gzip" in headers.get("accept-encoding", "")
        data = b"" if is_known else found.packed if is_packed else found.data
        own = dict(guard.headers_of(self.site, found.content_type, guard.page_policy(self.site)))
        kept = ICON_KEPT if path.endswith(".svg") else b"no-cache"
        own |= {b"cache-control": kept, b"etag": f'"{found.tag}"'.encode(), b"vary": b"accept-encoding"}
        if not is_known:
            own[b"content-length"] = str(len(data)).encode()
            own |= {b"content-encoding": b"gzip"} if is_packed else {}
        await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": list(own.items())})
        await send({"type": "http.response.body", "body": data})

    async def _send_file(self, send: Send, file: File) -> None:
        """A file as it is on the disk, block by block: as much of it as there was when it was opened."""
        try:
            size = file.size if file.fd >= 0 else len(file.data)
            headers = [*guard.headers_of(self.site, file.content_type, guard.file_policy(self.site, file.policy))]
            headers.append((b"content-length", str(size).encode()))
            if file.name:
                headers.append((b"content-disposition", _attachment(file.name)))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if file.fd < 0:
                return await send({"type": "http.response.body", "body": file.data})
            at, loop = 0, asyncio.get_running_loop()
            while at < size:
                block = await loop.run_in_executor(self._threads, os.pread, file.fd, min(BLOCK_BYTES, size - at), at)
                if not block:
                    break  # it was cut short meanwhile: the browser sees that less came than was said
                at += len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            if file.fd >= 0:
                os.close(file.fd)


def _let_go(made: asyncio.Future[dict[str, Any] | File]) -> None:
    """Close the file of an answer that is sent to nobody."""
    if not made.cancelled() and made.exception() is None and isinstance(answer := made.result(), File) and answer.fd >= 0:
        os.close(answer.fd)


def _attachment(name: str) -> bytes:
    """The header under which a file is saved, in any alphabet (RFC 6266)."""
    from urllib.parse import quote

    return f"attachment; filename*=UTF-8''{quote(name.encode('utf-8', 'surrogateescape'), safe='')}".encode()


def _encoded(answer: dict[str, Any], is_packed: bool) -> tuple[Any, ...]:
    """An answer's JSON, packed where that is worth it, and the headers that say so. Raises Refusal when it is too large."""
    data = encode(answer)
    if len(data) > ANSWER_BYTES:
        what = f"the answer would have {len(data)} bytes"
        raise Refusal(413, what, allowed=[f"at most {ANSWER_BYTES}"], hint="ask for fewer runs or names")
    if not is_packed or len(data) < PACKED_FROM:
        return (data,)
    return gzip.compress(data, 1, mtime=0), (b"content-encoding", b"gzip")


async def _gone(receive: Receive) -> None:
    """Return when the other side has gone, or the server is to end."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive, headers: dict[str, str]) -> dict[str, Any]:
    """The JSON object of a POST. Raises Refusal for anything else."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "what is sent here is JSON", allowed=[f"content-type: {JSON}"])
    data, until = b"", time.monotonic() + ANSWER_S
    try:
        while True:
            message = await asyncio.wait_for(receive(), until - time.monotonic())
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the request ended in the middle")
            data += message.get("body", b"")
            if len(data) > BODY_BYTES:
                raise Refusal(413, "the request is too large", allowed=[f"at most {BODY_BYTES} bytes"])
            if not message.get("more_body"):
                break
    except asyncio.TimeoutError:
        raise Refusal(408, f"the request did not come within {ANSWER_S:g} s") from None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "the request is no JSON object")
    return value


def _query(text: bytes) -> dict[str, str]:
    """The words behind the path. Raises Refusal when there are too many."""
    try:
        return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True, errors="surrogateescape", max_num_fields=WORDS))
    except ValueError:
        raise Refusal(400, "the query has too many words", allowed=[f"at most {WORDS}"]) from None
