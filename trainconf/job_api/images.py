"""Images that a run logs: a file that is one, or a plot of matplotlib, kept among the run's files."""

from __future__ import annotations

import os
import time

from trainconf.job_api import files, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD_BYTES = 512
FOLDER = "outputs/images"
MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"GIF87a": "gif", b"GIF89a": "gif", b"BM": "bmp", b"II*\0": "tiff",
    b"MM\0*": "tiff", b"\0\0\1\0": "ico",
}  # fmt: skip


def keep(store: Any, name: str, path: Any, plot: Any) -> str:
    """The name in the run of an image file, or of a plot that is saved there. Raises TypeError, ValueError, OSError."""
    if (path is None) == (plot is None):
        raise TypeError("an image is given as run.log_image(%r, path=...) or run.log_image(%r, plot=...): one of both" % (name, name))
    if path is None:
        return _saved(store, name, plot)
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError("there is no image file %r" % path)
    with open(path, "rb") as stream:
        ending = kind_of(stream.read(HEAD_BYTES))
    if not ending:
        raise ValueError("%r is no image; allowed are PNG, JPEG, GIF, BMP, TIFF, WebP, SVG and ICO files" % path)
    real = os.path.realpath(path)
    for top, folder in store.folders():
        if real.startswith(os.path.realpath(folder) + os.sep):
            inside: str = os.path.join(top, os.path.relpath(real, os.path.realpath(folder)))
            return inside
    return files.put(store, _free(name, ending), path)


def kind_of(head: bytes) -> str:
    """The usual ending of an image file, from its first bytes; empty for what is none."""
    ending: str = next((ending for magic, ending in MAGIC.items() if head.startswith(magic)), "")
    if ending:
        return ending
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    text: bytes = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    is_svg = text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!doctype")) and b"<svg" in text)
    return "svg" if is_svg else ""


def _saved(store: Any, name: str, plot: Any) -> str:
    """What matplotlib has drawn, as PNG. The script has imported matplotlib; nothing of it is imported here."""
    figure: Any = plot if hasattr(plot, "savefig") else getattr(plot, "figure", None)
    if not hasattr(figure, "savefig"):
        raise TypeError("plot must be a figure or the module pyplot of matplotlib, not %s" % values.article(plot))
    inside = _free(name, "png")
    target = files.place(store, inside)
    temp = files.beside(target)
    try:
        figure.savefig(temp, format="png")
        os.replace(temp, target)
    except BaseException:
        if os.path.exists(temp):
            os.unlink(temp)
        raise
    return inside


def _free(name: str, ending: str) -> str:
    """A name that no other image has: the metric's, and the time."""
    clean = "".join(c if c.isalnum() or c in "_-." else "_" for c in name)[:100].lstrip(".") or "image"
    return "%s/%s_%d.%s" % (FOLDER, clean, time.time_ns() // 1000, ending)
