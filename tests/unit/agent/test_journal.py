"""Events while the disk refuses: none is lost, their times are true, and giving up is loud."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.agents import agent_of
from trainconf.agent import journal as journal_module
from trainconf.agent.journal import Journal
from trainconf.history import events
from trainconf.launchers import get
from trainconf.paths import RunPaths
from trainconf.testing.runs import make_job, python, states, submit, wait_until


def test_events_are_kept_while_the_disk_refuses_and_written_in_order_with_their_own_times(tmp_path: Path) -> None:
    paths = RunPaths(str(tmp_path))
    os.mkdir(paths.events)  # in the way
    journal = Journal(paths)
    journal.add("Queued", 1)
    journal.add("Failed", 2, exit_code=3)
    assert journal.deadline is not None
    between = events.now()
    os.rmdir(paths.events)
    journal.flush()
    assert journal.unwritten == []
    assert journal.deadline is None
    assert not journal.lost
    written = events.read(paths)
    assert [(e["state"], e["attempt"]) for e in written] == [("Queued", 1), ("Failed", 2)]
    assert written[1]["exit_code"] == 3
    assert all(e["time"] < between for e in written)


def test_giving_up_is_said_with_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(journal_module, "PATIENCE_SECONDS", -1.0)
    paths = RunPaths(str(tmp_path))
    os.mkdir(paths.events)
    journal = Journal(paths)
    journal.add("Failed", 1, exit_code=3)
    assert journal.lost
    assert "gave up" in capfd.readouterr().err


def test_nobody_waits_for_a_run_directory_that_was_removed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = RunPaths(str(tmp_path / "removed"))
    journal = Journal(paths)
    journal.add("Running", 1)
    assert (journal.lost, journal.deadline) == (True, None)
    assert "gave up" in capfd.readouterr().err
    os.mkdir(paths.run_dir)  # it had only been moved
    journal.add("Completed", 1, exit_code=0)
    assert not journal.lost
    assert [event["state"] for event in events.read(paths)] == ["Running", "Completed"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.getuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


FILL_THE_DISK = """
import os, sys, time
history = "../events.jsonl"
while b'"Running"' not in open(history, "rb").read():
    time.sleep(0.01)
with open(history, "ab") as stream:  # the rest of its last block could take a few lines more
    stream.write(b" " * (4095 - stream.tell() % 4096) + b"\\n")
try:
    with open("outputs/big", "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
except OSError:
    open(sys.argv[1], "w").close()
sys.exit(5)
"""


def test_the_exit_code_survives_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    gate = tmp_path / "full"
    job = make_job(str(small_disk), [*python(FILL_THE_DISK), str(gate)])
    handle = submit(get("local"), job)
    wait_until(gate.exists, "the disk to be full")
    children = Path(f"/proc/{agent_of(handle)}/task/{agent_of(handle)}/children")
    wait_until(lambda: children.read_text() == "", "the job to be reaped")
    assert states(handle)[-1] == "Running"
    assert get("local").state(handle).status == "Running"  # the agent stays, and so does its lock
    os.unlink(os.path.join(job.paths.outputs, "big"))
    assert get("local").wait(handle).status == "Failed"
    assert events.read(job.paths)[-1]["exit_code"] == 5
