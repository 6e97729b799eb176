"""Points that are many: on the disk, and few of them in memory."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.unit.history.build import make_run
from trainconf.control.curves import read as curves
from trainconf.control.curves import store as stores
from trainconf.control.curves.points import VALUES, DamagedError
from trainconf.control.curves.read import Asked, read
from trainconf.control.curves.store import PointStore
from trainconf.control.curves.written import POINT_BYTES, SPILLED_FROM, Written
from trainconf.history import events, metrics
from trainconf.history.series import Log
from trainconf.paths import RunPaths, WorkspacePaths

POINTS = 12_000


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
    """Every point, as text, for not every time is equal to itself; whether the steps are known to grow, and where they go back."""
    with store.of(paths) as written:
        (points,) = written.series().values()
        series = points.whole()
        return repr((series.steps, series.values, series.times)), points.is_in_order, points.pieces(), (points.lowest, points.highest)


def test_what_is_forgotten_comes_back_from_the_disk_as_it_was(
    workspace: WorkspacePaths, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked(PointStore(workspace), run)
    assert "nan" in first[0]
    assert first[1:3] == (False, [(0, POINTS - 100), (POINTS - 100, POINTS)])
    with monkeypatch.context() as nothing_is_read:
        nothing_is_read.setattr(Log, "take", lambda *_: pytest.fail("it was read again"))
        assert asked(PointStore(workspace), run) == first
    write(run, [7, 8])
    again = asked(PointStore(workspace), run)
    assert again == asked(PointStore(WorkspacePaths(os.path.join(workspace.root, "elsewhere"))), run)
    assert again != first


def test_what_was_asked_for_longest_ago_is_forgotten_where_there_is_no_room(
    workspace: WorkspacePaths, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "ROOM_BYTES", 0)
    store, other = PointStore(workspace), make_run(workspace, "other", metrics={"loss": 1.0})
    first = asked(store, run)
    asked(store, other)
    assert [*store._kept] == [other.run_dir]
    assert asked(store, run) == first


def test_what_no_disk_takes_stays_in_memory(workspace: WorkspacePaths, run: RunPaths) -> None:
    os.makedirs(workspace.state)
    with open(workspace.cache, "w"):
        pass  # no folder can be made there
    store = PointStore(workspace)
    first = asked(store, run)
    assert asked(store, run) == first
    with store.of(run) as written:
        assert written.bytes > POINTS * POINT_BYTES
    os.unlink(workspace.cache)
    write(run, [*range(2 * POINTS)])  # there is more: it is tried again
    assert asked(store, run) == asked(PointStore(WorkspacePaths(os.path.join(workspace.root, "elsewhere"))), run)
    with store.of(run) as written:
        assert written.bytes < SPILLED_FROM * POINT_BYTES


def test_however_many_points_there_are_few_of_them_are_in_memory_at_once(
    workspace: WorkspacePaths, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    took = Written._took

    def counted(self: Written, count: int) -> None:
        held.append(sum(len(points.steps) for points in self._all()))
        took(self, count)

    monkeypatch.setattr(Written, "_took", counted)
    monkeypatch.setattr(metrics, "CHUNK_BYTES", 1 << 16)
    write(run, [*range(4 * POINTS)])
    store = PointStore(workspace)
    with store.of(run) as written:
        (points,) = written.series().values()
        assert len(points) == 5 * POINTS
        assert max(held) < SPILLED_FROM + (1 << 16) // 80
        assert max(map(len, points.blocks(VALUES, 0, len(points)))) <= max(held)


def test_a_curve_that_was_drawn_is_not_drawn_again_until_there_are_more_points(
    workspace: WorkspacePaths, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LONG", POINTS)
    store, name = PointStore(workspace), "a rather long name of a metric"
    question = Asked(buckets=100, smooth=0.5)
    first, _ = read(store, [run], [name], question)
    with monkeypatch.context() as nothing_is_drawn:
        nothing_is_drawn.setattr(curves, "drawn_of", lambda *_: pytest.fail("it was drawn again"))
        assert [curve.to_dict() for curve in read(store, [run], [name], question)[0]] == [curve.to_dict() for curve in first]
    write(run, [150])
    assert [curve.drawn.count for curve in read(store, [run], [name], question)[0]] == [POINTS - 100, 101]


def test_a_file_of_points_that_is_cut_short_while_it_is_used_costs_one_question(workspace: WorkspacePaths, run: RunPaths) -> None:
    store = PointStore(workspace)
    first = asked(store, run)
    (kept,) = [name for name in os.listdir(workspace.cache) if "." in name]
    os.truncate(os.path.join(workspace.cache, kept), 1000)
    with pytest.raises(DamagedError):
        asked(store, run)
    assert asked(store, run) == first


def test_two_who_keep_the_points_of_one_run_do_not_write_to_one_file(workspace: WorkspacePaths, run: RunPaths) -> None:
    one, other = PointStore(workspace), PointStore(workspace)
    first = asked(one, run)
    assert asked(other, run) == first
    for count in range(1, 4):
        write(run, [*range(POINTS)])
        assert asked(one, run) == asked(other, run)
        assert len(asked(one, run)[2]) == 2 + count
    del one, other
    assert asked(PointStore(workspace), run) == asked(PointStore(WorkspacePaths(os.path.join(workspace.root, "elsewhere"))), run)


def test_the_end_of_a_run_s_metrics_is_the_same_place_whether_its_points_are_kept_or_not(run: RunPaths) -> None:
    cursor = metrics.Cursor()
    metrics.read_since(run, cursor)
    found = metrics.at_end(run)
    assert (found.places, found.logged, found.traced) == (cursor.places, cursor.logged, cursor.traced)
    write(run, [7])
    assert [entry["step"] for entry in metrics.read_since(run, found)] == [7]
