"""The extension in a real VS Code, in a real Chromium: what a person sees and does from the first question on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.editors.code_server import SCRIPT, serving, write_workspace
from tests.projects.jupyter import jupyter_python
from tests.testbed.marks import could_be_up, status_of

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen on one way through the extension."""
    status_of("browser")
    if not shutil.which("g++") and not could_be_up():
        pytest.skip("g++ compiles the output channels of code-server, and is not here")
    folder = tmp_path_factory.mktemp("vscode")
    shell = write_workspace(folder / "lab")
    with serving(shell, folder) as link:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        done = subprocess.run([jupyter_python(), SCRIPT, link, folder], env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_starts_before_the_workspace_is_trusted(seen: dict[str, Any]) -> None:
    assert seen["standing before trust"] == []


def test_a_mistake_is_underlined_with_the_words_of_the_command_line(seen: dict[str, Any]) -> None:
    said = "\n".join(seen["problems"])
    assert "'curent' is not a choice of env" in said
    assert "nearest  env=current" in said


def test_choices_are_completed(seen: dict[str, Any]) -> None:
    assert {"docker", "local", "slurm"} <= set(seen["choices"])


def test_a_value_is_shown_with_its_origin(seen: dict[str, Any]) -> None:
    assert "from conf/experiment/spiral.yaml:10" in seen["hover"]


def test_an_experiment_runs_from_its_lens_and_its_log_is_live(seen: dict[str, Any]) -> None:
    assert seen["lenses"][:3] == ["run", "plan", "sweep"]
    assert seen["log"].startswith("epoch ")


def test_the_tree_has_the_best_run_first_and_what_goes_on(seen: dict[str, Any]) -> None:
    said = "\n".join(seen["tree"])
    assert "slow" in said
    assert "Running" in said
    assert "best 0.9444 val_accuracy" in said


def test_a_run_is_canceled_from_the_tree(seen: dict[str, Any]) -> None:
    assert "Canceled" in seen["canceled"]


def test_what_ran_stands_beside_the_code_of_today(seen: dict[str, Any]) -> None:
    assert "1 - 0.7 * math.exp" in seen["what ran"]
    assert "1 - 0.6 * math.exp" in seen["what ran"]


def test_an_experiment_stops_at_a_breakpoint_with_its_params(seen: dict[str, Any]) -> None:
    assert "train.py" in "\n".join(seen["stack"])
    assert "lr=0.2" in "\n".join(seen["variables"])


def test_an_experiment_in_a_folder_below_runs_and_its_first_run_is_shown(seen: dict[str, Any]) -> None:
    assert seen["below"].startswith("0.4749 val_accuracy")
    assert seen["plan"].startswith("experiment   deep")


def test_runs_show_in_which_params_they_differ(seen: dict[str, Any]) -> None:
    assert "params.lr" in seen["compare"]
    assert "0.9444 val_accuracy" in seen["trials"][0]
    assert [row.partition(" · ")[0].partition("val_accuracy")[2] for row in seen["trials"]] == ["lr=0.4", "lr=0.1", "lr=0.05"]


def test_a_run_is_frozen_and_compared_with_today(seen: dict[str, Any]) -> None:
    assert "changed  train.py" in seen["freeze --check"]


def test_a_mistake_that_check_finds_stands_at_its_line(seen: dict[str, Any]) -> None:
    assert "[Ln 4, Col 1]" in seen["check"]


def test_the_page_is_shown_in_a_panel(seen: dict[str, Any]) -> None:
    assert seen["page"].startswith("spiral-")


def test_a_server_that_dies_twice_is_started_again_and_that_is_told_once(seen: dict[str, Any]) -> None:
    assert len(seen["killed"]) == 1


def test_two_workspaces_in_a_window_each_run_their_experiments(seen: dict[str, Any]) -> None:
    assert seen["two"].startswith("0.4749 val_accuracy")
