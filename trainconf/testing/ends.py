"""What every launcher must do: how a run ends, its attempts and its time limit."""

from __future__ import annotations

import os
from pathlib import Path

from trainconf.history import events
from trainconf.launchers.protocol import Launcher
from trainconf.testing.contract import Contract
from trainconf.testing.runs import last, launch, make_run_dir, output, shell, states


class EndsContract(Contract):
    """Part of `LauncherContract`."""

    def test_a_script_that_ends_well_is_completed_and_its_states_come_in_order(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("exit 0")))
        assert tuple(states(handle)) == self.states_of_a_good_end
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
        handle = self.run(launcher, self.job(root, ["no-such-program"], retries=3 if self.finds_programs else 0))
        assert (last(handle)["state"], last(handle)["exit_code"], last(handle)["attempt"]) == ("Failed", 127, 1)
        assert "no-such-program" in (last(handle)["reason"] if self.finds_programs else output(handle))

    def test_a_program_that_is_not_executable_fails_with_126(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, ["./plain.txt"])
        plan = launcher.plan(job)
        make_run_dir(job)
        Path(job.paths.code, "plain.txt").write_text("no program")
        handle = launch(launcher, job, plan)
        assert launcher.wait(handle).status == "Failed"
        assert last(handle)["exit_code"] == 126

    def test_what_it_consumed_is_in_the_last_event(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, self.python("x = bytearray(80_000_000); sum(range(2_000_000))")))
        used = last(handle)["resources"]
        assert used["peak_rss_bytes"] > 80_000_000
        assert used["cpu_s"] > 0
        assert used["wall_s"] > 0

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
