"""Orders and news between a run's agent and the workers of its MPI processes, over TCP: no mpirun passes its input on to all it starts.

A caller sends a secret first, which only the processes of the run have.
"""

from __future__ import annotations

import errno
import os
import time

from trainconf import files
from trainconf.agent.log import say
from trainconf.agent.signals import WAKE_SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from socket import socket
    from typing import Any

VARIABLE = "TRAINCONF_ORDERS"  # address, port and secret
CONNECT_SECONDS = 60.0
SECRET_SECONDS = 10.0  # for a caller to send the secret
MOST_STRANGERS = 128  # callers without the secret so far; of more, the first one is sent away
REFUSED_SECONDS = 0.2  # until the next try, when there is no descriptor left for a connection
SPARE_DESCRIPTORS = 64  # for all that is none of these connections, and strangers
LONGEST_LINE = 1 << 20
WELCOME = b"\n"  # the answer to the secret; it is no order
STARTER = -1  # the worker number of what starts the others


class Exchange:
    """The run's agent's end. `inbox` gets (connection, line), and (connection, None) at its end; each time the main loop is woken.

    Callers get `address`. `bound_to` is the address of this node to listen at, empty for all of them. A caller without the secret costs a
    descriptor for a while, and nothing else: other users of the machine can call, too.
    """

    def __init__(self, address: str, inbox: deque[tuple[Any, bytes | None]], bound_to: str) -> None:
        import _thread
        import secrets
        import socket

        self._inbox = inbox
        self._secret = secrets.token_hex(16)
        has_both = not bound_to and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if has_both or ":" in bound_to else socket.AF_INET
        self._server = socket.create_server((bound_to, 0), family=family, backlog=4096, dualstack_ipv6=has_both)
        self._server.setblocking(False)
        self.variable = f"{address} {self._server.getsockname()[1]} {self._secret}"
        self._strangers: dict[_Caller, float] = {}  # when they came, by the monotonic clock, in that order
        self._accept_at: float | None = None  # monotonic; while there is no descriptor for another connection
        self._stop_reading, self._stop = os.pipe()
        _thread.start_new_thread(self._serve, ())

    def close(self) -> None:
        """Read and accept nothing more."""
        os.close(self._stop)

    def _serve(self) -> None:
        import selectors

        with selectors.DefaultSelector() as selector:
            self._selector = selector
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._stop_reading, selectors.EVENT_READ)
            while True:
                has_news = False
                for key, _ in selector.select(self._patience()):
                    if key.fileobj == self._stop_reading:
                        os.close(self._stop_reading)
                        self._server.close()
                        return
                    if key.fileobj is self._server:
                        has_news |= self._accept()
                    elif key.data in self._strangers or key.data.is_known:  # and was not sent away meanwhile
                        has_news |= self._read(key.data)
                self._send_away()
                if has_news:
                    os.kill(os.getpid(), WAKE_SIGNAL)

    def _accept(self) -> bool:
        """Whether a caller with the secret has come."""
        import selectors

        try:
            connection, _ = self._server.accept()
        except BlockingIOError:
            return False
        except OSError as error:  # no descriptor is left, or who called is gone
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._wait_for_descriptor(error)
            return False
        connection.setblocking(False)
        caller = _Caller(connection)
        self._strangers[caller] = time.monotonic()
        self._selector.register(connection, selectors.EVENT_READ, caller)
        return self._read(caller)  # a worker has sent the secret by now, mostly

    def _wait_for_descriptor(self, error: OSError) -> None:
        """No more callers for now; strangers make room."""
        if self._accept_at is None:
            say(f"a process of the run cannot call its agent now: {error.strerror}; `ulimit -n` is the limit")
            self._selector.unregister(self._server)
        self._accept_at = time.monotonic() + REFUSED_SECONDS
        for caller in [*self._strangers]:
            self._drop(caller)

    def _patience(self) -> float | None:
        """Seconds until somebody is to be sent away, or let in again."""
        times = [came + SECRET_SECONDS for came in [*self._strangers.values()][:1]]
        times += [] if self._accept_at is None else [self._accept_at]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _send_away(self) -> None:
        import selectors

        now = time.monotonic()
        too_many = len(self._strangers) - MOST_STRANGERS
        for number, (caller, came) in enumerate([*self._strangers.items()]):
            if number < too_many or now >= came + SECRET_SECONDS:
                self._drop(caller)
        if self._accept_at is not None and now >= self._accept_at:
            self._accept_at = None
            self._selector.register(self._server, selectors.EVENT_READ)

    def _drop(self, caller: _Caller) -> None:
        self._strangers.pop(caller, None)
        self._selector.unregister(caller.connection)
        if not caller.is_known:
            caller.connection.close()

    def _read(self, caller: _Caller) -> bool:
        """Pass on what has come; whether there is something."""
        try:
            data = caller.connection.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        caller.rest += data
        if not caller.is_known and not self._let_in(caller):
            if not data or b"\n" in caller.rest or len(caller.rest) > len(self._secret):
                self._drop(caller)
            return False
        *lines, caller.rest = caller.rest.split(b"\n")
        self._inbox.extend((caller.connection, line) for line in lines)
        if not data or len(caller.rest) > LONGEST_LINE:
            self._drop(caller)
            self._inbox.append((caller.connection, None))
        return True

    def _let_in(self, caller: _Caller) -> bool:
        """Whether the first line is the secret. Nothing else is read before."""
        import hmac

        secret, end, rest = caller.rest.partition(b"\n")
        if not end or not hmac.compare_digest(secret, self._secret.encode()):
            return False
        caller.rest = rest
        try:
            caller.connection.send(WELCOME)
        except OSError:
            return False
        caller.is_known = True
        del self._strangers[caller]
        return True


class _Caller:
    """A connection, and what of a line has come."""

    def __init__(self, connection: socket) -> None:
        self.connection = connection
        self.rest = b""
        self.is_known = False


def make_room(count: int) -> None:
    """Raise this process' limit of descriptors to what it may be, where `count` callers need it. Raises OSError when they need more."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + MOST_STRANGERS + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise OSError(errno.EMFILE, f"{count} processes call their run's agent, which needs {wanted} descriptors, and the limit "
                          f"(ulimit -Hn) is {hard}")  # fmt: skip
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        say(f"the limit of descriptors was raised from {soft} to {hard if hard != resource.RLIM_INFINITY else 'none'}")


def connect(variable: str) -> socket:
    """The other end, blocking. Raises OSError."""
    address, port, secret = variable.split(" ")
    give_up_at = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            return _connect(address, int(port), secret, max(1.0, give_up_at - time.monotonic()))
        except OSError:  # sent away, where too many had called at once
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(REFUSED_SECONDS)


def _connect(address: str, port: int, secret: str, patience_s: float) -> socket:
    import socket

    connection = socket.create_connection((address, port), patience_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(secret.encode() + b"\n")
        if connection.recv(1) != WELCOME:
            raise ConnectionResetError(errno.ECONNRESET, "it was not let in")
    except OSError:
        connection.close()
        raise
    connection.settimeout(None)
    return connection


def report(variable: str, what: str, **facts: Any) -> None:
    """Report one thing to the run's agent as the starter of the others. Waits until the agent has heard it.

    Raises OSError.
    """
    import socket

    with connect(variable) as connection:
        connection.sendall(files.dumps({"worker": STARTER, "news": what, **facts}).encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(CONNECT_SECONDS)
        connection.recv(1)  # only its end comes
