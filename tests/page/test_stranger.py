"""What somebody meets who uses the page for the first time, in a real Chromium."""

from __future__ import annotations

import json
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


def test_a_dialog_is_filled_and_done_by_the_keyboard_alone(run: str, link: str, stranger: Browse) -> None:
    assert stranger("by_enter", link, run) == {"strangers": [], "dialogs": [], "errors": [], "refused": []}


def test_a_run_that_is_removed_while_one_looks_at_it_says_so_and_offers_nothing_that_cannot_be_done(
    lab: Lab, link: str, stranger: Browse
) -> None:
    run = lab.train("lr=0.7", "steps=5")
    found = stranger("removed", link, run, str(lab.shell.root / "runs" / "adhoc" / run))
    assert found["said"] == "This run's folder is gone. What you see is what was read before."
    assert {"tag…", "rerun…", "hide…"} <= set(found["before"])
    assert {"tag…", "rerun…", "hide…", "note…", "freeze…"}.isdisjoint(found["after"])
    assert found["errors"] == []


def test_a_logarithmic_axis_says_where_it_has_a_place_for_no_value(lab: Lab, link: str, stranger: Browse) -> None:
    lab.shell.write("train.py", "from trainconf import Run\nfor step in range(5):\n    Run.get_context().log('low', -step, step=step)\n")
    assert lab.shell(*lab.shell.script("submit.stream=false")).code == 0
    run = json.loads(lab.shell("ls", "--json").out)[0]["run_id"]
    assert stranger("nothing_above_zero", link, run) == {"low": ["no value is above zero: log y shows none"]}
