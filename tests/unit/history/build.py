"""Run directories made by hand, as docs/architecture.md describes them: a builder for tests and benchmarks."""

from __future__ import annotations

import json
import os
from typing import Any

from trainconf import files
from trainconf.paths import RunPaths, WorkspacePaths

RESOURCES = {"wall_s": 2.0, "cpu_s": 1.5, "peak_rss_bytes": 50_000_000}


def time_text(number: int) -> str:
    """A time that grows with `number`, in microseconds."""
    minutes, rest = divmod(number, 60_000_000)
    seconds, microseconds = divmod(rest, 1_000_000)
    return f"2026-11-23T{5 + minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{microseconds:06d}Z"


def make_run(
    workspace: WorkspacePaths,
    run_id: str = "digits-20261123-0532-aaaa",
    experiment_name: str = "digits",
    *,
    states: tuple[str, ...] = ("NotStarted", "Queued", "Running", "Finalizing", "Completed"),
    at: int = 0,
    exit_code: int = 0,
    agent: dict[str, Any] | None = None,
    ranks: list[dict[str, Any]] | None = None,
    metrics: dict[str, float] | None = None,
    log: bytes = b"",
    **recorded: Any,
) -> RunPaths:
    """A run that went through `states`, one second apart, beginning at `at` microseconds."""
    paths = workspace.run(experiment_name, run_id)
    for folder in (paths.code, paths.outputs, paths.logs):
        os.makedirs(folder)
    record = {
        "run_id": run_id, "experiment_name": experiment_name, "display_name": None, "tags": {"who": "me"}, "created": time_text(at),
        "spec_hash": "ab" * 32, "hashes": {}, "env": "minimal", "compute": "local", "distributed": "none",
        "params": {"lr": 0.1, "optim": {"name": "sgd"}}, "metric": {"name": "val_accuracy", "goal": "maximize"}, "parent": None,
        "overrides": [], "retries": 0, "lock": paths.lock, "trainconf": "0.1.0", **recorded,
    }  # fmt: skip
    write_json(paths.record, record)
    write_json(paths.spec, {"schema_version": 1, "code": {"snapshot": "cd" * 32, "script": "train.py"}})
    rank = {"rank": 0, "argv": ["python", "train.py", "--lr", "0.1"], "env": {}}
    write_json(paths.plan, {"version": 1, "target": "local", "ranks": [rank]})
    with open(paths.log(0), "wb") as stream:
        stream.write(log)
    for number, (name, value) in enumerate((metrics or {}).items()):
        files.append_line(paths.metrics, {"time": time_text(at), "name": name, "value": value, "step": number})
    for number, state in enumerate(states):
        event = {"time": time_text(at + number * 1_000_000), "state": state, "attempt": 1}
        if state == "Queued" and agent:
            event["agent"] = agent
        if state == "Running":
            event["ranks"] = ranks or []
        if state in ("Completed", "Failed", "Canceled"):
            event |= {"exit_code": exit_code, "reason": "", "rank": 0, "resources": RESOURCES}
        files.append_line(paths.events, event)
    return paths


def write_json(path: str, value: Any) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(value, stream)
