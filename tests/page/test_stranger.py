"""What somebody meets who uses the page for the first time, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page.conftest import Browse, Lab, cases_of

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def stranger(browser_python: Path) -> Browse:
    return cases_of(browser_python, "stranger.py")


@pytest.fixture(scope="module")
def run(lab: Lab) -> str:
    return lab.train("lr=0.3", "pause_s=0.06")


@pytest.fixture(scope="module")
def link(lab: Lab, run: str) -> str:
    return lab.serve()


def test_each_file_of_the_page_is_asked_for_once_however_long_one_goes_about(link: str, stranger: Browse) -> None:
    asked = stranger("icon", link)
    assert {"/static/icon.svg", "/static/first.js", "/static/rest.js", "/static/page.css"} == set(asked)
    assert set(asked.values()) == {1}, asked


def test_what_was_measured_of_the_machine_has_units(run: str, link: str, stranger: Browse) -> None:
    said = stranger("units", link, run)
    assert "MiB" in said["system.memory_bytes"] or "GiB" in said["system.memory_bytes"], said
    assert "e9" not in said["system.memory_bytes"]
    assert " %" in said["system.cpu_percent"]
