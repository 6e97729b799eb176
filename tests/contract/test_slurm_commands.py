"""compute=slurm from the command line: what a user types, on a real cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Shell, wait_for
from tests.testbed.cluster import Cluster

SLURM = ["experiment=adhoc", "script=train.py", "env=current", "compute=slurm"]
pytestmark = pytest.mark.slurm


def job_id(workspace: Shell, run_id: str) -> str:
    told = json.loads(workspace("show", run_id, "--json").out)["events"]
    return str(next(event["scheduler"]["job_id"] for event in reversed(told) if "scheduler" in event))


def test_a_run_streams_its_output_and_ends_with_the_scripts_code(workspace: Shell, cluster: Cluster) -> None:
    workspace.write("train.py", "import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    answer = workspace(*SLURM, "+params.lr=0.1")
    assert (answer.code, answer.out) == (7, "['--lr', '0.1']\n")
    assert ": exit code 7" in answer.err


def test_the_printed_script_is_the_one_that_is_sent(workspace: Shell, cluster: Cluster) -> None:
    settings = ["compute.partition=low", "compute.mem_gib=0.5", "compute.time_minutes=3", "+compute.sbatch.nice=5", "compute.setup=[pwd]"]
    words = [*SLURM, *settings]
    printed = workspace("plan", *words).out
    run_id = workspace(*words, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    try:
        sent = cluster.ask("scontrol", "write", "batch_script", job_id(workspace, run_id), "-")
        script = printed[printed.index("#!/bin/bash") :].splitlines()
        lines = [line for line in script if not line.startswith(("#SBATCH --comment", "exec"))]
        assert {line.replace("adhoc-_time_-_id_", run_id) for line in lines} <= set(sent.splitlines())
        assert "#SBATCH --mem=512M" in sent
        assert "#SBATCH --nice=5" in sent
        job = cluster.ask("scontrol", "--oneliner", "show", "job", job_id(workspace, run_id))
        assert "TimeLimit=00:03:00" in job
        assert "Partition=low" in job
        assert f"JobName={run_id}" in job
    finally:
        workspace("cancel", run_id)


def test_detach_come_back_and_cancel(workspace: Shell, cluster: Cluster) -> None:
    workspace.write("train.py", "import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    run_id = workspace(*SLURM, "submit.detach=true").out.strip()
    wait_for(lambda: workspace("logs", run_id).out == "up\n")
    assert json.loads(workspace("ls", "--json").out)[0]["status"] == "Running"
    assert workspace("wait", run_id, "--timeout", "0.2").code == 124
    assert workspace("cancel", run_id).code == 0
    assert workspace("wait", run_id).code == 130
    assert json.loads(workspace("show", run_id, "--json").out)["reason"].startswith("cancellation was requested by ")


def test_a_run_that_was_canceled_in_the_queue_is_sent_again_and_goes_on_when_it_has_failed(workspace: Shell, cluster: Cluster) -> None:
    text = "import os, sys\nprint(os.environ['TRAINCONF_ATTEMPT'], os.listdir('outputs'))\nopen('outputs/a', 'w').close()\nsys.exit(3)\n"
    workspace.write("train.py", text)
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    first = job_id(workspace, run_id)
    assert workspace("cancel", run_id).code == 0
    assert workspace("resume", run_id, "--detach").out == f"{run_id}\n"
    second = job_id(workspace, run_id)
    assert first != second
    subprocess.run(["scontrol", "update", f"jobid={second}", "StartTime=now"], check=True)
    assert workspace("wait", run_id).code == 3
    again = workspace.start("resume", run_id)
    wait_for(lambda: job_id(workspace, run_id) != second)
    subprocess.run(["scontrol", "update", f"jobid={job_id(workspace, run_id)}", "StartTime=now"], check=True)
    assert again.communicate(timeout=300)[0] == b"2 ['a']\n"
    assert again.returncode == 3


def test_a_follower_is_told_what_the_run_waits_for_and_ctrl_c_takes_it_back(workspace: Shell, cluster: Cluster) -> None:
    child = workspace.start(*SLURM, "+compute.sbatch.begin=now+1hour")
    wait_for(lambda: workspace.run_dirs() and "BeginTime" in workspace("show", "last").out)
    assert child.stderr is not None
    told = b""
    while b"waits in Slurm: BeginTime" not in told:
        told += os.read(child.stderr.fileno(), 65536)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=300)
    assert child.returncode == 130
    (row,) = json.loads(workspace("ls", "--json").out)
    assert row["status"] == "Canceled"


def test_ls_tells_of_a_job_that_was_canceled_from_outside_and_keeps_it(workspace: Shell, cluster: Cluster) -> None:
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    assert json.loads(workspace("ls", "--json").out)[0]["status"] == "Queued"
    subprocess.run(["scancel", job_id(workspace, run_id)], check=True)
    wait_for(lambda: json.loads(workspace("ls", "--json").out)[0]["status"] == "Canceled")
    assert workspace("ls", env={"PATH": "/nowhere"}).out.count("Canceled") == 1


def test_a_run_is_told_from_where_there_is_no_slurm_as_it_was_recorded(workspace: Shell, cluster: Cluster, tmp_path: Path) -> None:
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    told = workspace("show", run_id, env={"PATH": str(tmp_path)}).out
    assert told.startswith(f"{run_id}  Queued")
    assert "as recorded; Slurm does not answer since" in told
    workspace("cancel", run_id)


def test_ls_and_show_agree_on_a_run_whose_submitter_was_killed_before_it_sent_it(workspace: Shell, cluster: Cluster) -> None:
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    subprocess.run(["scancel", job_id(workspace, run_id)], check=True)
    plan = {"target": "slurm", "batch": {"job_name": "x", "comment": "trainconf x 0", "cluster": {"conf": cluster.conf}}}
    (workspace.root / "runs" / "adhoc" / run_id / "plan.json").write_text(json.dumps(plan))
    long_ago = {"time": "2026-01-01T00:00:00.000000Z", "state": "NotStarted", "attempt": 1}
    (workspace.root / "runs" / "adhoc" / run_id / "events.jsonl").write_text(json.dumps(long_ago) + "\n")
    assert workspace("show", run_id).out.startswith(f"{run_id}  NotResponding")
    assert json.loads(workspace("ls", "--json").out)[0]["status"] == "NotResponding"


def test_a_controller_that_hangs_holds_up_nobody_who_only_looks(workspace: Shell, cluster: Cluster, tmp_path: Path) -> None:
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    asked = tmp_path / "asked"
    for name in ("squeue", "scancel"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {asked}\nsleep 6\nPATH={os.environ['PATH']} exec {name} \"$@\"\n")
        (tmp_path / name).chmod(0o755)
    hanging = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert json.loads(workspace("ls", "--json", env=hanging).out)[0]["status"] == "Queued"
    assert "as recorded; Slurm does not answer since" in workspace("show", run_id, env=hanging).out
    assert asked.read_text() == "squeue\n"  # the second one is told what the first one learned
    workspace("cancel", run_id)


def test_slurm_is_told_once_of_a_cancellation_that_it_does_not_take_in_time(workspace: Shell, cluster: Cluster, tmp_path: Path) -> None:
    run_id = workspace(*SLURM, "submit.detach=true", "+compute.sbatch.begin=now+1hour").out.strip()
    asked = tmp_path / "asked"
    (tmp_path / "scancel").write_text(f"#!/bin/sh\necho asked >> {asked}\nexec sleep 60\n")
    (tmp_path / "scancel").chmod(0o755)
    answer = workspace("cancel", run_id, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert "Slurm could not be told" in answer.err
    assert asked.read_text() == "asked\n"
    assert "Canceled" in workspace("cancel", run_id).err


@pytest.mark.network
def test_an_environment_is_built_in_the_job_once_also_when_two_jobs_want_it(workspace: Shell, cluster: Cluster) -> None:
    workspace.write("train.py", "import sys, tomli_w\nprint(sys.prefix)\n")
    words = [*SLURM, "env=minimal", "env.requirements=[tomli-w]", "compute.build=job", "submit.detach=true"]
    runs = [workspace(*words, f"+compute.sbatch.nodelist={node}").out.strip() for node in ("node1", "node2")]
    for run_id in runs:
        assert workspace("wait", run_id).code == 0, workspace("logs", run_id, "--agent")
    states = [[event["state"] for event in json.loads(workspace("show", run_id, "--json").out)["events"]] for run_id in runs]
    assert any("Preparing" in some for some in states)
    assert workspace("env", "ls").out.count("minimal") == 1
    outputs = {workspace("logs", run_id).out for run_id in runs}
    assert len(outputs) == 1
    assert str(workspace.root / ".trainconf" / "envs") in outputs.pop()
    for run_dir in workspace.run_dirs():
        assert "tomli" in (run_dir / "environment.lock").read_text()


@pytest.mark.network
def test_an_environment_that_cannot_be_built_in_the_job_ends_the_run_with_the_installers_words(workspace: Shell, cluster: Cluster) -> None:
    answer = workspace(*SLURM, "env=minimal", "env.requirements=['tomli-w==0.0.0.1']", "compute.build=job")
    assert answer.code == 2
    assert "with exit code 2, before its agent began" in answer.err
    (run_dir,) = workspace.run_dirs()
    assert "tomli-w==0.0.0.1" in (run_dir / "logs" / "agent.log").read_text()
    assert workspace("env", "ls").out.count("minimal") == 0


def test_an_environment_that_a_waiting_job_needs_is_not_removed(workspace: Shell, cluster: Cluster) -> None:
    submitted = workspace(*SLURM, "env=minimal", "submit.detach=true", "+compute.sbatch.begin=now+1hour")
    assert submitted.code == 0, submitted
    refused = workspace("env", "rm", "minimal")
    assert refused.code == 2
    assert submitted.out.strip() in refused.err
    workspace("cancel", submitted.out.strip())
    assert workspace("env", "rm", "minimal").code == 0


def test_the_rank_and_node_that_a_run_failed_through_are_shown_with_its_last_words(workspace: Shell, cluster: Cluster) -> None:
    workspace.write(
        "train.py",
        "import os, pathlib, time\n"
        "print('words', flush=True)\n"
        "while 'Running' not in pathlib.Path(os.environ['TRAINCONF_RUN_DIR'], 'events.jsonl').read_text(): time.sleep(0.05)\n"
        "assert os.environ['NODE_RANK'] != '2'\n"
        "time.sleep(600)\n",
    )
    answer = workspace(*SLURM, "distributed.node_count=3")
    assert answer.code == 1
    told = "rank 2 on node3 failed: exit code 1; the last lines of its output, logs/std_log_rank_2.txt:\n  words\n  Traceback"
    assert told in answer.err
    shown = workspace("show", "last").out
    assert "failed rank  2 on node3; its output is logs/std_log_rank_2.txt\n" in shown
    assert "\n  rank 1  on node2, pid " in shown
