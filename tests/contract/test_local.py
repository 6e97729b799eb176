"""compute=local keeps the contract, and what only this target can promise: honest states when its agent is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.contract.agents import agent_of, kill_agent
from trainconf import files
from trainconf.agent.leases import queue
from trainconf.agent.processes import tree
from trainconf.errors import ConfigError
from trainconf.history import events, follow, liveness
from trainconf.launchers import get
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job, Launcher, RunHandle
from trainconf.spec import DistributedSpec
from trainconf.testing import LauncherContract
from trainconf.testing.runs import last, make_job, output, python, shell, states, submit, wait_until


class FakeDevices:
    """A machine with these GPUs."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)

    def devices(self) -> list[str]:
        return self.ids


ASK = """
import os, sys
from trainconf import files
while True:
    try:
        files.is_locked(open(sys.argv[1] + "/ask").read())
    except FileNotFoundError:
        pass
"""


class TestLocal(LauncherContract):
    @pytest.fixture
    def launcher(self) -> Launcher:
        return get("local")

    def up(self, launcher: Launcher, job: Job) -> RunHandle:
        handle = submit(launcher, job)
        wait_until(lambda: os.path.exists(job.paths.log(0)) and "up" in output(handle), "the job")
        wait_until(lambda: last(handle)["state"] == "Running", "the event")
        return handle

    def test_a_run_whose_agent_was_killed_is_not_responding_and_can_still_be_cancelled(self, launcher: Launcher, root: str) -> None:
        job = make_job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=0.2)
        handle = self.up(launcher, job)
        kill_agent(handle)
        assert launcher.state(handle).status == "NotResponding"
        assert tree.processes_with_run_id(job.run_id)
        launcher.cancel(RunHandle(job.paths))
        assert not tree.processes_with_run_id(job.run_id)
        assert launcher.state(handle).status == "Canceled"
        assert "its agent was gone" in last(handle)["reason"]

    def test_after_a_restart_of_the_machine_a_run_is_not_responding(self, launcher: Launcher, root: str) -> None:
        job = make_job(root, shell("echo up; sleep 600"), grace_s=0.2)
        handle = self.up(launcher, job)
        agent = agent_of(handle)
        kill_agent(handle)
        tree.send(tree.processes_with_run_id(job.run_id), signal.SIGKILL)
        history = Path(job.paths.events).read_text()
        boot_id = next(e["agent"]["boot_id"] for e in events.read(job.paths) if "agent" in e)
        Path(job.paths.events).write_text(history.replace(boot_id, "0" * 36).replace(str(agent), "1"))
        state = launcher.state(handle)
        assert state.status == "NotResponding"
        assert "restarted" in state.reason
        launcher.cancel(handle)  # must not signal pid 1, which has the recorded number now
        assert launcher.state(handle).status == "Canceled"

    def test_what_an_agent_leaves_behind_is_ended_and_only_then_its_slot_is_free(self, launcher: Launcher, root: str) -> None:
        """The next run notes whether the first still lived when it began."""
        one = {"slots": 1}
        beside = os.path.join(root, "alive")
        text = f"trap '' TERM; trap 'rm -f {beside}' EXIT; : >{beside}; echo up; sleep 600; sleep 600"
        handle = self.up(launcher, make_job(root, shell(text), run_id="first", compute=one, grace_s=1))
        second = submit(launcher, make_job(root, shell(f"pgrep -f {beside[:-1]}[e] || echo alone"), run_id="second", compute=one))
        wait_until(lambda: last(second).get("waiting_for") == "slot", "the second to wait")
        os.kill(agent_of(handle), signal.SIGKILL)
        assert launcher.wait(second).status == "Completed"
        assert output(second) == "alone\n"
        state = launcher.wait(handle)
        assert (state.status, last(handle)["state"], last(handle)["is_lost"]) == ("NotResponding", "Running", True)
        assert "no process of the job is left: its watchdog ended what there was" in state.reason

    @pytest.mark.parametrize("how", ["env -i setsid -f sleep 600", "(cd /; exec env -i setsid -f sleep 600 </dev/null >/dev/null 2>&1)"])
    def test_with_its_agent_ends_also_what_has_left_every_mark_behind(self, launcher: Launcher, root: str, how: str) -> None:
        number = 10**6 + int.from_bytes(os.urandom(3), "big")
        handle = self.up(launcher, make_job(root, shell(f"{how.replace('600', str(number))}; echo up; exec sleep {number}"), grace_s=1))
        sleepers = ["pgrep", "-f", f"sleep {number}"]
        assert len(subprocess.run(sleepers, capture_output=True).stdout.split()) == 2
        os.kill(agent_of(handle), signal.SIGKILL)
        launcher.wait(handle)
        assert subprocess.run(sleepers, capture_output=True).stdout == b""

    @pytest.mark.parametrize(("start", "count", "told"), [
        ("setsid -f", 1, "a process was left running in the background, and ended with the run"),
        ("env -i setsid -f", 2, "2 processes were left running in the background, and ended with the run"),
        ("", 1, None),
    ])  # fmt: skip
    def test_of_a_daemon_that_ends_with_the_run_is_told(
        self, launcher: Launcher, root: str, start: str, count: int, told: str | None
    ) -> None:
        """Of helpers that would have ended with their parent nobody has to know."""
        number = 10**6 + int.from_bytes(os.urandom(3), "big")
        up = os.path.join(root, "up")
        text = "".join(f"{start} sh -c ': > {up}{each}; exec sleep {number}' &\n" for each in range(count))
        text += "".join(f"until [ -e {up}{each} ]; do sleep 0.05; done\n" for each in range(count))
        handle = submit(launcher, make_job(root, shell(text)))
        assert launcher.wait(handle).status == "Completed"
        assert last(handle).get("notes") == ([told] if told else None)
        assert subprocess.run(["pgrep", "-f", f"sleep {number}"], capture_output=True).stdout == b""

    def test_a_cancel_while_the_guard_ends_what_is_left_waits_for_it_or_hurries_it(self, launcher: Launcher, root: str) -> None:
        handle = self.up(launcher, make_job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=600))
        os.kill(agent_of(handle), signal.SIGKILL)
        launcher.cancel(RunHandle(handle.paths), force=True)
        assert launcher.wait(handle).status == "Canceled"
        assert not tree.processes_with_run_id(handle.paths.run_id)

    def test_when_only_the_guard_is_killed_the_run_goes_on(self, launcher: Launcher, root: str) -> None:
        go = os.path.join(root, "go")
        handle = self.up(launcher, make_job(root, shell(f"echo up; until [ -e {go} ]; do sleep 0.05; done; exit 3")))
        assert handle.agent_pid is not None
        os.kill(handle.agent_pid, signal.SIGKILL)
        os.waitpid(handle.agent_pid, 0)
        assert launcher.state(handle).status == "Running"
        Path(go).touch()
        assert (launcher.wait(handle).status, last(handle)["exit_code"]) == ("Failed", 3)

    def test_when_agent_and_guard_are_killed_the_job_itself_keeps_its_slot(self, launcher: Launcher, root: str) -> None:
        one = {"slots": 1}
        first = self.up(launcher, make_job(root, shell("echo up; exec sleep 600"), run_id="first", compute=one))
        kill_agent(first)
        second = submit(launcher, make_job(root, shell("echo ran"), run_id="second", compute=one))
        wait_until(lambda: last(second).get("waiting_for") == "slot", "the second to wait")
        assert queue.holders(os.path.join(root, "leases")) == ["slot-0: what is left of a run whose agent is gone"]
        assert "the job still runs as pid" in launcher.state(first).reason
        launcher.cancel(RunHandle(first.paths), force=True)
        assert launcher.wait(second).status == "Completed"

    def test_with_both_killed_cancel_finds_what_has_emptied_its_environment(self, launcher: Launcher, root: str) -> None:
        number = 10**6 + int.from_bytes(os.urandom(3), "big")
        handle = self.up(launcher, make_job(root, shell(f"env -i setsid -f sleep {number}; echo up; exec sleep 600"), grace_s=1))
        kill_agent(handle)
        tree.send(tree.processes_with_run_id(handle.paths.run_id), signal.SIGKILL)
        (left,) = subprocess.run(["pgrep", "-f", f"sleep {number}"], capture_output=True, text=True).stdout.split()
        who = liveness.identity(int(left))
        wait_until(lambda: launcher.state(handle).reason.startswith(f"its agent was ended, but the job still runs as pid {left}:"), "words")
        launcher.cancel(RunHandle(handle.paths))
        assert not liveness.is_alive(who)
        assert "1 of its processes was ended" in last(handle)["reason"]

    def test_somebody_who_works_in_a_runs_folder_is_none_of_its_processes(self, launcher: Launcher, root: str) -> None:
        handle = self.up(launcher, make_job(root, shell("echo up; sleep 600"), grace_s=1))
        visitor = subprocess.Popen(["sleep", "600"], cwd=handle.paths.code)
        try:
            kill_agent(handle)
            launcher.cancel(RunHandle(handle.paths))
            assert visitor.poll() is None
        finally:
            visitor.kill()
            visitor.wait()

    @pytest.mark.parametrize("force", [False, True])
    def test_cancel_ends_a_run_whose_agent_somebody_has_stopped(self, launcher: Launcher, root: str, force: bool) -> None:
        handle = self.up(launcher, make_job(root, shell("echo up; sleep 600")))
        os.kill(agent_of(handle), signal.SIGSTOP)
        launcher.cancel(RunHandle(handle.paths), force=force)
        assert launcher.wait(handle).status == "Canceled"

    def test_a_guard_that_somebody_has_stopped_with_its_agent_keeps_nothing_after_the_run(self, launcher: Launcher, root: str) -> None:
        handle = self.up(launcher, make_job(root, shell("echo up; sleep 600")))
        assert handle.agent_pid is not None
        for pid in (handle.agent_pid, agent_of(handle)):
            os.kill(pid, signal.SIGSTOP)
        launcher.cancel(RunHandle(handle.paths))
        wait_until(lambda: os.waitpid(handle.agent_pid, os.WNOHANG) != (0, 0), "the guard's end")
        assert launcher.state(handle).status == "Canceled"
        assert not files.is_locked(handle.paths.lock)

    def test_a_cancel_is_carried_out_while_others_ask_for_the_lock_without_end(self, launcher: Launcher, root: str) -> None:
        askers = [subprocess.Popen([sys.executable, "-S", "-c", ASK, root], cwd=Path(__file__).parents[2]) for _ in range(2)]
        try:
            for _ in range(5):
                handle = self.up(launcher, make_job(root, shell("echo up; sleep 600"), grace_s=0.2))
                Path(root, "ask").write_text(handle.paths.lock)
                kill_agent(handle)
                launcher.cancel(RunHandle(handle.paths))
                assert launcher.state(handle).status == "Canceled"
        finally:
            for asker in askers:
                asker.kill()
                asker.wait()

    @pytest.mark.parametrize("without", ["setsid", "pidfd_open", "pidfd_send_signal"])
    def test_a_python_built_against_an_old_glibc_submits_and_cancels(
        self, launcher: Launcher, root: str, monkeypatch: pytest.MonkeyPatch, without: str
    ) -> None:  # fmt: skip
        real = os.posix_spawn

        def spawn(*words: object, setsid: bool = False, **named: object) -> int:
            if setsid:
                raise NotImplementedError("posix_spawn: setsid unavailable on this platform")
            return real(*words, **named)  # type: ignore[arg-type]

        if without == "setsid":
            monkeypatch.setattr(os, "posix_spawn", spawn)
        else:
            monkeypatch.delattr(os if without == "pidfd_open" else signal, without)
        handle = self.up(launcher, make_job(root, shell("echo up; exec sleep 600")))
        launcher.cancel(handle)
        state = follow.wait(handle.paths, time.monotonic() + 300)
        assert (state.status, launcher.wait(handle).status) == ("Canceled", "Canceled")

    def test_a_backoff_has_an_end_and_so_many_retries_do_no_harm(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, make_job(root, ["false"], retries=1100, retry_backoff_seconds=0.0, compute={"slots": 1}))
        assert (last(handle)["state"], last(handle)["attempt"]) == ("Failed", 1101)

    def test_sigterm_to_the_agent_cancels_the_run(self, launcher: Launcher, root: str) -> None:
        handle = self.up(launcher, make_job(root, shell("echo up; sleep 600")))
        assert handle.agent_pid is not None
        os.kill(handle.agent_pid, signal.SIGTERM)  # its guard passes it on
        assert launcher.wait(handle).status == "Canceled"
        assert "SIGTERM" in last(handle)["reason"]

    def test_the_first_failing_rank_decides_and_the_others_are_ended(self, launcher: Launcher, root: str) -> None:
        job = make_job(root, shell("unused"), grace_s=5)
        plan = launcher.plan(job).to_dict()
        until_zero = "until grep -q zero ../logs/std_log.txt; do sleep 0.01; done"
        plan["ranks"] = [
            {"rank": 0, "argv": shell("echo zero; sleep 600"), "env": {"RANK": "0"}},
            {"rank": 1, "argv": shell(f"{until_zero}; echo one; exit 7"), "env": {"RANK": "1"}},
        ]
        handle = self.carry_out(job, plan)
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["rank"]) == ("Failed", 7, 1)
        assert "rank 1" in last(handle)["reason"]
        assert output(handle, 0).startswith("zero\n")  # a shell may add that its child was terminated
        assert output(handle, 1) == "one\n"

    def carry_out(self, job: Job, plan: dict[str, object]) -> RunHandle:
        """Start an agent on a plan made by hand."""
        from trainconf.launchers.machine.agent_process import start_agent
        from trainconf.testing.runs import make_run_dir

        make_run_dir(job)
        files.write_atomic(job.paths.plan, json.dumps(plan))
        lock = files.FileLock(job.paths.lock)
        lock.acquire()
        events.append(job.paths, "NotStarted")
        handle = RunHandle(job.paths, start_agent(job.paths, lock, os.environ, {}))
        LocalLauncher().wait(handle)
        return handle

    def test_when_one_rank_cannot_start_the_others_are_ended(self, launcher: Launcher, root: str) -> None:
        job = make_job(root, shell("unused"))
        plan = launcher.plan(job).to_dict()
        plan["ranks"] = [{"rank": 0, "argv": shell("sleep 600"), "env": {}}, {"rank": 1, "argv": ["no-such-program"], "env": {}}]
        handle = self.carry_out(job, plan)
        assert (last(handle)["exit_code"], last(handle)["rank"]) == (127, 1)

    @pytest.mark.parametrize("word", ["nul\0", "\ud800"])
    def test_a_word_that_cannot_be_passed_is_a_failed_run(self, launcher: Launcher, root: str, word: str) -> None:
        job = make_job(root, shell("unused"))
        plan = launcher.plan(job).to_dict()
        plan["ranks"] = [{"rank": 0, "argv": ["echo", word], "env": {}}]
        handle = self.carry_out(job, plan)
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 126)

    def test_a_plan_that_cannot_be_read_is_a_failed_run(self, root: str) -> None:
        job = make_job(root, shell("unused"))
        handle = self.carry_out(job, {"version": 1})
        assert last(handle)["state"] == "Failed"
        assert "could not be prepared" in last(handle)["reason"]

    def test_leased_gpus_reach_the_job_and_no_two_runs_share_one(self, root: str) -> None:
        launcher = LocalLauncher(FakeDevices("GPU-aaa", "MIG-GPU-bbb/1/0", "2"), {**os.environ, "CUDA_VISIBLE_DEVICES": "outer"})
        text = 'echo "$CUDA_VISIBLE_DEVICES"; while ! test -e ../../../../go; do sleep 0.02; done'
        go = Path(root, "go")
        handles = [submit(launcher, make_job(root, shell(text), run_id=f"run-{n}", gpus=1)) for n in range(4)]
        wait_until(lambda: sum(last(handle)["state"] == "Running" for handle in handles) == 3, "three to run")
        waiting = next(handle for handle in handles if last(handle)["state"] != "Running")
        wait_until(lambda: last(waiting).get("waiting_for") == "gpu", "the fourth to wait")
        assert queue.place(os.path.join(root, "leases"), waiting.paths.run_id) == 1
        running = [handle for handle in handles if handle is not waiting]
        wait_until(lambda: all(output(handle) for handle in running), "their output")
        assert sorted(output(handle).strip() for handle in running) == ["2", "GPU-aaa", "MIG-GPU-bbb/1/0"]
        go.touch()
        assert [launcher.wait(handle).status for handle in handles] == ["Completed"] * 4

    def test_without_gpus_cuda_visible_devices_is_left_as_it_was(self, root: str) -> None:
        text = 'echo "${CUDA_VISIBLE_DEVICES-unset}"'
        unset = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
        for run_id, environ, expected in (("a", unset, "unset"), ("b", {**unset, "CUDA_VISIBLE_DEVICES": "3,5"}, "3,5")):
            launcher = LocalLauncher(FakeDevices(), environ)
            handle = submit(launcher, make_job(root, shell(text), run_id=run_id))
            launcher.wait(handle)
            assert output(handle).strip() == expected

    def test_what_the_submitter_was_told_as_a_rank_of_another_job_is_not_passed_on(self, root: str) -> None:
        told = {
            "SLURM_JOB_ID": "5", "SLURM_PROCID": "2", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "theirs", "SLURM_CONF": "/etc/slurm.conf",
            "RANK": "7", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "PMIX_RANK": "3", "MV2_COMM_WORLD_RANK": "3", "PET_NNODES": "2",
            "HOROVOD_RANK": "1", "HOROVOD_CYCLE_TIME": "0.1",
            "MASTER_ADDR": "elsewhere", "TF_CONFIG": "{}", "TORCHELASTIC_USE_AGENT_STORE": "True", "PMI_RANK": "3",
            "OMPI_COMM_WORLD_RANK": "4", "GROUP_RANK": "2", "TRAINCONF_COMMUNICATION_BACKEND": "nccl", "OMPI_MCA_btl": "tcp",
        }  # fmt: skip
        launcher = LocalLauncher(FakeDevices(), {**os.environ, **told})
        names = '"|".join(f"{name}={os.environ.get(name)}" for name in sys.argv[1:])'
        one = submit(launcher, make_job(root, [*python(f"import os, sys; print({names})"), *told]))
        launcher.wait(one)
        kept = {"SLURM_CONF": "/etc/slurm.conf", "HOROVOD_CYCLE_TIME": "0.1", "OMPI_MCA_btl": "tcp"}
        assert output(one).strip().split("|") == [f"{name}={kept.get(name)}" for name in told]
        several = DistributedSpec(kind="pytorch", processes_per_node=2, communication_backend="gloo")
        job = make_job(root, shell('echo "$RANK $MASTER_ADDR $TRAINCONF_COMMUNICATION_BACKEND"'), distributed=several)
        two = submit(launcher, job)
        launcher.wait(two)
        assert output(two).split() == ["0", "127.0.0.1", "gloo"]

    def test_more_than_the_machine_has_is_refused_and_all_of_it_told(self, root: str) -> None:
        launcher = LocalLauncher(FakeDevices("0"))
        with pytest.raises(ConfigError) as error:
            launcher.plan(make_job(root, shell("true"), cpus=9, gpus=2))
        assert len(error.value.mistakes) == 2
        assert "compute.cpus=9" in str(error.value)
        assert "compute.gpus=2" in str(error.value)
        assert os.listdir(root) == []

    def test_runs_start_in_the_order_in_which_they_were_submitted(self, launcher: Launcher, root: str) -> None:
        one = {"slots": 1}
        first = self.up(launcher, make_job(root, shell("echo up; while ! test -e ../go; do sleep 0.02; done"), run_id="first", compute=one))
        waiting: list[RunHandle] = []
        for n in range(4):
            waiting.append(submit(launcher, make_job(root, shell("true"), run_id=f"run-{n}", compute=one)))
            wait_until(lambda n=n: queue.place(os.path.join(root, "leases"), waiting[n].paths.run_id) == n + 1, "its place")
        Path(first.paths.run_dir, "go").touch()
        for handle in [first, *waiting]:
            launcher.wait(handle)
        started = [next(e["time"] for e in events.read(handle.paths) if e["state"] == "Starting") for handle in waiting]
        assert started == sorted(started)
        assert all(states(handle)[-1] == "Completed" for handle in waiting)

    def test_twenty_runs_at_once_never_meet_at_the_same_port(self, launcher: Launcher, root: str) -> None:
        code = (
            "import os, socket, time; port = int(os.environ['MASTER_PORT']); server = socket.create_server(('127.0.0.1', port));"
            "print(port, flush=True); held = os.path.join(os.environ['TRAINCONF_RUN_DIR'], '..', 'all_are_up')\n"
            "while not os.path.exists(held): time.sleep(0.02)"
        )
        distributed = DistributedSpec(kind="pytorch", communication_backend="gloo")
        jobs = [make_job(root, self.python(code), distributed=distributed, compute={"slots": 20}) for _ in range(20)]
        handles = [submit(launcher, job) for job in jobs]
        try:
            wait_until(lambda: all(os.path.exists(job.paths.log(0)) and output(RunHandle(job.paths)) for job in jobs), "all servers")
        finally:
            Path(os.path.dirname(jobs[0].paths.run_dir), "all_are_up").touch()
        assert {launcher.wait(handle).status for handle in handles} == {"Completed"}
        assert len({output(handle) for handle in handles}) == 20
