"""Runs in containers and in Slurm, seen and steered in a real Chromium: what it shows is so, and what it ends has ended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, wait_for
from tests.contract.slurm_runs import slurm, slurm_state
from tests.page.conftest import Lab, cases_of
from tests.testbed.cluster import Cluster
from trainconf.engine.address import find
from trainconf.engine.client import Engine

pytestmark = [pytest.mark.network, pytest.mark.slow]
CLEAN: dict[str, list[str]] = {"strangers": [], "dialogs": [], "errors": [], "refused": []}
ENDLESS = ("lr=0.2", "steps=100000", "pause_s=0.2")
ONE_AT_A_TIME = ("+compute.sbatch.nodelist=node1", "compute.exclusive=true")
GOES_ON = {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED"}
See = Callable[..., Any]


class OnSlurm(Lab):
    """A workspace whose runs go to the cluster."""

    def words(self, *params: str) -> list[str]:
        local = ("compute.lease_dir=", "compute.slots=")
        return [*(word for word in super().words(*params) if not word.startswith(local)), "compute=slurm"]


def used(lab: Lab) -> Iterator[Lab]:
    """What its page did not end ends with it."""
    yield lab
    lab.close()
    for row in json.loads(lab.shell("ls", "--json").out):
        lab.shell("cancel", "--force", row["run_id"])


@pytest.fixture
def lab(workspace: Shell) -> Iterator[Lab]:
    yield from used(Lab(workspace))


@pytest.fixture
def on_slurm(workspace: Shell, cluster: Cluster) -> Iterator[Lab]:
    yield from used(OnSlurm(workspace))


@pytest.fixture(scope="module")
def see(browser_python: Path) -> See:
    return cases_of(browser_python, "targets.py")


@pytest.fixture(scope="module")
def deed(browser_python: Path) -> See:
    return cases_of(browser_python, "deeds.py")


@pytest.mark.docker
def test_a_run_in_a_container_says_where_it_is_and_its_container_is_gone_when_it_is_cancelled(
    lab: Lab, see: See, docker_base_image: str
) -> None:
    engine = Engine(find(os.environ).url)

    def containers() -> list[str]:
        asked = {"all": True, "filters": {"label": [f"trainconf.run_id={run}"]}}
        return [each["Id"] for each in engine.get("/containers/json", asked)]

    run = lab.start(*ENDLESS, words=["compute=docker", "env=minimal", "env.requirements=[]", f"env.docker.image={docker_base_image}"])
    wait_for(containers)
    (container,) = containers()
    seen = see("run", lab.serve(), run)
    told = {name: seen["facts"][name] for name in ("target", "image", "container")}
    assert told == {"target": "docker", "image": docker_base_image, "container": container[:12]}
    assert seen["command"] == f"trainconf cancel {run}"
    assert (seen["axe"], seen["amiss"]) == ([], [CLEAN, CLEAN])
    assert containers() == []


@pytest.mark.slurm
def test_a_job_that_waits_says_why_and_for_as_long_and_ends_in_slurm_when_it_is_cancelled(on_slurm: Lab, see: See) -> None:
    first, second = (on_slurm.start(*ENDLESS, words=ONE_AT_A_TIME) for _ in range(2))
    seen = see("queue", on_slurm.serve(), first, second)
    jobs = [re.search(r"slurm (\d+)", seen[name])[1] for name in ("first", "second")]  # type: ignore[index]
    assert f"slurm {jobs[0]} on node1" in seen["first"]
    assert f"job {jobs[1]} waits in Slurm: " in seen["second"]
    assert seen["state"].startswith(f"◌ Queued: job {jobs[1]} waits in Slurm: ")
    assert (seen["waits"]["job"], "machine" in seen["waits"]) == (f"slurm {jobs[1]}", False)
    assert (seen["runs"]["job"], seen["runs"]["machine"]) == (f"slurm {jobs[1]} on main", "node1")
    assert seen["command"] == f"trainconf cancel {first}"
    assert (seen["axe"], seen["amiss"]) == ([], [CLEAN, CLEAN])
    wait_for(lambda: not {slurm_state(job) for job in jobs} & GOES_ON)


@pytest.mark.slurm
def test_a_job_is_seen_to_go_on_where_it_runs(on_slurm: Lab, see: See) -> None:
    run = on_slurm.start(*ENDLESS)
    seen = see("run", on_slurm.serve(), run)
    job = seen["facts"]["job"].split()[1]
    assert re.fullmatch(r"node[123]", seen["facts"]["machine"])
    assert seen["amiss"] == [CLEAN, CLEAN]
    wait_for(lambda: slurm_state(job) not in GOES_ON)


def queue_of(lab: Lab) -> list[str]:
    """State and reason of each task of the only sweep that is not over."""
    (home,) = lab.shell.root.glob("runs/*/*/sweep.json")
    names = [home.parent.name, *(path.parent.name for path in lab.shell.root.glob("runs/*/*/run.json"))]
    return sorted(slurm("squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%T %r").splitlines())


@pytest.mark.slurm
def test_the_tasks_of_an_array_are_held_and_let_go_from_the_page_and_watched_to_their_end(on_slurm: Lab, deed: See) -> None:
    lab, gate = on_slurm, on_slurm.shell.root / "gate"
    words = ["sweep.max_concurrent_runs=1", "submit.detach=true", "+params.lr=0.1,0.2,0.3"]
    begun = lab.shell("-m", *lab.words("steps=100000", "pause_s=0.1", f"until={gate}"), *words)
    assert begun.code == 0, begun
    name = json.loads(lab.shell("sweep", "ls", "--json").out)[0]["sweep_id"]
    wait_for(lambda: json.loads(lab.shell("sweep", "show", name, "--json").out)["status"] == "Running")
    assert any(row.startswith("RUNNING") for row in queue_of(lab))
    link = lab.serve()
    ((command, actions),) = (paused := deed("steer", link, name, "pause", "pause", "Paused"))["seen"]
    assert (command, actions[:3]) == (f"trainconf sweep pause {name}", ["resume…", "stop…", "cancel…"])
    assert "those that wait in the queue are held" in paused["said"][0]
    assert queue_of(lab)[:2] == ["PENDING JobHeldUser"] * 2
    gate.touch()
    wait_for(lambda: queue_of(lab) == ["PENDING JobHeldUser"] * 2)
    gate.unlink()
    resumed = deed("steer", link, name, "resume", "go on", "Running")
    assert resumed["seen"][0][0] == f"trainconf sweep resume {name}"
    gate.touch()
    ended = deed("sweep", link, name)
    assert ended["counts"][-1] == 3
    assert [paused["amiss"], resumed["amiss"], ended["amiss"]] == [CLEAN] * 3
    assert [trial["status"] for trial in json.loads(lab.shell("sweep", "show", name, "--json").out)["trials"]] == ["Completed"] * 3


@pytest.mark.slurm
def test_a_bayesian_search_whose_controller_is_a_job_is_paused_goes_on_and_is_watched_to_its_end(on_slurm: Lab, deed: See) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    lab, gate = on_slurm, on_slurm.shell.root / "gate"
    words = ["sweep=bayes", "sweep.controller=job", "+sweep.controller_job.sbatch.nodelist=node2", "sweep.max_total_runs=3",
             "sweep.max_concurrent_runs=2"]  # fmt: skip
    search = [*lab.words("steps=100000", "pause_s=0.1", f"until={gate}"), *words, "+params.lr=interval(0.1,1)", *ONE_AT_A_TIME]
    begun = lab.shell("-m", *search, "submit.detach=true")
    assert begun.code == 0, begun
    name = json.loads(lab.shell("sweep", "ls", "--json").out)[0]["sweep_id"]
    wait_for(lambda: [row.split()[0] for row in queue_of(lab)] == ["PENDING", "RUNNING"])
    link = lab.serve()
    paused = deed("steer", link, name, "pause", "pause", "Paused")
    assert "PENDING JobHeldUser" in queue_of(lab)
    resumed = deed("steer", link, name, "resume", "go on", "Running")
    gate.touch()
    assert resumed["seen"][0][0] == f"trainconf sweep resume {name}"
    ended = deed("sweep", link, name)
    assert ended["counts"][-1] == 3
    assert [paused["amiss"], resumed["amiss"], ended["amiss"]] == [CLEAN] * 3
    assert [trial["status"] for trial in json.loads(lab.shell("sweep", "show", name, "--json").out)["trials"]] == ["Completed"] * 3
