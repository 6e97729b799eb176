"""What is found out by asking again: the table of runs, a run, a sweep, what runs now. It is pushed when it has changed."""

from __future__ import annotations

from hashlib import blake2b

from trainconf.errors import RunNotFoundError
from trainconf.history.index.keeping import signature
from trainconf.history.index.rows import fingerprint
from trainconf.page.answers.runs import screen_of, to_dict
from trainconf.page.request import Request
from trainconf.page.wire import Refusal, encode, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.page.site import Site
    from trainconf.paths import RunPaths

    Push = Callable[[str, Any], None]

PATIENCE_S = 0.2  # for which the courses of runs are read for one event
EXPERIMENTS = 200  # more are looked at by asking each time


class Runs:
    """A screen of the table of runs. `key` is the page's own name for it."""

    def __init__(self, site: Site, key: str, query: dict[str, Any]) -> None:
        self._site = site
        self._key = key
        self._query = query
        self._shown: list[RunPaths] = []
        self._seen: object = None
        self._sent = b""
        self._is_lively = True

    def look(self, push: Push) -> None:
        """Push the whole screen when anything on it has changed."""
        seen = self._fingerprint()
        if seen == self._seen and not self._is_lively:
            return
        self._seen = seen
        try:
            screen = self._site.ask(lambda table: screen_of(table, self._query))
        except Refusal:
            return  # the index is busy: the next look
        self._shown = [row.paths for row in screen.rows]
        self._seen = self._fingerprint()
        found = {"key": self._key, "offset": self._query.get("offset") or 0, **to_dict(self._site, screen, PATIENCE_S)}
        # A run that goes on may lose its agent, which shows in no file; a course is yet to be read.
        self._is_lively = any(row["ended"] is None or (row["metric"] and row["spark"] is None) for row in found["rows"])
        told = _digest({**found, "rows": [{**row, "duration_s": None} for row in found["rows"]]})
        if told != self._sent:
            self._sent = told
            push("runs", found)

    def _fingerprint(self) -> object:
        return signature(self._site.workspace, EXPERIMENTS), [fingerprint(paths) for paths in self._shown]


class Running:
    """How many runs go on."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sent = -1

    def look(self, push: Push) -> None:
        """Push the number when it has changed."""
        try:
            count = self._site.ask(lambda table: table.running())
        except Refusal:
            return
        if count != self._sent:
            self._sent = count
            push("running", {"count": count})


class Answer:
    """What an address answers, as an event of this name. paths: the run that it is about, which is asked for when it has changed."""

    def __init__(self, site: Site, name: str, path: str, run_id: str = "", paths: RunPaths | None = None) -> None:
        self._paths = paths
        self._seen = 0
        self._site = site
        self._name = name
        self._path = path
        self._id = run_id
        self._sent = b""

    def look(self, push: Push) -> None:
        """Push the answer when it has changed; `gone` once when there is no such run any more."""
        from trainconf.page import routes

        seen = 0 if self._paths is None else fingerprint(self._paths)
        if seen and seen == self._seen:
            return
        try:
            route, params = routes.find("GET", self._path.encode())
            found = route.answer(Request(self._site, params))
        except RunNotFoundError as error:
            found = {"gone": refusal(error).body["error"]["what"]}
        except Refusal:
            return
        assert isinstance(found, dict)
        self._seen = seen if found.get("ended") else 0  # a run that goes on may lose its agent, which shows in no file
        told = _digest({**found, "duration_s": None})
        if told == self._sent:
            return
        self._sent = told
        if "gone" in found:
            push("gone", {"topic": self._name, "id": self._id, "what": found["gone"]})
        else:
            push(self._name, found)


def _digest(value: Any) -> bytes:
    return blake2b(encode(value), digest_size=16).digest()
