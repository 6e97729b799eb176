"""The only door to other programs: an argument list in, a result out. Nothing here goes through a shell.

Tests replace `run` and `spawn` by passing another `Processes` object; nothing is patched by dotted path.
The agent starts jobs by its own road (`agent/processes/ranks.py`), because it must not pay for `subprocess`.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from subprocess import Popen

TIMED_OUT = 124
LOOK_SECONDS = 0.1  # while a program is silent
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
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:
        """Run to the end and collect both outputs. A missing program is `found=False`, returncode 127; a time-out is TIMED_OUT."""
        import subprocess

        try:
            done = subprocess.run(
                list(argv), cwd=cwd, env=env, input=input, stdin=None if input is not None else subprocess.DEVNULL,
                capture_output=True, timeout=timeout_s, check=False,
            )
        except OSError as error:  # not there, not allowed, not a program (ENOEXEC)
            return Completed(argv, 127, b"", str(error).encode(), found=False)
        except subprocess.TimeoutExpired as error:
            return Completed(argv, TIMED_OUT, error.stdout or b"", error.stderr or b"")
        return Completed(argv, done.returncode, done.stdout, done.stderr)

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


def _lines_until_end(child: Popen[bytes]) -> Iterator[bytes]:
    """What a program writes, line by line, until it has ended: what it started and left behind may have its pipe for longer."""
    import os
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
    import os
    import signal
    import subprocess

    for sign, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, sign)
            child.wait(patience_s)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


processes = Processes()
