"""compute=docker keeps the contract on a real engine, and what only containers can promise."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.agents import kill_agent
from tests.contract.test_local import FakeDevices
from trainconf import files
from trainconf.engine.address import find
from trainconf.engine.client import Engine
from trainconf.engine.container import with_gpus
from trainconf.errors import ConfigError
from trainconf.fast.records import replace
from trainconf.history import events, liveness
from trainconf.launchers import get
from trainconf.launchers.docker import request as container_request
from trainconf.launchers.docker.launcher import DockerLauncher
from trainconf.launchers.machine.sweep import TrialPool
from trainconf.launchers.protocol import Job, Launcher, LaunchPlan, RunHandle
from trainconf.paths import RunPaths
from trainconf.spec import DistributedSpec
from trainconf.testing import LauncherContract
from trainconf.testing.runs import (
    HOSTILE_NAMES,
    last,
    launch,
    make_job,
    make_run_dir,
    output,
    shell,
    states,
    submit,
    until_sigterm,
    wait_until,
)

BUSYBOX, EMPTY = "trainconf-testbed/busybox:1", "trainconf-testbed/empty:1"

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(docker_engine: str) -> Engine:
    return Engine(find(os.environ).url)


@pytest.fixture
def _nothing_is_left(engine: Engine, tmp_path: Path) -> Iterator[None]:
    """No container and no network of a run in the test's folder."""
    yield
    mine = str(tmp_path)
    labelled = {"filters": {"label": ["trainconf.run_dir"]}}
    for kind, path in (("containers", "/containers/json"), ("networks", "/networks")):
        found = engine.get(path, {"all": True, **labelled})
        left = [each for each in found if each["Labels"]["trainconf.run_dir"].startswith(mine)]
        for each in left:
            engine.delete(f"/{kind}/{each['Id']}", {"force": True})
        assert not left, [each["Labels"] for each in left]


@pytest.mark.usefixtures("_nothing_is_left")
class TestDocker(LauncherContract):
    interpreter = "python3"

    @pytest.fixture
    def launcher(self) -> Launcher:
        return get("docker")

    def test_what_all_processes_of_a_container_use_is_sampled(self, launcher: Launcher, root: str) -> None:
        """By its control group, for the processes of a container may be of another user, and come and go."""
        text = "head -c 60000000 /dev/zero | tail -c 60000000 >/dev/null & while :; do :; done & sleep 2.5"
        job = self.job(root, shell(text), monitor_interval_seconds=0.5)
        handle = self.run(launcher, job)
        samples = [json.loads(line) for line in Path(handle.paths.system()).read_text().splitlines()]
        assert all("memory_bytes" in sample for sample in samples[:2])
        assert max(sample["cpu_percent"] for sample in samples) > 20
        assert sum(sample["cpu_percent"] > 0 for sample in samples) >= 2

    @pytest.fixture(autouse=True)
    def _image(self, docker_base_image: str) -> None:
        self.image = docker_base_image

    def job(self, root: str, argv: list[str], **wishes: Any) -> Job:
        return replace(make_job(root, argv, **wishes), image=self.image)

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_any_folder_name_will_do(self, launcher: Launcher, root: str, name: str) -> None:
        """Any but one that is no UTF-8: the engine's interface is JSON, and has no word for it."""
        if os.fsencode(name).decode("utf-8", "replace") == name:
            super().test_any_folder_name_will_do(launcher, root, name)
            return
        with pytest.raises(ConfigError, match="UTF-8"):
            launcher.plan(self.job(os.path.join(root, name), shell("true"), run_id=name))

    def up(self, launcher: Launcher, job: Job) -> RunHandle:
        handle = submit(launcher, job)
        wait_until(lambda: os.path.exists(job.paths.log(0)) and "up" in output(handle), "the job")
        wait_until(lambda: last(handle)["state"] == "Running", "the event")
        return handle

    def container_of(self, handle: RunHandle, rank: int = 0) -> str:
        ranks = next(event["ranks"] for event in reversed(events.read(handle.paths)) if "ranks" in event)
        return str(ranks[rank]["container"])

    # -- what only a container knows ------------------------------------------------------------------------------------

    def test_more_memory_than_the_limit_is_told_in_words(self, launcher: Launcher, root: str) -> None:
        code = "x = bytearray(200_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('not reached')"
        handle = self.run(launcher, self.job(root, self.python(code), compute={"memory_gib": 0.0625}))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 137)
        assert "more memory than its limit of 0.0625 GiB (compute.memory_gib)" in last(handle)["reason"]

    def test_a_child_that_wanted_more_memory_than_the_limit_is_told_too(self, launcher: Launcher, root: str) -> None:
        code = "import subprocess, sys\nsys.exit(subprocess.run([sys.executable, '-c', 'x = b\"x\" * 200_000_000']).returncode != 0)"
        handle = self.run(launcher, self.job(root, self.python(code), compute={"memory_gib": 0.0625}))
        assert last(handle)["exit_code"] == 1
        assert "more memory than its limit" in last(handle)["reason"]

    def test_a_child_that_was_ended_for_memory_is_noted_though_the_script_completed(self, launcher: Launcher, root: str) -> None:
        code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = b\"x\" * 200_000_000'])"
        handle = self.run(launcher, self.job(root, self.python(code), compute={"memory_gib": 0.0625}))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Completed", 0)
        (note,) = last(handle)["notes"]
        assert "the kernel ended a process of it that wanted more memory than its limit of 0.0625 GiB" in note

    def test_what_ignores_nothing_is_not_ignored_in_the_job(self, launcher: Launcher, root: str) -> None:
        """Signals have their defaults in the job, though the shell before it has handlers for them."""
        code = "from signal import *; print([s.name for s in (SIGTERM, SIGINT, SIGHUP) if getsignal(s) == SIG_IGN])"
        assert output(self.run(launcher, self.job(root, self.python(code)))) == "[]\n"

    def test_a_shell_builtin_is_not_taken_for_a_program(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, ["exit", "0"]))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 127)
        assert "'exit' was not found in the image" in last(handle)["reason"]

    def test_a_scripts_own_127_is_no_missing_program(self, launcher: Launcher, root: str) -> None:
        assert last(self.run(launcher, self.job(root, shell("exit 127"))))["reason"] == "exit code 127"

    def test_the_environment_of_the_submitter_does_not_leak_in(self, launcher: Launcher, root: str, monkeypatch: Any) -> None:
        monkeypatch.setenv("MY_SHELLS_VARIABLE", "1")
        handle = self.run(launcher, self.job(root, shell('echo "${MY_SHELLS_VARIABLE-unset}"')))
        assert output(handle) == "unset\n"

    def test_every_byte_of_a_variable_arrives(self, launcher: Launcher, root: str) -> None:
        value = os.fsdecode(bytes(range(1, 256))) + "'\"$HOME `id` $(id) \\\n\n"
        job = self.job(root, self.python("import os; open('outputs/v', 'wb').write(os.environb[b'V'])"), env={"V": value})
        self.run(launcher, job)
        assert Path(job.paths.outputs, "v").read_bytes() == os.fsencode(value)

    def test_many_variables_arrive(self, launcher: Launcher, root: str) -> None:
        env = {f"V{n}": "x" * 1000 for n in range(1000)}
        job = self.job(root, self.python("import os; print(sum(len(v) for k, v in os.environ.items() if k[0] == 'V'))"), env=env)
        assert output(self.run(launcher, job)) == "1000000\n"

    def test_neither_variables_nor_secrets_are_in_docker_inspect(self, launcher: Launcher, root: str, engine: Engine) -> None:
        text = 'test "${#TOKEN} ${#MINE}" = "6 7" && echo up; sleep 600'
        job = self.job(root, shell(text), env={"MINE": "visible"}, secrets={"TOKEN": "s3cret"})
        handle = self.up(launcher, job)
        seen = json.dumps(engine.get(f"/containers/{self.container_of(handle)}/json"))
        launcher.cancel(handle, force=True)
        launcher.wait(handle)
        assert "s3cret" not in seen
        assert "visible" not in seen

    def test_an_image_without_python_runs_a_command(self, launcher: Launcher, root: str) -> None:
        job = replace(self.job(root, ["sh", "-c", 'echo "$0 $TRAINCONF_RUN_ID"; test ! -e /usr/bin/python3', "busy"]), image=BUSYBOX)
        handle = self.run(launcher, job)
        assert output(handle) == f"busy {job.run_id}\n"
        assert last(handle)["state"] == "Completed"

    def test_an_image_without_a_shell_is_told(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, replace(self.job(root, ["true"]), image=EMPTY))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 127)
        assert "has no `sh`" in last(handle)["reason"]

    def test_an_image_that_is_gone_is_told(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, replace(self.job(root, ["true"], retries=3), image="trainconf-test/no-such:1"))
        assert (last(handle)["state"], last(handle)["attempt"]) == ("Failed", 1)
        assert "trainconf-test/no-such:1 is not there any more" in last(handle)["reason"]

    def test_an_input_that_is_gone_is_told(self, launcher: Launcher, root: str) -> None:
        os.mkdir(os.path.join(root, "data"))
        job = self.job(root, shell("true"), inputs={"train": os.path.join(root, "data")})
        plan = launcher.plan(job)
        make_run_dir(job)
        os.rmdir(os.path.join(root, "data"))
        handle = launch(launcher, job, plan)
        assert launcher.wait(handle).status == "Failed"
        assert os.path.join(root, "data") in last(handle)["reason"]

    def test_inputs_are_read_only(self, launcher: Launcher, root: str) -> None:
        data = Path(root, "data")
        data.mkdir()
        job = self.job(root, shell("touch $TRAINCONF_INPUT_D/x 2>/dev/null; echo $?"), inputs={"d": str(data)})
        assert output(self.run(launcher, job)) != "0\n"
        assert not list(data.iterdir())

    def test_a_log_that_cannot_be_written_is_told(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("true"), compute={"user": "4321:4321"})
        handle = self.run(launcher, job)
        assert last(handle)["state"] == "Failed"
        assert "user 4321:4321 cannot write its log" in last(handle)["reason"]

    def test_leased_gpus_are_asked_for_by_id(self, root: str) -> None:
        launcher = DockerLauncher(FakeDevices("GPU-aaa", "GPU-bbb"), dict(os.environ))
        job = self.job(root, shell("true"), gpus=1)
        rank = json.loads(json.dumps(launcher.plan(job).to_dict()))["ranks"][0]
        (request,) = with_gpus(rank["container"], ["GPU-bbb"])["HostConfig"]["DeviceRequests"]
        assert request["DeviceIDs"] == ["GPU-bbb"]
        handle = self.run(launcher, job)  # this engine has no GPUs, and says so
        starting = next(event for event in events.read(job.paths) if event["state"] == "Starting")
        assert starting["gpus"] == ["GPU-aaa"]
        assert "could not be started" in last(handle)["reason"]

    def test_slots_are_shared_with_local_runs(self, launcher: Launcher, root: str) -> None:
        one = {"slots": 1}
        local = submit(get("local"), make_job(root, shell("while ! test -e ../go; do sleep 0.02; done"), run_id="local", compute=one))
        wait_until(lambda: last(local)["state"] == "Running", "the local run")
        handle = submit(launcher, self.job(root, shell("echo ran"), compute=one))
        wait_until(lambda: last(handle).get("waiting_for") == "slot", "the container to wait")
        Path(local.paths.run_dir, "go").touch()
        assert launcher.wait(handle).status == "Completed"
        get("local").wait(local)

    # -- somebody else's hands ------------------------------------------------------------------------------------------

    def test_a_container_that_was_killed_by_somebody_is_failed_and_says_so(self, launcher: Launcher, root: str, engine: Engine) -> None:
        handle = self.up(launcher, self.job(root, shell("echo up; sleep 600")))
        engine.post(f"/containers/{self.container_of(handle)}/kill")
        assert launcher.wait(handle).status == "Failed"
        assert (last(handle)["exit_code"], "which trainconf did not send" in last(handle)["reason"]) == (137, True)

    def test_a_container_that_was_removed_by_somebody_is_failed_and_says_so(self, launcher: Launcher, root: str, engine: Engine) -> None:
        handle = self.up(launcher, self.job(root, shell("echo up; sleep 600")))
        engine.delete(f"/containers/{self.container_of(handle)}", {"force": True})
        assert launcher.wait(handle).status == "Failed"
        assert "removed, and not by trainconf" in last(handle)["reason"]

    def test_a_script_that_somebody_stopped_has_not_completed(self, launcher: Launcher, root: str, engine: Engine) -> None:
        handle = self.up(launcher, self.job(root, shell(until_sigterm("echo up", "exit 0"))))
        engine.post(f"/containers/{self.container_of(handle)}/stop")
        assert launcher.wait(handle).status == "Failed"
        assert "told to stop and not by trainconf" in last(handle)["reason"]

    def test_a_script_that_signals_its_own_process_group_decides_itself(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("trap 'exit 0' TERM; kill -TERM 0; sleep 5; exit 1")))
        assert last(handle)["state"] == "Completed"

    def test_a_container_is_kept_until_its_exit_code_is_on_disk(self, launcher: Launcher, root: str, engine: Engine) -> None:
        handle = self.up(launcher, self.job(root, shell("echo up; while ! test -e ../go; do sleep 0.02; done; exit 6")))
        container = f"/containers/{self.container_of(handle)}/json"
        aside = handle.paths.events + ".aside"
        os.rename(handle.paths.events, aside)
        os.mkdir(handle.paths.events)  # as good as a full disk: every write is refused
        Path(handle.paths.run_dir, "go").touch()
        wait_until(lambda: "cannot write events" in Path(handle.paths.agent_log).read_text(), "the refusal")
        assert engine.get(container)["State"]["ExitCode"] == 6
        os.rmdir(handle.paths.events)
        os.rename(aside, handle.paths.events)
        assert launcher.wait(handle).status == "Failed"
        assert states(handle)[-2:] == ["Finalizing", "Failed"]
        assert last(handle)["exit_code"] == 6

    def test_a_container_whose_makers_answer_was_lost_is_made_anew(self, launcher: Launcher, root: str, engine: Engine) -> None:
        job = self.job(root, shell("echo ran"))
        plan = launcher.plan(job)
        make_run_dir(job)
        os.makedirs(job.paths.workspace.home)
        for path in container_request.written_files(job.paths, [0]):
            Path(path).touch()
        body = json.loads(json.dumps(plan.ranks[0].container))
        body["Labels"]["trainconf.attempt"] = "1"
        engine.post("/containers/create", {"name": f"trainconf-{job.run_id}-1"}, body)
        handle = launch(launcher, job, plan)
        assert launcher.wait(handle).status == "Completed"
        assert output(handle) == "ran\n"

    def test_a_name_that_is_somebody_elses_is_left_alone(self, launcher: Launcher, root: str, engine: Engine) -> None:
        job = self.job(root, shell("echo ran"))
        theirs = engine.post("/containers/create", {"name": f"trainconf-{job.run_id}-1"}, {"Image": BUSYBOX, "Cmd": ["true"]})["Id"]
        try:
            assert last(self.run(launcher, job))["state"] == "Completed"
        finally:
            engine.delete(f"/containers/{theirs}")  # raises when it is gone

    # -- without its agent ----------------------------------------------------------------------------------------------

    def test_a_run_whose_agent_was_killed_is_not_responding_and_can_be_cancelled(
        self, launcher: Launcher, root: str, engine: Engine
    ) -> None:
        handle = self.up(launcher, self.job(root, shell(until_sigterm("echo up", "echo saved; exit 0"))))
        container = self.container_of(handle)
        kill_agent(handle)
        state = launcher.state(handle)
        assert state.status == "NotResponding"
        assert f"still runs in container {container[:12]}" in state.reason
        assert engine.get(f"/containers/{container}/json")["State"]["Running"]
        launcher.cancel(RunHandle(handle.paths))
        assert launcher.state(handle).status == "Canceled"
        assert "1 of its containers was ended" in last(handle)["reason"]
        assert output(handle).endswith("saved\n")  # its shell may say that a child was terminated

    def test_a_run_whose_agent_was_killed_can_be_cancelled_by_force(self, launcher: Launcher, root: str) -> None:
        handle = self.up(launcher, self.job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=10_000))
        kill_agent(handle)
        launcher.cancel(RunHandle(handle.paths), force=True)
        assert launcher.state(handle).status == "Canceled"

    def test_cancel_before_the_container_is_up_ends_the_run(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo begun; sleep 600"))
        handle = submit(launcher, job)
        wait_until(lambda: last(handle)["state"] == "Starting", "the start")
        launcher.cancel(handle)
        assert launcher.wait(handle).status == "Canceled"

    # -- several nodes --------------------------------------------------------------------------------------------------

    def nodes(self, root: str, text: str, count: int, **wishes: Any) -> Job:
        job = self.job(root, shell(text), **wishes)
        return replace(job, spec=replace(job.spec, distributed=DistributedSpec(node_count=count)))

    def test_nodes_find_each_other_by_name_on_a_network_of_their_own(self, launcher: Launcher, root: str) -> None:
        text = 'hostname; getent hosts node-0 node-1 node-2 | wc -l; echo "$NODE_RANK $TRAINCONF_NODE_COUNT $MASTER_ADDR"'
        handle = self.run(launcher, self.nodes(root, text + "; sleep 0.5", 3))
        assert last(handle)["state"] == "Completed", last(handle)
        for rank in range(3):
            name, _, places = output(handle, rank).splitlines()
            assert (name, places) == (f"node-{rank}", f"{rank} 3 node-0")

    def test_the_first_failing_node_decides_and_the_others_are_ended(self, launcher: Launcher, root: str) -> None:
        text = 'test "$NODE_RANK" = 1 && sleep 0.3 && exit 7; sleep 600'
        handle = self.run(launcher, self.nodes(root, text, 3))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["rank"]) == ("Failed", 7, 1)
        assert "rank 1: exit code 7" in last(handle)["reason"]

    def test_when_one_node_cannot_start_nothing_is_left(self, launcher: Launcher, root: str) -> None:
        job = self.nodes(root, "sleep 600", 2)
        plan = launcher.plan(job)
        plan.ranks[1].container["Image"] = "trainconf-test/no-such:1"  # type: ignore[index]
        make_run_dir(job)
        handle = launch(launcher, job, plan)
        assert launcher.wait(handle).status == "Failed"
        assert last(handle)["rank"] == 1

    def test_the_network_of_a_run_that_lost_its_agent_is_removed_by_cancel(self, launcher: Launcher, root: str) -> None:
        job = self.nodes(root, "echo up; sleep 600", 2)
        handle = self.up(launcher, job)
        kill_agent(handle)
        launcher.cancel(RunHandle(job.paths), force=True)
        assert "2 of its containers were ended" in last(handle)["reason"]


class TestTrials:
    """Trials in containers, under one agent."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> RunPaths:
        folder = tmp_path / "runs" / "exp" / "sweep-1"
        folder.mkdir(parents=True)
        return RunPaths(str(folder))

    def trial(self, root: Path, number: int, home: RunPaths, text: str, image: str) -> LaunchPlan:
        job = replace(make_job(str(root), shell(text), run_id=f"trial-{number}"), image=image)
        make_run_dir(job, home.lock)
        events.append(job.paths, "NotStarted")
        return get("docker").plan(job)

    def start(self, home: RunPaths, limit: int) -> TrialPool:
        files.write_atomic(home.sweep, json.dumps({"max_concurrent_runs": limit}))
        lock = files.FileLock(home.lock)
        lock.acquire()
        return DockerLauncher().pool(home, lock, {}, {}, limit)

    def states(self, plans: list[LaunchPlan]) -> list[str]:
        return [liveness.state_of(RunPaths(plan.run_dir)).status for plan in plans]

    @pytest.mark.usefixtures("_nothing_is_left")
    def test_trials_run_side_by_side(self, tmp_path: Path, home: RunPaths, docker_base_image: str) -> None:
        plans = [self.trial(tmp_path, n, home, "while ! test -e ../go; do sleep 0.02; done", docker_base_image) for n in range(2)]
        plans += [self.trial(tmp_path, 2, home, "exit 3", docker_base_image)]
        pool = self.start(home, 2)
        pool.add(plans)
        pool.close()
        wait_until(lambda: self.states(plans) == ["Running", "Running", "NotStarted"], "two to run and one to wait")
        for plan in plans[:2]:
            Path(plan.run_dir, "go").touch()
        assert pool.wait().status == "Completed"
        assert self.states(plans) == ["Completed", "Completed", "Failed"]

    @pytest.mark.usefixtures("_nothing_is_left")
    def test_a_sweep_whose_agent_was_killed_is_cancelled_as_a_whole(self, tmp_path: Path, home: RunPaths, docker_base_image: str) -> None:
        plans = [self.trial(tmp_path, n, home, "sleep 600", docker_base_image) for n in range(3)]
        pool = self.start(home, 2)
        pool.add(plans)
        wait_until(lambda: self.states(plans)[:2] == ["Running", "Running"], "two trials")
        kill_agent(pool.handle)
        pool.close()
        DockerLauncher().cancel(RunHandle(home), force=True)
        assert self.states(plans) == ["Canceled"] * 3
