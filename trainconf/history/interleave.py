"""Several logs as one stream of whole lines, each with its log's name before it: `[rank 2] loss 0.3`.

The files hold no times. So what was written before somebody looks comes log after log; what is written from then on comes in the
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
    from collections.abc import Callable, Iterator, Sequence

    from trainconf.paths import RunPaths

BLOCK_BYTES = 65536  # read at once; a longer line goes on in a line of its own
_GOES_BACK = re.compile(rb"\r(?![\r\n]|\Z)")  # a progress bar returns to the beginning of its line, where the prefix is


class Interleaved:
    """All logs that `sources` names now, each a name and a path, and how far each was shown. An `Output` in all it does.

    start: where in a file to begin that is there at the first look, from its path, descriptor and size. keep: which lines to show.
    Lines of a log without a name have nothing before them.
    """

    def __init__(
        self, sources: Callable[[], Sequence[tuple[str, str]]], start: Callable[[str, int, int], int] | None = None,
        keep: Callable[[bytes], object] | None = None,
    ) -> None:
        self._sources = sources
        self._start = start
        self._keep = keep
        self._wide = 0  # of the longest name
        self._sizes: dict[str, int] = {}  # by path, at the last look
        self._shown: dict[str, int] = {}  # bytes
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
        sources = self._sources()
        self._wide = max([self._wide, *(len(name) for name, _ in sources)])
        for place, (name, path) in enumerate(sources):
            try:
                info = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # it has not started yet
            done = self._shown if to_end else self._sizes
            if info.st_size > done.get(path, 0):
                grown.append((info.st_mtime_ns if self._is_live else 0, place, name, path, info.st_size))
        for _, _, name, path, size in sorted(grown):
            yield from self._lines(name, path, size, to_end)
        self._is_live = True

    def _lines(self, name: str, path: str, size: int, to_end: bool) -> Iterator[bytes]:
        """Lines of one log up to `size`, what it was when we looked: a log that never stops growing keeps no other one waiting."""
        self._sizes[path] = size
        try:
            fd = files.open_regular(path)
        except FileNotFoundError:
            return  # the run has just been removed, as its state will say
        try:
            if path not in self._shown and self._start is not None and not self._is_live:
                self._shown[path] = self._start(path, fd, size)
            at = self._shown.get(path, 0)
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
                self._shown[path] = at
                lines = block[:end].removesuffix(b"\n")
                if self._keep is not None:
                    kept = [line for line in lines.split(b"\n") if self._keep(line)]
                    if not kept:
                        continue
                    lines = b"\n".join(kept)
                yield self._with_prefix(name, lines)
        finally:
            os.close(fd)

    def _with_prefix(self, name: str, text: bytes) -> bytes:
        if not name:
            return text + b"\n"
        prefix = os.fsencode(f"[{name}]".ljust(self._wide + 2)) + b" "
        if b"\r" in text:
            text = _GOES_BACK.sub(lambda _: b"\r" + prefix, text)
        return prefix + text.replace(b"\n", b"\n" + prefix) + b"\n"


def ranks_of(paths: RunPaths, name: str = "") -> Callable[[], list[tuple[str, str]]]:
    """The logs of all ranks of a run, as sources: those of its plan, which may come later than we do, and those that have a log already."""
    known: list[int] = []
    begin = f"{name} " if name else ""

    def sources() -> list[tuple[str, str]]:
        if not known:
            planned = ranks.planned(paths)
            found = sorted({*planned, *ranks.with_log(paths)})
            known.extend(found if planned else ())
        else:
            found = known
        return [(f"{begin}rank {rank}", paths.log(rank)) for rank in found]

    return sources
