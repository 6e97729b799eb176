"""A run whose folder has a name that is no UTF-8: each answer names it, and none fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from tests.unit.history.build import make_run
from trainconf.page import routes
from trainconf.page.app import _query
from trainconf.page.live import topics
from trainconf.page.request import File, Request
from trainconf.page.site import Site
from trainconf.page.wire import encode
from trainconf.paths import WorkspacePaths

NAME = b"digits-\xff\xc3\xa5-x"
ID, AT = os.fsdecode(NAME), quote_from_bytes(NAME, safe="")
LOSS = {"name": "loss", "goal": "minimize"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    workspace = WorkspacePaths(str(tmp_path))
    make_run(workspace, ID, os.fsdecode(b"exp\xfe"), at=2, metrics={"loss": 1.0}, metric=LOSS)
    make_run(workspace, "plain", "digits", at=1, metrics={"loss": 2.0}, metric=LOSS)
    made = Site(workspace)
    made.begin()
    assert made._is_ready.wait(60)  # until then an answer says that the index is read
    return made


def ask(site: Site, path: str, query: str = "") -> str:
    """What an address answers, as a server sends it."""
    route, params = routes.find("GET", path.encode())
    answer = route.answer(Request(site, params, _query(query.encode())))
    if not isinstance(answer, File):
        return encode(answer).decode()
    try:
        return os.pread(answer.fd, answer.size, 0).decode()
    finally:
        os.close(answer.fd)


def told(site: Site, path: str, query: str = "") -> Any:
    return json.loads(ask(site, path, query))


@pytest.mark.parametrize(("query", "ids"), [
    ("", [ID, "plain"]), ("filter=digits", [ID, "plain"]), ("filter=" + AT, [ID]), ("filter=run.startswith('dig')", [ID]),
    ("filter='lai' in run", ["plain"]), ("filter=run.lower() %3D%3D 'plain'", ["plain"]), ("filter=experiment.startswith('e')", [ID]),
    ("sort=run&order=asc", [ID, "plain"]), ("sort=experiment", [ID, "plain"]), ("sort=metrics.loss:min&columns=experiment", ["plain", ID]),
])  # fmt: skip
def test_the_table_has_it_however_it_is_found_and_sorted(site: Site, query: str, ids: list[str]) -> None:
    assert [row["id"] for row in told(site, "/api/runs", query)["rows"]] == ids


@pytest.mark.parametrize("end", ["", "/log", "/config", "/code", "/environment", "/events", "/files"])
def test_each_part_of_its_page_answers(site: Site, end: str) -> None:
    assert isinstance(told(site, f"/api/runs/{AT}{end}"), dict)


def test_it_is_compared_and_drawn(site: Site) -> None:
    assert [run["id"] for run in told(site, "/api/compare", f"runs={AT},plain")["runs"]] == [ID, "plain"]
    assert [curve["run"] for curve in told(site, "/api/series", f"runs={AT},plain&names=loss")["series"]] == [ID, "plain"]


@pytest.mark.parametrize("query", [
    "view=runs", "view=runs&columns=run,experiment", f"view=metrics&runs={AT}", f"view=compare&runs={AT},plain",
])  # fmt: skip
@pytest.mark.parametrize("form", ["csv", "json"])
def test_it_is_named_in_what_is_exported(site: Site, query: str, form: str) -> None:
    assert "digits-\\udcff" in ask(site, "/api/export", f"{query}&format={form}").replace("\\\\", "\\")


def test_it_is_followed_and_a_name_that_no_file_can_have_is_not_there(site: Site) -> None:
    _, slow = topics.read(site, {"topics": {"run": [ID, "\ud800"], "runs": {"k": {}}, "points": {ID: 0}}})
    pushed: list[tuple[str, Any]] = []
    for topic in slow:
        topic.look(lambda name, value: pushed.append((name, value)))
    told = dict(pushed)
    assert [row["id"] for row in told["runs"]["rows"]] == [ID, "plain"]
    assert told["run"]["id"] == ID
    assert told["gone"]["id"] == "\ud800"
    assert all(encode(value) for _, value in pushed)
