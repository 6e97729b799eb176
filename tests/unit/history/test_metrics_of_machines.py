"""The metrics of a run whose disk several machines write to: one file for each, read as one."""

from __future__ import annotations

import os

from trainconf import files
from trainconf.history import metrics
from trainconf.paths import WorkspacePaths

from .build import make_run


def test_what_each_machine_has_written_counts(workspace: WorkspacePaths) -> None:
    run = make_run(workspace)
    os.mkdir(run.metrics_folder)
    for number, (host, name) in enumerate([("b", "loss"), ("a", "loss"), ("c", "other")]):
        path = os.path.join(run.metrics_folder, f"{host}.jsonl")
        files.append_line(path, {"time": f"2026-11-23T05:32:0{number}.000000Z", "name": name, "value": number, "step": None})
        os.utime(path, (number, number))
    os.symlink("/etc/passwd", os.path.join(run.metrics_folder, "d.jsonl"))
    os.mkfifo(os.path.join(run.metrics_folder, "e.jsonl"))
    assert metrics.summarise(run).values == {"loss": 1, "other": 2}
    assert len(metrics.files_of(run)) == 5
