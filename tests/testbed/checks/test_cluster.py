"""The marker `slurm`, and what the clusters of the testbed must be good for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.testbed.cluster import Cluster
from tests.testbed.marks import TESTBED, could_be_up

NODES = ["node1", "node2", "node3"]
LOCAL = "/var/lib/trainconf-testbed/slurm/local"
MARKED = """\
import os, pytest

@pytest.mark.slurm
def test_marked(): assert os.environ["SLURM_CONF"].endswith("main/slurm.conf")

@pytest.mark.slurm(cluster="bare")
def test_marked_bare(): assert os.environ["SLURM_CONF"].endswith("bare/slurm.conf")

def test_not_marked(): pass
"""


def pytest_says(folder: Path, state: Path, ci: str) -> str:
    """What pytest says of a module with marked tests, with a testbed that keeps its state in that folder."""
    testbed = folder / "tests/testbed"
    testbed.mkdir(parents=True)
    for path in TESTBED.iterdir():
        if path.suffix in (".py", ".sh", "") and path.is_file():
            text = path.read_text().replace("readonly STATE=/var/lib/trainconf-testbed", f"readonly STATE={state}")
            (testbed / path.name).write_text(text)
            (testbed / path.name).chmod(path.stat().st_mode)
    (folder / "test_marked.py").write_text(MARKED)
    asked = [sys.executable, "-m", "pytest", "-rs", "-p", "tests.testbed.cluster", "-p", "no:cacheprovider", "-o", "markers=slurm"]
    env = os.environ | {"PYTHONPATH": str(folder), "CI": ci, "COLUMNS": "400"}
    asked += [f"--rootdir={folder}", f"--basetemp={folder}/tmp", "test_marked.py"]
    return subprocess.run(asked, cwd=folder, env=env, stdout=subprocess.PIPE, text=True).stdout


def test_without_a_cluster_a_marked_test_is_skipped_with_the_reason(tmp_path: Path) -> None:
    told = pytest_says(tmp_path, tmp_path, ci="")
    assert "1 passed, 2 skipped" in told
    assert "slurm: not running: munged mariadbd slurmdbd slurmctld" in told


def test_without_a_cluster_a_marked_test_fails_where_ci_could_have_had_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    expected = "1 passed, 2 errors" if could_be_up() else "1 passed, 2 skipped"
    assert expected in pytest_says(tmp_path, tmp_path, ci="true")


@pytest.mark.slurm
def test_a_marked_test_has_the_cluster_its_marker_names(tmp_path: Path) -> None:
    assert "3 passed" in pytest_says(tmp_path, Path("/var/lib/trainconf-testbed"), ci="")


@pytest.mark.slurm
def test_the_nodes_have_names_and_processes_of_their_own(slurm_cluster: Cluster) -> None:
    told = slurm_cluster.ask("srun", "--nodes=3", "sh", "-c", f"echo $(hostname) $(test -e /proc/{os.getpid()} || echo alone)")
    assert sorted(told.splitlines()) == [f"{node} alone" for node in NODES]


@pytest.mark.slurm
def test_a_job_sees_the_gpus_it_asked_for(slurm_cluster: Cluster) -> None:
    assert slurm_cluster.ask("srun", "--gpus=2", "printenv", "CUDA_VISIBLE_DEVICES") == "0,1\n"


@pytest.mark.slurm
def test_too_much_memory_is_called_so_where_the_kernel_counts_it(slurm_cluster: Cluster) -> None:
    counts = "task/cgroup" in slurm_cluster.ask("scontrol", "show", "config")
    greedy = "--wrap=python3 -c 'import time; x = bytearray(10**9); time.sleep(9)'"
    asked = ["sbatch", "--parsable", "--wait", "--mem=100", "--output=/dev/null", greedy]
    job = subprocess.run(asked, stdout=subprocess.PIPE, text=True).stdout.strip()
    assert f"JobState={'OUT_OF_MEMORY' if counts else 'FAILED'}" in slurm_cluster.ask("scontrol", "show", "job", job)


@pytest.mark.slurm
def test_each_node_has_a_local_disk_of_its_own(slurm_cluster: Cluster) -> None:
    mine = f"{LOCAL}/{os.urandom(4).hex()}"
    told = slurm_cluster.ask("srun", "--nodes=3", "sh", "-c", f"mkdir {mine}; echo x >{mine}/$(hostname); ls {mine} | wc -l; rm -r {mine}")
    assert told == "1\n" * 3
    assert not os.path.exists(mine)


@pytest.mark.slurm(cluster="bare")
def test_the_bare_cluster_has_no_accounting_and_small_arrays(slurm_cluster: Cluster) -> None:
    sacct = subprocess.run(["sacct"], capture_output=True, text=True)
    assert (sacct.returncode, sacct.stderr) == (1, "Slurm accounting storage is disabled\n")
    array = subprocess.run(["sbatch", "--array=0-10", "--wrap=true", "--output=/dev/null"], stderr=subprocess.PIPE, text=True)
    assert "Invalid job array specification" in array.stderr


@pytest.mark.slurm(cluster="bare")
def test_a_killed_node_takes_its_jobs_with_it_and_is_repaired(slurm_cluster: Cluster, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    job = slurm_cluster.ask("sbatch", "--parsable", "--output=/dev/null", f"--wrap=while :; do date +%s%N >{beat}; sleep 0.1; done").strip()
    wait_for(beat.exists)
    slurm_cluster.daemon("kill", "bare1")
    last = beat.read_text()
    assert slurm_cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%T") == "RUNNING\n", "the controller cannot know yet"
    slurm_cluster.daemon("start", "bare1")
    assert beat.read_text() == last
    slurm_cluster.ask("scancel", job)
