"""Sweeps that a program submits: values and the space as layers, a controller that goes on without the program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.composition.layers import Layer
from trainconf.control import runs
from trainconf.control.compose import ComposeRequest
from trainconf.control.results.sweep import results
from trainconf.control.sweeps import steer as sweeps
from trainconf.errors import ConfigError
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths, WorkspacePaths

SOURCE = "submit.py:12"
SCRIPT = """\
import json, os
from trainconf import Run
params = json.load(open(os.environ["TRAINCONF_PARAMS"]))
Run.get_context().log("loss", params["a"] + len(params["text"]))
"""


@pytest.fixture
def words(workspace: WorkspacePaths, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    Path(workspace.root, "train.py").write_text(SCRIPT)
    leases = tmp_path_factory.mktemp("leases")
    return ["experiment=adhoc", "script=train.py", "env=current", f"compute.lease_dir={leases}", "compute.slots=2"]


def layer(**sweep: object) -> Layer:
    params = {"a": 1, "text": "${params.a}"}
    return Layer(SOURCE, {"params": params, "metric": {"name": "loss", "goal": "minimize"}, "sweep": sweep})


def wait(sweep: RunPaths) -> None:
    assert [ended.exit_code for ended in runs.wait([sweep])] == [0]


@pytest.mark.parametrize("kind", ["random", "grid"])
@pytest.mark.parametrize("more", [{}, {"max_failed_runs": 3}], ids=["handed over", "watched"])
def test_a_search_goes_on_without_the_program(kind: str, more: dict[str, object], workspace: WorkspacePaths, words: list[str]) -> None:
    asked = layer(space={"params.a": "choice(3, 1, 2)", "params.text": ["${x}", "b"]}, max_total_runs=6, seed=1, **more)
    sweep = sweeps.submit(ComposeRequest([*words, f"sweep={kind}"], layers=[asked]), workspace)
    wait(sweep)
    found = results(sweep)
    assert len(found.trials) == 6
    assert {trial.values["params.text"] for trial in found.trials} == {"${x}", "b"}
    for trial in found.trials:
        assert trial.value == trial.values["params.a"] + len(trial.values["params.text"])
        recorded = read_mapping(RunPaths(trial.row["run_dir"]).record)
        assert recorded["config"]["params"] == {"a": trial.values["params.a"], "text": trial.values["params.text"]}
        assert recorded["origins"]["metric.name"] == SOURCE


def test_a_search_by_worth_is_controlled_by_a_process_of_its_own(workspace: WorkspacePaths, words: list[str]) -> None:
    pytest.importorskip("optuna")
    asked = layer(space={"params.a": "uniform(0, 1)"}, max_total_runs=4)
    sweep = sweeps.submit(ComposeRequest([*words, "sweep=bayes"], layers=[asked]), workspace)
    assert read_mapping(sweep.sweep)["controller"] == "detached"
    wait(sweep)
    assert [trial.status for trial in results(sweep).trials] == ["Completed"] * 4


def test_overrides_of_a_grid_stand_above_layers(workspace: WorkspacePaths, words: list[str]) -> None:
    sweep = sweeps.submit(ComposeRequest([*words, "params.a=5,6"], layers=[layer()]), workspace)
    wait(sweep)
    assert [(trial.values, trial.value) for trial in results(sweep).trials] == [({"params.a": 5}, 16.0), ({"params.a": 6}, 17.0)]


def test_a_plan_knows_layers_and_mistakes_name_them(workspace: WorkspacePaths, words: list[str]) -> None:
    asked = layer(space={"params.a": "uniform(0, 1)"}, max_total_runs=4)
    assert sweeps.plan(ComposeRequest([*words, "sweep=random"], layers=[asked]), workspace).keys == [("params.a", "0 … 1")]
    wrong = layer(space={"params.a": "uniform(1, 0)"}, max_total_runs=4)
    with pytest.raises(ConfigError, match=SOURCE):
        sweeps.submit(ComposeRequest([*words, "sweep=random"], layers=[wrong]), workspace)
    with pytest.raises(ConfigError, match=r"submit\.detach cannot be false"):
        sweeps.submit(ComposeRequest([*words, "sweep=random", "submit.detach=false"], layers=[asked]), workspace)
    assert not os.path.exists(workspace.runs)
