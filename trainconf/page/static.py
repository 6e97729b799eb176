"""The files of the page itself. Only names that the package has are known; what is asked for never becomes a path."""

from __future__ import annotations

import hashlib
import os
import re

from trainconf.fast.records import Record
from trainconf.page import bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "static")
VENDOR = "vendor/"  # other people's, which travel as they are, with their licences
STYLE, STYLES = "page.css", ("style.css", "screens.css")
ALONE = ("index.html", "icon.svg")
INDENTS = re.compile(rb"^ +(?![ *])", re.MULTILINE)  # of modules that are joined; the lines of a licence stay as they are
COMMENTS = re.compile(rb"^[ \t]*(?://.*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)\n+", re.MULTILINE)
WITHIN = re.compile(rb"/\*\* @(?:type|param) [^*]*\*/ ?|(?<=[;{},(]) // [^\n]*$", re.MULTILINE)  # of a script; no text of ours has such
TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip


class Static(Record):
    """A file, packed as gzip; `tag` names its content."""

    content_type: str
    packed: bytes
    data: bytes
    tag: str


class StaticFiles:
    """What a browser is given, by the path below /static/. Made when it is first asked for, and when a file of it has changed."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = folder
        scripts = tuple(name for name in _below(folder, "") if name.endswith(".js"))
        self._sources = {**{name: (name,) for name in ALONE}, STYLE: STYLES, bundle.FIRST: scripts, bundle.REST: scripts}
        self._made: dict[str, tuple[Any, Static]] = {}

    def names(self) -> list[str]:
        """All that can be asked for."""
        return list(self._sources)

    def get(self, name: str) -> Static | None:
        """A file by its name; None when there is none. Raises OSError."""
        sources = self._sources.get(name)
        if sources is None:
            return None
        seen = [(info.st_mtime_ns, info.st_size) for info in (os.stat(os.path.join(self._folder, each)) for each in sources)]
        if name not in self._made or self._made[name][0] != seen:
            for each, data in self._data(name, sources).items():
                self._made[each] = seen, _packed(each, data)
        return self._made[name][1]

    def _data(self, name: str, sources: Sequence[str]) -> dict[str, bytes]:
        if name in (bundle.FIRST, bundle.REST):
            return {each: INDENTS.sub(b"", data) for each, data in bundle.joined(self._read).items()}
        return {name: b"".join(map(self._read, sources))}

    def _read(self, name: str) -> bytes:
        with open(os.path.join(self._folder, name), "rb") as stream:
            data = stream.read()
        return data if name.startswith(VENDOR) or not name.endswith((".js", ".css")) else without_comments(data)


def without_comments(text: bytes) -> bytes:
    """A script or style without its comments and types: a fifth of what is sent."""
    return WITHIN.sub(b"", COMMENTS.sub(b"", text))


def _packed(name: str, data: bytes) -> Static:
    import gzip

    tag = hashlib.sha256(data).hexdigest()[:32]
    return Static(TYPES[os.path.splitext(name)[1]], gzip.compress(data, 9, mtime=0), data, tag)


def _below(folder: str, before: str) -> list[str]:
    found: list[str] = []
    for entry in os.scandir(folder):
        found += _below(entry.path, f"{before}{entry.name}/") if entry.is_dir() else [before + entry.name]
    return found
