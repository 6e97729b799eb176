"""From screen to screen in a real Chromium: each key, back and forward, a reload, a new link; nothing is lost."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.page.conftest import cases_of
from tests.page.test_made import CLEAN, LOSS, served
from tests.unit.history.build import make_run, write_json
from trainconf import files
from trainconf.paths import WorkspacePaths

pytestmark = [pytest.mark.network, pytest.mark.slow]
RUNS = 60
RUN, OTHER = "#/runs/run-07", "#/runs/run-08"
TABS = [f"{RUN}/{name}" for name in ("charts", "log", "files", "config", "code", "environment", "events", "system")]
SWEEP = "#/sweeps/swept"
COMPARED = "#/compare?runs=run-07,run-08"
SCREENS = ["#/runs", RUN, *TABS, "#/compare", COMPARED, "#/sweeps", SWEEP, "#/now", "#/help"]


class Site(NamedTuple):
    """A workspace of made runs, and the link of the page over it."""

    root: Path
    link: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ways")
    workspace = WorkspacePaths(os.fspath(folder))
    for number in range(RUNS):
        make_run(workspace, f"run-{number:02}", "digits", at=number, metrics={"loss": number / 7}, metric=LOSS, log=b"one\ntwo\n")
    home = make_run(workspace, "swept", "digits", at=RUNS)
    write_json(home.sweep, {"sweep_id": "swept", "experiment_name": "digits"})
    for number in range(2):
        trial = make_run(workspace, f"swept_{number}", "digits", at=RUNS + number, metrics={"loss": number}, metric=LOSS, parent="swept")
        files.append_line(home.trials, {"run_dir": trial.run_dir, "number": number, "overrides": [f"params.lr={number}"]})
    with served(folder) as link:
        yield Site(folder, link)


@pytest.fixture(scope="module")
def way(browser_python: Path, site: Site) -> Callable[..., Any]:
    cases = cases_of(browser_python, "ways.py")
    return lambda case, *words: cases(case, site.link, *words)


def test_each_key_does_the_same_on_each_screen(way: Callable[..., Any]) -> None:
    found = way("keys", *SCREENS)
    commands = {said["screen"]: shlex.split(said["y"]) for said in found["seen"]}
    for said in found["seen"]:
        assert [said[key] for key in ("g r", "g c", "g s", "g n", "stayed")] == [True] * 5, said
        assert (said["?"], said["e"], said[". again"]) == ("Keys", "Export", ""), said
        assert said["."].startswith("Not live."), said
        path = said["screen"].partition("?")[0].split("/")
        assert said["Escape"] == ("/".join(path[:2]) if len(path) > 2 and path[1] != "compare" else "#/runs"), said
    assert commands == dict.fromkeys((RUN, *TABS), commands[RUN]) | {
        "#/runs": ["trainconf", "ls"], "#/compare": [], COMPARED: ["trainconf", "compare", "run-07", "run-08"],
        "#/sweeps": ["trainconf", "sweep", "ls"], SWEEP: ["trainconf", "sweep", "show", "swept"], "#/now": ["trainconf", "watch"],
        "#/help": [],
    }  # fmt: skip
    assert found["amiss"] == CLEAN


def test_a_field_takes_keys_as_text_and_escape_leaves_it_and_nothing_else(way: Callable[..., Any]) -> None:
    screens = ["#/runs", f"{RUN}/log", f"{RUN}/config", f"{RUN}/environment", COMPARED, "#/sweeps"]
    found = way("fields", *screens)
    assert found["seen"] == [[screen, False, "gryecx.", screen.partition("?")[0]] for screen in screens]
    assert found["amiss"] == CLEAN


def test_a_table_is_found_again_as_it_was_left_each_way_back(way: Callable[..., Any]) -> None:
    found = way("table", "run-")
    assert re.fullmatch(r"#/runs\?filter=run-&chosen=run-\d\d", found["left"][0])
    assert found["found"] == [found["left"]] * 5
    assert found["anew"] == "#/runs"
    assert found["amiss"] == CLEAN


def test_back_forward_and_a_reload_show_the_same_screen(way: Callable[..., Any]) -> None:
    set_up = ["#/runs?filter=run-0&chosen=run-07,run-08&smooth=0.5", f"{SWEEP}?sort=trial&order=desc&top=50"]
    found = way("history", *set_up, *(screen for screen in SCREENS[1:] if screen != "#/now"))  # which others on this machine change
    assert found["differs"] == []
    assert found["amiss"] == CLEAN


def test_what_cannot_be_shown_is_said_in_words_and_lines(way: Callable[..., Any]) -> None:
    filtered, compared, many = "#/runs?filter=params.lr>>1", "#/compare?runs=run-07,gone", f"#/compare?runs={','.join(map(str, range(51)))}"
    others = ["#/runs?filter=run-07 params.lr>9", "#/runs/gone/log", "#/sweeps/gone", f"{RUN}/code?with=gone"]
    said = way("wrong", filtered, compared, many, *others)
    assert "'params.lr>>1' is not part of a condition" in said[filtered]
    assert "\nparams.lr>>1\n^" in said[filtered]
    assert "No run matches. Without run-07 there are 0" not in said["#/runs?filter=run-07 params.lr>9"]
    assert "Without params.lr>9 there is 1." in said["#/runs?filter=run-07 params.lr>9"]
    assert "'gone'" in said["#/runs/gone/log"]
    assert "All runs" in said["#/runs/gone/log"]
    assert "All sweeps" in said["#/sweeps/gone"]
    assert "at least two runs are needed for a comparison" in said[compared]
    assert "51 runs are too many to compare here" in said[many]
    assert "'gone'" in said[f"{RUN}/code?with=gone"]


def test_where_nothing_is_yet_each_screen_says_what_makes_something(tmp_path: Path, browser_python: Path) -> None:
    with served(tmp_path) as link:
        said = cases_of(browser_python, "ways.py")("wrong", link, "#/runs", "#/compare", "#/sweeps", "#/sweeps?search=x", "#/now")
    assert "No runs here yet. python -m trainconf makes one; this page will show it as it starts." in said["#/runs"]
    assert "Choose two runs or more in the table with x, then press c." in said["#/compare"]
    assert "No sweeps here yet. python -m trainconf -m params.lr=0.1,0.2 makes one." in said["#/sweeps"]
    assert "No sweep has these words." in said["#/sweeps?search=x"]
    assert "0 running, 0 waiting" in said["#/now"]


def test_a_page_that_is_not_live_asks_for_nothing_by_itself(site: Site, way: Callable[..., Any]) -> None:
    going = make_run(WorkspacePaths(os.fspath(site.root)), "going", states=("NotStarted", "Queued", "Running"))
    with files.FileLock(going.lock):
        seen = way("rest", "#/now", "#/compare?runs=run-07,going")
    assert seen == [["#/now", True, 0], ["#/compare?runs=run-07,going", True, 0]]


def test_a_new_link_opens_a_page_that_was_locked_and_its_token_leaves_the_address(way: Callable[..., Any]) -> None:
    assert "t=" not in way("new_link")["url"]
