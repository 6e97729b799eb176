"""MPI jobs of this machine, by real MPIs: one world, and an end that is told and leaves nothing, however it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, wait_for
from tests.contract.mpi_runs import PROLOGUE, REPORT, Installed, agent_log, end_of, mpi_job, mpich, openmpi, reports, run_local
from trainconf.agent.processes import tree
from trainconf.agent.processes.ranks import find_program
from trainconf.errors import ConfigError
from trainconf.fast.records import replace
from trainconf.history import events
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import RunHandle
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec
from trainconf.testing.runs import submit

__all__ = ["mpich", "openmpi"]
pytestmark = pytest.mark.network

BARRIER = "print('in', flush=True)\nworld.Barrier()\n"
POLITE = PROLOGUE + """\
def bye(*_):
    time.sleep(1.5)  # longer than any mpirun would wait by itself
    print("bye", flush=True)
    os._exit(3)
signal.signal(signal.SIGTERM, bye)
print("up", flush=True)
while True:
    time.sleep(0.05)
"""


FAKE_MPIRUN = """\
#!/bin/sh
[ "$1" != --version ] || exec echo "HYDRA build details: Version: 1"
shift 4  # -n 3 -ppn 3
for rank in 0 1 2; do PMI_RANK=$rank PMI_SIZE=3 MPI_LOCALRANKID=$rank "$@" & pids="$pids $!"; done
until [ "$(cat "$TRAINCONF_RUN_DIR"/logs/std_log*.txt 2>/dev/null | wc -l)" = 3 ]; do sleep 0.1; done
kill -9 $pids
touch "$KILLED"
echo I have my reasons
exit 7
"""


@pytest.fixture(params=["mpich", pytest.param("openmpi", marks=pytest.mark.slurm)])  # whose set-up installs Open MPI
def mpi(request: pytest.FixtureRequest) -> Installed:
    found: Installed = request.getfixturevalue(request.param)
    return found


def texts(paths: RunPaths) -> list[str]:
    return [Path(paths.log(rank)).read_text() if os.path.exists(paths.log(rank)) else "" for rank in range(3)]


def until_up(paths: RunPaths) -> None:
    wait_for(lambda: all("up" in text for text in texts(paths)))


def agent_of(paths: RunPaths) -> int:
    return next(int(event["agent"]["pid"]) for event in events.read(paths) if "agent" in event)


def parts(paths: RunPaths, word: str) -> list[int]:
    """Pids of the run's processes that have `word` as their last argument, the oldest first."""
    found = []
    for pid in sorted(tree.processes_with_run_id(paths.run_id)):
        words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
        if words[-2:-1] == [word.encode()] and words[0].endswith(b"python"):
            found.append(pid)
    return found


def running(paths: RunPaths) -> dict[str, Any]:
    return next(event for event in events.read(paths) if event["state"] == "Running")


def test_the_processes_are_one_world_and_each_knows_its_place(tmp_path: Path, mpi: Installed) -> None:
    paths = run_local(tmp_path / "with space", REPORT, mpi)
    assert end_of(paths)["state"] == "Completed", agent_log(paths)
    told = reports(paths, 3)
    assert [(one["rank"], one["size"], one["total"]) for one in told] == [(0, 3, 6), (1, 3, 6), (2, 3, 6)]
    places = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    assert [[one["env"][name] for name in places] for one in told] == [[str(n), str(n), "0", "3", "3", "127.0.0.1"] for n in range(3)]
    assert len({one["env"]["MASTER_PORT"] for one in told}) == 1
    assert [rank["rank"] for rank in running(paths)["ranks"]] == [0, 1, 2]
    assert ("MPICH 5.0.2" if mpi.name == "mpich" else "Open MPI") in running(paths)["mpi"]
    assert running(paths)["mpi"] in agent_log(paths)


def test_mpi_abort_is_the_failure_of_the_rank_that_called_it(tmp_path: Path, mpi: Installed) -> None:
    code = PROLOGUE + "if rank == 1:\n    world.Abort(7)\n" + BARRIER
    end = end_of(paths := run_local(tmp_path, code, mpi))
    assert (end["exit_code"], end["rank"]) == (7, 1), (end, agent_log(paths))
    assert tree.processes_with_run_id(paths.run_id) == set()


def test_a_script_that_raises_ends_the_others_when_mpi4py_starts_it(tmp_path: Path, mpi: Installed) -> None:
    job = mpi_job(tmp_path, "", mpi)
    code = PROLOGUE + "world.Barrier()\nassert rank != 1\nworld.Barrier()\n"
    submit(LocalLauncher(), replace(job, spec=replace(job.spec, code=CodeSpec(command=(mpi.python, "-m", "mpi4py", "-c", code)))))
    end = end_of(job.paths)
    assert (end["state"], end["exit_code"], end["rank"]) == ("Failed", 1, 1)

def test_a_rank_that_fails_ends_the_others_politely(tmp_path: Path, mpi: Installed) -> None:
    code = POLITE.replace("while True:", "world.Barrier()\nif rank == 2:\n    os._exit(9)\nwhile True:")
    end = end_of(paths := run_local(tmp_path, code, mpi))
    assert (end["exit_code"], end["rank"], end["reason"]) == (9, 2, "rank 2: exit code 9")
    assert [text.endswith("bye\n") for text in texts(paths)] == [True, True, False]


def test_a_rank_that_leaves_without_finalizing_does_not_leave_the_others_waiting(tmp_path: Path, mpi: Installed) -> None:
    end = end_of(run_local(tmp_path, PROLOGUE + "if rank == 1:\n    os._exit(0)\n" + BARRIER, mpi))
    assert end["state"] == "Failed"
    assert "after rank 1 had ended with exit code 0, perhaps without MPI_Finalize" in end["reason"]


def test_cancellation_is_as_polite_as_elsewhere(tmp_path: Path, mpi: Installed) -> None:
    paths = run_local(tmp_path, POLITE, mpi)
    until_up(paths)
    LocalLauncher().cancel(RunHandle(paths))
    assert end_of(paths)["state"] == "Canceled"
    assert [text.endswith("bye\n") for text in texts(paths)] == [True] * 3
    assert tree.processes_with_run_id(paths.run_id) == set()


def test_nothing_survives_the_runs_agent(tmp_path: Path, mpi: Installed) -> None:
    paths = run_local(tmp_path, POLITE, mpi)
    until_up(paths)
    os.kill(agent_of(paths), signal.SIGKILL)
    wait_for(lambda: not tree.processes_with_run_id(paths.run_id))
    assert [text.endswith("bye\n") for text in texts(paths)] == [True] * 3
    wait_for(lambda: LocalLauncher().state(RunHandle(paths)).status == "NotResponding")  # the guard's lock is the last thing to go


def test_an_agent_beside_a_rank_that_is_killed_ends_the_run(tmp_path: Path, mpich: Installed) -> None:
    paths = run_local(tmp_path, POLITE, mpich)
    until_up(paths)
    beside = parts(paths, "--rank")
    behind_mpirun = {pid for pid in beside if int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) in beside}
    os.kill(min(behind_mpirun), signal.SIGKILL)
    end = end_of(paths)
    assert end["state"] == "Failed"
    assert "was ended by mpirun or with its agent" in end["reason"]
    assert end["resources"]["cpu_s"] is None, "what a killed one used is not known"
    assert tree.processes_with_run_id(paths.run_id) == set()


def test_what_a_rank_leaves_behind_is_ended(tmp_path: Path, mpich: Installed) -> None:
    code = PROLOGUE + "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True, env={})\n"
    assert end_of(paths := run_local(tmp_path, code, mpich))["state"] == "Completed"
    assert tree.processes_of_run(paths.run_id, (), with_orphans=False) == set()
    assert not [pid for pid in filter(str.isdigit, os.listdir("/proc")) if f"{paths.run_dir}" in _cwd(pid)]


def _cwd(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def test_a_retry_starts_a_world_of_its_own(tmp_path: Path, mpi: Installed) -> None:
    code = PROLOGUE + "if rank == 1 and os.environ['TRAINCONF_ATTEMPT'] == '1':\n    world.Abort(5)\n" + REPORT[len(PROLOGUE) :]
    paths = run_local(tmp_path, code, mpi, retries=1, retry_backoff_seconds=0.1)
    end = end_of(paths)
    assert (end["state"], end["attempt"]) == ("Completed", 2), agent_log(paths)
    assert [one["total"] for one in reports(paths, 3)] == [6, 6, 6]


def test_an_mpirun_of_another_mpi_is_refused_before_a_rank_runs(tmp_path: Path, mpich: Installed) -> None:
    other = tmp_path / "mpirun"
    other.write_text("#!/bin/sh\necho 'mpirun (Open MPI) 4.1.4'\n")
    other.chmod(0o755)
    end = end_of(paths := run_local(tmp_path, REPORT, mpich, distributed={"mpirun": str(other)}))
    assert f"loads MPICH 5.0.2, but {other} is of Open MPI 4.1.4" in end["reason"]
    assert "distributed.mpirun" in end["reason"]
    assert not os.path.exists(paths.log(0))


def test_no_rank_has_completed_whose_mpirun_has_ended_all(tmp_path: Path) -> None:
    """As Intel's does on MPI_Abort, after which a process whom nobody kills goes on."""
    mpirun, killed = tmp_path / "mpirun", tmp_path / "killed"
    mpirun.write_text(FAKE_MPIRUN)
    mpirun.chmod(0o755)
    code = f"import os, time\nprint('up', flush=True)\nwhile not os.path.exists({str(killed)!r}):\n    time.sleep(0.01)\n"
    alone = Installed("none", sys.executable, os.environ["PATH"])
    wishes: dict[str, Any] = {"distributed": {"mpirun": str(mpirun)}, "env": {"KILLED": str(killed)}}
    end = end_of(paths := run_local(tmp_path, code, alone, **wishes))
    assert (end["state"], end["exit_code"]) == ("Failed", 7), agent_log(paths)
    assert "mpirun ended with exit code 7: I have my reasons" in end["reason"]


def test_the_words_of_mpirun_are_the_reason(tmp_path: Path, mpi: Installed) -> None:
    end = end_of(paths := run_local(tmp_path, REPORT, mpi, distributed={"mpirun_arguments": ["--nonsense"]}))
    assert "0 of 3 ranks were there" in end["reason"]
    assert "nonsense" in end["reason"]
    assert "nonsense" in agent_log(paths)


def test_no_mpirun_and_what_only_slurm_has_are_refused_at_submission(tmp_path: Path) -> None:
    nowhere = Installed("none", sys.executable, "/nonexistent")
    asked = {"launcher": "srun", "pmi": "pmi2"}
    with pytest.raises(ConfigError) as refused:
        LocalLauncher().plan(mpi_job(tmp_path, REPORT, nowhere, distributed=asked))
    said = [mistake.what for mistake in refused.value.mistakes]
    assert said == [
        "distributed.launcher=srun, but compute=local has no Slurm", "distributed.pmi=pmi2, but compute=local has no Slurm",
        "distributed=mpi, but no mpirun is on the job's PATH",
    ]  # fmt: skip


def test_a_process_of_an_mpi_job_submits_one_of_its_own(tmp_path: Path, mpi: Installed) -> None:
    """From inside of a Slurm job besides, whose nodes are not this job's."""
    submits = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.contract.mpi_runs import *\n"
        f"print(run_local(Path({str(tmp_path)!r}), REPORT, Installed({mpi.name!r}, {mpi.python!r}, {mpi.path!r})).run_dir)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    as_root = ["--allow-run-as-root"] if mpi.name == "openmpi" else []
    inside = ["env", "SLURM_JOB_ID=1", "SLURM_NNODES=1", "SLURM_JOB_NODELIST=nowhere"]
    outer = [find_program("mpirun", {"PATH": mpi.path}), *as_root, "-n", "1", *inside]
    done = subprocess.run([*outer, sys.executable, "-c", submits], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done
    paths = RunPaths(done.stdout.strip())
    assert end_of(paths)["state"] == "Completed", agent_log(paths)
    assert [one["total"] for one in reports(paths, 3)] == [6, 6, 6]


def test_trials_of_a_sweep_are_worlds_of_their_own(workspace: Shell, mpich: Installed) -> None:
    workspace.write("train.py", REPORT)
    words = workspace.script(
        f"env.python.interpreter_path={mpich.python}", f"distributed.mpirun={Path(mpich.python).parent}/mpirun",
        "distributed=mpi", "distributed.process_count=2", "sweep.max_concurrent_runs=2", "+params.lr=1,2,3",
    )  # fmt: skip
    answer = workspace("-m", *words)
    assert answer.code == 0, answer
    logs = sorted(workspace.root.glob("runs/adhoc/*/logs/std_log*.txt"))
    assert ['"total": 3' in log.read_text() for log in logs] == [True] * 6
