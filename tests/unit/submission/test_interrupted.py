"""Ctrl-C at the moments that are too short to hit: either there is no run, or it is cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell
from trainconf.cli.screen import follow
from trainconf.history import liveness
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.paths import RunPaths
from trainconf.submission import submit

Here = Callable[..., Answer]


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_before_the_agent_has_the_run_nothing_is_left(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalLauncher, "submit", interrupted)
    assert here(*workspace.script()).code == 130
    assert not (workspace.root / "runs").exists()


@pytest.mark.parametrize(("place", "name"), [(submit, "record_in_index"), (follow, "show_to_end")])
def test_after_it_the_run_is_cancelled(place: object, name: str, here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.write("train.py", "import time\ntime.sleep(120)\n")
    monkeypatch.setattr(place, name, interrupted)
    assert here(*workspace.script("grace_seconds=1")).code == 130
    (run_dir,) = workspace.run_dirs()
    until = time.monotonic() + 300
    while not (state := liveness.state_of(RunPaths(str(run_dir)))).is_final and time.monotonic() < until:
        time.sleep(0.02)
    assert state.status == "Canceled"
