"""Tells which files were written to, as the kernel sees it (inotify(7)), without `ctypes`. Writes of other machines are not seen."""

from __future__ import annotations

import os
import select
import sys
import time

from trainconf.fast.stdlib import libc

IN_MODIFY = 0x2
HEADER_BYTES, READ_BYTES = 16, 65536  # struct inotify_event: four numbers of 32 bits and a name


class FileWatch:
    """Waits for writes to some files. Where the kernel cannot be asked, it only waits, and `works` is False."""

    def __init__(self) -> None:
        self._fd = libc("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK)
        self._paths: dict[int, str] = {}

    @property
    def works(self) -> bool:
        """Whether writes are told."""
        return self._fd >= 0

    def add(self, path: str) -> None:
        """Watch a file from now on; one that is missing, or more than the kernel allows, never changes."""
        number = libc("inotify_add_watch", self._fd, os.fsencode(path), IN_MODIFY) if self.works else -1
        if number >= 0:
            self._paths[number] = path

    def remove(self, path: str) -> None:
        """Watch a file no longer."""
        for number in [number for number, known in self._paths.items() if known == path]:
            del self._paths[number]
            libc("inotify_rm_watch", self._fd, number)

    def wait(self, seconds: float) -> set[str]:
        """The files that were written to, as soon as there are any; none after so many seconds."""
        if not self.works:
            time.sleep(seconds)
            return set()
        if not select.select([self._fd], [], [], seconds)[0]:
            return set()
        found, place, data = set(), 0, os.read(self._fd, READ_BYTES)
        while place < len(data):
            number, _, _, length = (int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(place, place + HEADER_BYTES, 4))
            found.add(self._paths.get(number, ""))
            place += HEADER_BYTES + length
        return found - {""}

    def close(self) -> None:
        """Let go of the kernel's part. May be called twice."""
        if self.works:
            os.close(self._fd)
            self._fd = -1
