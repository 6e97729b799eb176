"""What a page wants to be told: the topics of its request, read and bounded."""

from __future__ import annotations

import os
from urllib.parse import quote

from trainconf.errors import RunNotFoundError, UserError
from trainconf.page.answers.chosen import find_run
from trainconf.page.answers.log import path_of
from trainconf.page.live.answers import Answer, Running, Runs
from trainconf.page.live.files import Log, Points

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.live.hub import Topic
    from trainconf.page.site import Site
    from trainconf.paths import RunPaths

KINDS = ("runs", "run", "log", "points", "sweep", "now", "running")
MOST = 200  # of each kind
MOST_TABLES = 32
LARGEST = 1 << 62


def read(site: Site, body: dict[str, Any]) -> tuple[list[Topic], list[Topic]]:
    """The topics to be looked at quickly, and the others. What has gone meanwhile is left out. Raises UserError."""
    topics = body.get("topics")
    if not isinstance(topics, dict) or not set(topics) <= set(KINDS):
        raise UserError("a stream needs topics", ("allowed", ", ".join(KINDS)))
    quick: list[Topic] = []
    for run_id, cursor in _mapping(topics, "points").items():
        if (paths := _run(site, run_id)) is not None:
            quick.append(Points(site, paths, _place(cursor)))
    for key, at in _mapping(topics, "log").items():
        run_id, _, rank = key.rpartition("/")
        if (paths := _run(site, run_id)) is not None:
            quick.append(Log(paths.run_id, rank, path_of(paths, rank), _place(at)))
    tables = _mapping(topics, "runs")
    if len(tables) > MOST_TABLES or not all(isinstance(query, dict) for query in tables.values()):
        raise UserError("the tables of a stream are queries by name", ("allowed", f"at most {MOST_TABLES}"))
    slow: list[Topic] = [Runs(site, key, _checked(query)) for key, query in tables.items()]
    slow += [Answer(site, "run", f"/api/runs/{_segment(name)}", name, _run(site, name)) for name in _names(topics, "run")]
    slow += [Answer(site, "sweep", f"/api/sweeps/{_segment(name)}", name) for name in _names(topics, "sweep")]
    if topics.get("now"):
        slow.append(Answer(site, "now", "/api/now"))
    if topics.get("running"):
        slow.append(Running(site))
    return quick, slow


def _checked(query: dict[str, Any]) -> dict[str, Any]:
    offset, limit = query.get("offset") or 0, query.get("limit") or 0
    if not all(isinstance(number, int) and 0 <= number < 1 << 31 for number in (offset, limit)):
        raise UserError("offset and limit of a table are whole numbers")
    return {**query, "limit": min(limit, MOST)}


def _run(site: Site, name: str) -> RunPaths | None:
    try:
        return find_run(site.workspace, name)
    except RunNotFoundError:
        return None


def _place(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < LARGEST:
        raise UserError(f"{value!r} is no place in a file", ("allowed", "a whole number of bytes"))
    return value


def _mapping(topics: dict[str, Any], kind: str) -> dict[str, Any]:
    found = topics.get(kind, {})
    if not isinstance(found, dict) or len(found) > MOST:
        raise UserError(f"the topic {kind} is a mapping", ("allowed", f"at most {MOST} names"))
    return found


def _segment(name: str) -> str:
    """A name as a part of an address; one that no file can have is another's, who is not there."""
    try:
        return quote(os.fsencode(name), safe="")
    except UnicodeEncodeError:
        return quote(name, safe="", errors="replace")


def _names(topics: dict[str, Any], kind: str) -> list[str]:
    found = topics.get(kind, [])
    if not isinstance(found, list) or len(found) > MOST or not all(isinstance(name, str) and name for name in found):
        raise UserError(f"the topic {kind} is a list of ids", ("allowed", f"at most {MOST}"))
    return found
