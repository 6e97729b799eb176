"""What a plan for this machine takes from the job, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.agent.leases import shared_folder
from trainconf.errors import ConfigError
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.plan_text import render
from trainconf.launchers.protocol import Launcher
from trainconf.testing.runs import make_job, shell


def test_the_defaults_of_a_plan_are_those_of_the_machine(tmp_path: Path) -> None:
    job = make_job(str(tmp_path), shell("true"), compute={"slots": None, "lease_dir": None, "gpu_devices": None})
    plan = LocalLauncher().plan(job)
    assert plan.slots == {"dir": shared_folder.default_dir(), "count": len(os.sched_getaffinity(0)), "take": 1}
    assert plan.gpus == {"devices": [], "take": 0}


def test_named_devices_go_before_what_the_machine_says(tmp_path: Path) -> None:
    job = make_job(str(tmp_path), shell("true"), gpus=1, compute={"gpu_devices": [3, "GPU-x"]})
    assert LocalLauncher(environ={**os.environ, "CUDA_VISIBLE_DEVICES": ""}).plan(job).gpus == {"devices": ["3", "GPU-x"], "take": 1}


def test_an_empty_cuda_visible_devices_means_that_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)compute.gpus=1.*CUDA_VISIBLE_DEVICES="):
        LocalLauncher(environ={**os.environ, "CUDA_VISIBLE_DEVICES": ""}).plan(make_job(str(tmp_path), shell("true"), gpus=1))


def test_a_device_named_twice_is_one_device(tmp_path: Path) -> None:
    job = make_job(str(tmp_path), shell("true"), gpus=2, compute={"gpu_devices": ["0", "0"]})
    with pytest.raises(ConfigError, match=r"compute\.gpus=2, but 1 GPU can"):
        LocalLauncher().plan(job)


def test_an_argument_that_no_process_can_be_given_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NUL"):
        LocalLauncher().plan(make_job(str(tmp_path), ["echo", "a\0b"]))


def test_a_pattern_that_is_no_regular_expression_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stdout_metrics\.loss is not a regular expression"):
        LocalLauncher().plan(make_job(str(tmp_path), shell("true"), stdout_metrics={"loss": "(", "fine": "x"}))


def test_a_jobs_own_pythonpath_stays_behind_ours(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": "/outer"}
    launcher: Launcher = LocalLauncher(environ=environ)
    assert launcher.plan(make_job(str(tmp_path), shell("true"))).env["PYTHONPATH"].endswith(":/outer")
    plan = launcher.plan(make_job(str(tmp_path), shell("true"), env={"PYTHONPATH": "/inner"}))
    assert plan.env["PYTHONPATH"].split(":")[1:] == ["/inner"]


def test_the_rendered_plan_tells_everything_but_secrets(tmp_path: Path) -> None:
    job = make_job(
        str(tmp_path), shell("true"), limit_s=90.0, cpus=2, gpus=1, compute={"gpu_devices": ["GPU-x"]}, retries=2,
        secrets={"TOKEN": "hidden"}, env={"A": "x y"}, stdout_metrics={"loss": "loss=(.*)"},
    )  # fmt: skip
    text = render(LocalLauncher().plan(job))
    parts = ["sh -c true", "90 s", "2 of 4", "1 of GPU-x", "TOKEN=<secret>", "A='x y'", "loss: loss=(.*)", job.paths.code]
    for part in parts:
        assert part in text
    assert "hidden" not in text
