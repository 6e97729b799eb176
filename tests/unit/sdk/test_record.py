"""What was submitted from Python is recorded so that it can be frozen, compared, run again and shown, like what was typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainconf import Experiment, ScriptRunConfig, Workspace
from trainconf.errors import UserError


def trainconf(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "trainconf", *words], capture_output=True, text=True)


@pytest.fixture
def config(ws: Workspace) -> ScriptRunConfig:
    return ScriptRunConfig(
        ".", "train.py", ["--a", "${x}"], environment="current", params={"lr": 0.1, "deep": {"list": [1, 2]}}, overrides=["retries=1"]
    )


def test_a_frozen_run_is_true_until_its_code_or_config_changes(ws: Workspace, config: ScriptRunConfig, tmp_path: Path) -> None:
    run = Experiment(ws, "first").submit(config, tags={"a": "b"})
    run.wait_for_completion()
    assert trainconf("freeze", run.id, "-o", "run.lock.yaml").returncode == 0
    done = trainconf("freeze", "--check", "run.lock.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    again = trainconf("run", "run.lock.yaml")
    assert again.returncode == 0, again.stderr
    assert "arguments ['--a', '${x}', '--deep.list', '1', '2', '--lr', '0.1']" in again.stdout
    (tmp_path / "train.py").write_text("changed = 1\n")
    assert trainconf("freeze", "--check", "run.lock.yaml").returncode == 1


def test_a_trial_of_a_sweep_is_frozen_too(ws: Workspace, config: ScriptRunConfig) -> None:
    sweep = Experiment(ws, "first").submit_sweep(config, "params.lr=1,2")
    sweep.wait_for_completion()
    assert trainconf("freeze", f"{sweep.id}:1", "-o", "trial.lock.yaml").returncode == 0
    done = trainconf("freeze", "--check", "trial.lock.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_search_from_python_goes_on_with_its_values(ws: Workspace, config: ScriptRunConfig) -> None:
    sweep = Experiment(ws, "first").submit_sweep(config, "sweep=random", "sweep.max_total_runs=3", "params.lr=interval(0,1)")
    sweep.wait_for_completion()
    assert [child.params["deep"] for child in sweep.get_children()] == [{"list": [1, 2]}] * 3
    again = sweep.rerun()
    again.wait_for_completion()
    assert [child.params for child in again.get_children()] == [child.params for child in sweep.get_children()]


def test_origins_name_the_lines_of_the_program(ws: Workspace, config: ScriptRunConfig) -> None:
    run = Experiment(ws, "first").submit(config)
    run.wait_for_completion()
    shown = trainconf("show", run.id, "--origin").stdout
    line = next(line for line in shown.splitlines() if line.startswith("params.lr"))
    assert line.endswith(f"<- {config._place}")
    assert next(line for line in shown.splitlines() if line.startswith("retries")).endswith(f"<- {config._place}: retries=1")
    again = run.rerun("params.lr=0.5")
    again.wait_for_completion()
    origins = json.loads(Path(again.run_dir, "run.json").read_text())["origins"]
    assert origins["params.deep.list"] == config._place
    assert origins["params.lr"].endswith(": params.lr=0.5")
    assert origins["params.lr"].startswith(__file__)
    with pytest.raises(UserError, match="no 'seed'") as raised:
        run.rerun("params.seed=1")
    assert f"{__file__}:" in str(raised.value)


def test_diff_and_check_take_such_runs(ws: Workspace, config: ScriptRunConfig) -> None:
    first = Experiment(ws, "first").submit(config)
    second = first.rerun("params.lr=0.2")
    for run in (first, second):
        run.wait_for_completion()
    done = trainconf("diff", first.id, second.id)
    assert (done.returncode, f"{config._place}" in done.stdout) == (1, True), done.stdout + done.stderr
    assert trainconf("freeze", first.id, "-o", "first.lock.yaml").returncode == 0
    checked = trainconf("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_frozen_file_whose_layers_are_none_is_refused(ws: Workspace, config: ScriptRunConfig, tmp_path: Path) -> None:
    run = Experiment(ws, "first").submit(config)
    run.wait_for_completion()
    record = Path(run.run_dir, "run.json")
    body = json.loads(record.read_text())
    body["layers"] = [["submit.py:1", 3]]
    record.write_text(json.dumps(body))
    done = trainconf("rerun", run.id)
    assert done.returncode == 2
    assert "damaged" in done.stderr
