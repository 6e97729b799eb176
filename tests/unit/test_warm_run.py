"""A run whose config was composed before loads nothing that takes long: its start-up is what a user waits for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

SLOW = {
    "hydra", "omegaconf", "yaml", "dataclasses", "inspect", "typing", "subprocess", "threading", "argparse", "json", "re", "enum", "signal",
    "hashlib", "_hashlib", "datetime", "tempfile", "pathlib", "trainconf.schema",
}  # fmt: skip
OVERRIDES = ["experiment=adhoc", "script=train.py", "env=current", "+params.lr=0.1"]


def loaded_by(workspace: Path, *words: str) -> set[str]:
    """The modules that a command loads, site's own left out."""
    argv = [sys.executable, "-S", "-X", "importtime", "-m", "trainconf", *words]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(argv, cwd=workspace, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


LOSS = ["metric.name=loss", r"+stdout_metrics.loss='loss (\S+)'"]
SEARCH = ["sweep=random", "sweep.max_total_runs=2", *LOSS]
SWEEPS = {
    "a search": [*SEARCH, "+params.lr=log_interval(0.001, 1)"],
    "a watched search": [*SEARCH, "+params.lr=uniform(0, 1)", "sweep/policy=median"],
    "a grid": [*LOSS, "+params.lr=1,2"],
}
SLOW_FOR_SWEEPS = {
    "hydra", "omegaconf", "yaml", "dataclasses", "inspect", "typing", "subprocess", "re", "enum", "datetime", "json", "trainconf.schema",
}  # fmt: skip


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_warm_sweep_loads_nothing_slow(tmp_path: Path, sweep: str) -> None:
    (tmp_path / ".trainconf").mkdir()
    (tmp_path / "train.py").write_text("print('loss 0.5')\n")
    time.sleep(2.1)  # no cache believes what was written a moment ago
    words = ["-m", *OVERRIDES[:3], f"compute.lease_dir={tmp_path}/leases", *SWEEPS[sweep]]
    assert "omegaconf" in loaded_by(tmp_path, *words)
    assert loaded_by(tmp_path, *words) & SLOW_FOR_SWEEPS == set()


@pytest.mark.parametrize("verb", [[], ["plan"]], ids=["submit", "plan"])
def test_a_warm_command_loads_nothing_slow(tmp_path: Path, verb: list[str]) -> None:
    for name in (".trainconf", "runs"):
        (tmp_path / name).mkdir()
    (tmp_path / "train.py").write_text("print('trained')\n")
    time.sleep(2.1)  # no cache believes what was written a moment ago
    assert "omegaconf" in loaded_by(tmp_path, *OVERRIDES)
    loaded = loaded_by(tmp_path, *verb, *OVERRIDES)
    assert "trainconf.submission.submit" in loaded
    assert loaded & SLOW == set()
