from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainconf import files
from trainconf.agent.leases import queue, shared_folder
from trainconf.agent.leases.claim import Claim
from trainconf.agent.plan import Gpus, Slots
from trainconf.control import watch
from trainconf.paths import RunPaths, WorkspacePaths

from ..history.build import make_run, write_json

RUN = "digits-20261123-0532-aaaa"
AGENT = "import fcntl, sys, time; slot = open(sys.argv[3]); fcntl.flock(slot, 2); print(flush=True); time.sleep(600)"


pytestmark = pytest.mark.usefixtures("agents_signals")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    found = str(tmp_path / "leases")
    shared_folder.prepare(found)
    return found


def claim(folder: str, run_id: str, *, devices: list[str] | None = None) -> Claim:
    return Claim(run_id, Slots(folder, 1, 1), Gpus(devices or [], len(devices or [])))


@pytest.fixture
def agent(tmp_path: Path, folder: str, workspace: WorkspacePaths) -> Iterator[RunPaths]:
    """A run in the second of its attempts, whose agent holds slot-0."""
    paths = make_run(workspace, RUN, states=("NotStarted", "Starting", "Running", "Queued", "Starting", "Running"))
    program = tmp_path / "agent" / "__main__.py"
    program.parent.mkdir()
    program.write_text(AGENT)
    slot = os.path.join(folder, "slot-0")
    shared_folder.make_shared(slot)
    child = subprocess.Popen([sys.executable, program, paths.run_dir, "--wait", slot], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    yield paths
    child.kill()
    child.communicate()


def test_a_run_that_holds_a_slot_is_named_with_its_user_and_since_when(folder: str, agent: RunPaths) -> None:
    slot = watch.machine(folder, devices=[]).leases[0]
    assert slot.holder is not None
    assert (slot.run_id, slot.holder.run_dir) == (RUN, agent.run_dir)
    assert slot.holder.user == shared_folder.user_name(os.getuid())
    assert time.strftime("%H:%M:%S", time.gmtime(slot.since)) == "05:00:04"  # the second attempt's Starting
    assert slot.to_dict()["run_id"] == RUN
    assert queue.holders(folder)[0].startswith(f"slot-0: {RUN} (pid ")


def test_who_waits_is_told_in_the_order_of_the_queue(folder: str, agent: RunPaths) -> None:
    first, second = claim(folder, "first"), claim(folder, "second-run")
    assert not first.advance()
    assert not second.advance()
    found = watch.machine(folder, devices=[])
    assert [(each.place, each.run_id) for each in found.waiting] == [(1, "first"), (2, "second-run")]
    assert all(abs(each.since - time.time()) < 60 for each in found.waiting)
    first.release()
    assert [(each.place, each.run_id) for each in watch.machine(folder, devices=[]).waiting] == [(1, "second-run")]
    second.release()
    assert watch.machine(folder, devices=[]).waiting == []


def test_free_leases_are_told_and_gpus_whose_ids_are_no_file_names(folder: str) -> None:
    mine = claim(folder, "mine", devices=["MIG-GPU-a/1/0"])
    assert mine.advance()
    gpus = [lease for lease in watch.machine(folder, devices=["MIG-GPU-a/1/0", "GPU-b"]).leases if lease.kind == "gpu"]
    assert [(lease.name, lease.holder is None) for lease in gpus] == [("MIG-GPU-a/1/0", False), ("GPU-b", True)]
    assert gpus[0].holder is not None
    assert gpus[0].holder.program  # this very process, which is no agent
    mine.release()
    assert all(lease.holder is None for lease in watch.machine(folder, devices=[]).leases)


def test_a_sweep_is_told_with_the_trials_that_run(folder: str, agent: RunPaths, workspace: WorkspacePaths) -> None:
    write_json(agent.sweep, {"kind": "grid"})
    for number, state in enumerate(("Running", "Completed", "Running")):
        trial = make_run(workspace, f"{RUN}_{number}", states=("NotStarted", "Starting", state), at=number * 1_000_000)
        files.append_line(agent.trials, {"run_dir": trial.run_dir})
    slot = watch.machine(folder, devices=[]).leases[0]
    assert slot.running == [f"{RUN}_0", f"{RUN}_2"]
    assert time.strftime("%H:%M:%S", time.gmtime(slot.since)) == "05:00:01"


def test_a_folder_that_is_not_there_has_free_slots_and_no_queue(tmp_path: Path) -> None:
    found = watch.machine(str(tmp_path / "nowhere"), devices=[])
    assert {lease.holder for lease in found.leases} == {None}
    assert found.waiting == []


def test_the_folders_of_runs_that_wait_elsewhere_are_looked_at_too(workspace: WorkspacePaths, folder: str) -> None:
    paths = make_run(workspace, RUN, states=("NotStarted", "Queued"))
    write_json(paths.plan, {"slots": {"dir": folder, "count": 1, "take": 1}})
    assert [machine.directory for machine in watch.machines(workspace)] == [shared_folder.default_dir(), folder]
