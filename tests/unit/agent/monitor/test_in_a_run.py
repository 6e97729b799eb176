"""Whole runs, as a user starts them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Shell

SMI = """#!/bin/sh
case "$*" in
*--query-gpu=index,uuid,util*) echo "0, GPU-aaaa, 10, 100, 50.5"; echo "1, GPU-bbbb, 42, 1024, 61.50";;
*) exit 3;;
esac
"""


def test_a_run_is_sampled_with_the_gpu_that_it_leased(shell: Shell) -> None:
    program = shell.write("bin/nvidia-smi", SMI)
    program.chmod(0o755)
    shell.write("train.py", "import time\ntime.sleep(2.5)\n")
    words = shell.script("compute.gpus=1", "compute.gpu_devices=['1']", "monitor.interval_seconds=0.5")
    done = shell(*words, env={"PATH": f"{program.parent}:{shell.env['PATH']}"})
    assert done.code == 0, done
    (run,) = shell.run_dirs()
    samples = [json.loads(line) for line in (run / "system.jsonl").read_text().splitlines()]
    assert samples[0]["gpus"] == [{"id": "1", "utilization_percent": 42.0, "memory_bytes": 1 << 30, "power_watts": 61.5}]
    assert samples[0]["memory_bytes"] > 1 << 20
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [event["state"] for event in events][-2:] == ["Finalizing", "Completed"]
    assert "sampled" not in (run / "logs" / "agent.log").read_text()  # nothing went wrong, and no process was taken for one of the run's
    shown = shell("metrics", "last", "--system", "--csv")
    assert "gpu_1/power_watts,system" in shown.out


def test_a_short_run_and_one_that_is_not_to_be_sampled_have_no_samples(shell: Shell) -> None:
    shell.write("train.py", "import sys, time\ntime.sleep(float(sys.argv[1]))\n")
    assert shell(*shell.script("arguments=[0]")).code == 0
    assert shell(*shell.script("arguments=[1.3]", "monitor.interval_seconds=0")).code == 0
    assert not [run for run in shell.run_dirs() if Path(run, "system.jsonl").exists()]
    assert "the agent measured nothing" in shell("metrics", "last", "--system").err
    wrong = shell(*shell.script("arguments=[0]", "monitor.interval_seconds=-1"))
    assert wrong.code == 2
    assert "monitor.interval_seconds" in wrong.err
