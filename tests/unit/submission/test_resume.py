"""An ended run begins anew in its own directory; what is on the disk at each moment is an ended run or a submitted one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf.agent import job_folders
from trainconf.errors import LaunchError
from trainconf.files import FileLock
from trainconf.history import events, liveness
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.paths import RunPaths

Here = Callable[..., Answer]

SCRIPT = """import os, sys
n = int(os.environ["TRAINCONF_ATTEMPT"])
print("attempt", n, sorted(os.listdir("outputs")))
open(f"outputs/checkpoint{n}", "w").close()
open(f"logs/own{n}", "w").close()
sys.exit(0 if os.path.exists("../good") else 3)
"""


@pytest.fixture
def failed(here: Here, workspace: Shell) -> RunPaths:
    """A run that has failed, and fails until its folder holds `good`."""
    workspace.write("train.py", SCRIPT)
    assert here(*workspace.script("+params.lr=0.1")).code == 3
    (run_dir,) = workspace.run_dirs()
    return RunPaths(str(run_dir))


def state(paths: RunPaths) -> tuple[str, int]:
    found = liveness.state_of(paths)
    return found.status, int(found.event["attempt"])


def names(folder: str) -> list[str]:
    return sorted(os.listdir(folder))


def test_the_next_attempt_finds_what_the_one_before_wrote(here: Here, failed: RunPaths) -> None:
    spec = Path(failed.spec).read_bytes()
    said = here("resume", "last")
    assert (said.code, said.out) == (3, "attempt 2 ['checkpoint1']\n")
    Path(failed.run_dir, "good").touch()
    said = here("resume", failed.run_id)
    assert (said.code, said.out) == (0, "attempt 3 ['checkpoint1', 'checkpoint2']\n")
    assert state(failed) == ("Completed", 3)
    assert names(failed.outputs) == ["checkpoint1", "checkpoint2", "checkpoint3"]
    assert not os.path.islink(failed.outputs)
    assert {"own1", "own2", "own3"} <= set(names(failed.logs))
    assert Path(failed.spec).read_bytes() == spec


def test_the_history_keeps_every_attempt_and_who_resumed(here: Here, failed: RunPaths) -> None:
    before = Path(failed.events).read_bytes()
    here("resume", "last")
    assert Path(failed.events).read_bytes().startswith(before)
    told = json.loads(here("show", "last", "--json").out)
    assert [event["state"] for event in told["events"]] == ["NotStarted", "Queued", "Starting", "Running", "Finalizing", "Failed"] * 2
    assert [event["resumed"]["by"] for event in told["events"] if "resumed" in event] == [events.requester()]
    assert told["attempt"] == 2
    (row,) = json.loads(here("ls", "--json").out)
    assert (row["status"], row["attempt"]) == ("Failed", 2)


def test_a_canceled_run_goes_on_and_can_be_canceled_again(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    run_id = here(*workspace.script(), "submit.detach=true").out.strip()
    paths = RunPaths(str(workspace.run_dirs()[0]))
    for number in (1, 2):
        wait_for(lambda number=number: here("logs", run_id).out == "up\n" * number)  # type: ignore[misc]
        assert state(paths) == ("Running", number)
        assert "goes on" in here("resume", run_id).err
        assert here("cancel", run_id).code == 0
        assert here("wait", run_id).code == 130
        assert state(paths) == ("Canceled", number)
        if number == 1:
            assert here("resume", run_id, "--detach").out == f"{run_id}\n"


def test_a_run_whose_agent_was_killed_goes_on(here: Here, workspace: Shell) -> None:
    sleep = "time.sleep(600 if os.environ['TRAINCONF_ATTEMPT'] == '1' else 0)"
    workspace.write("train.py", f"import os, time\nprint('up', flush=True)\n{sleep}\n")
    run_id = here(*workspace.script(), "submit.detach=true").out.strip()
    paths = RunPaths(str(workspace.run_dirs()[0]))
    wait_for(lambda: here("logs", run_id).out == "up\n")
    agent = next(event["agent"] for event in events.read(paths) if "agent" in event)
    os.kill(agent["pid"], signal.SIGKILL)
    wait_for(lambda: liveness.state_of(paths).status == "NotResponding" and _is_free(paths))
    said = here("resume", run_id)
    assert (said.code, said.out) == (0, "up\n")
    assert "what is left of it is ended first" in said.err
    assert state(paths) == ("Completed", 2)


def _is_free(paths: RunPaths) -> bool:
    lock = FileLock(paths.lock)
    is_free = lock.acquire(blocking=False)
    lock.release()
    return is_free


def test_a_completed_run_is_refused_with_what_to_type(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    said = here("resume", "last")
    assert said.code == 2
    assert "trainconf rerun" in said.err


def test_other_values_are_refused_with_what_to_type(here: Here, failed: RunPaths) -> None:
    said = here("resume", "last", "params.lr=2")
    assert said.code == 2
    assert "`trainconf rerun last params.lr=2`" in said.err
    assert state(failed) == ("Failed", 1)


def test_several_runs_go_on_and_one_that_does_not_is_told(here: Here, workspace: Shell, failed: RunPaths) -> None:
    assert here(*workspace.script("+params.lr=0.2")).code == 3
    (other,) = (RunPaths(str(path)) for path in workspace.run_dirs() if str(path) != failed.run_dir)
    for paths in (failed, other):
        Path(paths.run_dir, "good").touch()
    assert here("resume", other.run_id).code == 0
    said = here("resume", "--where", "params.lr > 0")
    assert (said.code, said.out) == (2, f"{failed.run_id}\n"), said
    assert f"{other.run_id} does not go on:" in said.err
    assert here("wait", failed.run_id).code == 0
    assert (state(failed), state(other)) == (("Completed", 2), ("Completed", 2))
    said = here("resume", failed.run_id, other.run_id)
    assert (said.code, said.out, said.err.count("does not go on:")) == (2, "", 2), said
    refused = {("last", "--where", "params.lr > 0"): "not both", (): "name runs", ("a", "b", "params.lr=2"): "rerun a b params.lr=2"}
    for words, told in refused.items():
        said = here("resume", *words)
        assert (said.code, told in said.err) == (2, True), said


def test_an_input_that_has_changed_is_refused_with_both_digests(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)
    workspace.write("data", "one")
    assert here(*workspace.script("+inputs.data=data")).code == 3
    workspace.write("data", "another")
    said = here("resume", "last")
    assert said.code == 2
    assert "code input_digests.data" in said.err
    assert len(events.read_all(RunPaths(str(workspace.run_dirs()[0])))) == 6


def test_two_who_resume_at_once_start_one_attempt(here: Here, workspace: Shell, failed: RunPaths) -> None:
    both = [workspace.start("resume", failed.run_id) for _ in range(2)]
    codes = sorted(child.wait(300) for child in both)
    for child in both:
        child.communicate()
    assert codes in ([2, 3], [3, 3])  # the slower one may come when the faster one's attempt has failed already
    attempts = [event["attempt"] for event in events.read_all(failed) if event["state"] == "Starting"]
    assert attempts == list(range(1, len(attempts) + 1))
    assert len(attempts) == 1 + codes.count(3)


def test_one_who_holds_the_run_is_not_disturbed(here: Here, failed: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LETTING_GO_S", 0.2)
    with FileLock(failed.lock):
        said = here("resume", "last")
    assert (said.code, state(failed)) == (2, ("Failed", 1))


def test_a_launch_that_fails_leaves_the_run_as_it_had_ended(here: Here, failed: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise LaunchError("the agent cannot be started")

    with monkeypatch.context() as patched:
        patched.setattr(LocalLauncher, "submit", refuse)
        assert here("resume", "last").code == 1
    found = liveness.state_of(failed)
    assert (found.status, found.event["exit_code"], found.event["attempt"]) == ("Failed", 3, 1)
    assert found.reason == "it could not be resumed: the agent cannot be started; before: exit code 3"
    assert names(failed.outputs) == ["checkpoint1"]
    assert not os.path.islink(failed.outputs)
    assert here("resume", "last").out == "attempt 2 ['checkpoint1']\n"


@pytest.mark.parametrize("step", ["take_back", "unlink", "append", "submit"])
def test_a_kill_in_the_middle_loses_nothing(step: str, here: Here, failed: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(failed.cancel_request()).write_text("{}")
    place: object = {"take_back": job_folders, "unlink": os, "append": events, "submit": LocalLauncher}[step]
    child = os.fork()
    if not child:
        done = getattr(place, step)

        def killed(*arguments: object, **more: object) -> None:
            if step in ("take_back", "append"):
                done(*arguments, **more)
            os._exit(9)

        monkeypatch.setattr(place, step, killed)
        here("resume", "last")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert liveness.state_of(failed).status in ("Failed", "NotResponding")
    assert names(failed.outputs) == ["checkpoint1"]
    said = here("resume", "last")
    assert (said.code, said.out) == (3, "attempt 2 ['checkpoint1']\n")
    assert names(failed.outputs) == ["checkpoint1", "checkpoint2"]


def test_code_that_is_gone_comes_from_the_snapshot(here: Here, failed: RunPaths) -> None:
    import shutil

    shutil.rmtree(failed.code)
    assert here("resume", "last").out == "attempt 2 ['checkpoint1']\n"


def test_a_trial_of_an_ended_sweep_goes_on_by_itself(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)
    here("-m", *workspace.script("+params.lr=1,2"))
    trial = next(RunPaths(str(path)) for path in workspace.run_dirs() if path.name.endswith("_1"))
    Path(trial.run_dir, "good").touch()
    assert here("resume", trial.run_id).out == "attempt 2 ['checkpoint1']\n"
    shown = json.loads(here("sweep", "show", trial.run_id.rpartition("_")[0], "--json").out)
    assert [each["status"] for each in shown["trials"]] == ["Failed", "Completed"]
    assert json.loads(here("show", trial.run_id, "--json").out)["parent"] == trial.run_id.rpartition("_")[0]


@pytest.mark.docker
def test_a_run_in_a_container_goes_on_in_another(workspace: Shell, docker_base_image: str) -> None:
    workspace.write("train.py", SCRIPT)
    words = workspace.script("compute=docker", f"env.docker.image={docker_base_image}")
    assert workspace(*words).code == 3
    answer = workspace("resume", "last")
    assert (answer.code, answer.out) == (3, "attempt 2 ['checkpoint1']\n")
