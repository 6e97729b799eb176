"""What a sweep's block on a screen looks like, and that looking at it costs little and bears a trial that goes."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import sys
import termios
from types import SimpleNamespace
from typing import Any

import pytest

from trainconf import files
from trainconf.cli.screen.printer import width
from trainconf.cli.screen.sweep import LiveTable
from trainconf.history import liveness, metrics
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps.batch import Trial

from ...history.build import make_run


def trial_of(paths: RunPaths, number: int, words: list[str]) -> Trial:
    trial = Trial(number, None, words, {})  # type: ignore[arg-type]
    trial.paths = paths
    trial.state = liveness.State("Running")
    return trial


def live(trials: list[Trial]) -> Any:
    """A sweep with these trials, as the table sees it."""
    return SimpleNamespace(live=trials, total=len(trials))


def trials_of(workspace: WorkspacePaths, *words: str) -> list[Trial]:
    return [
        trial_of(make_run(workspace, f"sweep_{number}", states=("NotStarted", "Running"), metrics={"loss": 0.5 + number}), number, [word])
        for number, word in enumerate(words)
    ]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_row_is_wider_than_the_screen_and_each_is_erased(
    workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:  # fmt: skip
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with open(slave, "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        words = ("params.lr=" + "1" * 300, "params.name=日本" + "語" * 100, "params.x=\x1b[31m\n", "params.lr=0.1")
        table = LiveTable(live(trials_of(workspace, *words)), "loss")
        table.update([])
        drawn = os.read(master, 65536).decode()
        lines = drawn.replace("\r\n", "\n").removesuffix("\n").split("\n")
        assert len(lines) == 5
        assert all(width(line) < columns for line in lines)
        assert "\x1b" not in drawn
        assert "params.lr=0.1  3.5" in lines[4]
        table.erase()
        screen.flush()
        assert os.read(master, 65536) == b"\x1b[5A\x1b[J"
    os.close(master)


def test_a_second_look_at_the_metrics_reads_only_what_is_new(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    (trial,) = trials_of(workspace, "a=1")
    table = LiveTable(live([trial]), "loss")
    assert table._value(trial) == "0.5"
    taken: list[bytes] = []
    last_values = metrics._last_values
    monkeypatch.setattr(metrics, "_last_values", lambda lines: taken.append(lines) or last_values(lines))
    assert table._value(trial) == "0.5"
    assert taken == []
    assert trial.paths is not None
    files.append_line(trial.paths.metrics, {"name": "loss", "value": 0.25})
    assert table._value(trial) == "0.25"
    assert [b"0.25" in lines and b"0.5" not in lines for lines in taken] == [True]


def test_a_trial_whose_folder_goes_is_lost_and_the_sweep_is_watched_on(workspace: WorkspacePaths) -> None:
    (trial,) = trials_of(workspace, "a=1")
    assert trial.poll()
    assert trial.paths is not None
    shutil.rmtree(trial.paths.run_dir)
    assert trial.poll()
    assert trial.state is not None
    assert trial.state.status == "NotResponding"
    assert not trial.poll()
    assert LiveTable(live([trial]), "loss")._value(trial) == ""
