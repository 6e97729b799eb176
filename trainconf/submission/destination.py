"""Where a frozen file goes: a path, or standard output."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from trainconf.errors import FrozenFileError
from trainconf.files import write_atomic
from trainconf.snapshot.frozen_line import FROZEN_LINE, is_frozen

FIRST_LINE = FROZEN_LINE.decode() + "\n"


class Destination:
    """Where a frozen file goes: a path, or standard output when there is none. A context manager.

    The first line is put there at the beginning, so that the code is recorded without the file to come, wherever that lies. What cannot
    be finished is taken away again. Raises FrozenFileError: the place cannot be written, or holds a file of another kind.
    """

    def __init__(self, output: str | None, data: Callable[[str], None]) -> None:
        self._output = output
        self._data = data
        self._made = False
        self.path = os.path.realpath(output) if output else _file_of_stdout()
        if output and os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output):
            self.path = ""  # a pipe or a device: it stays what it is, and nobody can look into it later

    def __enter__(self) -> Destination:
        if self._output is None and self.path:
            self._data(FIRST_LINE.rstrip("\n"))
        elif self.path:
            with _told(self._output):
                self._reserve()
        return self

    def _reserve(self) -> None:
        is_empty = os.path.isfile(self.path) and not os.path.getsize(self.path)
        if is_empty or not os.path.exists(self.path):
            write_atomic(self.path, FIRST_LINE, durable=False)
            self._made = True
        else:
            with open(self.path, "rb") as stream:  # a folder is refused by this, before anything is pinned
                if not is_frozen(stream.read(100)):
                    hint = "name another file, or remove this one"
                    raise FrozenFileError("this file is no frozen run, and is not written over", ("path", str(self._output)), hint=hint)

    def write(self, content: str) -> None:
        """Put the file there, whole."""
        if self._output is None:
            self._data(content.removeprefix(FIRST_LINE if self.path else "").removesuffix("\n"))
            return
        with _told(self._output):
            if self.path:
                write_atomic(self.path, content)
            else:
                with open(self._output, "w", encoding="utf-8", errors="surrogateescape") as stream:
                    stream.write(content)
        self._made = False

    def __exit__(self, *_: object) -> None:
        if self._made:
            with suppress(OSError):
                os.unlink(self.path)


@contextmanager
def _told(path: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FrozenFileError("the frozen file cannot be written", ("path", str(path)), ("because", str(error.strerror))) from error


def _file_of_stdout() -> str:
    """The file that standard output was sent to by the shell; empty for a terminal, a pipe, and where Linux does not tell."""
    try:
        status = os.fstat(1)
        path = os.readlink("/proc/self/fd/1")
        return path if stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.stat(path)) else ""
    except OSError:
        return ""
