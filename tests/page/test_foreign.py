"""Other pages in a real browser, of another port and of a name that has come to lead here: refused, though they have the token."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import cases_of
from tests.page.test_made import served
from tests.unit.history.build import make_run
from trainconf.history import labels
from trainconf.paths import RunPaths, WorkspacePaths

pytestmark = [pytest.mark.network, pytest.mark.slow]
BLOCKED = "chrome-error://chromewebdata/"  # where a browser leads a frame that it was told not to show
Try = Callable[[str], dict[str, Any]]


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return make_run(WorkspacePaths(os.fspath(tmp_path)), "plain")


@pytest.fixture
def attempt(tmp_path: Path, paths: RunPaths, browser_python: Path) -> Iterator[Try]:
    cases = cases_of(browser_python, "foreign.py")
    with served(tmp_path) as link:
        yield lambda case: cases(case, link, paths.run_id)


def test_a_page_of_another_port_reads_writes_and_frames_nothing(attempt: Try, paths: RunPaths) -> None:
    assert attempt("another_origin") == {"read": "refused", "plain": "refused", "written": "refused", "form": "refused", "framed": BLOCKED}
    assert labels.read(paths).tags == {}


def test_a_notebook_that_may_shows_the_page_in_a_frame_in_which_it_works(tmp_path: Path, paths: RunPaths, browser_python: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with served(tmp_path, "--allow-frame", f"http://localhost:{port}") as link:
        seen = cases_of(browser_python, "foreign.py")("notebook", link, str(port))
    assert seen["run"] == paths.run_id
    assert seen["copied"] == "python train.py --lr 0.1"
    assert seen["errors"] == []


def test_a_page_whose_name_has_come_to_lead_here_is_told_nothing_but_that_its_name_is_not_known(attempt: Try, paths: RunPaths) -> None:
    seen = attempt("another_name")
    assert all(seen[how].startswith("421 ") and "plain" not in seen[how] for how in ("read", "plain", "written", "form")), seen
    assert (seen["status"], seen["framed"]) == (421, BLOCKED)
    assert "--allow-host NAME" in seen["text"]
    assert labels.read(paths).tags == {}
