"""What a run has logged last, asked for again and again."""

from __future__ import annotations

import os

import pytest

from tests.unit.history.build import make_run
from trainconf import files
from trainconf.history import metrics
from trainconf.page import summaries
from trainconf.paths import RunPaths, WorkspacePaths


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of metrics that are looked at, a number for each time."""
    seen: list[int] = []
    last_values = metrics._last_values

    def counting(text: bytes) -> dict[str, object]:
        seen.append(len(text))
        return last_values(text)

    monkeypatch.setattr(metrics, "_last_values", counting)
    return seen


def log(paths: RunPaths, name: str, value: float) -> None:
    files.append_line(paths.metrics, {"time": "2026-11-23T05:00:00.000000Z", "name": name, "value": value, "step": 1})


def test_only_what_is_new_is_read_and_a_file_that_was_replaced_is_read_anew(workspace: WorkspacePaths, reads: list[int]) -> None:
    paths = make_run(workspace, "one")
    for value in range(100):
        log(paths, "loss", value)
    log(paths, "accuracy", 0.5)
    assert summaries.of(paths).values == {"loss": 99, "accuracy": 0.5}
    whole = sum(reads)
    reads.clear()
    assert summaries.of(paths).values == {"loss": 99, "accuracy": 0.5}
    assert reads == []
    log(paths, "loss", 7)
    assert summaries.of(paths).values == {"loss": 7, "accuracy": 0.5} == metrics.summarise(paths).values
    assert 0 < reads[0] < whole / 50
    os.unlink(paths.metrics)
    log(paths, "other", 1)
    assert summaries.of(paths).values == {"other": 1}
    os.unlink(paths.metrics)
    assert summaries.of(paths).values == {}


def test_no_more_runs_are_remembered_than_a_screen_has(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "MOST", 2)
    runs = [make_run(workspace, f"run-{number}", metrics={"loss": number}) for number in range(4)]
    assert [summaries.of(paths).values["loss"] for paths in runs] == [0, 1, 2, 3]
    assert len(summaries._known) == 2
