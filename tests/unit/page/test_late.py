"""An answer that takes longer than a request may: it is refused for now, goes on, and is there for whoever asks again."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.unit.history.build import make_run
from tests.unit.page.test_answers import log_values
from trainconf.page.app import App
from trainconf.page.site import Site
from trainconf.paths import WorkspacePaths

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

POINTS = 200_000


async def ask(app: App, path: str, query: str) -> tuple[int, dict[str, str], Any]:
    """A GET as a server hands it on; the status, the headers and the JSON of its answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {app.site.token}".encode())]
    asked = {"type": "http", "method": "GET", "raw_path": path.encode(), "query_string": query.encode(), "headers": headers}
    await app(asked, receive, send)
    head, body = sent
    return head["status"], {name.decode(): value.decode() for name, value in head["headers"]}, json.loads(body["body"])


def test_a_long_series_is_refused_for_now_goes_on_and_is_there_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    paths = make_run(workspace, "large")
    log_values(paths.metrics, "loss", [float(step % 100) for step in range(POINTS)])
    monkeypatch.setattr("trainconf.page.app.ANSWER_S", 0.01)
    app = App(Site(workspace))

    async def until_there() -> list[tuple[int, dict[str, str], Any]]:
        answers = [await ask(app, "/api/series", "runs=large&names=loss")]
        while answers[-1][0] == 503:
            assert len(app._late) == 1  # what is at work is not begun again
            await asyncio.sleep(0.05)
            answers.append(await ask(app, "/api/series", "runs=large&names=loss"))
        return answers

    try:
        first, *_, last = asyncio.run(until_there())
    finally:
        app.close()
    assert (first[0], first[1]["retry-after"]) == (503, "1")
    assert first[2]["error"]["what"] == "series is still being read"
    assert (last[0], sum(curve["count"] for curve in last[2]["series"])) == (200, POINTS)
    assert not app._late
