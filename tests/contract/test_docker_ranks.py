"""Several processes in each container, on one node or several, and MPI: what the contract that every launcher keeps does not say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.agents import kill_agent
from tests.contract.test_docker import BUSYBOX
from trainconf.engine.address import find
from trainconf.engine.client import Engine
from trainconf.fast.records import replace
from trainconf.history import events
from trainconf.launchers import get
from trainconf.launchers.protocol import Job, Launcher, RunHandle
from trainconf.spec import DistributedSpec
from trainconf.testing.ranks import MEET, THREE
from trainconf.testing.runs import (
    is_running,
    last,
    make_job,
    output,
    shell,
    states,
    submit,
    unique_sleep,
    until_sigterm,
    until_up,
    wait_until,
)

pytestmark = pytest.mark.docker

TWO_BY_TWO = DistributedSpec(kind="pytorch", node_count=2, processes_per_node=2, communication_backend="gloo")
THREE_OF_MPI = DistributedSpec(kind="mpi", processes_per_node=3)
# What is more than MPI sends in one piece goes through the other process' memory, where that is allowed.
SEND_MUCH = """
import os, sys, time, signal
from mpi4py import MPI
world = MPI.COMM_WORLD
much = bytearray(b"x" * 3_000_000)
if world.rank == 0: world.Send(much, 1)
if world.rank == 1: world.Recv(much, 0)
print(world.allgather(world.rank), os.environ["RANK"] == str(world.rank), os.environ["WORLD_SIZE"], flush=True)
"""
CLEAN_UP = """
def clean_up(*_):
    time.sleep(world.rank)
    print("saved", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, clean_up)
world.Barrier()
open(f"outputs/up{world.rank}", "w").close()
while True: time.sleep(0.1)
"""


@pytest.fixture
def launcher() -> Launcher:
    return get("docker")


@pytest.fixture
def engine(docker_engine: str) -> Engine:
    return Engine(find(os.environ).url)


def job(tmp_path: Path, argv: list[str], image: str = BUSYBOX, distributed: DistributedSpec = THREE, **wishes: Any) -> Job:
    return replace(make_job(str(tmp_path), argv, distributed=distributed, **wishes), image=image)


def run(launcher: Launcher, asked: Job) -> RunHandle:
    handle = submit(launcher, asked)
    assert launcher.wait(handle).is_final
    return handle


def up(launcher: Launcher, asked: Job, count: int = 3) -> RunHandle:
    """A run each of whose ranks has made outputs/up<rank>."""
    handle = submit(launcher, asked)
    wait_until(lambda: len(list(Path(asked.paths.outputs).glob("up*"))) == count, "the ranks")
    wait_until(lambda: last(handle)["state"] == "Running", "the event")
    return handle


def containers(handle: RunHandle) -> list[str]:
    """The container of each rank."""
    running = next(event for event in reversed(events.read(handle.paths)) if event["state"] == "Running")
    return [rank["container"] for rank in running["ranks"]]


class TestNodes:
    """Two ranks on each of two nodes."""

    def test_all_ranks_of_all_nodes_meet(self, launcher: Launcher, tmp_path: Path, docker_base_image: str) -> None:
        code = f"{MEET.replace('range(2)', 'range(3)')}\nprint(os.environ['LOCAL_RANK'], os.environ['NODE_RANK'], socket.gethostname())"
        handle = run(launcher, job(tmp_path, ["python3", "-c", code], docker_base_image, TWO_BY_TWO))
        assert last(handle)["state"] == "Completed", last(handle)
        places = [output(handle, rank).splitlines()[-1] for rank in range(4)]
        assert places == ["0 0 node-0", "1 0 node-0", "0 1 node-1", "1 1 node-1"]
        assert output(handle).startswith("['1', '2', '3']")
        first, second, third, fourth = containers(handle)
        assert first == second != third == fourth

    def test_the_first_that_fails_ends_the_others_of_its_own_node_and_of_the_other(self, launcher: Launcher, tmp_path: Path) -> None:
        waiting = until_sigterm(": >outputs/up$RANK", "echo told; exit 0")
        text = f"if [ $RANK = 2 ]; then {until_up(0, 1, 3)}; exit 7; fi; {waiting}"
        handle = run(launcher, job(tmp_path, shell(text), distributed=TWO_BY_TWO))
        end = last(handle)
        assert (end["state"], end["exit_code"], end["rank"], end["reason"]) == ("Failed", 7, 2, "rank 2: exit code 7")
        assert [output(handle, rank).endswith("told\n") for rank in range(4)] == [True, True, False, True]

    def test_those_that_hang_fall_to_the_time_limit(self, launcher: Launcher, tmp_path: Path) -> None:
        words = unique_sleep()
        handle = run(launcher, job(tmp_path, shell(f"[ $RANK != 0 ] || exit 0; exec {words}"), distributed=TWO_BY_TWO, limit_s=1.0))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 124)
        assert not is_running(words)


def test_a_rank_that_wants_too_much_memory_fails_by_itself(launcher: Launcher, tmp_path: Path, docker_base_image: str) -> None:
    code = "import os, time\nif os.environ['RANK'] == '1': b'x' * 200_000_000\ntime.sleep(600)"
    end = last(run(launcher, job(tmp_path, ["python3", "-c", code], docker_base_image, compute={"memory_gib": 0.125})))
    assert (end["exit_code"], end["rank"]) == (137, 1)
    assert "rank 1: exit code 137, as if killed by SIGKILL; the kernel's out-of-memory killer" in end["reason"]


def test_when_the_container_is_killed_no_rank_is_said_to_be_the_first(launcher: Launcher, tmp_path: Path, engine: Engine) -> None:
    handle = up(launcher, job(tmp_path, shell(": >outputs/up$RANK; sleep 600")))
    engine.post(f"/containers/{containers(handle)[0]}/kill")
    assert launcher.wait(handle).status == "Failed"
    assert (last(handle)["exit_code"], "rank" in last(handle)) == (137, False)
    assert "ranks 0, 1, 2: exit code 137: killed by SIGKILL, which trainconf did not send" in last(handle)["reason"]


def test_what_somebody_stopped_has_not_completed(launcher: Launcher, tmp_path: Path, engine: Engine) -> None:
    handle = up(launcher, job(tmp_path, shell(until_sigterm(": >outputs/up$RANK", "exit 0"))))
    engine.post(f"/containers/{containers(handle)[0]}/stop")
    assert launcher.wait(handle).status == "Failed"
    assert "told to stop and not by trainconf" in last(handle)["reason"]


def test_without_its_agent_a_run_is_ended_by_cancel_and_every_rank_is_told(launcher: Launcher, tmp_path: Path) -> None:
    handle = up(launcher, job(tmp_path, shell(until_sigterm(": >outputs/up$RANK", "echo told; exit 0"))))
    kill_agent(handle)
    state = launcher.state(handle)
    assert (state.status, state.reason.count(containers(handle)[0][:12])) == ("NotResponding", 1)
    launcher.cancel(RunHandle(handle.paths))
    assert launcher.state(handle).status == "Canceled"
    assert all(output(handle, rank).endswith("told\n") for rank in range(3))  # its shell may say that a child was terminated


def test_a_program_that_is_not_in_the_image_is_named_and_not_tried_again(launcher: Launcher, tmp_path: Path) -> None:
    handle = run(launcher, job(tmp_path, ["no such"], retries=2))
    assert (last(handle)["exit_code"], last(handle)["attempt"]) == (127, 1)
    assert "'no such' was not found in the image" in last(handle)["reason"]
    assert not list(Path(handle.paths.run_dir).glob("ends_*"))


TAKE_PORT = """
import os, socket
with socket.socket() as other:
    try:
        other.bind(("127.0.0.1", int(os.environ["MASTER_PORT"])))
    except OSError:
        pass
    else:
        raise SystemExit("it is anybody's")
"""


def test_with_the_machines_network_the_port_is_kept_on_it(launcher: Launcher, tmp_path: Path, docker_base_image: str) -> None:
    code = f"{TAKE_PORT}\n{MEET}\nprint(*where)"
    asked = job(tmp_path, ["python3", "-c", code], docker_base_image, compute={"network": "host"})
    handle = run(launcher, asked)
    assert last(handle)["state"] == "Completed", last(handle)
    ports = {int(output(handle, rank).split()[-1]) for rank in range(3)}
    assert len(ports) == 1
    assert ports != {29500}


# -- MPI -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mpich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with MPICH and mpi4py, to be mounted: images are made, and tested, elsewhere."""
    venv = tmp_path_factory.mktemp("mpich") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", f"--python={sys.executable}", venv], check=True)
    subprocess.run([*uv, "pip", "install", "-q", f"--python={venv}/bin/python", "mpi4py==4.1.2", "mpich==5.0.2"], check=True)
    return venv


class OfMpi:
    """Makes jobs of three ranks in an image that has the MPI of a mounted venv."""

    def __init__(self, folder: Path, image: str, venv: Path) -> None:
        self.folder, self.image, self.venv = folder, image, venv

    def __call__(self, code: str, **wishes: Any) -> Job:
        (packages,) = self.venv.glob("lib/python*/site-packages")
        env = {"PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(self.venv / "lib")}
        argv = ["python3", "-c", SEND_MUCH + code]
        made = job(self.folder, argv, self.image, THREE_OF_MPI, env=env, inputs={"mpi": str(self.venv)}, **wishes)
        return replace(made, distributed={"mpirun": str(self.venv / "bin" / "mpirun")})


@pytest.fixture
def of_mpi(tmp_path: Path, docker_base_image: str, mpich: Path) -> OfMpi:
    assert docker_base_image == "python:{}.{}-slim".format(*sys.version_info), "compiled for the Python of this machine"
    return OfMpi(tmp_path, docker_base_image, mpich)


@pytest.mark.network
class TestMpi:
    def test_the_ranks_are_those_of_one_world_each_with_its_log(self, launcher: Launcher, of_mpi: OfMpi) -> None:
        handle = run(launcher, of_mpi(""))
        assert last(handle)["state"] == "Completed", output(handle)
        assert [output(handle, rank) for rank in range(3)] == ["[0, 1, 2] True 3\n"] * 3

    def test_a_rank_that_fails_decides_and_the_others_have_their_grace(self, launcher: Launcher, of_mpi: OfMpi) -> None:
        handle = run(launcher, of_mpi("if world.rank == 1: world.Barrier(); os._exit(7)\n" + CLEAN_UP))
        assert (last(handle)["exit_code"], last(handle)["rank"], last(handle)["reason"]) == (7, 1, "rank 1: exit code 7")
        assert output(handle, 2).endswith("saved\n")

    def test_cancelling_gives_every_rank_its_grace(self, launcher: Launcher, of_mpi: OfMpi) -> None:
        handle = up(launcher, of_mpi(CLEAN_UP))
        launcher.cancel(handle)
        assert launcher.wait(handle).status == "Canceled"
        assert all("saved\n" in output(handle, rank) for rank in range(3))

    def test_an_abort_fails_the_run_with_its_code(self, launcher: Launcher, of_mpi: OfMpi) -> None:
        handle = run(launcher, of_mpi("if world.rank == 1: world.Abort(5)\ntime.sleep(600)", retries=1, retry_backoff_seconds=0.01))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["attempt"]) == ("Failed", 5, 2)

    def test_no_rank_outlives_a_forced_cancel(self, launcher: Launcher, of_mpi: OfMpi) -> None:
        words = unique_sleep()
        code = f"signal.signal(15, signal.SIG_IGN)\nopen(f'outputs/up{{world.rank}}', 'w').close()\nos.execvp('sleep', {words.split()})"
        handle = up(launcher, of_mpi(code))
        launcher.cancel(handle, force=True)
        assert launcher.wait(handle).status == "Canceled"
        assert not is_running(words)


def test_an_image_without_an_mpi_is_told_and_not_tried_again(launcher: Launcher, tmp_path: Path) -> None:
    handle = run(launcher, job(tmp_path, ["true"], distributed=THREE_OF_MPI, retries=2))
    assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["attempt"]) == ("Failed", 127, 1)
    assert "has no mpirun" in last(handle)["reason"]
    assert states(handle)[-2:] == ["Finalizing", "Failed"]
