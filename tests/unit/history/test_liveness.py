from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from trainconf import files
from trainconf.history import events, liveness
from trainconf.paths import WorkspacePaths

from .build import make_run

RUNNING = ("NotStarted", "Queued", "Running")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def ended(process: subprocess.Popen[bytes]) -> None:
    """Kill it, and wait until it is a zombie without reaping it."""
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_a_process_is_told_by_more_than_its_pid(sleeper: subprocess.Popen[bytes]) -> None:
    who = liveness.identity(sleeper.pid)
    assert liveness.is_alive(who) is True
    assert liveness.is_alive({**who, "start_ticks": who["start_ticks"] - 1}) is False
    assert liveness.is_alive({**who, "boot_id": "another boot"}) is False


def test_the_default_identity_is_this_process() -> None:
    assert liveness.identity()["pid"] == os.getpid()
    assert liveness.is_alive(liveness.identity())


def test_a_zombie_does_not_live(sleeper: subprocess.Popen[bytes]) -> None:
    who = liveness.identity(sleeper.pid)
    ended(sleeper)
    assert liveness.is_alive(who) is False
    sleeper.wait()
    assert liveness.is_alive(who) is False
    with pytest.raises(ProcessLookupError):
        liveness.identity(sleeper.pid)


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"pid": None}, {"pid": "1"}, {"start_ticks": None}])
def test_nobody_knows_of_a_process_elsewhere_or_without_full_identity(change: dict[str, object]) -> None:
    assert liveness.is_alive({**liveness.identity(), **change}) is None


def test_a_process_whose_name_imitates_the_stat_format_is_recognised() -> None:
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') Z 1 (', 0, 0, 0); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        who = liveness.identity(process.pid)
        assert liveness.is_alive(who) is True
        assert 0 <= who["start_ticks"] <= time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        process.kill()


def test_a_held_lock_means_the_recorded_state_is_true(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=RUNNING)
    with files.FileLock(paths.lock):
        assert liveness.state_of(paths).status == "Running"
    assert liveness.state_of(paths).status == "NotResponding"


def test_a_final_state_needs_no_lock(workspace: WorkspacePaths) -> None:
    state = liveness.state_of(make_run(workspace))
    assert state.status == "Completed"
    assert state.is_final


def test_the_reason_says_that_the_submitter_ended_before_an_agent_was_there(workspace: WorkspacePaths) -> None:
    state = liveness.state_of(make_run(workspace, states=("NotStarted",)))
    assert state.status == "NotResponding"
    assert "submitter was ended" in state.reason


def test_an_agent_that_was_ended_before_its_first_word_is_not_taken_for_its_submitter(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=("NotStarted",))
    os.makedirs(paths.logs, exist_ok=True)
    files.write_atomic(paths.agent_log, b"")
    os.unlink(paths.plan)
    assert "submitter was ended" in liveness.state_of(paths).reason  # while the agent only waited for the run
    files.write_atomic(paths.plan, b"{}")
    state = liveness.state_of(paths)
    assert state.status == "NotResponding"
    assert "its agent was ended before it took over" in state.reason


def test_the_reason_says_that_the_machine_was_restarted(workspace: WorkspacePaths) -> None:
    agent = {**liveness.identity(), "boot_id": "the boot before"}
    state = liveness.state_of(make_run(workspace, states=RUNNING, agent=agent))
    assert state.status == "NotResponding"
    assert "restarted" in state.reason


def test_the_reason_tells_whether_the_job_outlived_its_agent(workspace: WorkspacePaths, sleeper: subprocess.Popen[bytes]) -> None:
    job = liveness.identity(sleeper.pid)
    agent = {**liveness.identity(), "start_ticks": 1}
    rank = {"rank": 0, "pid": job["pid"], "start_ticks": job["start_ticks"]}
    paths = make_run(workspace, states=RUNNING, agent=agent, ranks=[rank])
    assert f"still runs as pid {sleeper.pid}" in liveness.state_of(paths).reason
    ended(sleeper)
    state = liveness.state_of(paths)
    assert state.status == "NotResponding"
    assert "no process of the job is found any more" in state.reason


def test_a_run_on_another_host_is_not_called_failed(workspace: WorkspacePaths) -> None:
    agent = {**liveness.identity(), "host": "node17"}
    state = liveness.state_of(make_run(workspace, states=RUNNING, agent=agent))
    assert state.status == "NotResponding"
    assert "runs on node17" in state.reason


def test_a_living_agent_whose_lock_file_was_deleted_still_counts(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=RUNNING, agent=liveness.identity())
    assert liveness.state_of(paths).status == "Running"


def test_the_end_written_just_before_the_lock_was_freed_is_seen(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make_run(workspace, states=RUNNING)

    def ends_meanwhile(_path: str) -> bool:
        events.append(paths, "Completed", exit_code=0)
        return False

    monkeypatch.setattr(files, "is_locked", ends_meanwhile)
    assert liveness.state_of(paths).status == "Completed"


def test_an_unreadable_history_is_not_taken_for_an_end(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    with open(paths.events, "wb") as stream:
        stream.write(b"\x00\xff\n" * 1000)
    assert liveness.state_of(paths).status == "NotResponding"


def test_a_trial_is_minded_by_the_lock_of_its_sweep_wherever_the_workspace_is_moved(workspace: WorkspacePaths) -> None:
    sweep = workspace.run("digits", "sweep-1")
    os.makedirs(sweep.run_dir)
    paths = make_run(workspace, states=RUNNING, lock="/somewhere/else/runs/digits/sweep-1/agent.lock")
    assert liveness.state_of(paths).status == "NotResponding"
    with files.FileLock(sweep.lock):
        assert liveness.state_of(paths).status == "Running"


def test_a_copy_of_a_running_run_does_not_pass_for_running(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=RUNNING)
    copy = workspace.run("digits", "copy")
    with files.FileLock(paths.lock):
        shutil.copytree(paths.run_dir, copy.run_dir)
        assert os.path.exists(copy.lock)
        assert liveness.state_of(copy).status == "NotResponding"


@pytest.mark.parametrize("record", [b"", b"\xff\x00", b"[]", b'{"lock": 5}', b'{"lock": null}'])
def test_a_damaged_record_falls_back_to_the_run_s_own_lock(workspace: WorkspacePaths, record: bytes) -> None:
    paths = make_run(workspace, states=RUNNING)
    with open(paths.record, "wb") as stream:
        stream.write(record)
    assert liveness.state_of(paths).status == "NotResponding"
    with files.FileLock(paths.lock):
        assert liveness.state_of(paths).status == "Running"
