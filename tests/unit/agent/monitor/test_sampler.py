from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from trainconf.agent.monitor.due import Monitor
from trainconf.agent.monitor.sampler import Sampler
from trainconf.agent.outcome import Usage
from trainconf.agent.plan import Plan
from trainconf.history import series, system
from trainconf.paths import RunPaths

PLAN = Plan(cwd="/", ranks=[], env={}, slots=None, grace_seconds=1.0, monitor_interval_seconds=0.1)


def samples(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()] if os.path.exists(path) else []


def wait_for(count: int, path: str) -> list[dict[str, object]]:
    until = time.monotonic() + 300
    while len(samples(path)) < count:
        assert time.monotonic() < until
        time.sleep(0.02)
    return samples(path)


def test_samples_come_until_the_end_and_one_at_it(tmp_path: Path) -> None:
    path = str(tmp_path / "system.jsonl")
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        sampler = Sampler(path, [process.pid], [], 0.1)
        sampler.start()
        found = wait_for(3, path)
    finally:
        process.kill()
        process.wait()
    assert all(isinstance(sample["memory_bytes"], int) and 0 <= float(str(sample["cpu_percent"])) < 300 for sample in found[1:3])
    assert "disk_read_bytes_per_s" in found[2]
    time.sleep(0.1)
    sampler.stop(1000.0)
    last = samples(path)[-1]
    assert float(str(last["cpu_percent"])) > 1000
    assert "memory_bytes" not in last
    count = len(samples(path))
    time.sleep(0.3)
    assert len(samples(path)) == count


def test_a_run_that_is_over_at_once_is_not_sampled(tmp_path: Path) -> None:
    paths = RunPaths(str(tmp_path))
    monitor = Monitor(paths)
    monitor.begin(PLAN, [{"rank": 0, "pid": os.getpid()}], ())
    monitor.tick(time.monotonic())
    monitor.end(Usage())
    monitor.tick(time.monotonic() + 100)
    assert os.listdir(tmp_path) == []
    assert monitor.deadline is None


def test_the_ranks_of_other_machines_are_sampled_by_their_own_workers(tmp_path: Path) -> None:
    monitor = Monitor(RunPaths(str(tmp_path)))
    monitor.begin(PLAN, [{"rank": 0, "pid": 1, "host": "elsewhere"}], ())
    assert monitor.deadline is None
    monitor.begin(PLAN, [{"rank": 0, "container": "abc"}], ())  # of an engine that has a machine of its own
    assert monitor.deadline is None


def test_an_interval_of_zero_switches_it_off(tmp_path: Path) -> None:
    monitor = Monitor(RunPaths(str(tmp_path)))
    monitor.begin(Plan(cwd="/", ranks=[], env={}, slots=None, grace_seconds=1.0), [{"rank": 0, "pid": os.getpid()}], ())
    assert monitor.deadline is None


def test_a_full_disk_harms_nothing_and_is_told_once(tmp_path: Path) -> None:
    sampler = Sampler("/dev/full/none", [os.getpid()], [], 0.1)
    sampler.start()
    time.sleep(0.5)
    sampler.stop(1.0)


def test_samples_are_series_of_the_machine(tmp_path: Path) -> None:
    paths = RunPaths(str(tmp_path))
    line = '{"time":"2026-11-28T10:00:%02d.000000Z","host":"a","cpu_percent":%d,"gpus":[{"id":"0","power_watts":60.5}]}\n'
    Path(paths.system()).write_text(line % (0, 10) + "torn {" + "\n" + line % (10, 20))
    Path(paths.system(2)).write_text(line % (12, 30) + '{"time": 3}\n[]\n')
    found = {name: (list(steps), list(values)) for name, (steps, values, _) in system.columns(paths).items()}
    assert found == {
        "cpu_percent": ([0, 10], [10.0, 20.0]), "gpu_0/power_watts": ([0, 10], [60.5, 60.5]),
        "node_2/cpu_percent": ([12], [30.0]), "node_2/gpu_0/power_watts": ([12], [60.5]),
    }  # fmt: skip
    assert {each.source for each in series.of_run(paths)} == {"system"}
