"""Programs that submit a search and end: here, in Docker, on Slurm. Another one finds it, waits for it and goes on with its best run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Shell
from tests.contract.slurm_runs import slurm
from tests.testbed.cluster import Cluster

TRAIN = """\
import argparse, os, time
from trainconf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--epochs", type=int)
parser.add_argument("--resume-from")
args = parser.parse_args()
before = open(os.path.join(args.resume_from, "model.txt")).read() if args.resume_from else "nothing"
os.makedirs("outputs", exist_ok=True)
open("outputs/model.txt", "w").write(f"{args.lr} on top of {before}")
for epoch in range(args.epochs):
    Run.get_context().log("loss", abs(args.lr - 0.3), step=epoch)
    time.sleep(0.3)
"""
COMMON = """\
import json, sys
from trainconf import (
    BanditPolicy, Environment, Experiment, GridParameterSampling, HyperDriveConfig, PrimaryMetricGoal, Run, ScriptRunConfig, Workspace,
    choice,
)
target, image, overrides = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
ws = Workspace()
environment = Environment.from_docker_image("testbed", image) if target == "docker" else "current"
script = ScriptRunConfig(".", "train.py", ["--epochs", 12], compute_target=target, environment=environment, overrides=overrides)
def search(values, **more):
    sampling = GridParameterSampling({"--lr": choice(values)})
    return HyperDriveConfig(sampling, "loss", PrimaryMetricGoal.MINIMIZE, len(values), 1, run_config=script, **more)
"""
SUBMIT = COMMON + """\
policy = BanditPolicy(slack_amount=0.1, delay_evaluation=2)
print(Experiment(ws, "search").submit(search([0.3, 0.9], policy=policy)).id)
"""
LOOK = COMMON + """\
sweep = Run.get(ws, sys.argv[4])
details = sweep.wait_for_completion(timeout=300)
best = sweep.get_best_run_by_primary_metric()
script.arguments = ["--epochs", 1]
again = Experiment(ws, "search").submit(search([0.5], resume_child_runs=[best]))
again.wait_for_completion(timeout=300)
print(json.dumps({
    "sweep": details["status"], "rows": sweep.get_children_sorted_by_primary_metric(), "stop": details["trials"][1]["stop"],
    "best": best.get_metrics()["loss"], "model": open(again.get_children()[0].run_dir + "/outputs/model.txt").read(),
}))
"""


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker), pytest.param("slurm", marks=pytest.mark.slurm)])
def place(request: pytest.FixtureRequest, shell: Shell) -> Iterator[tuple[Shell, list[str]]]:
    """A workspace, and what programs in it are given: the target, an image, overrides."""
    target, image, overrides = str(request.param), "-", [f"compute.lease_dir={shell.leases}", "compute.slots=2", "grace_seconds=2"]
    if target == "docker":
        image = str(request.getfixturevalue("docker_base_image"))
    elif target == "slurm":
        cluster: Cluster = request.getfixturevalue("slurm_cluster")
        shell.env["SLURM_CONF"] = cluster.conf
        overrides = ["grace_seconds=2"]
    shell.write("train.py", TRAIN)
    shell.write(".trainconf/README", "a workspace")
    yield shell, [target, image, json.dumps(overrides)]
    if target == "slurm":
        for record in shell.root.glob("runs/*/*/run.json"):
            slurm("scancel", "--quiet", f"--name={record.parent.name}")


def run(shell: Shell, program: str, *arguments: str) -> str:
    shell.write("program.py", program)
    done = subprocess.run(
        [shell.python, "program.py", *arguments], cwd=shell.root, env=shell.env, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_search_outlives_the_program_that_submits_it_and_another_goes_on(place: tuple[Shell, list[str]]) -> None:
    shell, arguments = place
    sweep_id = run(shell, SUBMIT, *arguments).strip()
    assert sweep_id.startswith("search-")
    found: dict[str, Any] = json.loads(run(shell, LOOK, *arguments, sweep_id).splitlines()[-1])
    assert (found["sweep"], found["best"]) == ("Completed", [0.0] * 12)
    rows = [(row["run_id"], row["hyperparameters"], row["status"]) for row in found["rows"]]
    assert rows == [(f"{sweep_id}_0", '{"lr": 0.3}', "Completed"), (f"{sweep_id}_1", '{"lr": 0.9}', "Canceled")]
    assert found["rows"][0]["best_primary_metric"] == 0.0
    assert found["stop"]["compared"] == 1
    assert found["model"] == "0.3 on top of 0.3 on top of nothing"
