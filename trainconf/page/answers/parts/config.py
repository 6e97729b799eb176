"""A run's config: each value with the file and line, or the word of the command line, that set it."""

from __future__ import annotations

import re
from threading import Lock

from trainconf.control import history
from trainconf.errors import TrainconfError
from trainconf.history import record
from trainconf.page.answers.chosen import run_of, search_of
from trainconf.resolve.origins import DEFAULT, leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import WorkspacePaths

PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+)")
TYPED = ("command line", "page")
composing = Lock()  # Hydra keeps what it composes in globals


def config(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/config. `set=1`: only what was not left at its default. `before=1`: what the overridden values are without them.

    A value before its override is the one of today's files: a run does not record it.
    """
    paths = run_of(request)
    recorded = record.read_mapping(paths.record)
    found = history.origins(paths)
    overrides = [word for word in recorded.get("overrides") or () if isinstance(word, str)]
    told: dict[str, Any] = {
        "overrides": overrides, "choices": _texts(recorded.get("choices")), "recorded": found is not None, "words": "", "rows": [],
        "left_out": 0,
    }  # fmt: skip
    if found is None:
        params = recorded.get("params")
        told["words"] = f"it is not recorded what set the values of {paths.run_id}: only its params are known"
        rows = [_row(f"params.{key}", value, None) for key, value in (leaves(params) if isinstance(params, dict) and params else ())]
    else:
        rows = [_row(key, value, found[1].get(key)) for key, value in leaves(found[0])]
    if request.query.get("before") == "1" and any(row["is_typed"] for row in rows):
        before = _before(request.workspace, overrides, recorded)
        for row in rows:
            if row["is_typed"]:
                row["before"] = before.get(row["key"])
    wanted = search_of(request)
    rows = [row for row in rows if wanted in row["key"].lower()]
    shown = [row for row in rows if row["origin"] != DEFAULT] if request.query.get("set") == "1" else rows
    return {**told, "rows": shown, "left_out": len(rows) - len(shown)}


def _row(key: str, value: Any, origin: str | None) -> dict[str, Any]:
    """One value. `file` and `line` are null where no file set it."""
    place = PLACE.fullmatch(origin) if isinstance(origin, str) else None
    is_typed = isinstance(origin, str) and origin.startswith(TYPED)
    return {
        "key": key, "value": value, "origin": origin, "file": place["file"] if place and not is_typed else None,
        "line": int(place["line"]) if place and not is_typed else None, "is_typed": is_typed, "before": None,
    }  # fmt: skip


def _before(workspace: WorkspacePaths, overrides: list[str], recorded: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The values, with their origins, of today's files without the overrides that give values. Nothing where these cannot be composed."""
    from trainconf.control.compose import ComposeRequest, compose
    from trainconf.resolve.search import config_dirs, groups

    try:
        with composing:
            known = groups(config_dirs(workspace))
            chosen = [word for word in overrides if word.lstrip("+").partition("=")[0].partition("@")[0] in known]
            name = recorded.get("config_name")
            today = compose(ComposeRequest(chosen, name if isinstance(name, str) else "config"), workspace)
    except TrainconfError:
        return {}
    return {key: {"value": value, "origin": today.origins.get(key)} for key, value in leaves(today.config)}


def _texts(value: Any) -> dict[str, str]:
    return {key: str(text) for key, text in value.items()} if isinstance(value, dict) else {}
