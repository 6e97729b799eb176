"""`-m` with compute=docker: the same words, in containers."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.conftest import Shell, wait_for


@pytest.mark.docker
def test_a_grid_runs_in_containers(workspace: Shell, docker_base_image: str) -> None:
    words = workspace.script("compute=docker", f"env.docker.image={docker_base_image}", "+params.lr=1,2,3")
    answer = workspace("-m", *words)
    assert answer.code == 0, answer
    logs = sorted(path.read_text() for path in workspace.root.glob("runs/adhoc/*/logs/std_log.txt"))
    assert logs == [f"['--lr', '{n}']\n" for n in (1, 2, 3)]


@pytest.mark.docker
def test_trials_outlive_their_controller_and_one_that_a_policy_stops_ends_its_container(workspace: Shell, docker_base_image: str) -> None:
    workspace.write("train.py", """
import sys, time
from trainconf import Run
for epoch in range(12):
    Run.get_context().log("loss", abs(float(sys.argv[2]) - 0.3), step=epoch)
    time.sleep(0.3)
""")
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.1", "sweep.policy.delay_evaluation=2", "sweep.max_concurrent_runs=1"]
    policy += ["metric.name=loss", "metric.goal=minimize", "grace_seconds=2"]
    words = workspace.script("compute=docker", f"env.docker.image={docker_base_image}", *policy)
    child = workspace.start("-m", *words, "+params.lr=0.3,0.9")
    wait_for(lambda: containers(workspace, "--quiet"))
    child.kill()
    child.communicate()
    answer = workspace("sweep", "resume", "last")
    assert answer.code == 0, answer
    assert not containers(workspace, "--all", "--quiet")
    found = json.loads(workspace("sweep", "show", "last", "--json").out)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled"]
    assert found["trials"][1]["stop"]["compared"] == 1
    assert "1 of 2 trials stopped early" in answer.err


def containers(workspace: Shell, *options: str) -> str:
    """What the engine has of the workspace's runs."""
    filters = [f"--filter=label=trainconf.run_dir={path}" for path in workspace.root.glob("runs/*/*_*")]
    return "".join(subprocess.run(["docker", "ps", *options, one], capture_output=True, text=True, check=True).stdout for one in filters)


@pytest.mark.docker
def test_a_trial_goes_on_with_the_outputs_of_a_run_that_are_mounted_for_it(workspace: Shell, docker_base_image: str) -> None:
    workspace.write("train.py", """
import os
before = os.environ.get("TRAINCONF_RESUME_FROM")
open("outputs/model.txt", "w").write("on top of " + (open(before + "/model.txt").read() if before else "nothing"))
""")
    words = workspace.script("compute=docker", f"env.docker.image={docker_base_image}", "+params.lr=0.5")
    assert workspace(*words).code == 0
    (run,) = workspace.run_dirs()
    search = ["sweep=random", "sweep.max_total_runs=2", f"sweep.resume_child_runs=[{run.name}]", "+params.lr=uniform(0, 1)"]
    answer = workspace("-m", *words[:-1], *search)
    assert answer.code == 0, answer
    wrote = [path.read_text() for path in sorted(workspace.root.glob("runs/adhoc/*_[01]/outputs/model.txt"))]
    assert wrote == ["on top of on top of nothing", "on top of nothing"]
