"""compute=slurm: what a cluster refuses, or can never give, is told in the one form; and strange names are no mistake."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Shell, wait_for
from tests.testbed.cluster import Cluster
from trainconf.history import events
from trainconf.paths import RunPaths

SLURM = ["experiment=adhoc", "script=train.py", "env=current", "compute=slurm"]
pytestmark = pytest.mark.slurm


@pytest.mark.parametrize(
    ("words", "label", "there_is"),
    [
        (["compute.partition=nope"], "partitions", "short"),
        (["compute.account=nope"], "accounts", "research"),
        (["compute.qos=nope"], "qos", "few"),
        (["compute.mem_gib=900"], "nodes", "4000 MB"),
        (["compute.gpus_per_node=9"], "nodes", "gpu:2"),
    ],
)
def test_what_the_cluster_does_not_have_is_refused_in_its_words_with_what_it_has(
    words: list[str], label: str, there_is: str, workspace: Shell, cluster: Cluster
) -> None:
    answer = workspace(*SLURM, *words)
    assert answer.code == 2
    (facts,) = answer.told.values()
    assert there_is in facts[label]
    assert facts["Slurm says"]
    assert workspace.run_dirs() == []


def test_a_feature_no_node_has_is_refused(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, "compute.constraint=zzz")
    told = answer.told["Slurm refuses the job"]
    assert (answer.code, told["asked for"], told["features"]) == (2, "compute.constraint (--constraint=zzz)", "none")


def test_time_over_the_limit_is_refused_where_slurm_would_let_it_wait_for_ever(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, "compute.partition=short", "compute.time_minutes=99")
    assert answer.code == 2
    assert "short: at most 1:00" in answer.told["compute.time_minutes=99 is over the time limit of partition short"]["limits"]
    assert workspace.run_dirs() == []


@pytest.mark.parametrize(
    ("words", "told", "label", "there_is"),
    [
        (["compute.cpus_per_task=64"], "64 CPUs on each node (compute.cpus_per_task) are more than any node of partition main has", "nodes",
         "main: 4 CPUs"),
        (["distributed.node_count=9"], "9 nodes are more than partition main has", "partitions", "main: 3 nodes"),
        (["distributed.node_count=2", "compute.partition=tiny"], "2 nodes are over the limit of partition tiny for one job", "partitions",
         "tiny: 3 nodes, 1 for one job"),
    ],
)  # fmt: skip
def test_machines_no_partition_has_are_refused_where_slurm_would_let_the_job_wait_for_ever(
    words: list[str], told: str, label: str, there_is: str, workspace: Shell, cluster: Cluster
) -> None:
    answer = workspace(*SLURM, *words)
    assert answer.code == 2
    assert there_is in answer.told[told][label]
    assert workspace.run_dirs() == []


def test_all_that_no_partition_has_is_told_at_once(workspace: Shell, cluster: Cluster) -> None:
    more = ["compute.partition=short", "compute.time_minutes=99", "compute.cpus_per_task=64", "distributed.node_count=9"]
    answer = workspace(*SLURM, *more)
    assert (answer.code, len(answer.told)) == (2, 3)


def test_a_configuration_of_slurm_that_is_not_there_is_said_at_once(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, env={"SLURM_CONF": "/nowhere/slurm.conf"})
    assert answer.code == 2
    assert answer.told["SLURM_CONF names a file that is not there"]["from"] == "environment: SLURM_CONF=/nowhere/slurm.conf"
    assert workspace.run_dirs() == []


@pytest.mark.slurm(cluster="bare")
def test_time_over_the_limit_is_refused_where_slurm_enforces_it(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, "compute.time_minutes=99")
    assert answer.code == 2
    assert "main: at most 5:00" in answer.err


def test_without_slurms_commands_nothing_is_begun(workspace: Shell, tmp_path: Path) -> None:
    answer = workspace(*SLURM, env={"PATH": str(tmp_path)})
    assert answer.code == 2
    assert "login node" in answer.told["compute=slurm needs Slurm's client commands, and sbatch was not found on PATH"]["hint"]
    assert workspace.run_dirs() == []


def test_an_unknown_option_is_answered_with_the_nearest_and_all_mistakes_at_once(workspace: Shell, cluster: Cluster) -> None:
    nice = "+compute.sbatch.nice={}"
    answer = workspace(*SLURM, "+compute.sbatch.exlude=node1", "+compute.sbatch.mem=3", "+compute.sbatch.job-name=x", nice)
    assert answer.code == 2
    assert answer.told["compute.sbatch.exlude is not an option of sbatch"]["nearest"] == "compute.sbatch.exclude"
    assert answer.told["compute.sbatch.mem has a setting of its own"]["allowed"] == "compute.mem_gib"
    assert len(answer.told) == 4


def test_a_line_break_cannot_become_another_directive(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, 'compute.partition="main\n#SBATCH --nodes=3"')
    assert answer.code == 2
    assert "does not fit on one line" in answer.err


def test_quotes_and_percents_in_a_value_reach_slurm_as_they_are(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, """compute.partition='p%j "x" $(id)'""")
    assert answer.code == 2
    assert 'p%j "x" $(id)' in answer.told["Slurm refuses the job"]["Slurm says"]


HOSTILE = [b"with space", b"quo'te\"s", b"new\nline", b"100%j %% %", b"back\\slash", b"back\\%j", b"$(touch x)", b"\xff\xfe"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_workspace_of_any_name_will_do(name: bytes, workspace: Shell, cluster: Cluster) -> None:
    root = Path(os.fsdecode(os.path.join(os.fsencode(workspace.root), name)))
    root.mkdir()
    (root / "train.py").write_text("print('trained')\n")
    answer = workspace(*SLURM, "compute.setup=[pwd]", cwd=root)
    assert (answer.code, answer.out) == (0, "trained\n"), answer
    (run_dir,) = root.glob("runs/adhoc/*")
    assert (run_dir / "logs" / "agent.log").read_bytes() == os.fsencode(root) + b"\n"


def test_a_failing_line_of_setup_ends_the_job_and_is_told(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, "compute.setup=['echo no such module: cuda >&2', 'exit 3', 'echo not reached']")
    assert answer.code == 3
    assert "no such module: cuda" in answer.err
    assert "not reached" not in answer.err
    assert "with exit code 3, before its agent began" in answer.err


def test_a_line_of_setup_that_ends_the_job_too_soon_is_not_taken_for_a_folder_that_is_not_seen(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, "compute.setup=['exit 0']")
    assert answer.code == 1
    assert "ended on node" in answer.err
    assert "with exit code 0, before its agent began, and said nothing" in answer.err


def test_a_folder_that_the_node_does_not_see_is_said_in_words(workspace: Shell, cluster: Cluster) -> None:
    inside = ["nsenter", f"--target={_slurmd('node2', cluster.conf)}", "--mount"]
    subprocess.run([*inside, "mount", "-t", "tmpfs", "none", workspace.root], check=True)
    try:
        answer = workspace(*SLURM, "+compute.sbatch.nodelist=node2")
    finally:
        subprocess.run([*inside, "umount", workspace.root], check=True)
    assert answer.code == 1
    assert "without a word here: the run's folder is not seen there" in answer.err
    assert "node2" in answer.err
    (run_dir,) = workspace.run_dirs()
    assert events.read(RunPaths(str(run_dir)))[-1]["state"] == "Failed"


def _slurmd(node: str, conf: str) -> str:
    """The pid of a node's slurmd; another testbed may have one of that name."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"slurmd") and {os.fsencode(node), os.fsencode(conf)} <= set(words):
            return entry
    raise AssertionError(f"no slurmd of {node}")


def test_a_job_that_is_held_says_what_lets_it_begin(workspace: Shell, cluster: Cluster) -> None:
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.hold=true").out.strip()
    try:
        wait_for(lambda: re.search(r"job (\d+) is held in Slurm: .*`scontrol release \1`", workspace("show", run_id).out))
    finally:
        workspace("cancel", run_id)
