"""The log of a rank: its end, earlier parts, where a text is, where the first error is."""

from __future__ import annotations

from trainconf.control.logs import Wanted
from trainconf.control.view import log as log_view
from trainconf.errors import UserError
from trainconf.page.answers.chosen import run_of, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

PART_BYTES, MOST_BYTES = 1 << 16, 1 << 18
ERROR_BYTES = 4096


def log(request: Request) -> dict[str, Any]:
    """A part of a log, or the next place of what is looked for. Raises RunNotFoundError, UserError."""
    rank = request.query.get("rank", "") or "0"
    path = path_of(run_of(request), rank)
    if "find" in request.query:
        return _find(request, path)
    end = whole(request.query, "end", 0, 1 << 62) if request.query.get("end") else None
    lines = whole(request.query, "lines", 1, MOST_BYTES) if request.query.get("lines") else None
    try:
        found = log_view.part(path, end, whole(request.query, "size", PART_BYTES, MOST_BYTES), lines)
    except FileNotFoundError:
        found = log_view.Part(0, 0, 0, b"")  # it has written nothing yet
    return {
        "rank": rank, "start": found.start, "end": found.end, "size_bytes": found.size, "text": found.data.decode("utf-8", "replace"),
        "at_start": found.start == 0,
    }  # fmt: skip


def first_error(request: Request) -> dict[str, Any]:
    """Where a log first tells of an error, and the beginning of that; `start` is null where it does not, as far as was looked."""
    path = path_of(run_of(request), request.query.get("rank", "") or "0")
    try:
        found = log_view.first_error(path)
        text = b"" if found.start is None else log_view.part(path, found.start + ERROR_BYTES, ERROR_BYTES).data
    except FileNotFoundError:
        return {"start": None, "text": "", "looked_to": 0, "size_bytes": 0}
    return {"start": found.start, "text": text.decode("utf-8", "replace"), "looked_to": found.looked_to, "size_bytes": found.size}


def path_of(paths: RunPaths, rank: str) -> str:
    """The log of a rank, or of the agent. Raises UserError."""
    if rank == "agent":
        return Wanted(is_agent=True).path(paths)
    if not (rank.isascii() and rank.isdigit() and len(rank) < 8):
        raise UserError(f"rank={rank} is no rank", ("allowed", "a whole number; agent"))
    return Wanted(rank=int(rank)).path(paths)


def _find(request: Request, path: str) -> dict[str, Any]:
    text, is_back = request.query["find"], request.query.get("back") == "1"
    start = whole(request.query, "from", 0, 1 << 62)
    try:
        found = log_view.find(path, text, start, is_back=is_back)
    except FileNotFoundError:
        return {"match": None, "looked_to": 0, "size_bytes": 0}
    match = None if found.start is None else {"start": found.start, "end": found.end}
    return {"match": match, "looked_to": found.looked_to, "size_bytes": found.size}
