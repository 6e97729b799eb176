"""The batch script, and what is made of Slurm's words: pure functions."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import pytest

from trainconf.errors import ConfigError
from trainconf.fast.records import replace
from trainconf.launchers.protocol import Job
from trainconf.launchers.slurm import job_states, script
from trainconf.launchers.slurm.admission import check, minutes
from trainconf.launchers.slurm.commands import Controller, clean
from trainconf.launchers.slurm.commands import Job as SlurmJob
from trainconf.process import Completed, Processes
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


@pytest.mark.parametrize(
    ("text", "expected"), [("infinite", None), ("1:00", 1), ("30", 0.5), ("2:00:00", 120), ("1-00:00:00", 1440), ("10-12:30:00", 15150)]
)
def test_a_limit_is_read_as_sinfo_prints_it(text: str, expected: float | None) -> None:
    assert minutes(text) == (inf if expected is None else expected)


def not_admitted(sinfo: str, **options: str | int) -> list[str]:
    try:
        check(Controller({}, Answering(sinfo)), {"options": {"nodes": 3, "cpus-per-task": 1, "time": 60, **options}})
    except ConfigError as error:
        return [mistake.what for mistake in error.mistakes]
    return []


def test_a_partition_has_the_nodes_of_all_its_kinds_and_the_cpus_of_its_largest() -> None:
    there_are = "gpu*|1-00:00:00|1-8|2|64\ngpu*|1-00:00:00|1-8|6|128\ncpu|infinite|1-infinite|9|2K\nnot a row"
    assert not_admitted(there_are, nodes=8, **{"cpus-per-task": 128}, time=1440) == []
    assert not_admitted(there_are, nodes=9, **{"cpus-per-task": 129}, time=1441) == [
        "compute.time_minutes=1441 is over the time limit of partition gpu", "9 nodes are over the limit of partition gpu for one job",
        "129 CPUs on each node (compute.cpus_per_task) are more than any node of partition gpu has",
    ]  # fmt: skip
    assert not_admitted(there_are, nodes=9, **{"cpus-per-task": 5000}, time=99999, partition="cpu") == []
    assert not_admitted(there_are, nodes=10, partition="cpu") == ["10 nodes are more than partition cpu has"]
    assert not_admitted(there_are, nodes=9, partition="gpu,cpu") == []


def test_a_quality_of_service_may_lift_a_partitions_limits_but_adds_no_machines() -> None:
    main = "main*|30:00|2|3|4"
    time = "compute.time_minutes=60 is over the time limit of partition main"
    assert not_admitted(main) == [time, "3 nodes are over the limit of partition main for one job"]
    assert not_admitted(main, qos="long") == []
    assert not_admitted(main, qos="long", nodes=4) == ["4 nodes are more than partition main has"]
    assert not_admitted(main, partition="other") == []


class Answering(Processes):
    """Every program says this."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None, input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:  # fmt: skip
        return Completed(argv, 0, self.text.encode(), b"")


def test_what_a_job_was_told_is_not_handed_on_and_what_names_the_cluster_is() -> None:
    environ = {"SLURM_JOB_ID": "1", "SBATCH_ACCOUNT": "x", "SINFO_PARTITION": "x", "PMIX_RANK": "0", "OMPI_X": "1", "MASTER_PORT": "1",
               "HIP_VISIBLE_DEVICES": "0"}  # fmt: skip
    environ |= {"TORCHELASTIC_RUN_ID": "1", "ROLE_RANK": "1", "GROUP_WORLD_SIZE": "2", "MPI_LOCALRANKID": "1"}
    kept = {"SLURM_CONF": "/etc/s", "SLURM_JWT": "t", "RANKING": "kept", "PATH": "/bin"}
    assert clean(environ | kept) == kept


@pytest.mark.parametrize(
    ("state", "code", "expected", "words"),
    [
        ("TIMEOUT", "0:0", ("Failed", 124), "time limit"),
        ("OUT_OF_MEMORY", "0:125", ("Failed", 137), "more memory than Slurm gave it"),
        ("NODE_FAIL", "0:0", ("Failed", None), "a node of job 5 failed on n7"),
        ("CANCELLED by 123456789", "0:0", ("Canceled", None), "by user 123456789"),
        ("PREEMPTED", "0:0", ("Canceled", None), "higher priority"),
        ("FAILED", "3:0", ("Failed", 3), "with exit code 3"),
        ("FAILED", "0:9", ("Failed", 137), "by signal 9"),
        ("COMPLETED", "0:0", ("Failed", None), "before its agent could record"),
    ],
)
def test_an_end_that_only_slurm_tells_is_said_in_words(state: str, code: str, expected: tuple[str, int | None], words: str) -> None:
    told = SlurmJob(state, "n7", "None", "trainconf run x", code)
    ending = job_states.ending("5", told, "/runs/x", cancel_was_requested=False, agent_was_seen=True, log="")
    assert (ending.state, ending.exit_code) == expected
    assert words in ending.reason
    asked = job_states.ending("5", told, "/runs/x", cancel_was_requested=True, agent_was_seen=True, log="")
    assert asked.state == "Canceled"
    assert "cancellation was requested" in asked.reason


def test_what_slurm_killed_for_memory_says_so_in_the_jobs_log() -> None:
    said = "slurmstepd-n7: error: StepId=5.batch exceeded memory limit (603049984 > 108003328), being killed / *** JOB 5 ON n7 CANCELLED"
    told = SlurmJob("FAILED", "n7", "None", "trainconf run x", "0:9")
    ending = job_states.ending("5", told, "/runs/x", cancel_was_requested=False, agent_was_seen=True, log=said)
    assert ending.reason == "job 5 was ended on n7 because it used 0.56 GiB of memory, and Slurm gave it 0.10 GiB (compute.mem_gib)"


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "A_STATE_OF_TOMORROW"])
def test_no_other_state_ends_a_run(state: str) -> None:
    assert state not in job_states.OVER


NOT_ON_ONE_LINE = ["node1\n#SBATCH --mem=1\ntouch x", "a\rb", "a\x0bb", "a\u2028b", "a\x1b[31m", "\ud83d"]


@pytest.mark.parametrize("text", NOT_ON_ONE_LINE)
@pytest.mark.parametrize("name", ["partition", "account", "qos", "constraint", "python", "gpus_per_node", "time_minutes"])
def test_no_setting_can_hold_more_than_one_line(name: str, text: str) -> None:
    assert "does not fit on one line" in refused({name: text})


@pytest.mark.parametrize("text", NOT_ON_ONE_LINE)
def test_no_option_of_sbatch_can_either_also_inside_a_list(text: str) -> None:
    assert "does not fit on one line" in refused({"sbatch": {"exclude": text}})
    assert "does not fit on one line" in refused({"sbatch": {"exclude": ["node2", text]}})
    assert "is a mapping, or holds one" in refused({"sbatch": {"exclude": [{"a": text}]}})
    assert "which is no name of an option" in refused({"sbatch": {f"exclude{text}": 1}})


def refused(compute: dict[str, Any]) -> str:
    from trainconf.launchers.slurm.options import check as check_options

    with pytest.raises(ConfigError) as error:
        check_options(compute, Controller({"PATH": "/bin:/usr/bin"}, Answering("--exclude=x")))
    return "\n".join(mistake.what for mistake in error.value.mistakes)


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


class Recording(Answering):
    """Answers, and remembers what it was asked."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.asked: list[list[str]] = []

    def run(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None, input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:  # fmt: skip
        self.asked.append(list(argv))
        return super().run(argv, timeout_s=timeout_s)


def test_many_ids_are_asked_in_lists_that_a_command_line_holds() -> None:
    asked = Recording("")
    ids = [str(10_000_000 + number) for number in range(30_000)]
    assert Controller({}, asked).accounted(ids) == {}
    assert Controller({}, asked).exit_codes(ids) == {}
    assert max(len(word) for argv in asked.asked for word in argv) < 100_000
    words = ",".join(word for argv in asked.asked for word in argv if word.startswith("--jobs="))
    assert words.count("10029999") == 2


def test_tasks_that_never_began_are_told_by_the_accounting_as_one() -> None:
    said = "7_[0-2,5%2]|CANCELLED by 0|||run|0:0\n8_1|FAILED|n1||run|0:9\n9|COMPLETED|n1||run|0:0"
    told = Controller({}, Answering(said)).accounted(["7_1"])
    assert told is not None
    assert {job_id: found.state for job_id, found in told.items() if job_id.startswith("7")} == dict.fromkeys(
        ["7_0", "7_1", "7_2", "7_5"], "CANCELLED by 0"
    )
    assert (told["8_1"].exit_code, told["9"].state) == ("0:9", "COMPLETED")


def test_exit_codes_are_told_as_slurm_prints_them() -> None:
    assert Controller({}, Answering("5|1792|\n6_2|9|\n7|53|\n8|0|\n")).exit_codes(["5", "6_2", "7", "8"]) == {
        "5": "7:0", "6_2": "0:9", "7": "0:53", "8": "0:0",
    }  # fmt: skip
