"""A launcher of somebody else's that carries out runs, but no sweeps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

ENTRY = "[trainconf.launchers]\nmine = my_launcher:Mine\n"
LAUNCHER = """\
from trainconf.launchers.protocol import Launcher
class Mine(Launcher):
    name = 'mine'
    def plan(self, job):
        raise AssertionError('asked too early')
"""


def test_a_sweep_on_a_launcher_without_a_pool_is_refused_before_anything_is_made(workspace: Any, tmp_path: Path) -> None:
    info = tmp_path / "plugins" / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY)
    (tmp_path / "plugins" / "my_launcher.py").write_text(LAUNCHER)
    path = os.pathsep.join([workspace.env["PYTHONPATH"], str(tmp_path / "plugins")])
    answer = workspace("-m", *workspace.script("compute.target=mine", "+params.lr=1,2"), env={"PYTHONPATH": path})
    assert answer.code == 2, answer
    assert "compute=mine cannot carry out a sweep yet" in answer.told
    assert not workspace.run_dirs()
