"""What is sent to Slurm is neither lost nor sent twice, however slow sbatch is and whoever is killed over it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.contract.slurm_runs import slurm, until
from tests.testbed.cluster import Cluster
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.launchers.slurm.arrays.chunks import ChunkSubmitter
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.paths import RunPaths

pytestmark = pytest.mark.slurm
SCRIPT = "print('trained')\n"


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    """A workspace whose runs go to the cluster; what is left of them goes with it."""
    shell.env["SLURM_CONF"] = slurm_cluster.conf
    shell.write("train.py", SCRIPT)
    yield shell
    for folder in shell.root.glob("runs/*/*"):
        slurm("scancel", "--quiet", f"--name={folder.name}")


def words(*more: str) -> list[str]:
    return ["experiment=adhoc", "script=train.py", "env=current", "compute=slurm", *more]


def with_sbatch(space: Shell, text: str) -> None:
    """From here on sbatch is this; `real` is Slurm's own."""
    folder = space.root.parent / f"{space.root.name}.bin"
    folder.mkdir(exist_ok=True)
    begin = f'#!/bin/sh\nreal={shutil.which("sbatch")}\n[ "$1" != --help ] || exec "$real" --help\n'
    (folder / "sbatch").write_text(f"{begin}{text}\n")
    (folder / "sbatch").chmod(0o755)
    space.env["PATH"] = f"{folder}:{os.environ['PATH']}"


def home_of(space: Shell) -> RunPaths:
    return RunPaths(str(next(space.root.glob("runs/*/*/sweep.json")).parent))


def states(home: RunPaths) -> list[str]:
    return [str((events.last(paths) or {}).get("state")) for paths in trials_of(home)]


# It answers only when the job has told how it ended, or it has waited in vain: an agent that waits for the submitter would never tell.
ANSWERS_AFTER_THE_END = """\
reply=$("$real" "$@") || exit
for _ in $(seq 300); do
    [ "$(cat runs/*/*/events.jsonl | grep -c '"Completed"')" -lt {count} ] || break
    sleep 0.1
done
echo "$reply"
"""


@pytest.mark.parametrize(
    ("more", "count"), [([], 1), (["-m", "+params.n=1,2"], 2), (["-m", "+params.n=1,2", "compute.pack=2"], 3)], ids=["run", "array", "pack"]
)
def test_a_job_that_begins_and_ends_before_sbatch_answers_is_not_lost(more: list[str], count: int, space: Shell) -> None:
    with_sbatch(space, ANSWERS_AFTER_THE_END.format(count=count))
    answer = space(*more[:1], *words(*more[1:])) if more else space(*words())
    assert answer.code == 0, answer
    rows = json.loads(space("ls", "--json").out)
    assert {row["status"] for row in rows} == {"Completed"}
    for row in rows:
        told = [event["state"] for event in events.read(RunPaths(row["run_dir"]))]
        assert told[-1] == "Completed", told


def test_a_run_that_is_canceled_while_it_is_being_sent_is_canceled(space: Shell) -> None:
    gate = space.root / "go"
    with_sbatch(space, f'touch "{space.root}/asked"; while [ ! -e "{gate}" ]; do sleep 0.05; done; exec "$real" "$@"')
    child = space.start(*words("+compute.sbatch.begin=now+1hour"))
    until((space.root / "asked").exists, "sbatch")
    (run_dir,) = space.run_dirs()
    assert "it is being sent to Slurm" in json.loads(space("show", run_dir.name, "--json").out)["reason"]
    assert space("cancel", run_dir.name).code == 0
    gate.touch()
    child.communicate(timeout=300)
    assert child.returncode == 130
    assert (events.last(RunPaths(str(run_dir))) or {})["state"] == "Canceled"


def kill_while_it_sends(space: Shell, *command: str) -> None:
    """The submitter and its sbatch, before anything is sent."""
    asked = space.root / "asked"
    with_sbatch(space, f'echo $$ >"{asked}.tmp"; mv "{asked}.tmp" "{asked}"; exec sleep 600')
    child = space.start(*command)
    until(asked.exists, "sbatch")
    os.kill(child.pid, signal.SIGKILL)
    os.kill(int(asked.read_text()), signal.SIGKILL)
    child.communicate()
    with_sbatch(space, 'exec "$real" "$@"')


def test_a_run_whose_submitter_is_killed_before_it_is_sent_can_be_canceled(space: Shell) -> None:
    kill_while_it_sends(space, *words())
    (run_dir,) = space.run_dirs()
    answer = space("cancel", run_dir.name)
    assert (answer.code, "Canceled" in answer.err) == (0, True), answer
    assert "Slurm never got its job" in (events.last(RunPaths(str(run_dir))) or {})["reason"]


def test_a_sweep_whose_submitter_is_killed_before_it_is_sent_goes_on_when_somebody_looks(space: Shell) -> None:
    kill_while_it_sends(space, "-m", *words("+params.n=1,2,3"))
    home = home_of(space)
    assert states(home) == ["NotStarted"] * 3
    assert space("ls").code == 0
    until(lambda: states(home) == ["Completed"] * 3, "the trials", told=lambda: str(states(home)))
    assert space("wait", home.run_id).code == 0
    assert [Path(paths.log(0)).read_text() for paths in trials_of(home)] == ["trained\n"] * 3


def test_a_packed_sweep_whose_submitter_is_killed_before_it_is_sent_can_be_canceled(space: Shell) -> None:
    kill_while_it_sends(space, "-m", *words("+params.n=1,2,3", "compute.pack=2"))
    home = home_of(space)
    answer = space("cancel", home.run_id)
    assert answer.code == 0, answer
    assert states(home) == ["Canceled"] * 3


def test_trials_whose_submitter_is_killed_before_all_are_made_can_be_canceled(space: Shell) -> None:
    child = space.start("-m", *words("+params.n=range(0,1000)", "sweep.max_total_runs=1000"))
    until(lambda: any(space.root.glob("runs/*/*_3/events.jsonl")), "some trials")
    os.kill(child.pid, signal.SIGSTOP)
    one = next(space.root.glob("runs/*/*_0"))
    made = json.loads(space("show", one.name, "--json").out)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert not os.path.exists(home_of(space).trials), "all trials were made before it was stopped"
    assert made["status"] == "NotStarted"
    assert json.loads(space("show", one.name, "--json").out)["status"] == "NotResponding"
    assert space("cancel", one.name).code == 0
    assert (events.last(RunPaths(str(one))) or {})["state"] == "Canceled"
    answer = space("cancel", home_of(space).run_id)
    assert answer.code == 0, answer
    assert {row["status"] for row in json.loads(space("ls", "--json", "--limit", "0").out)} == {"Canceled"}


def test_an_array_that_was_sent_and_not_written_down_is_found_and_not_sent_again(space: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = space("-m", *words("+params.n=1,2", "submit.detach=true", "+compute.sbatch.begin=now+1hour"))
    assert answer.code == 0, answer
    home = home_of(space)
    before = liveness.scheduler_of(home)["arrays"]
    os.unlink(home.events)
    monkeypatch.setenv("SLURM_CONF", space.env["SLURM_CONF"])
    ChunkSubmitter(home, SlurmLauncher().clusters.controller)()
    assert liveness.scheduler_of(home)["arrays"] == before
    assert len(set(slurm("squeue", "--noheader", f"--name={home.run_id}", "--format=%F").split())) == 1
    space("cancel", home.run_id)


def test_a_detached_sweep_over_the_limit_of_jobs_is_finished_by_its_own_jobs(space: Shell) -> None:
    """The quality of service `few` lets a user have two jobs at a time (tests/testbed/slurm.sh)."""
    space.write("train.py", "import os\nprint(os.environ.get('TOKEN'), os.environ.get('OF_THE_JOB'))\n")
    space.env["TOKEN_OF_MINE"] = "secret"
    answer = space("-m", *words(
        "+params.n=range(0,5)", "compute.qos=few", "submit.detach=true", "compute.setup=['export OF_THE_JOB=1']",
        "+env.variables.TOKEN='${secret:TOKEN_OF_MINE}'",
    ))  # fmt: skip
    assert answer.code == 0, answer
    home = home_of(space)
    until(lambda: states(home) == ["Completed"] * 5, "the trials", told=lambda: str(states(home)))
    until(lambda: (events.last(home) or {})["state"] == "Completed", "the sweep's own end")
    assert {Path(paths.log(0)).read_text() for paths in trials_of(home)} == {"secret 1\n"}


@pytest.mark.parametrize("how", [["--full", "--signal=KILL"], []], ids=["kill", "plain"])
@pytest.mark.parametrize("width", ["null", "1"])
def test_an_array_that_is_canceled_while_it_waits_is_canceled(how: list[str], width: str, space: Shell) -> None:
    space.write("train.py", "import time; time.sleep(600)")
    later = ["+compute.sbatch.begin=now+1hour"] if width == "null" else []
    answer = space("-m", *words("+params.n=1,2,3", "submit.detach=true", f"sweep.max_concurrent_runs={width}", *later))
    assert answer.code == 0, answer
    home = home_of(space)
    if width == "1":
        until(lambda: "Running" in states(home), "one to run")
    slurm("scancel", *how, liveness.scheduler_of(home)["job_id"])
    last = trials_of(home)[2].run_id
    until(lambda: json.loads(space("show", last, "--json").out)["status"] == "Canceled", "the last trial")
    assert "canceled in Slurm" in json.loads(space("show", last, "--json").out)["reason"]


def test_one_trial_of_a_pack_that_waits_is_canceled_alone(space: Shell) -> None:
    answer = space("-m", *words("+params.n=1,2", "compute.pack=2", "submit.detach=true", "+compute.sbatch.begin=now+1hour"))
    assert answer.code == 0, answer
    home = home_of(space)
    assert space("cancel", trials_of(home)[0].run_id).code == 0
    slurm("scontrol", "update", f"JobId={liveness.scheduler_of(home)['job_id']}", "StartTime=now")
    until(lambda: states(home) == ["Canceled", "Completed"], "the trials", told=lambda: str(states(home)))
