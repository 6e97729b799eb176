"""The output of all ranks as one stream of whole lines, each with its rank before it: `[rank 2] loss 0.3`.

The files hold no times. So what was written before somebody looks comes rank after rank; what is written from then on comes in the
order in which the files changed, as often as one looks. No file stays open and no line is kept in memory: a line that has not ended
yet is read again when its file has grown.
"""

from __future__ import annotations

import os
import re

from trainconf import files
from trainconf.history import ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.paths import RunPaths

BLOCK_BYTES = 65536  # read at once; a longer line goes on in a line of its own
_GOES_BACK = re.compile(rb"\r(?![\r\n]|\Z)")  # a progress bar returns to the beginning of its line, where the prefix is


class Interleaved:
    """All logs of a run, those included that appear later, and how far each was shown. An `Output` in all it does."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._planned: list[int] = []
        self._ranks: list[int] = []
        self._sizes: dict[int, int] = {}  # at the last look
        self._shown: dict[int, int] = {}  # bytes
        self._is_live = False

    def read(self) -> Iterator[bytes]:
        """Every line that has ended since the last look."""
        return self._read(to_end=False)

    def finish(self) -> Iterator[bytes]:
        """All there is, last lines included that nobody ended."""
        return self._read(to_end=True)

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, *, to_end: bool) -> Iterator[bytes]:
        grown = []
        for rank in self._all_ranks():
            try:
                info = os.stat(self._paths.log(rank))
            except (FileNotFoundError, NotADirectoryError):
                continue  # it has not started yet
            done = self._shown if to_end else self._sizes
            if info.st_size > done.get(rank, 0):
                grown.append((info.st_mtime_ns if self._is_live else 0, rank, info.st_size))
        self._is_live = True
        for _, rank, size in sorted(grown):
            yield from self._lines(rank, size, to_end)

    def _all_ranks(self) -> list[int]:
        """Those of the plan, which may come later than we do, and those that have a log without one."""
        if not self._planned:
            self._planned = list(ranks.planned(self._paths))
            self._ranks = sorted({*self._planned, *ranks.with_log(self._paths)})
        return self._ranks

    def _lines(self, rank: int, size: int, to_end: bool) -> Iterator[bytes]:
        """Lines of one log up to `size`, what it was when we looked: a rank that never stops writing keeps no other one waiting."""
        self._sizes[rank] = size
        at = self._shown.get(rank, 0)
        try:
            fd = files.open_regular(self._paths.log(rank))
        except FileNotFoundError:
            return  # the run has just been removed, as its state will say
        try:
            while at < size:
                block = os.pread(fd, min(BLOCK_BYTES, size - at), at)
                end = block.rfind(b"\n") + 1
                if not end and len(block) == BLOCK_BYTES:
                    end = block.rfind(b"\r") + 1 or BLOCK_BYTES
                elif not end and to_end:
                    end = len(block)
                if not end:
                    break
                at += end
                self._shown[rank] = at
                yield self._with_prefix(rank, block[:end])
        finally:
            os.close(fd)

    def _with_prefix(self, rank: int, lines: bytes) -> bytes:
        prefix = f"[rank {rank}]".ljust(len(f"[rank {self._ranks[-1]}]")).encode() + b" "
        text = lines.removesuffix(b"\n")
        if b"\r" in text:
            text = _GOES_BACK.sub(lambda _: b"\r" + prefix, text)
        return prefix + text.replace(b"\n", b"\n" + prefix) + b"\n"
