"""The only door to other programs: an argument list in, a result out. Nothing here goes through a shell.

Tests replace `run` and `spawn` by passing another `Processes` object; nothing is patched by dotted path.
Only `stream` needs `subprocess`, which takes 5 ms to import.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from trainconf.fast.spawn import spawn
from trainconf.fast.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import Popen

TIMED_OUT = 124
LOOK_SECONDS = 0.1  # while a program is silent
LOOK_AGAIN_SECONDS = 0.002  # for the end of a program that has closed its pipes
READ_BYTES, READS_AFTER_END = 65536, 16  # pipe(7): a pipe holds 16 pages, 1 MiB where somebody has raised it


@contextmanager
def interruptions_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is done, in which somebody else begins what nobody could take back in the middle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Completed:
    """What a program answered. `stdout` and `stderr` are bytes; `found` is False when there is no such program."""

    __slots__ = ("argv", "found", "returncode", "stderr", "stdout")

    def __init__(self, argv: Sequence[str], returncode: int, stdout: bytes, stderr: bytes, *, found: bool = True) -> None:
        self.argv = argv
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.found = found

    @property
    def ok(self) -> bool:
        """Whether it ran and ended with code 0."""
        return self.found and self.returncode == 0

    def text(self) -> str:
        """`stdout` decoded, undecodable bytes kept as surrogates, without the last newline."""
        return self.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def last_lines(self, count: int = 20) -> str:
        """The end of what it said on both channels, for a message about its failure."""
        said = (self.stdout + b"\n" + self.stderr).decode("utf-8", "replace").strip()
        return "\n".join(line for line in said.splitlines()[-count:])


class Processes:
    """Runs programs. The port that tests replace."""

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, input: bytes | None = None, timeout_s: float | None = None
    ) -> Completed:
        """Run to the end and collect both outputs. A missing program is `found=False`, returncode 127; a time-out is TIMED_OUT."""
        env = os.environ if env is None else env
        ours: list[int] = []  # the ends of the pipes that are ours: of its input, its output, its errors
        try:
            pid = _start(argv, env, ours)
        except (OSError, ValueError) as error:  # not there, not allowed, not a program (ENOEXEC), no argument at all (NUL)
            _close(ours)
            if isinstance(error, ValueError):
                raise
            return Completed(argv, 127, b"", str(error).encode(), found=False)
        try:
            outputs, has_ended = _exchange(ours, input or b"", None if timeout_s is None else time.monotonic() + timeout_s, pid)
            if not has_ended:
                os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            _close(ours)
        return Completed(argv, os.waitstatus_to_exitcode(status) if has_ended else TIMED_OUT, *outputs)

    def stream(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        """Run to the end and hand over each line as it comes, both channels together; the last lines are the result's `stdout`.

        The program gets a session of its own: whatever ends this call early (Ctrl-C, an error in `on_line`) ends it and its children
        before the exception travels on. A child keeps `pass_fds`, so a lock among them outlives us for as long as the child does.
        """
        import subprocess
        from collections import deque

        try:
            child = subprocess.Popen(
                list(argv), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, pass_fds=tuple(pass_fds),
            )
        except OSError as error:  # not there, not allowed, not a program (ENOEXEC)
            return Completed(argv, 127, b"", str(error).encode(), found=False)
        last: deque[bytes] = deque(maxlen=200)
        with child:
            try:
                for line in _lines_until_end(child):
                    last.append(line)
                    on_line(line.decode("utf-8", "replace").rstrip())
            except BaseException:
                _end_session(child)
                raise
        return Completed(argv, child.returncode, b"".join(last), b"")


def _start(argv: Sequence[str], env: Mapping[str, str], ours: list[int]) -> int:
    """Start a program, found on the PATH of its variables, and leave our ends of its pipes in `ours`; its pid. Raises OSError."""
    program = next((path for path in _places(argv[0], env) if os.path.isfile(path) and os.access(path, os.X_OK)), argv[0])
    theirs: list[int] = []
    try:
        for is_input in (True, False, False):
            read, write = os.pipe()
            ours.append(write if is_input else read)
            theirs.append(read if is_input else write)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())  # held interruptions are held for it, too
        return spawn(program, argv, env, theirs, new_session=False, blocked=blocked, reset=(signal.SIGPIPE, signal.SIGXFSZ))
    finally:
        _close(theirs)


def _places(name: str, env: Mapping[str, str]) -> list[str]:
    return [name] if os.sep in name else [os.path.join(folder, name) for folder in os.get_exec_path(env)]


def _exchange(ours: list[int], data: bytes, deadline: float | None, pid: int) -> tuple[list[bytes], bool]:
    """Write the input and read both outputs until the program has ended; what it wrote, and False when the deadline came before."""
    from select import POLLIN, POLLOUT, poll

    entry, *exits = ours
    os.set_blocking(entry, False)
    read: dict[int, list[bytes]] = {fd: [] for fd in exits}
    rest, waiting = memoryview(data), poll()
    for fd in exits:
        waiting.register(fd, POLLIN)
    waiting.register(entry, POLLOUT)
    left = set(ours)
    while left:
        seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
        for fd, _ in waiting.poll(None if seconds is None else seconds * 1000):
            if fd == entry:
                rest = rest[_write(fd, rest) :]
                is_over = not rest
            else:
                piece = os.read(fd, READ_BYTES)
                read[fd].append(piece)
                is_over = not piece
            if is_over:
                waiting.unregister(fd)
                left.remove(fd)
                if fd == entry:
                    ours.remove(fd)
                    os.close(fd)
        if deadline is not None and time.monotonic() >= deadline:
            break
    while deadline is not None and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() >= deadline:
            return [b"".join(read[fd]) for fd in exits], False
        time.sleep(LOOK_AGAIN_SECONDS)
    return [b"".join(read[fd]) for fd in exits], True


def _write(fd: int, data: memoryview) -> int:
    """How much of it could be written; all of it when nobody reads."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(data)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _lines_until_end(child: Popen[bytes]) -> Iterator[bytes]:
    """What a program writes, line by line, until it has ended: what it started and left behind may have its pipe for longer."""
    import select

    assert child.stdout is not None
    pipe, rest = child.stdout.fileno(), b""
    reads_left = None  # once it has ended: what the pipe can hold, for others may go on writing
    while reads_left != 0:
        if reads_left is None and child.poll() is not None:
            reads_left = READS_AFTER_END
        if not select.select([pipe], [], [], LOOK_SECONDS if reads_left is None else 0)[0]:
            if reads_left is None:
                continue
            break
        data = os.read(pipe, READ_BYTES)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        yield from (line + b"\n" for line in lines)
        reads_left = None if reads_left is None else reads_left - 1
    if rest:
        yield rest
    child.wait()


def _end_session(child: Popen[bytes]) -> None:
    """End a program that leads its own session, with all that is left of the session: asked first, then killed."""
    import subprocess

    for sign, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, sign)
            child.wait(patience_s)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


processes = Processes()
