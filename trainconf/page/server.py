"""The server's life: its port or socket, the one page of a workspace, how it ends.

    with Server(site, port=None) as server:
        print(server.link)
        server.run()
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

from trainconf import files
from trainconf.errors import UserError
from trainconf.fast.stdlib import libc
from trainconf.page.app import App

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.page.site import Site

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 8787, 100
CONNECTIONS = 256  # at once; a browser opens six
LARGE_BYTES = 1 << 16  # of memory: such a block goes back by itself, and leaves no hole
KEPT_BYTES = 1 << 22  # of smaller ones, for the next request
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of mallopt(3), which glibc alone has
MISSING = "pip install 'trainconf[ui]'"


class Server:
    """A site on a port of this machine, or on a socket that is a file. A context manager, which leaves nothing behind.

    port: None for the first free one from FIRST_PORT on.
    """

    def __init__(self, site: Site, *, port: int | None = None, socket_file: str = "") -> None:
        self.site = site
        self.link = ""
        self.link_port = FIRST_PORT  # of the other side of an ssh tunnel to a socket
        self._redirect = ""
        self._port = port
        self._socket_file = socket_file
        self._socket: socket.socket | None = None

    def __enter__(self) -> Server:
        """Take the port. Raises UserError when it is taken, or uvicorn is not installed."""
        _check_installed()
        if self._socket_file:
            self._socket = _file_socket(self._socket_file)
            self.link = f"http://localhost:{self.link_port}/#t={self.site.token}"
        else:
            self._socket, self.site.port = _port_socket(self._port)
            self.link = f"http://{HOST}:{self.site.port}/#t={self.site.token}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._socket_file and self._socket is not None and os.path.exists(self._socket_file):
            os.unlink(self._socket_file)
        if self._redirect:
            shutil.rmtree(os.path.dirname(self._redirect), ignore_errors=True)

    def open_browser(self) -> None:
        """Show the page: by a file that only this user can read, for a link in the arguments of a browser is in everybody's `ps`."""
        import webbrowser

        self._redirect = os.path.join(tempfile.mkdtemp(prefix="trainconf-ui-"), "open.html")
        files.write_new(self._redirect, f'<meta http-equiv="refresh" content="0; url={self.link}">', mode=0o600, durable=False)
        webbrowser.open(f"file://{self._redirect}")

    def run(self) -> None:
        """Answer until Ctrl-C, SIGTERM or SIGHUP."""
        import signal

        from uvicorn.config import Config
        from uvicorn.server import Server as Uvicorn

        from trainconf.page.connection import Connection

        _give_memory_back()
        app = App(self.site)
        self.site.begin()
        config = Config(
            app, loop="asyncio", http=Connection, ws="none", log_level="error", lifespan="off", log_config=None,
            access_log=False, proxy_headers=False, server_header=False, limit_concurrency=CONNECTIONS, timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = Uvicorn(config)
        app.is_ending = lambda: server.should_exit
        before = signal.signal(signal.SIGHUP, lambda *_: server.handle_exit(signal.SIGTERM, None))
        try:
            assert self._socket is not None
            server.run(sockets=[self._socket])
        except KeyboardInterrupt:
            pass  # uvicorn raises the signal again that has ended it
        finally:
            signal.signal(signal.SIGHUP, before)
            app.close()
            self.site.close()


def _give_memory_back() -> None:
    """From here on what a large request took goes back to the system: large blocks lie in no heap, and all threads have one heap."""
    libc("mallopt", M_MMAP_THRESHOLD, LARGE_BYTES)
    libc("mallopt", M_TRIM_THRESHOLD, KEPT_BYTES)
    libc("mallopt", M_ARENA_MAX, 1)


def _check_installed() -> None:
    import sys
    from importlib.util import find_spec

    if find_spec("uvicorn") is None:
        raise UserError("uvicorn, which serves the page, is not installed", ("Python", sys.executable), hint=MISSING)


def _port_socket(port: int | None) -> tuple[socket.socket, int]:
    """A port that listens. Raises UserError when it is taken, or all of them are."""
    ports = [port] if port is not None else [*range(FIRST_PORT, FIRST_PORT + PORTS)]
    for number in ports:
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before that are being closed do not count
        try:
            found.bind((HOST, number))
            found.listen(128)
            return found, int(found.getsockname()[1])
        except (OSError, OverflowError) as error:
            found.close()
            if isinstance(error, OverflowError) or error.errno == 13:
                hint = "leave out --port for the first free one, or give another from 1024 to 65535"
                raise UserError(f"port {number} cannot be used", ("from", "--port"), hint=hint) from None
    taken = str(ports[0]) if len(ports) == 1 else f"{ports[0]} to {ports[-1]}"
    raise UserError(f"port {taken} is taken", ("address", HOST), hint="leave out --port for the first free one, or give another")


def _file_socket(path: str) -> socket.socket:
    """A socket that is a file, which only this user can use. Raises UserError when something else is there."""
    found = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        if _is_left(path):
            os.unlink(path)
        found.bind(path)
        found.listen(128)
    except OSError as error:
        found.close()
        raise UserError(
            f"no socket can be made there: {error.strerror or error}", ("from", "--socket"), ("path", path),
            hint="give a path of at most 107 bytes in a folder of your own, where nothing is yet",
        ) from None  # fmt: skip
    finally:
        os.umask(before)
    return found


def _is_left(path: str) -> bool:
    """Whether a socket is there that nobody answers: its server was killed."""
    import stat

    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
