"""What a benchmark says of its limits, and with which code it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.rounds import ROOT, Limit, Report, environment


def test_a_figure_within_its_limit_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(Limit("ours", 1.5, "theirs"), Limit("memory", 25))
    report.rows({"theirs": [1.0, 2.0, 1.0], "ours": [1.4, 2.2, 9.0]}, "theirs")
    report.figure("memory", 25.0, "MB")
    assert report.code(check=True) == 0
    assert "1.40x  at most 1.5\n" in capsys.readouterr().out


def test_a_figure_above_its_limit_ends_with_1_where_limits_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(Limit("ours", 1.5, "theirs"))
    report.rows({"theirs": [1.0, 1.0], "ours": [1.6, 1.6]}, "theirs")
    assert (report.code(check=False), report.code(check=True)) == (0, 1)
    assert capsys.readouterr().out.endswith("1.60x  at most 1.5   MISSED\nmissed: ours / theirs, at most 1.5\n")


def test_a_row_is_held_to_several_others() -> None:
    report = Report(Limit("warm", 0.5, "app"), Limit("warm", 5, "python"))
    report.rows({"python": [1.0], "app": [20.0], "warm": [6.0]}, "app")
    assert report.missed == [Limit("warm", 5, "python")]


def test_a_limit_of_what_was_not_measured_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(Limit("a name that nothing has", 3))
    assert report.code(check=True) == 1
    assert "not measured: a name that nothing has" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_can_check_its_limits(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--check" in done.stdout
