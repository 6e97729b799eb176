"""A controller that is killed at any line of its journal: `sweep resume` goes on, and nothing is lost or done twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.place import ROOT
from tests.testbed.cluster import Cluster

DEEDS = "recorded,asked,written,due,made"
EVERY = f"{DEEDS},torn,resumed,extended,changed,retried"
A_SAMPLE = ["due:2", "made:1", "written:1", "written:3", "written:4", "written:7"]  # ask, told, and the stop of trial 1


def kill(folder: Path, scene: str, *words: str, points: Sequence[str] = (), kinds: str = "") -> None:
    which = [f"--only={point}" for point in points] or ([f"--kinds={kinds}"] if kinds else [])
    overrides = [f"--word={word}" for word in words]
    command = [sys.executable, "-m", "tests.faults.kills", scene, "--root", str(folder), *which, *overrides]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("scene", "kinds"), [
    ("one", DEEDS),
    ("all", DEEDS),
    pytest.param("one", "torn,resumed,extended,changed,retried", marks=pytest.mark.nightly),
    pytest.param("two", EVERY, marks=pytest.mark.nightly),
    pytest.param("all", "torn,resumed,extended,changed,retried", marks=pytest.mark.nightly),
])  # fmt: skip
def test_a_search_goes_on_whatever_line_its_controller_was_killed_at(tmp_path: Path, scene: str, kinds: str) -> None:
    kill(tmp_path, scene, kinds=kinds)


@pytest.mark.slow
def test_a_line_that_was_torn_and_a_second_kill_lose_nothing(tmp_path: Path) -> None:
    points = ["torn:1", "torn:4", "torn:7", "resumed:3", "resumed:6", "extended:2", "extended:3", "changed:3", "retried:2"]
    kill(tmp_path, "one", points=points)


@pytest.mark.docker
def test_a_search_in_containers_goes_on(tmp_path: Path, docker_base_image: str) -> None:
    kill(tmp_path, "one", "compute=docker", f"env.docker.image={docker_base_image}", points=A_SAMPLE)


@pytest.mark.docker
@pytest.mark.nightly
@pytest.mark.parametrize("scene", ["one", "all"])
def test_a_search_in_containers_goes_on_whatever_line(tmp_path: Path, docker_base_image: str, scene: str) -> None:
    kill(tmp_path, scene, "compute=docker", f"env.docker.image={docker_base_image}", kinds=EVERY)


@pytest.mark.slurm
def test_a_search_of_jobs_goes_on(tmp_path: Path, slurm_cluster: Cluster) -> None:
    kill(tmp_path, "two", "compute=slurm", points=["made:1", "sent:0", "written:2", "written:4"])


@pytest.mark.slurm
@pytest.mark.nightly
@pytest.mark.parametrize("scene", ["one", "two", "all"])
def test_a_search_of_jobs_goes_on_whatever_line(tmp_path: Path, slurm_cluster: Cluster, scene: str) -> None:
    kill(tmp_path, scene, "compute=slurm", kinds=f"{EVERY},sent")
