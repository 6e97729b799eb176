"""The table of addresses: a line for each, and the answer to a path."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import unquote_to_bytes

from trainconf.page.answers import about, log, run, runs, series
from trainconf.page.request import Route
from trainconf.page.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.page.request import File, Request


def _later(module: str, name: str) -> Callable[[Request], dict[str, Any] | File]:
    """An answer whose module is loaded when it is first asked for: most pages look at the table of runs alone."""

    def answer(request: Request) -> dict[str, Any] | File:
        found: Callable[[Request], dict[str, Any] | File] = getattr(import_module(f"trainconf.page.answers.{module}"), name)
        return found(request)

    return answer


ROUTES = (
    Route("GET", "/api/about", about.about),
    Route("GET", "/api/runs", runs.table),
    Route("GET", "/api/columns", runs.columns),
    Route("GET", "/api/runs/{id}", run.overview),
    Route("GET", "/api/runs/{id}/log", log.log),
    Route("GET", "/api/runs/{id}/log/first-error", log.first_error),
    Route("GET", "/api/series", series.series),
    Route("GET", "/api/runs/{id}/config", _later("parts.config", "config")),
    Route("GET", "/api/runs/{id}/code", _later("parts.code", "code")),
    Route("GET", "/api/runs/{id}/code/file", _later("parts.code", "file")),
    Route("GET", "/api/runs/{id}/code/diff", _later("parts.code", "changes")),
    Route("GET", "/api/runs/{id}/environment", _later("parts.environment", "environment")),
    Route("GET", "/api/runs/{id}/events", _later("parts.events", "events")),
    Route("GET", "/api/runs/{id}/files", _later("parts.files", "folder")),
    Route("GET", "/api/runs/{id}/file", _later("parts.files", "file")),
    Route("POST", "/api/runs/{id}/link", _later("parts.files", "link")),
    Route("GET", "/api/images", _later("parts.files", "images")),
    Route("GET", "/files/{signature}/{until}/{how}/{about}/{name}", _later("parts.files", "signed"), is_open=True),
    Route("GET", "/api/compare", _later("compare", "compare")),
    Route("GET", "/api/compare/code", _later("compare", "code")),
    Route("GET", "/api/sweeps", _later("sweeps", "sweeps")),
    Route("GET", "/api/sweeps/{id}", _later("sweeps", "sweep")),
    Route("GET", "/api/sweeps/{id}/importance", _later("sweeps", "importance")),
    Route("GET", "/api/now", _later("now", "now")),
    Route("GET", "/api/ui", _later("ui", "read")),
    Route("POST", "/api/ui", _later("ui", "change"), writes=True),
    Route("GET", "/api/export", _later("export", "export")),
    # What it does is refused with --read-only by the answer itself: the command is told all the same.
    Route("POST", "/api/actions/{verb}", _later("actions", "act")),
    Route("GET", "/api/actions/pending/{name}", _later("actions", "pending")),
)


def find(method: str, path: bytes) -> tuple[Route, dict[str, str]]:
    """The address that a path means, and the values of its names. Raises Refusal: 404, or 405 where another method is meant."""
    # Split before it is decoded: what stands for `/` within a name divides nothing.
    segments = [unquote_to_bytes(part).decode("utf-8", "surrogateescape") for part in path.split(b"/")]
    methods: list[str] = []
    for route in ROUTES:
        pattern = route.path.split("/")
        if len(pattern) != len(segments):
            continue
        values = {name[1:-1]: value for name, value in zip(pattern, segments, strict=True) if name.startswith("{")}
        if all(name.startswith("{") or name == value for name, value in zip(pattern, segments, strict=True)) and all(values.values()):
            if route.method == method:
                return route, values
            methods.append(route.method)
    if methods:
        raise Refusal(405, f"{method} is not answered here", allowed=methods)
    raise Refusal(404, "there is no such address")
