"""The job that controls a sweep: what it is, and that there is one of it at a time whatever becomes of Slurm's answers."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.errors import ConfigError
from trainconf.launchers.protocol import QueuedController
from trainconf.launchers.slurm import submission
from trainconf.launchers.slurm.arrays.controller import SlurmController
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.paths import RunPaths
from trainconf.process import Completed, Processes
from trainconf.schema.sweep import ControllerJob

COMMAND = ["/env/bin/python", "-m", "trainconf", "sweep", "resume", "s-1"]


class Queue(Processes):
    """A cluster that takes jobs, whose reply may be lost; `jobs` has the state of each by its comment."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.loses_replies = False
        self.canceled: list[str] = []

    def run(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None, input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:  # fmt: skip
        if argv[0] == "sbatch" and "--help" not in argv:
            (comment,) = [line for line in (input or b"").decode().splitlines() if line.startswith("#SBATCH --comment")]
            self.jobs[comment.partition("=")[2].strip("'")] = "PENDING"
            return Completed(argv, 1 if self.loses_replies else 0, b"" if self.loses_replies else b"%d" % len(self.jobs), b"timed out")
        if argv[0] == "squeue":
            rows = [(number, state, comment) for number, (comment, state) in enumerate(self.jobs.items(), 1)]
            is_short = "--format=%F|%k" in argv
            text = "".join(f"{number}|{'' if is_short else f'{state}|Priority|'}{comment}\n" for number, state, comment in rows)
            return Completed(argv, 0, text.encode(), b"")
        if argv[0] == "scancel":
            self.canceled.append(argv[-1])
        return Completed(argv, 0, b"--nodelist --gres", b"")


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Queue:
    monkeypatch.setattr(submission, "LOOK_UP_PAUSES_S", (0.0,))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    program = tmp_path / "bin" / "sbatch"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    return Queue()


@pytest.fixture
def home(tmp_path: Path) -> RunPaths:
    found = RunPaths(str(tmp_path / "ws" / "runs" / "digits" / "s-1"))
    Path(found.run_dir).mkdir(parents=True)
    return found


def job(queue: Queue, home: RunPaths, tmp_path: Path) -> SlurmController:
    return SlurmController(Clusters({"PATH": str(tmp_path / "bin")}, queue), home)


def batch(of: SlurmController, compute: Mapping[str, Any] | None = None, **own: Any) -> dict[str, Any]:
    return of.plan(COMMAND, compute or {"partition": "gpu", "gpus_per_node": 8, "cpus_per_task": 16}, vars(ControllerJob(**own)))


def test_it_has_one_cpu_and_what_only_says_where_from_the_trials(queue: Queue, home: RunPaths, tmp_path: Path) -> None:
    options = batch(job(queue, home, tmp_path), {"partition": "gpu", "account": "lab", "gpus_per_node": 8, "cpus_per_task": 16})["options"]
    assert options == {
        "partition": "gpu", "account": "lab", "nodes": 1, "ntasks-per-node": 1, "cpus-per-task": 1, "mem": "1024M", "open-mode": "append",
        "signal": "B:TERM@60", "requeue": True,
    }  # fmt: skip


def test_its_own_settings_come_first(queue: Queue, home: RunPaths, tmp_path: Path) -> None:
    made = batch(job(queue, home, tmp_path), partition="cpu", time_minutes=60, sbatch={"nodelist": "node7"})
    assert "#SBATCH --partition=cpu\n" in made["script"]
    assert "#SBATCH --nodelist=node7\n" in made["script"]
    assert "\n/env/bin/python -m trainconf sweep resume s-1 &\n" in made["script"]


COMMAND_IN_JOB = """#!/bin/bash
echo "$*" >>{calls}
naps() {{ sleep 60 >/dev/null 2>&1 & wait; }}
case "$*" in *--leaves) kill -TERM $$; echo done >>{calls}; exit 1;; esac
{does}
"""


@pytest.mark.parametrize(("setup", "does", "calls"), [
    ("true", "exit 0", ["sweep resume s-1"]),  # no signal came
    ("kill -TERM $$", "exit 0", ["sweep resume s-1 --leaves", "done"]),  # while its setup runs
    ("bash -c 'kill -TERM $PPID; exit 3'", "exit 0", ["sweep resume s-1 --leaves", "done"]),  # which that ends, too
    ("true", "kill -TERM $PPID; naps", ["sweep resume s-1", "sweep resume s-1 --leaves", "done"]),  # killed before it takes it
    ("true", "trap 'exit 130' TERM; kill -TERM $PPID; naps", ["sweep resume s-1", "sweep resume s-1 --leaves", "done"]),
    ("true", "trap 'echo took >>{calls}; exit 1' TERM; kill -TERM $PPID; naps", ["sweep resume s-1", "took"]),
    ("true", "trap 'sleep 0.2; echo took >>{calls}; exit 1' TERM; kill -TERM $PPID $PPID; naps", ["sweep resume s-1", "took"]),
])  # fmt: skip
def test_a_signal_that_comes_before_the_command_takes_it_is_carried_out(
    queue: Queue, home: RunPaths, tmp_path: Path, setup: str, does: str, calls: list[str]
) -> None:
    told, command = tmp_path / "calls", tmp_path / "a command"
    command.write_text(COMMAND_IN_JOB.format(calls=told, does=does.format(calls=told)))
    command.chmod(0o755)
    found = job(queue, home, tmp_path).plan([str(command), *COMMAND[3:]], {"setup": [setup]}, vars(ControllerJob()))
    ended = subprocess.run(["bash", "-c", found["script"]], capture_output=True, timeout=120, start_new_session=True, check=False)
    assert told.read_text().splitlines() == calls, ended


def test_an_option_that_sbatch_does_not_have_is_named_as_the_controllers(queue: Queue, home: RunPaths, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        batch(job(queue, home, tmp_path), sbatch={"nodelst": "node7", "time": 5})
    assert [mistake.what for mistake in error.value.mistakes] == [
        "sweep.controller_job.sbatch.nodelst is not an option of sbatch", "sweep.controller_job.sbatch.time has a setting of its own",
    ]


@pytest.mark.parametrize("loses_replies", [False, True])
def test_there_is_one_job_until_it_is_over(queue: Queue, home: RunPaths, tmp_path: Path, *, loses_replies: bool) -> None:
    queue.loses_replies = loses_replies
    found = job(queue, home, tmp_path)
    assert [found.send(batch(found)) for _ in range(3)] == ["1"] * 3
    assert len(queue.jobs) == 1
    queue.jobs[next(iter(queue.jobs))] = "COMPLETED"
    assert [job(queue, home, tmp_path).send(batch(found)) for _ in range(2)] == ["2"] * 2
    assert len(queue.jobs) == 2, "the one before is over, and its name and comment are not the new one's"


def test_what_waits_says_why_and_is_taken_out_of_the_queue(queue: Queue, home: RunPaths, tmp_path: Path) -> None:
    found = job(queue, home, tmp_path)
    assert found.look() == QueuedController("", is_over=True), "none was sent"
    found.send(batch(found))
    looked = found.look()
    assert looked is not None
    assert (looked.job_id, looked.is_over, looked.waits_for) == ("1", False, "Priority")
    found.cancel()
    assert queue.canceled
    assert set(queue.canceled) == {"1"}


def test_a_job_that_was_sent_over_a_kill_is_found_though_its_number_was_never_written(queue: Queue, home: RunPaths, tmp_path: Path) -> None:
    found = job(queue, home, tmp_path)
    found.send(batch(found))
    files.write_atomic(home.controller_job, files.dumps({**files.read_json(home.controller_job), "job_id": None}))
    assert job(queue, home, tmp_path).send(batch(found)) == "1"
    assert len(queue.jobs) == 1
