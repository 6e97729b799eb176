"""TensorBoard itself, as a child process on a log directory of its own that follows runs.

    with TensorBoard(runs) as board:
        print(board.start())
        board.wait()

It listens on this machine alone. When this process is killed, it ends, too.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time

from trainconf.control.tensorboard.log_directory import LogDirectory
from trainconf.errors import StorageError, TrainconfError, UserError
from trainconf.fast.spawn import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainconf.control.tensorboard.log_directory import Shown

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 6006, 100  # where people look for it; the first free one is taken
UPDATE_SECONDS = 1.0  # between two looks at the runs
RELOAD_SECONDS = 2  # between TensorBoard's looks at the log directory
START_SECONDS = 120.0  # it imports for seconds
END_SECONDS = 5.0
LOOK_SECONDS = 0.1
MISSING = "pip install 'trainconf[tensorboard]'"
# The parent's death signal (prctl(2), PR_SET_PDEATHSIG) comes with SIGTERM, which TensorBoard heeds.
CODE = "import ctypes; ctypes.CDLL(None).prctl(1, 15); import tensorboard.main; tensorboard.main.run_main()"


class TensorBoard:
    """TensorBoard on some runs. `port` None: the first free one from FIRST_PORT on. A context manager, which leaves nothing behind.

    folder: the log directory, which is kept; by default one of its own. more: see `LogDirectory`.
    """

    def __init__(
        self, runs: Sequence[Shown], port: int | None = None, *, folder: str = "", more: Callable[[], Sequence[Shown]] | None = None
    ) -> None:
        self.url = ""
        self._runs = runs
        self._port = port
        self._folder = folder
        self._more = more
        self._pid = 0
        self._scratch = ""
        self._has_stopped = threading.Event()
        self._follower: threading.Thread | None = None

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start it; its address, at which it answers.

        Raises UserError when it is not installed or the port is taken, StorageError when there is no room for the log directory,
        TrainconfError when it does not start.
        """
        from importlib.util import find_spec

        if find_spec("tensorboard") is None:
            raise UserError("TensorBoard is not installed", ("Python", sys.executable), hint=MISSING)
        ports = [self._port] if self._port is not None else [*range(FIRST_PORT, FIRST_PORT + PORTS)]
        free = [port for port in ports if _is_free(port)]
        if not free:
            taken = str(ports[0]) if len(ports) == 1 else f"{ports[0]} to {ports[-1]}"
            raise UserError(f"port {taken} is taken", ("address", HOST), hint="leave out --port for the first free one, or give another")
        try:
            self._scratch = tempfile.mkdtemp(prefix="trainconf-tensorboard-")
            self._folder = self._folder or os.path.join(self._scratch, "runs")
            os.makedirs(self._folder, exist_ok=True)
            logs = LogDirectory(self._folder, self._runs, self._more)
            logs.update()
        except OSError as error:
            self.stop()
            raise StorageError(
                "the log directory for TensorBoard could not be made", ("folder", self._folder or tempfile.gettempdir()),
                ("because", error.strerror or str(error)),
            ) from None  # fmt: skip
        has_begun = threading.Event()
        self._follower = threading.Thread(target=self._run, args=(logs, free, has_begun), daemon=True)
        self._follower.start()
        has_begun.wait()
        if not self.url:
            said = self._said()
            self.stop()
            raise TrainconfError("TensorBoard did not start", ("it said", said or "nothing"))
        return self.url

    def _run(self, logs: LogDirectory, ports: Sequence[int], has_begun: threading.Event) -> None:
        """Start it in this thread, which lives as long as it: the signal of a parent's death comes when a thread has ended."""
        try:
            any(self._launch(port) for port in ports)
        finally:
            has_begun.set()
        if self.url:
            self._follow(logs)

    def wait(self) -> str:
        """Return when it has ended by itself: the last that it said."""
        while not self._has_ended():
            time.sleep(LOOK_SECONDS)
        return self._said()

    def stop(self) -> None:
        """End it and remove its log directory. May be called again."""
        import shutil

        self._has_stopped.set()
        until = time.monotonic() + END_SECONDS
        if self._follower is not None and not self.url:
            self._follower.join(END_SECONDS)  # it was still starting
        if self._pid:
            os.kill(self._pid, 15)
        while not self._has_ended():
            if time.monotonic() >= until:
                os.kill(self._pid, 9)
            time.sleep(0.01)
        if self._follower is not None:
            self._follower.join(END_SECONDS)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = ""

    def _launch(self, port: int) -> bool:
        """Start it on a port, and wait until it answers; False when it ended, for somebody else may have been quicker with the port."""
        words = ["--logdir", self._folder, "--host", HOST, "--port", str(port), "--window_title", "trainconf",
                 "--reload_interval", str(RELOAD_SECONDS), "--reload_multifile", "true", "--load_fast", "false"]  # fmt: skip
        nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        said = os.open(os.path.join(self._scratch, "said.txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self._pid = spawn(sys.executable, [sys.executable, "-c", CODE, *words], os.environ, (nothing, said, said))
        finally:
            os.close(nothing)
            os.close(said)
        until = time.monotonic() + START_SECONDS
        while not self._has_ended() and not self._has_stopped.is_set():
            if not _is_free(port) and f":{port}/" in self._said():
                self.url = f"http://{HOST}:{port}/"
                return True
            if time.monotonic() >= until:
                break
            time.sleep(LOOK_SECONDS)
        if self._pid:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
            self._pid = 0
        return False

    def _has_ended(self) -> bool:
        if self._pid and os.waitpid(self._pid, os.WNOHANG)[0]:
            self._pid = 0
        return not self._pid

    def _said(self) -> str:
        try:
            with open(os.path.join(self._scratch, "said.txt"), "rb") as stream:
                return "\n".join(stream.read().decode("utf-8", "replace").strip().splitlines()[-5:])
        except OSError:
            return ""

    def _follow(self, logs: LogDirectory) -> None:
        while not self._has_stopped.wait(UPDATE_SECONDS):
            try:
                logs.update()
            except OSError:
                continue  # a full disk: what is missing is taken in when there is room


def _is_free(port: int) -> bool:
    with socket.socket() as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before that are being closed do not count
        try:
            asking.bind((HOST, port))
        except OSError:
            return False
    return True


def tunnel(port: int) -> str:
    """The command that brings a port of this machine to the one from which somebody is here by ssh; empty when nobody is."""
    words = os.environ.get("SSH_CONNECTION", "").split()  # sshd(8): client, its port, server, its port
    if len(words) != 4:
        return ""
    import getpass

    ssh_port = "" if words[3] == "22" else f"-p {words[3]} "
    return f"ssh -N -L {port}:{HOST}:{port} {ssh_port}{getpass.getuser()}@{words[2]}"


def has_display() -> bool:
    """Whether a browser can open a window here."""
    is_remote = bool(os.environ.get("SSH_CONNECTION"))
    return not is_remote and (sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")))
