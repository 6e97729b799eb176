"""What a sweep looks like while it goes on: on terminals of any width, resized meanwhile, and in a pipe."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from types import SimpleNamespace
from typing import Any

import pyte
import pytest

from trainconf import files
from trainconf.cli.screen.live import LiveTable
from trainconf.cli.screen.printer import width
from trainconf.history import liveness
from trainconf.paths import WorkspacePaths
from trainconf.sweeps.trials import Trial

from ...history.build import make_run


def trial_of(
    workspace: WorkspacePaths, number: int, word: str, state: str = "Running", log: bytes = b"", loss: float | None = None, **event: Any
) -> Trial:  # fmt: skip
    spec = SimpleNamespace(compute=SimpleNamespace(target="local"), distributed=SimpleNamespace(node_count=1))
    resolved: Any = SimpleNamespace(experiment_name="test", spec=spec)
    trial = Trial(number, resolved, [word], {})
    metrics = {"loss": 0.5 + number if loss is None else loss}
    trial.paths = make_run(workspace, f"sweep_{number}", states=("NotStarted", "Running"), metrics=metrics, log=log)
    end(trial, state, **event)
    return trial


def end(trial: Trial, state: str, **event: Any) -> None:
    trial.state = liveness.State(state, event.get("reason", ""), {"state": state, "resources": {"wall_s": 2.0}, **event})


def live(workspace: WorkspacePaths, trials: list[Trial], total: int | None = None, progress: Any = None) -> Any:
    """A sweep with these trials, as the table sees it."""
    home = workspace.run("digits", "sweep")
    metric = {"name": "loss", "goal": "minimize"}
    return SimpleNamespace(
        live=trials, total=total or len(trials), progress=progress, metric=metric, paths=home, sweep_id="sweep", max_concurrent_runs=2,
    )  # fmt: skip


class Terminal:
    """A terminal in memory, at the other end of a pseudo-terminal that is standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, columns: int, rows: int) -> None:
        self._master, slave = os.openpty()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.resize(columns)
        self._file = open(slave, "w", encoding="utf-8")  # noqa: SIM115  closed by `close`
        os.set_blocking(self._master, False)
        monkeypatch.setattr(sys, "stderr", self._file)
        monkeypatch.setenv("TERM", "xterm")

    def resize(self, columns: int) -> None:
        self.screen.resize(columns=columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.lines, columns, 0, 0))

    @property
    def lines(self) -> list[str]:
        self._file.flush()
        while True:
            try:
                self._stream.feed(os.read(self._master, 65536))
            except BlockingIOError:
                return "\n".join(line.rstrip() for line in self.screen.display).rstrip().split("\n")

    def close(self) -> None:
        self._file.close()
        os.close(self._master)


WORDS = ("params.lr=" + "1" * 300, "params.name=日本" + "語" * 100, "params.x=\x1b[31m\n", "params.lr=0.1")


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_block_is_whole_at_every_width_and_goes_without_a_trace(
    workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:  # fmt: skip
    terminal = Terminal(monkeypatch, columns, 24)
    trials = [trial_of(workspace, number, word) for number, word in enumerate(WORDS)]
    table = LiveTable(live(workspace, trials, 7))
    table.update(trials)
    shown = terminal.lines
    assert len(shown) == 8
    assert all(width(line) < columns for line in shown)
    assert shown[1].split()[1:] == ["0/7", "0", "s", "elapsed"]
    assert shown[2] == "4 running, 3 waiting"
    assert shown[3].startswith("best loss 0.5, trial 0, running: lr=1111")
    assert shown[7].split() == ["3", "▅", "3.5", "0", "s", "lr=0.1"]
    table.close()
    assert terminal.lines == [""]
    terminal.close()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_block_is_drawn_anew_whatever_the_width_was(
    workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:  # fmt: skip
    terminal = Terminal(monkeypatch, columns, 24)
    monkeypatch.setattr("trainconf.cli.screen.live.REDRAW_S", 0)
    trials = [trial_of(workspace, number, word) for number, word in enumerate(WORDS)]
    table = LiveTable(live(workspace, trials))
    table.update(trials)
    for number, wide in enumerate((200, 40, 61, 120, 13, 60)):
        terminal.resize(wide)
        files.append_line(trials[3].paths.metrics, {"name": "loss", "value": 10.0 + number})  # type: ignore[union-attr]
        table.update([])
        shown = terminal.lines
        assert sum("0/4" in line for line in shown) <= 1, shown
        assert shown[0] == ""
        assert len(shown) <= 9
    end(trials[0], "Failed", reason="exit code 3", exit_code=3, rank=0)
    end(trials[3], "Completed")
    table.update([trials[0], trials[3]])
    table.alert("canceling all runs")
    table.update([])
    shown = terminal.lines
    assert [line for line in shown if "canceling" in line] == ["canceling all runs"]
    assert sum("2/4" in line for line in shown) == 1
    assert shown[-3].startswith("best loss 0.5, trial 0, failed: lr=1111")
    assert "2 running, 1 completed, 1 failed" in shown
    terminal.close()


def test_a_low_screen_shows_what_fits_and_says_what_is_left_out(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, 80, 8)
    trials = [trial_of(workspace, number, f"params.a={number}") for number in range(30)]
    table = LiveTable(live(workspace, trials, 10_000))
    table.update(trials)
    shown = terminal.lines
    assert len(shown) <= 7
    assert shown[-1].endswith("more running")
    assert "only failed trials and new bests have a line, `trainconf show sweep` lists all" in shown
    terminal.close()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_what_stays_is_broken_between_words(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    terminal = Terminal(monkeypatch, columns, 40)
    raised = b"raise ValueError('out of memory: tried to allocate 20.00 GiB on a device with 16 GiB in all')"
    log = b"    %s\n    ^^^^^^~~~~~\nValueError: 20 GiB\n" % raised
    trial = trial_of(workspace, 0, "params.optimizer=adam params.hidden_dim=256", "Failed", log, reason="exit code 1", exit_code=1, rank=0)
    trial.overrides = ["params.learning_rate=0.1", "params.optimizer=adam", "params.hidden_dim=256", "params.depth=12"]
    table = LiveTable(live(workspace, [trial]))
    table.update([trial])
    table.close()
    shown = terminal.lines
    assert " ".join(" ".join(shown).split()) == (
        "0 Failed 0.5 2.0s learning_rate=0.1 optimizer=adam hidden_dim=256 depth=12: exit code 1 "
        "raise ValueError('out of memory: tried to allocate 20.00 GiB on a device with 16 GiB in all') ValueError: 20 GiB "
        "more: trainconf logs sweep_0"
    )
    terminal.close()


def test_of_many_trials_only_those_that_matter_have_a_line(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, 80, 24)
    trials = [trial_of(workspace, number, f"params.a={number}", "Completed") for number in range(20)]
    end(trials[7], "Failed", reason="exit code 1", rank=0, exit_code=1)
    table = LiveTable(live(workspace, trials, 10_000))
    table.update(trials)
    told = [line.split()[0] for line in terminal.lines if "Completed" in line or "Failed" in line]
    assert told == ["0", "7"]  # the best of all was the first
    terminal.close()


def test_a_pipe_has_a_line_for_each_end_and_of_a_failure_its_last_words(
    workspace: WorkspacePaths, capfd: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    failed: dict[str, Any] = {"reason": "exit code 3", "exit_code": 3, "rank": 0}
    log = b"".join(b"line %d\n" % number for number in range(20))
    good = trial_of(workspace, 0, "params.a=0", "Completed")
    bad = trial_of(workspace, 1, "params.a=1", "Failed", log, **failed)
    alike = trial_of(workspace, 2, "params.a=2", "Failed", log, **failed)
    silent = trial_of(workspace, 3, "params.a=3", "Failed", **failed)
    table = LiveTable(live(workspace, [good, bad, alike, silent]))
    table.update([good])
    table.update([bad, alike, silent])
    table.update([good, bad, alike, silent])
    table.close()
    assert capfd.readouterr().err.splitlines() == [
        "sweep_0  Completed  0.5        2.0s    params.a=0",
        "sweep_1  Failed     1.5        2.0s    params.a=1: exit code 3",
        *(f"      line {number}" for number in range(10, 20)),
        "      more: trainconf logs sweep_1",
        "sweep_2  Failed     2.5        2.0s    params.a=2: exit code 3",
        "      (the same last lines as sweep_1)",
        "      more: trainconf logs sweep_2",
        "sweep_3  Failed     3.5        2.0s    params.a=3: exit code 3",
        "      (it has written nothing)",
        "      more: trainconf logs sweep_3",
    ]


def test_a_value_that_is_not_finite_is_shown_and_is_no_best(
    workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    logged = (float("nan"), float("-inf"), 2.0)
    trials = [trial_of(workspace, number, f"params.a={number}", loss=loss) for number, loss in enumerate(logged)]
    terminal = Terminal(monkeypatch, 80, 24)
    table = LiveTable(live(workspace, trials))
    table.update(trials)
    running = [line.split() for line in terminal.lines if line.endswith(("a=0", "a=1", "a=2")) and "best" not in line]
    assert [words[-4] for words in running] == ["nan", "-inf", "2"]
    for trial in trials:
        end(trial, "Completed")
    table.update(trials)
    table.close()
    ends = [line.split()[:3] for line in terminal.lines if "Completed" in line]
    assert ends == [["0", "Completed", "nan"], ["1", "Completed", "-inf"], ["2", "Completed", "2"]]
    terminal.close()


def test_a_trial_that_runs_once_more_is_told_once_more(workspace: WorkspacePaths, capfd: pytest.CaptureFixture[str]) -> None:
    trial = trial_of(workspace, 0, "params.a=0", "Failed", reason="exit code 3")
    table = LiveTable(live(workspace, [trial], 1))
    table.update([trial])
    trial.paths = make_run(workspace, "sweep_0.2", metrics={"loss": 0.25})
    end(trial, "Running")
    table.update([trial])
    end(trial, "Completed")
    table.update([trial])
    assert [line.split()[:2] for line in capfd.readouterr().err.splitlines() if line[0] != " "] == [
        ["sweep_0", "Failed"], ["sweep_0.2", "Completed"],
    ]  # fmt: skip
