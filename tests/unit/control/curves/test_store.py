"""Points that are many: on the disk, and not in memory once they were asked for."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from tests.unit.history.build import make_run
from trainconf.control.curves import store as stores
from trainconf.control.curves.store import PointStore
from trainconf.history import events, metrics
from trainconf.paths import RunPaths, WorkspacePaths

POINTS = 12_000
PATIENCE_S = 60.0


@pytest.fixture
def workspace(tmp_path: os.PathLike[str]) -> WorkspacePaths:
    return WorkspacePaths(os.fspath(tmp_path))


@pytest.fixture
def run(workspace: WorkspacePaths) -> RunPaths:
    """A run that goes back to an earlier step once, whose third time is torn."""
    paths = make_run(workspace, "many")
    write(paths, [*range(POINTS - 100), *range(50, 150)])
    with open(paths.metrics, "rb") as stream:
        lines = stream.readlines()
    lines[2] = lines[2].replace(b'000000Z"', b'0.0000Z"')
    with open(paths.metrics, "wb") as stream:
        stream.writelines(lines)
    assert os.path.getsize(paths.metrics) > 1 << 20
    return paths


def write(paths: RunPaths, steps: list[int]) -> None:
    with open(paths.metrics, "a") as stream:
        for step in steps:
            line = {"time": events.text(1_800_000_000 + step), "name": "a rather long name of a metric", "value": step / 7, "step": step}
            stream.write(json.dumps(line, separators=(",", ":")) + "\n")


def asked(store: PointStore, paths: RunPaths) -> Any:
    """Every point, as text, for not every time is equal to itself; and whether the steps are known to grow."""
    with store.of(paths) as written:
        (series,) = written.series().values()
        return repr((series.steps, series.values, series.times)), series.is_in_order


def until_empty(store: PointStore) -> None:
    until = time.monotonic() + PATIENCE_S
    while store._kept:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_on_the_disk_is_let_go_of_and_comes_back_as_it_was(
    workspace: WorkspacePaths, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "ROOM_BYTES", 0)
    store = PointStore(workspace)
    first = asked(store, run)
    assert "nan" in first[0]
    until_empty(store)
    assert (asked(store, run), first[1]) == (first, False)
    until_empty(store)
    write(run, [7, 8])
    again = asked(store, run)
    assert again == asked(PointStore(WorkspacePaths(os.path.join(workspace.root, "elsewhere"))), run)
    assert again != first


def test_what_no_disk_takes_stays_in_memory(workspace: WorkspacePaths, run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "ROOM_BYTES", 0)
    os.makedirs(workspace.state)
    with open(workspace.cache, "w"):
        pass  # no folder can be made there
    store = PointStore(workspace)
    first = asked(store, run)
    (written, own) = store._kept[run.run_dir]
    store._keep(written, own)
    assert asked(store, run) == first
    assert store._kept[run.run_dir][0] is written


def test_the_end_of_a_run_s_metrics_is_the_same_place_whether_its_points_are_kept_or_not(run: RunPaths) -> None:
    cursor = metrics.Cursor()
    metrics.read_since(run, cursor)
    found = metrics.at_end(run)
    assert (found.places, found.logged, found.traced) == (cursor.places, cursor.logged, cursor.traced)
    write(run, [7])
    assert [entry["step"] for entry in metrics.read_since(run, found)] == [7]
