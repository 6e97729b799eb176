"""Streams, and the two threads that look for what they want: one at files ten times a second, one at what takes longer to find out.

A stream whose reader is slow is not looked for until it has read: what it wants is kept as places in files, so nothing is lost by waiting,
and no more than PENDING_BYTES are in memory for it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque

from trainconf.history import events
from trainconf.page.wire import Refusal, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    class Topic(Protocol):
        """Something that is looked at again and again. `look` pushes what is new."""

        def look(self, push: Callable[[str, Any], None]) -> None: ...


QUICK_S, SLOW_S = 0.1, 1.0
BEAT_S = 5.0
STREAMS = 16
PENDING_BYTES = 1 << 20
SHARE = 10  # a look that takes long is repeated after this many times as long


class Stream:
    """What one browser wants, and what is yet to be sent to it. Events are pushed from threads, and taken in the event loop."""

    def __init__(self, quick: Sequence[Topic], slow: Sequence[Topic]) -> None:
        self.quick = list(quick)
        self.slow = dict.fromkeys(slow, 0.0)  # with the time of the next look
        self._events: deque[bytes] = deque()
        self._pending = 0
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._is_there = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether there is enough to be sent already."""
        return self._pending > PENDING_BYTES

    def push(self, name: str, value: Any) -> None:
        """Add an event."""
        data = b"event: %s\ndata: %s\n\n" % (name.encode(), encode(value))
        with self._lock:
            self._events.append(data)
            self._pending += len(data)
        self._loop.call_soon_threadsafe(self._is_there.set)

    async def take(self) -> bytes:
        """The events that there are, at least one: a beat, where nothing came for a while."""
        try:
            await asyncio.wait_for(self._is_there.wait(), BEAT_S)
        except asyncio.TimeoutError:
            return beat()
        self._is_there.clear()
        with self._lock:
            data = b"".join(self._events)
            self._events.clear()
            self._pending = 0
        return data or beat()


def beat() -> bytes:
    """An event that says that the server is there, and what time it has."""
    return b"event: beat\ndata: %s\n\n" % encode({"now": events.now()})


class Hub:
    """All streams. `close` ends the threads."""

    def __init__(self) -> None:
        self._streams: list[Stream] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads: list[threading.Thread] = []

    def add(self, stream: Stream) -> None:
        """Look for what a stream wants, from now on. Raises Refusal when there are too many."""
        with self._changed:
            if len(self._streams) >= STREAMS:
                raise Refusal(503, "too many pages follow this server", allowed=[f"{STREAMS} streams"], hint="close some of their tabs")
            self._streams.append(stream)
            if not self._threads:
                looks = (self._look_quickly, self._look_slowly)
                self._threads = [threading.Thread(target=look, name="watch", daemon=True) for look in looks]
                for thread in self._threads:
                    thread.start()
            self._changed.notify_all()

    def remove(self, stream: Stream) -> None:
        """Look no more."""
        with self._changed:
            self._streams.remove(stream)

    def close(self) -> None:
        """End the threads, soon."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _wanting(self, pause_s: float) -> list[Stream]:
        """The streams, after a pause and once there are any; none when the hub is closed."""
        time.sleep(pause_s)
        with self._changed:
            while not self._streams and not self._is_closed:
                self._changed.wait()
            return [] if self._is_closed else list(self._streams)

    def _look_quickly(self) -> None:
        pause_s = 0.0
        while streams := self._wanting(pause_s):
            began = time.monotonic()
            for stream in streams:
                for topic in list(stream.quick) if not stream.is_behind else ():
                    if not _look(topic, stream):
                        stream.quick.remove(topic)
            pause_s = max(QUICK_S / 10, began + QUICK_S - time.monotonic())

    def _look_slowly(self) -> None:
        pause_s = 0.0
        while streams := self._wanting(pause_s):
            for stream in streams:
                for topic, due in list(stream.slow.items()) if not stream.is_behind else ():
                    began = time.monotonic()
                    if began < due:
                        continue
                    if _look(topic, stream):
                        now = time.monotonic()
                        stream.slow[topic] = now + max(SLOW_S, SHARE * (now - began))
                    else:
                        del stream.slow[topic]
            pause_s = QUICK_S


def _look(topic: Topic, stream: Stream) -> bool:
    """Look once; whether to look again. A fault of ours is told where the server runs, and costs this topic."""
    try:
        topic.look(stream.push)
    except Exception:
        import traceback

        traceback.print_exc(file=sys.stderr)
        return False
    return True
