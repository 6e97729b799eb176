"""How the agents beside a run's MPI processes are spoken to: by TCP, for no mpirun passes its input on to all it starts.

Whoever connects says a secret first, which only the processes of the run are told.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.agent.leases import WAKE_SIGNAL
from trainconf.agent.meeting import THIS_MACHINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from socket import socket
    from typing import Any

VARIABLE = "TRAINCONF_ORDERS"  # address, port and secret, for whoever shall connect
CONNECT_SECONDS = 60.0
LONGEST_LINE = 1 << 20
STARTER = -1  # the member number of what starts the others


class Exchange:
    """The run's agent's end. `inbox` gets (connection, line), and (connection, None) at its end; each time the main loop is woken."""

    def __init__(self, address: str, inbox: deque[tuple[Any, bytes | None]]) -> None:
        import _thread
        import secrets
        import socket

        self._inbox = inbox
        self._secret = secrets.token_hex(16)
        has_both = address != THIS_MACHINE and socket.has_dualstack_ipv6()
        family, heard_at = (socket.AF_INET6 if has_both else socket.AF_INET), (address if address == THIS_MACHINE else "")
        self._server = socket.create_server((heard_at, 0), family=family, backlog=4096, dualstack_ipv6=has_both)
        self.variable = f"{address} {self._server.getsockname()[1]} {self._secret}"
        self._stop_reading, self._stop = os.pipe()
        _thread.start_new_thread(self._serve, ())

    def close(self) -> None:
        """Hear and accept nothing more."""
        os.close(self._stop)

    def _serve(self) -> None:
        import selectors

        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._stop_reading, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == self._stop_reading:
                        self._server.close()
                        os.close(self._stop_reading)
                        return
                    if key.data is None:
                        connection, _ = self._server.accept()
                        connection.setblocking(False)
                        selector.register(connection, selectors.EVENT_READ, _Caller(connection))
                    elif not self._read(key.data):
                        selector.unregister(key.fileobj)
                os.kill(os.getpid(), WAKE_SIGNAL)

    def _read(self, caller: _Caller) -> bool:
        """Pass on what has come; whether more may."""
        import hmac

        try:
            data = caller.connection.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        *lines, caller.rest = (caller.rest + data).split(b"\n")
        if lines and not caller.is_known:
            caller.is_known = hmac.compare_digest(lines.pop(0), self._secret.encode())
            data = data if caller.is_known else b""
        if caller.is_known:
            self._inbox.extend((caller.connection, line) for line in lines)
        if not data or len(caller.rest) > LONGEST_LINE:
            if caller.is_known:
                self._inbox.append((caller.connection, None))
            else:
                caller.connection.close()
            return False
        return True


class _Caller:
    """Somebody who has connected, and what of a line has come."""

    def __init__(self, connection: socket) -> None:
        self.connection = connection
        self.rest = b""
        self.is_known = False


def connect(variable: str) -> socket:
    """The other end, blocking. Raises OSError."""
    import socket

    address, port, secret = variable.split(" ")
    connection = socket.create_connection((address, int(port)), CONNECT_SECONDS)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(secret.encode() + b"\n")
    return connection


def tell(variable: str, what: str, **facts: Any) -> None:
    """Say one thing to the run's agent as what starts the others, and wait until it was heard: who ends before has said nothing.

    Raises OSError.
    """
    import socket

    with connect(variable) as connection:
        connection.sendall(files.dumps({"member": STARTER, "news": what, **facts}).encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(CONNECT_SECONDS)
        connection.recv(1)  # nothing comes, but its end
