from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf import files
from trainconf.paths import RunPaths, WorkspacePaths

from ..history.build import make_run, time_text

HOSTILE = b"a b'\"\n%d$(touch x)\xff\xc3\xa5"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """An empty workspace at a hostile path, and the current folder."""
    root = os.path.join(str(tmp_path), os.fsdecode(HOSTILE))
    os.makedirs(os.path.join(root, "conf", "experiment"))
    monkeypatch.chdir(root)
    return WorkspacePaths(root)


def log(paths: RunPaths, name: str, *values: float | str, begin: int = 0) -> None:
    """Log values of a metric, with steps from `begin`."""
    for step, value in enumerate(values, begin):
        files.append_line(paths.metrics, {"time": time_text(step), "name": name, "value": value, "step": step})


@pytest.fixture
def going_on(workspace: WorkspacePaths) -> RunPaths:
    """A run that its lock says is running, as long as the test has it."""
    paths = make_run(workspace, states=("NotStarted", "Queued", "Running"))
    log(paths, "loss", 1.0, 0.5, 0.25)
    return paths
