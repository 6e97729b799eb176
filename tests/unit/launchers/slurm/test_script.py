"""The batch script and its options."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.unit.launchers.slurm.test_options import NOT_ON_ONE_LINE
from trainconf.fast.records import replace
from trainconf.launchers.protocol import Job
from trainconf.launchers.slurm import script
from trainconf.testing.runs import make_job

AGENT = ["/opt/py thon", "-I", "-S", "/lib/trainconf/agent/__main__.py"]


def job(run_dir_name: str = "run", **compute: Any) -> Job:
    made = make_job("/data/w", ["true"], compute=compute, grace_s=7.5)
    paths = type(made.paths)(f"/data/w/runs/exp/{run_dir_name}")
    return replace(made, paths=paths)


def script_of(run_dir_name: str = "run", **compute: Any) -> str:
    return str(script.batch_of(job(run_dir_name, **compute), AGENT, "")["script"])


def test_a_job_with_no_wishes_asks_for_nothing_but_its_place_and_its_name() -> None:
    lines = script_of().splitlines()
    assert [line for line in lines if not line.startswith("#SBATCH --comment=")] == [
        "#!/bin/bash", "#SBATCH --cpus-per-task=1", "#SBATCH --job-name=run", "#SBATCH --no-requeue", "#SBATCH --nodes=1",
        "#SBATCH --ntasks-per-node=1", "#SBATCH --open-mode=append", "#SBATCH --signal=B:TERM@13", "", "trap '' USR1",
        "exec '/opt/py thon' -I -S /lib/trainconf/agent/__main__.py /data/w/runs/exp/run",
    ]  # fmt: skip


def test_every_setting_becomes_its_option() -> None:
    text = script_of(
        partition="gpu,cpu", account="a b", qos="high", cpus_per_task=8, gpus_per_node=2, mem_gib=1.5, time_minutes=90, signal_seconds=60,
        constraint="a100&nvlink", exclusive=True, requeue="interrupted",
        sbatch={"gres": "shard:2", "mail_type": ["END", "FAIL"], "hold": True, "x": None},
    )  # fmt: skip
    for option in (
        "partition=gpu,cpu", "account='a b'", "qos=high", "cpus-per-task=8", "gpus-per-node=2", "mem=1536M", "time=90", "signal=B:TERM@60",
        "constraint='a100&nvlink'", "exclusive", "requeue", "gres=shard:2", "mail-type=END,FAIL", "hold",
    ):  # fmt: skip
        assert f"#SBATCH --{option}\n" in text
    assert "--x" not in text
    assert "no-requeue" not in text


@pytest.mark.parametrize("name", ["with space", "quo'te\"s", "new\nline", "per%cent", "$(id)", "b\udcff"])
def test_a_strange_run_id_is_plain_in_slurm_and_itself_in_the_command(name: str) -> None:
    text = script_of(name)
    (line,) = [line for line in text.splitlines() if line.startswith("#SBATCH --job-name=")]
    assert set(line.removeprefix("#SBATCH --job-name=")) <= set("abcdefghijklmnopqrstuvwxyz_")
    words = subprocess.run(
        ["bash", "-c", text[text.index("exec") :].replace("exec '/opt/py thon'", "printf '%s\\0'").encode("utf-8", "surrogateescape")],
        stdout=subprocess.PIPE, check=True,
    ).stdout.split(b"\0")  # fmt: skip
    assert words[-2] == f"/data/w/runs/exp/{name}".encode("utf-8", "surrogateescape")


def test_two_runs_of_one_name_in_two_workspaces_have_two_comments() -> None:
    one, two = job(), job()
    elsewhere = replace(two, paths=type(two.paths)("/other/runs/exp/run"))
    assert script.batch_of(one, AGENT, "")["comment"] != script.batch_of(elsewhere, AGENT, "")["comment"]


def test_an_environment_that_the_job_builds_is_built_before_the_agent_begins() -> None:
    wanted = job(build="job", setup=["module load python"])
    venv = replace(wanted, spec=replace(wanted.spec, environment=replace(wanted.spec.environment, kind="venv")))
    lines = str(script.batch_of(venv, AGENT, "")["script"]).splitlines()
    assert lines[-4:-2] == ["set -e", "module load python"]
    assert lines[-2].endswith("build_in_job.py /data/w/runs/exp/run || exit")
    assert " -S " not in lines[-2]
    assert "build_in_job" not in script_of(build="job")  # a user-managed Python is as it is


@pytest.mark.parametrize("text", NOT_ON_ONE_LINE[:4])
def test_what_is_not_refused_before_is_no_second_line_either(text: str) -> None:
    lines = script.directive("comment", text).splitlines()
    assert len(lines) == 1


def test_a_sweep_is_sent_with_the_options_of_its_trials_in_its_own_name() -> None:
    from trainconf.paths import RunPaths

    one = script.batch_of(job(mem_gib=0.5, cpus_per_task=2, setup=["echo '#SBATCH --mem=9M'"], sbatch={"comment2": "x"}), AGENT, "")
    home = RunPaths("/data/w/runs/exp/sweep")
    packed = script.for_sweep(one, home, times=3)
    assert "#SBATCH --mem=1536M\n" in packed["script"]
    assert "#SBATCH --cpus-per-task=6\n" in packed["script"]
    assert "#SBATCH --job-name=sweep\n" in packed["script"]
    assert "echo '#SBATCH --mem=9M'\n" in packed["script"]
    assert packed["script"].endswith("/data/w/runs/exp/sweep\n")
    assert "#SBATCH --mem=512M\n" in one["script"]
