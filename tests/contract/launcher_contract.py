"""What every launcher must do, as tests that each of them inherits; `trainconf.launchers.protocol.Launcher` states the promises.

    class TestMine(LauncherContract):
        @pytest.fixture
        def launcher(self): return MyLauncher()

All of it runs real processes in real folders. Jobs are shell and Python commands, so a target needs no more than those two; `interpreter`
is the Python that it has, and `job` says what else its jobs need.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.ranks_contract import RanksContract
from tests.contract.runs import last, make_job, make_run_dir, output, shell, states, submit
from trainconf.agent.processes import tree
from trainconf.history import events, metric_files
from trainconf.launchers.protocol import Job, Launcher, RunHandle
from trainconf.paths import RunPaths

HOSTILE_NAMES = [
    "with space", "quo'te\"s", "new\nline", "per%cent %s %(x)s", "$(touch pwned) `id` $HOME",
    "colon:semi;&|<>", os.fsdecode(b"bytes\xff\xfe"),
]  # fmt: skip
PATIENCE_S = 30.0


def wait_until(claim: Any, what: str) -> None:
    """Return when `claim()` holds; fail when it does not within PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def unique_sleep() -> str:
    """A command that sleeps for years, and no other process of this machine has its words."""
    return f"sleep {600_000_000 + int.from_bytes(os.urandom(3), 'big')}"


def is_running(command: str) -> bool:
    """Whether a process with these words is there, in whatever namespace it counts its own pids."""
    words = command.replace(" ", "\0").encode() + b"\0"
    return any(_words(pid) == words for pid in filter(str.isdigit, os.listdir("/proc")))


def _words(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


class LauncherContract(RanksContract):
    """Inherit it and give the fixture `launcher`."""

    interpreter = sys.executable

    def job(self, root: str, argv: list[str], **wishes: Any) -> Job:
        """What is submitted; see `make_job`."""
        return make_job(root, argv, **wishes)

    def python(self, code: str) -> list[str]:
        """A command that runs `code` in the target's Python."""
        return [self.interpreter, "-c", code]

    @pytest.fixture
    def launcher(self) -> Launcher:
        raise NotImplementedError

    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        return str(tmp_path)

    @pytest.fixture(autouse=True)
    def _nothing_outlives_a_test(self, launcher: Launcher, root: str) -> Iterator[None]:
        """Every run of a test must be over, and no process of any run may be left."""
        yield
        for folder, _, names in os.walk(root):
            if "events.jsonl" in names:
                run_id = os.path.basename(folder)
                try:
                    wait_until(lambda run_id=run_id: not tree.processes_with_run_id(run_id), f"the processes of {run_id}")
                finally:
                    tree.send(tree.processes_with_run_id(run_id), signal.SIGKILL)

    def run(self, launcher: Launcher, job: Job) -> RunHandle:
        """Submit and wait."""
        handle = submit(launcher, job)
        assert launcher.wait(handle).is_final
        return handle

    # -- how a run ends -------------------------------------------------------------------------------------------------

    def test_a_script_that_ends_well_is_completed_and_its_states_come_in_order(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("exit 0")))
        assert states(handle) == ["NotStarted", "Queued", "Starting", "Running", "Finalizing", "Completed"]
        assert last(handle)["exit_code"] == 0
        assert launcher.state(handle).status == "Completed"

    def test_the_exit_code_is_the_scripts_own(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("exit 37")))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["rank"]) == ("Failed", 37, 0)
        assert "37" in last(handle)["reason"]

    def test_a_script_killed_by_a_signal_has_128_more_and_the_signals_name(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("kill -SEGV $$")))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 139)
        assert "SIGSEGV" in last(handle)["reason"]
        assert output(handle) == ""

    def test_what_the_job_writes_is_as_private_as_its_submitters_umask_says(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo secret > outputs/mine"))
        before = os.umask(0o027)
        try:
            handle = self.run(launcher, job)
        finally:
            os.umask(before)
        assert os.stat(os.path.join(handle.paths.outputs, "mine")).st_mode & 0o777 == 0o640

    def test_a_program_that_does_not_exist_fails_with_127_and_is_named(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, ["no-such-program"], retries=3))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["attempt"]) == ("Failed", 127, 1)
        assert "no-such-program" in last(handle)["reason"]

    def test_a_program_that_is_not_executable_fails_with_126(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, ["./plain.txt"])
        plan = launcher.plan(job)
        make_run_dir(job)
        Path(job.paths.code, "plain.txt").write_text("no program")
        handle = self.launch(launcher, job, plan)
        assert launcher.wait(handle).status == "Failed"
        assert last(handle)["exit_code"] == 126

    def launch(self, launcher: Launcher, job: Job, plan: Any) -> RunHandle:
        from trainconf.files import FileLock

        lock = FileLock(job.paths.lock)
        lock.acquire()
        events.append(job.paths, "NotStarted")
        return launcher.submit(plan, lock, job.secrets)

    def test_what_it_consumed_is_in_the_last_event(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, self.python("x = bytearray(80_000_000); sum(range(2_000_000))")))
        used = last(handle)["resources"]
        assert used["peak_rss_bytes"] > 80_000_000
        assert used["cpu_s"] > 0
        assert used["wall_s"] > 0

    # -- what a job may rely on -----------------------------------------------------------------------------------------

    def test_both_outputs_are_captured_in_order(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("echo one; echo two >&2; printf three")))
        assert output(handle) == "one\ntwo\nthree"

    def test_standard_input_is_empty(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, self.python("import sys; print(repr(sys.stdin.read()))")))
        assert output(handle) == "''\n"

    def test_the_working_directory_is_the_code_and_outputs_and_logs_are_kept(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("pwd; echo m > outputs/model; echo l > logs/mine"))
        handle = self.run(launcher, job)
        assert os.path.samefile(output(handle).strip(), job.paths.code)
        assert Path(job.paths.outputs, "model").read_text() == "m\n"
        assert Path(job.paths.logs, "mine").read_text() == "l\n"

    def test_what_a_script_makes_of_outputs_and_logs_is_kept_also_over_attempts(self, launcher: Launcher, root: str) -> None:
        again = 'test -e first/m && test -d outputs && test -d logs && echo 2 >outputs/m && echo own >logs/std_log.txt; exit $?'
        text = f'echo said; [ "$TRAINCONF_ATTEMPT" = 1 ] || {{ {again}; }}; echo 1 >outputs/m; mv outputs first; rm -r logs; exit 1'
        job = self.job(root, shell(text), retries=1, retry_backoff_seconds=0.0)
        handle = self.run(launcher, job)
        assert (last(handle)["state"], output(handle)) == ("Completed", "said\nsaid\n")
        assert (Path(job.paths.outputs, "m").read_text(), os.path.islink(job.paths.outputs)) == ("2\n", False)
        assert Path(job.paths.logs, "std_log.txt.from_script").read_text() == "own\n"
        assert Path(job.paths.code, "first/m").read_text() == "1\n"
        assert last(handle)["left_in_code"] == {"count": 1, "names": ["first/"], "more": 0}

    def test_the_variables_of_a_job_are_set(self, launcher: Launcher, root: str) -> None:
        data = os.path.join(root, "data")
        os.mkdir(data)
        code = "import os, json; print(json.dumps({k: v for k, v in os.environ.items()}))"
        job = self.job(root, self.python(code), inputs={"train-set": data}, env={"MINE": "a b"}, secrets={"TOKEN": "s3cret"})
        env = json.loads(output(self.run(launcher, job)))
        expected = {
            "TRAINCONF_RUN_ID": job.run_id, "TRAINCONF_RUN_DIR": job.paths.run_dir, "TRAINCONF_EXPERIMENT": "exp",
            "TRAINCONF_PARAMS": job.paths.params, "TRAINCONF_ATTEMPT": "1", "TRAINCONF_INPUT_TRAIN_SET": data, "PYTHONUNBUFFERED": "1",
            "MINE": "a b", "TOKEN": "s3cret",
        }  # fmt: skip
        assert {name: env.get(name) for name in expected} == expected
        told = {name for name in env if name.endswith(("RANK", "WORLD_SIZE", "LOCAL_SIZE")) or name.startswith(("MASTER_", "TF_CONFIG"))}
        assert not told, "a process alone is no rank: libraries take these names for the work of a launcher"

    def test_a_process_alone_may_be_any_rank_that_the_user_says(self, launcher: Launcher, root: str) -> None:
        own = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": "there", "MASTER_PORT": "77", "TF_CONFIG": "{}"}
        job = self.job(root, shell("echo " + " ".join(f"${name}" for name in own)), env=own)
        assert output(self.run(launcher, job)).split() == list(own.values())

    def test_a_secret_is_in_no_file_of_the_run(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("true"), secrets={"TOKEN": "s3cret-value"})
        self.run(launcher, job)
        assert "s3cret-value" not in launcher.plan(job).render()
        for folder, _, names in os.walk(job.paths.run_dir):
            for name in names:
                assert b"s3cret-value" not in Path(folder, name).read_bytes(), name

    def test_the_params_are_in_a_file(self, launcher: Launcher, root: str) -> None:
        code = "import json, os; print(json.load(open(os.environ['TRAINCONF_PARAMS']))['optim']['lr'])"
        handle = self.run(launcher, self.job(root, self.python(code), params={"optim": {"lr": 0.1}}))
        assert output(handle) == "0.1\n"

    def test_run_logs_metrics_in_a_python_with_nothing_installed(self, launcher: Launcher, root: str) -> None:
        code = "from trainconf import Run; r = Run.get_context(); r.log('loss', 0.5, step=3); print(r.id, r.params['lr'], r.attempt)"
        job = self.job(root, [self.interpreter, "-S", "-c", code], params={"lr": 0.1})
        handle = self.run(launcher, job)
        assert output(handle) == f"{job.run_id} 0.1 1\n"
        (metric,) = self.metrics(job)
        assert (metric["name"], metric["value"], metric["step"]) == ("loss", 0.5, 3)

    def metrics(self, job: Job) -> list[dict[str, Any]]:
        return [json.loads(line) for path in metric_files.of_run(job.paths) for line in Path(path).read_text().splitlines()]

    def test_metrics_are_found_in_the_output(self, launcher: Launcher, root: str) -> None:
        text = "echo 'epoch 1 loss=0.5 acc=7'; echo nothing; printf 'epoch 2 loss=2.5e-1 acc=x'"
        patterns = {"loss": r"loss=([0-9.e+-]+)", "acc": r"acc=(\w+)"}
        job = self.job(root, shell(text), stdout_metrics=patterns)
        self.run(launcher, job)
        assert [(m["name"], m["value"]) for m in self.metrics(job)] == [("loss", 0.5), ("acc", 7), ("loss", 0.25), ("acc", "x")]

    def test_a_pattern_that_never_comes_to_an_end_switches_off_neither_the_time_limit_nor_the_other_patterns(
        self, launcher: Launcher, root: str
    ) -> None:  # fmt: skip
        text = f"while :; do echo {'a' * 64}; echo loss=0.5; sleep 0.1; done"
        patterns = {"slow": "(a+)+b", "loss": r"loss=([0-9.]+)"}
        job = self.job(root, shell(text), stdout_metrics=patterns, limit_s=3.0, grace_s=1.0)
        handle = self.run(launcher, job)
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 124)
        assert {m["name"] for m in self.metrics(job)} == {"loss"}
        assert "stdout_metrics.slow was given up" in " ".join(last(handle)["notes"])

    def test_a_run_is_canceled_also_while_its_output_is_searched(self, launcher: Launcher, root: str) -> None:
        text = f"for i in $(seq 2000); do echo {'a' * 64}; done; echo up; sleep 600"
        job = self.job(root, shell(text), stdout_metrics={f"slow{number}": "(a+)+b" for number in range(8)})
        handle = self.cancel_when_up(launcher, job)
        assert last(handle)["state"] == "Canceled"

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_any_folder_name_will_do(self, launcher: Launcher, root: str, name: str) -> None:
        job = self.job(os.path.join(root, name), shell('pwd; printf %s "$TRAINCONF_RUN_DIR" > outputs/dir'), run_id=name)
        handle = self.run(launcher, job)
        assert last(handle)["state"] == "Completed"
        assert Path(job.paths.outputs, "dir").read_bytes() == os.fsencode(job.paths.run_dir)
        assert not os.path.exists("pwned")

    # -- attempts and limits --------------------------------------------------------------------------------------------

    def test_a_failed_run_is_tried_again_in_the_same_directory(self, launcher: Launcher, root: str) -> None:
        text = 'echo "attempt $TRAINCONF_ATTEMPT"; test "$TRAINCONF_ATTEMPT" = 3'
        job = self.job(root, shell(text), retries=5, retry_backoff_seconds=0.01)
        handle = self.run(launcher, job)
        assert output(handle) == "attempt 1\nattempt 2\nattempt 3\n"
        assert (last(handle)["state"], last(handle)["attempt"]) == ("Completed", 3)
        waits = [event["seconds"] for event in events.read(job.paths) if event.get("waiting_for") == "retry"]
        assert waits == [0.01, 0.02]

    def test_when_all_attempts_fail_the_last_exit_code_counts(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("exit $TRAINCONF_ATTEMPT"), retries=1, retry_backoff_seconds=0.0))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["attempt"]) == ("Failed", 2, 2)

    def test_the_time_limit_ends_a_run_with_124_and_is_not_tried_again(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("sleep 600"), limit_s=0.3, retries=3))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["attempt"]) == ("Failed", 124, 1)
        assert "time limit of 0.3 s" in last(handle)["reason"]

    def test_a_script_may_clean_up_within_the_grace(self, launcher: Launcher, root: str) -> None:
        code = "import signal, time, sys\ndef bye(*_):\n  print('saved'); sys.exit(5)\nsignal.signal(15, bye)\nprint('up')\ntime.sleep(600)"
        handle = self.cancel_when_up(launcher, self.job(root, self.python(code), grace_s=20))
        assert output(handle) == "up\nsaved\n"
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Canceled", 5)

    # -- cancelling -----------------------------------------------------------------------------------------------------

    def cancel_when_up(self, launcher: Launcher, job: Job, *, force: bool = False) -> RunHandle:
        handle = submit(launcher, job)
        wait_until(lambda: os.path.exists(job.paths.log(0)) and "up" in output(handle), "the job to say that it is up")
        wait_until(lambda: "Running" in states(handle), "the agent to say so, too")
        launcher.cancel(handle, force=force)
        assert launcher.wait(handle).status == "Canceled"
        return handle

    def test_cancel_ends_a_running_job(self, launcher: Launcher, root: str) -> None:
        handle = self.cancel_when_up(launcher, self.job(root, shell("echo up; sleep 600"), retries=3))
        assert last(handle)["exit_code"] == 143
        assert states(handle)[-3:] == ["CancelRequested", "Finalizing", "Canceled"]

    def test_cancel_ends_a_job_that_ignores_sigterm(self, launcher: Launcher, root: str) -> None:
        handle = self.cancel_when_up(launcher, self.job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=0.3))
        assert last(handle)["exit_code"] == 137

    def test_a_forced_cancel_does_not_wait_for_the_grace(self, launcher: Launcher, root: str) -> None:
        handle = self.cancel_when_up(launcher, self.job(root, shell("trap '' TERM; echo up; sleep 600"), grace_s=10_000), force=True)
        assert last(handle)["exit_code"] == 137

    def test_a_second_forced_cancel_cuts_a_long_grace_short(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=10_000)
        handle = submit(launcher, job)
        wait_until(lambda: os.path.exists(job.paths.log(0)) and "up" in output(handle), "the job")
        launcher.cancel(handle)
        launcher.cancel(handle, force=True)
        assert launcher.wait(handle).status == "Canceled"

    def test_cancel_ends_processes_that_daemonised(self, launcher: Launcher, root: str) -> None:
        text = "setsid -f sh -c 'trap \"\" TERM HUP; sleep 600; sleep 600' >/dev/null 2>&1; (sleep 600 &) ; echo up; sleep 600"
        self.cancel_when_up(launcher, self.job(root, shell(text), grace_s=0.3))

    def test_cancel_ends_a_daemon_that_cleared_its_environment(self, launcher: Launcher, root: str) -> None:
        sleep = unique_sleep()
        daemon = f"env -i setsid -f /bin/sh -c 'echo > outputs/there; exec {sleep}' >/dev/null 2>&1"
        text = f"{daemon}; while ! test -s outputs/there; do sleep 0.01; done; echo up; sleep 600"
        job = self.job(root, shell(text), grace_s=0.3)
        self.cancel_when_up(launcher, job)
        assert not is_running(sleep)

    def test_nothing_of_a_job_outlives_its_script(self, launcher: Launcher, root: str) -> None:
        daemon, child = unique_sleep(), unique_sleep()
        handle = self.run(launcher, self.job(root, shell(f"setsid -f {daemon}; {child} & sleep 0.1; exit 4"), grace_s=0.5))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 4)
        assert not is_running(daemon)
        assert not is_running(child)

    def test_cancel_works_between_two_attempts(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("exit 9"), retries=1, retry_backoff_seconds=10_000)
        handle = submit(launcher, job)
        wait_until(lambda: last(handle).get("waiting_for") == "retry", "the backoff")
        launcher.cancel(handle)
        assert launcher.wait(handle).status == "Canceled"
        assert last(handle)["exit_code"] == 9

    def test_cancel_works_while_waiting_for_a_slot(self, launcher: Launcher, root: str) -> None:
        one = {"slots": 1}
        first = submit(launcher, self.job(root, shell("sleep 600"), run_id="first", compute=one))
        wait_until(lambda: last(first)["state"] == "Running", "the first to run")
        second = submit(launcher, self.job(root, shell("echo ran"), run_id="second", compute=one))
        wait_until(lambda: last(second).get("waiting_for") == "slot", "the second to wait")
        launcher.cancel(second)
        assert launcher.wait(second).status == "Canceled"
        assert not os.path.exists(second.paths.log(0))
        launcher.cancel(first)
        assert launcher.wait(first).status == "Canceled"

    def test_cancelling_twice_or_after_the_end_changes_nothing(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("exit 3")))
        before = events.read(handle.paths)
        launcher.cancel(handle)
        launcher.cancel(handle, force=True)
        assert events.read(handle.paths) == before

    # -- detached from who submitted it ---------------------------------------------------------------------------------

    def test_a_run_can_be_waited_for_and_cancelled_from_another_process(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo up; sleep 600"))
        handle = submit(launcher, job)
        wait_until(lambda: os.path.exists(job.paths.log(0)) and "up" in output(handle), "the job")
        stranger = RunHandle(RunPaths(job.paths.run_dir))
        wait_until(lambda: launcher.state(stranger).status == "Running", "the event, which may come after the job's first words")
        pid = os.fork()
        if pid == 0:
            launcher.cancel(stranger)
            os._exit(0)
        os.waitpid(pid, 0)
        assert launcher.wait(stranger).status == "Canceled"

    def test_a_run_survives_the_kill_of_its_submitter(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("while ! test -e ../go; do sleep 0.02; done; echo done; exit 6"))
        pid = os.fork()
        if pid == 0:
            submit(launcher, job)
            signal.pause()
        wait_until(lambda: os.path.exists(job.paths.log(0)), "the job")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        Path(job.paths.run_dir, "go").touch()
        handle = RunHandle(job.paths)
        assert launcher.wait(handle).status == "Failed"
        assert (last(handle)["exit_code"], output(handle)) == (6, "done\n")

    def test_a_pipe_of_the_submitters_shell_is_not_held_open(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo up; sleep 600"))
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        handle = submit(launcher, job)
        os.close(writer)
        wait_until(lambda: os.path.exists(job.paths.log(0)) and "up" in output(handle), "the job")
        assert select.select([reader], [], [], PATIENCE_S)[0] == [reader]
        assert os.read(reader, 1) == b""
        os.close(reader)
        launcher.cancel(handle)
        launcher.wait(handle)

    # -- what a dry run says --------------------------------------------------------------------------------------------

    def test_the_plan_is_inert_and_is_what_stands_in_the_run(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo $0"))
        plan = launcher.plan(job)
        assert not os.path.exists(job.paths.run_dir)
        self.run(launcher, job)
        with open(job.paths.plan, encoding="utf-8") as stream:
            assert json.load(stream) == plan.to_dict()

    def test_the_printed_command_can_be_pasted_into_a_shell(self, launcher: Launcher, root: str) -> None:
        words = ["printf", "%s\\n", "it's", 'a "b"', "$HOME", "new\nline", "*"]
        rendered = launcher.plan(self.job(root, words)).render()
        pasted = subprocess.run(["sh", "-c", rendered.split("\n\nrun ")[0]], capture_output=True, text=True)
        assert pasted.stdout == "it's\na \"b\"\n$HOME\nnew\nline\n*\n"
