"""The page in a real Chromium over runs that are made, not run: names that are no UTF-8, order, and answers that take long."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.page.conftest import cases_of
from tests.unit.history.build import make_run, write_json
from trainconf import files
from trainconf.history import events
from trainconf.paths import WorkspacePaths

pytestmark = [pytest.mark.network, pytest.mark.slow]
CLEAN: dict[str, list[str]] = {"strangers": [], "dialogs": [], "errors": [], "refused": []}
ID = os.fsdecode(b"digits-\xff\xc3\xa5-x")
SHOWN = "digits-\\udcffå-x"
LOSS = {"name": "loss", "goal": "minimize"}
POINTS = 300_000
SERVE = "import sys; from trainconf.page import app; app.ANSWER_S = {answer_s}; from trainconf.__main__ import main; sys.exit(main())"
See = Callable[..., Any]


@contextmanager
def served(root: Path, *options: str, answer_s: float = 10.0) -> Iterator[str]:
    """The link of a page over a workspace. answer_s: how long an answer may take."""
    words = [sys.executable, "-c", SERVE.format(answer_s=answer_s), "ui", "--no-browser", *options]
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True) as page:
        try:
            assert page.stdout is not None
            yield page.stdout.readline().strip()
        finally:
            page.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    workspace = WorkspacePaths(os.fspath(folder))
    for number, (name, value) in enumerate({"plain": 2.0, "worst": 3.0, ID: 1.0}.items()):
        make_run(workspace, name, "digits", at=number, metrics={"loss": value}, metric=LOSS)
    return folder


@pytest.fixture(scope="module")
def see(browser_python: Path) -> See:
    return cases_of(browser_python, "made.py")


def test_a_run_whose_name_is_no_utf_8_is_shown_opened_chosen_compared_and_exported(root: Path, see: See) -> None:
    with served(root) as link:
        seen = see("odd", link)
    assert seen["names"] == [SHOWN, "worst", "plain"]
    assert SHOWN in seen["page"]
    assert "Completed" in seen["page"]
    assert (seen["chosen"], seen["drawn"]) == (2, 2)
    assert "Completed" in seen["compared"]
    assert SHOWN in seen["csv"]
    assert seen["amiss"] == CLEAN


def test_the_first_press_on_a_metric_of_which_less_is_better_shows_the_least_first_and_columns_are_ticked(root: Path, see: See) -> None:
    with served(root) as link:
        seen = see("sort", link, "metrics.loss:min")
    best, newest = [SHOWN, "plain", "worst"], [SHOWN, "worst", "plain"]
    assert seen["seen"] == [["ascending", best], ["descending", best[::-1]], [None, newest]] * 2
    assert seen["columns"] == "#/runs?columns=params.lr"  # by ticks in the dialog
    assert seen["amiss"] == CLEAN


def test_a_run_keeps_the_colour_that_it_was_given_on_each_screen_in_each_tab_and_in_a_picture(root: Path, see: See) -> None:
    with served(root) as link:
        seen = see("colours", link, "plain", "worst")
    before, after, again = seen["shown"]
    assert (sorted(before["table"]), before["drawn"]) == (["line-0", "line-1"], 2)
    assert after["table"] == ["line-1", "line-7"]  # the newest run is the first row
    assert sorted(after["legend"]) == ["line-1", "line-7"]
    assert again["table"][1] == "line-7"
    assert (seen["svg"], seen["axe"]) == (True, [])
    assert seen["compared"] == seen["alone"] == "swatch line-7"
    assert seen["by itself"] == "swatch line-0"
    assert seen["amiss"] == [CLEAN, CLEAN]


def test_an_answer_that_takes_long_is_told_of_and_asked_for_again(tmp_path: Path, see: See) -> None:
    paths = make_run(WorkspacePaths(os.fspath(tmp_path)), "large", metric=LOSS)
    at = events.text(1_800_000_000)
    lines = (f'{{"time":"{at}","name":"loss","value":{step % 97},"step":{step}}}\n' for step in range(POINTS))
    files.write_atomic(paths.metrics, "".join(lines), durable=False)
    with served(tmp_path, answer_s=0.05) as link:
        seen = see("late", link, "large")
    assert re.fullmatch(r"(series|runs/large) is still being read\. The page asks again by itself\.", seen["strips"][0])
    assert seen["points"] == POINTS
    assert seen["amiss"] == CLEAN


def test_a_curve_that_ends_in_nan_says_so_beside_it_and_wherever_the_reader_points(tmp_path: Path, see: See) -> None:
    paths = make_run(WorkspacePaths(os.fspath(tmp_path)), "odd", metric=LOSS)
    values = [4, 3, 2, *[float("nan")] * 7]
    at = events.text(1_800_000_000)
    lines = (json.dumps({"time": at, "name": "loss", "value": value, "step": step}) + "\n" for step, value in enumerate(values))
    files.write_atomic(paths.metrics, "".join(lines), durable=False)
    with served(tmp_path) as link:
        seen = see("ends", link, "odd")
    assert seen["last"] == ["last", "NaN"]
    assert seen["pointed"] == [["step 2", "2"], ["step 3", "NaN"], ["step 9", "NaN"]]
    assert "last NaN" in seen["table"]
    assert seen["amiss"] == CLEAN


def test_of_long_values_a_comparison_shows_the_part_that_differs(tmp_path: Path, see: See) -> None:
    prompts = [f"{'Once upon a time ' * 40}there was a {animal}" for animal in ("cat", "dog")]
    for number, prompt in enumerate(prompts):
        make_run(WorkspacePaths(os.fspath(tmp_path)), f"run-{number}", params={"prompt": prompt})
    with served(tmp_path) as link:
        seen = see("differing", link, "run-0,run-1", "prompt")
    assert seen["texts"] == ["…there was a cat", "…there was a dog"]
    assert (seen["full"], seen["cut"], seen["amiss"]) == (prompts, [False, False], CLEAN)


def test_the_curves_of_fifty_runs_are_drawn_side_by_side(tmp_path: Path, see: See) -> None:
    names, at = ("loss", "score", "norm"), events.text(1_800_000_000)
    for number in range(50):
        paths = make_run(WorkspacePaths(os.fspath(tmp_path)), f"run-{number}", at=number, metric=LOSS)
        values = [(step * 37 % 101) / (number + 7) for step in range(250)]
        lines = ({"time": at, "name": name, "value": value, "step": step} for step, value in enumerate(values) for name in names)
        files.append_lines(paths.metrics, lines)
    with served(tmp_path) as link:
        seen = see("many", link, ",".join(f"run-{number}" for number in range(50)))
    assert (sorted(seen["compared"]), seen["beside"], seen["failed"]) == ([[name, 50] for name in sorted(names)], 50, False)
    assert seen["amiss"] == CLEAN


@pytest.mark.parametrize("kind", ["runs", "sweeps"])
def test_a_folder_that_is_removed_while_its_page_is_open_is_told_and_what_was_read_stays(tmp_path: Path, see: See, kind: str) -> None:
    paths = make_run(WorkspacePaths(os.fspath(tmp_path)), "taken", metrics={"loss": 0.25}, metric=LOSS)
    if kind == "sweeps":
        write_json(paths.sweep, {"sweep_id": "taken", "experiment_name": "digits"})
    with served(tmp_path) as link:
        seen = see("removed", link, f"/{kind}/taken", paths.run_dir, str(tmp_path / "away"), "Completed")
    assert "Completed" in seen["said"]
    assert "folder is gone. What you see is what was read before." in seen["said"]
    assert "Completed" in seen["again"]
    assert {name: seen["amiss"][name] for name in ("strangers", "dialogs", "errors")} == {"strangers": [], "dialogs": [], "errors": []}
