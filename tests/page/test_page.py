"""The page in a real Chromium, over real runs: each screen, live, by keyboard, in several tabs, with hostile names, without its server."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import pytest

from tests.page.conftest import HOSTILE, Browse, Lab

pytestmark = [pytest.mark.network, pytest.mark.slow]
CLEAN: dict[str, list[str]] = {"strangers": [], "dialogs": [], "errors": [], "refused": []}
Screens = dict[str, dict[str, Any]]


class Runs(NamedTuple):
    """What there is to look at."""

    link: str
    done: list[str]
    failed: str


@pytest.fixture(scope="module")
def runs(lab: Lab, browse: Browse) -> Runs:
    done = [lab.train(f"lr={lr}") for lr in (0.1, 0.5, 0.9)]
    failed = lab.train("lr=0.3", "odd=1", "pause_s=0.03")
    return Runs(lab.serve(), done, failed)


@pytest.fixture(scope="module")
def screens(runs: Runs, browse: Browse) -> Screens:
    """What was seen of each screen."""
    done, failed = runs.done[0], runs.failed
    addresses = {
        "runs": "#/runs", "chosen": f"#/runs?chosen={','.join(runs.done)}&smooth=0.6&columns=params.lr,metrics.loss:min",
        "no match": "#/runs?filter=nothing-like-it", "run": f"#/runs/{failed}", "charts": f"#/runs/{failed}/charts?smooth=0.8&log=1",
        "log": f"#/runs/{failed}/log", "system": f"#/runs/{failed}/system", "no run": "#/runs/not-there", "help": "#/help",
        "done log": f"#/runs/{done}/log", "files": f"#/runs/{done}/files", "config": f"#/runs/{done}/config", "code": f"#/runs/{done}/code",
        "environment": f"#/runs/{done}/environment", "events": f"#/runs/{done}/events", "compare": f"#/compare?runs={done},{failed}",
        "sweeps": "#/sweeps", "now": "#/now",
    }  # fmt: skip
    found = browse("screens", runs.link, *addresses.values())
    assert found["amiss"] == CLEAN | {"refused": ["404 /api/runs/not-there"]}
    return dict(zip(addresses, found["seen"], strict=True))


def test_axe_finds_nothing_on_any_screen_and_no_screen_is_too_wide(screens: Screens) -> None:
    for name, seen in screens.items():
        assert (name, seen["axe"]) == (name, [])
        assert (name, seen["wide"]) == (name, {"360": 0, "800": 0, "1440": 0, "2560": 0})


def test_tab_comes_to_all_of_each_screen(screens: Screens) -> None:
    assert {name: seen["unreached"] for name, seen in screens.items()} == {name: [] for name in screens}


def test_each_screen_says_what_it_is_for_and_names_and_logs_stay_text(screens: Screens) -> None:
    said = {name: seen["text"] for name, seen in screens.items()}
    assert said["runs"].count("✓ Completed") == 3
    assert "✕ Failed" in said["runs"]
    assert "4 runs" in said["runs"]
    assert "3 chosen" in said["chosen"]
    assert "No run matches." in said["no match"]
    assert said["run"].index("✕ Failed") < said["run"].index("val_accuracy")
    assert HOSTILE in said["charts"]
    assert "<script>alert('log')</script>" in said["log"]
    assert "ValueError: the loss went away" in said["log"]
    assert "first error" in said["log"]
    assert "100 %" in said["done log"]
    assert "50 %" not in said["done log"]
    assert "system." in said["system"]
    assert "not-there" in said["no run"]
    assert "train.py" in said["code"]
    assert "0.1" in said["config"]
    assert "Completed" in said["events"]
    assert HOSTILE in said["compare"]


@pytest.fixture(scope="module")
def going(runs: Runs, lab: Lab) -> str:
    """A run that goes on while others look."""
    return lab.start("lr=0.4", "steps=100000", "pause_s=0.12", f"until={lab.shell.root}/end")


def test_a_run_is_seen_to_go_on_in_table_charts_and_log_until_it_has_ended(going: str, runs: Runs, lab: Lab, browse: Browse) -> None:
    found = browse("live", runs.link, going, f"{lab.shell.root}/end")
    (logged,) = json.loads(lab.shell("metrics", going, "--json").out)
    steps = logged["series"][0]["steps"]
    assert len(found["seen"]) == 5
    assert found["range"] == [1, 4]
    assert found["points"] == len(steps)
    assert found["log"].count("epoch") == len(steps)
    assert found["amiss"] == [CLEAN] * 3


def test_all_tabs_share_one_stream_which_another_takes_over_and_a_hidden_tab_asks_for_nothing(runs: Runs, lab: Lab, browse: Browse) -> None:
    going = lab.start("lr=0.6", "steps=4000", "pause_s=0.06")
    try:
        found = browse("tabs", runs.link, going)
        kept = browse("place", runs.link, going)
    finally:
        lab.shell("cancel", going)
    assert sum(count > 0 for count in found["streams"].values()) == 1
    assert found["all live"]
    assert found["live without the first"]
    assert found["leaders after"] == 1
    assert found["asked while hidden"] == found["grew while hidden"] == [0, 0, 0]
    assert found["amiss"] == CLEAN
    assert kept == {
        "log kept": True, "follows": 0, "zoom kept": True, "zoomed": True, "zoom after a reload": True, "chosen after a reload": 1,
        "amiss": CLEAN,
    }  # fmt: skip


def test_all_is_reached_by_keys_alone(runs: Runs, browse: Browse) -> None:
    found = browse("keyboard", runs.link)
    assert len(found["chosen"]) == 2
    assert found["curves"] >= 2
    assert "choose; with shift, a stretch" in found["keys"]
    assert "chosen=" not in found["after escape"]
    assert found["run"] in runs.done
    assert "epoch" in found["log"]
    assert found["turned"]
    assert {"trainconf", "Runs", "filter", "columns"} <= {label.strip() for label in found["tabbed"]}
    assert found["amiss"] == CLEAN


def test_axe_finds_nothing_on_the_page_of_one_sweep_and_it_is_not_too_wide(runs: Runs, lab: Lab, browse: Browse) -> None:
    words = [*lab.words("steps=3"), "sweep=random", "+params.lr=interval(0.1,1)", "+params.opt=choice(a,b)"]
    made = lab.shell("-m", *words, "sweep.max_total_runs=20", "sweep.max_concurrent_runs=2")
    assert made.code == 0, made
    (name,) = re.findall(r"\S+(?=  +random)", lab.shell("sweep", "ls").out)
    found = browse("screens", runs.link, f"#/sweeps/{name}", f"#/sweeps/{name}?brush=params.lr~0.2000~0.8000&log=params.lr&out=params.opt")
    for seen in found["seen"]:
        assert "rank association, not cause" in seen["text"]
        assert (seen["screen"], seen["axe"]) == (seen["screen"], [])
        assert (seen["screen"], seen["wide"]) == (seen["screen"], {"360": 0, "800": 0, "1440": 0, "2560": 0})
    assert found["amiss"] == CLEAN


def test_without_a_token_or_with_an_old_one_the_page_says_how_to_get_one(runs: Runs, browse: Browse) -> None:
    for each in browse("locked", runs.link):
        assert "This page belongs to a trainconf ui on" in each["text"]
        assert "trainconf ui --link" in each["text"]
        assert "t=" not in each["url"]
        assert each["strangers"] == each["dialogs"] == []


def test_a_page_whose_server_has_ended_says_so_and_keeps_what_it_shows(lab: Lab, runs: Runs, browse: Browse) -> None:
    assert lab.ui is not None
    found = browse("gone", runs.link, str(lab.ui.pid))
    assert found["strip"].startswith("Not connected since ")
    assert "What you see is as of then." in found["strip"]
    assert found["kept"]
    assert "t=" not in found["url"]
