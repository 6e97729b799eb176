"""What every launcher must give a job: files, variables, parameters, metrics; and what its plan says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf.history import metrics
from trainconf.launchers.plan_text import render
from trainconf.launchers.protocol import Job, Launcher
from trainconf.process import processes
from trainconf.testing.contract import Contract
from trainconf.testing.runs import HOSTILE_NAMES, last, output, shell


class JobsContract(Contract):
    """Part of `LauncherContract`."""

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
        assert "s3cret-value" not in render(launcher.plan(job))
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

    def metrics(self, job: Job) -> list[dict[str, Any]]:
        return [json.loads(line) for path in metrics.files_of(job.paths) for line in Path(path).read_text().splitlines()]

    def test_the_plan_is_inert_and_is_what_stands_in_the_run(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo $0"))
        plan = launcher.plan(job)
        assert not os.path.exists(job.paths.run_dir)
        self.run(launcher, job)
        with open(job.paths.plan, encoding="utf-8") as stream:
            assert json.load(stream) == plan.to_dict()

    def test_the_printed_command_can_be_pasted_into_a_shell(self, launcher: Launcher, root: str) -> None:
        words = ["printf", "%s\\n", "it's", 'a "b"', "$HOME", "new\nline", "*"]
        rendered = render(launcher.plan(self.job(root, words)))
        pasted = processes.run(["sh", "-c", rendered.split("\n\nrun ")[0]])
        assert pasted.stdout.decode() == "it's\na \"b\"\n$HOME\nnew\nline\n*\n"
