"""A series of which most points lie in a file: drawn as all of its points in memory would be, whatever they are."""

from __future__ import annotations

import json
import os
import random
from array import array
from collections.abc import Sequence
from itertools import pairwise
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import pytest

from tests.unit.history.build import make_run
from trainconf.control.curves import points as kept
from trainconf.control.curves import written as writing
from trainconf.control.curves.points import MOST_PIECES, STEPS, TIMES, VALUES, PointFile, Points
from trainconf.control.curves.read import RELATIVE, STEP, TIME, Asked, _drawn, read
from trainconf.control.curves.store import PointStore
from trainconf.control.curves.written import Written
from trainconf.history import events
from trainconf.page import sparks
from trainconf.paths import RunPaths, WorkspacePaths

Point = tuple[int, float, float]
NAME = "loss"
ODD = [nan, inf, -inf, 1e308, -1e308, 5e-324]


def made_up(chance: random.Random, count: int) -> list[Point]:
    """Points whose steps stay or go back now and then, as clocks do; some of the values are no numbers."""
    found: list[Point] = []
    step, time = 0, 1_800_000_000.0
    for _ in range(count):
        step = chance.randrange(step + 1) if chance.random() < 3 / count else step + chance.choice((0, 1, 1, 1, 5, 1000))
        time += chance.choice((0, 0.5, 0.5, 2, 100 if chance.random() < 0.1 else -1 if chance.random() < 0.02 else 1))
        found.append((step, chance.choice(ODD) if chance.random() < 0.03 else chance.gauss(0, 1), time))
    return found


def spilled(folder: Path, points: Sequence[Point], chance: random.Random) -> Points:
    """The same points, of which chunks of any length lie in a file."""
    path = str(folder / "points")
    file = PointFile(os.open(path, os.O_RDWR | os.O_CREAT), path)
    found = Points(NAME, "log")
    place = 0
    while place < len(points):
        some = points[place : place + chance.randrange(1, 40)]
        found.extend(*(array(code, column) for code, column in zip("qdd", zip(*some, strict=True), strict=True)))
        if chance.random() < 0.7:
            found.spill(file)
        place += len(some)
    return found


def naive(
    points: Sequence[Point], axis: str, origin: float, buckets: int, start: float | None, end: float | None, weight: float | None
) -> Any:
    """A piece as its definition has it: x, lowest, highest, last and smooth of each bucket, the marks, and how many points there are."""
    xs = [step if axis == STEP else time - (origin if axis == RELATIVE else 0.0) for step, _, time in points]
    smooth, total, left = [], 0.0, 1.0
    for _, value, _ in points:
        if isfinite(value):
            total, left = total * (weight or 0.0) + (1 - (weight or 0.0)) * value, left * (weight or 0.0)
        smooth.append(total / (1 - left) if isfinite(value) else value)
    is_sorted = all(one <= other for one, other in pairwise(xs))
    there = [place for place, x in enumerate(xs) if not is_sorted or ((start is None or x >= start) and (end is None or x <= end))]
    found: dict[int, list[int]] = {}
    for number, place in enumerate(there):
        if len(there) <= buckets:
            bucket = number
        elif not is_sorted or xs[there[0]] == xs[there[-1]]:
            bucket = next(each for each in range(buckets) if number < len(there) * (each + 1) // buckets)
        else:
            low, width = xs[there[0]], (xs[there[-1]] - xs[there[0]]) / buckets
            bucket = next((each for each in range(1, buckets) if xs[place] < low + each * width), buckets) - 1
        found.setdefault(bucket, []).append(place)
    rows, marks = [], []
    for places in found.values():
        finite = [place for place in places if isfinite(points[place][1])]
        odd = [place for place in places if place not in finite]
        if odd:
            marks.append((xs[odd[-1]], points[odd[-1]][1]))
        if finite:
            values = [points[place][1] for place in finite]
            rows.append((xs[finite[-1]], min(values), max(values), values[-1], None if weight is None else smooth[finite[-1]]))
    return [*rows], marks, len(there)


@pytest.mark.parametrize("seed", range(60))
def test_a_curve_in_buckets_is_that_of_all_points_wherever_they_lie(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(kept, "STATE_EVERY", 10)
    points = made_up(chance, chance.choice((1, 2, 50, 400)))
    series = spilled(tmp_path, points, chance)
    origin, bounds = points[0][2] - 3, series.pieces()
    assert bounds == pieces_of(points)
    for _ in range(12):
        axis, weight = chance.choice((STEP, TIME, RELATIVE)), chance.choice((None, 0.0, 0.6, 0.99))
        begin, end = chance.choice(bounds)
        buckets = chance.choice((1, 2, 7, 100, 1000))
        column = TIMES if axis != STEP else STEPS
        shift = origin if axis == RELATIVE else 0.0
        start, stop = (chance.choice((None, chance.choice([*series.blocks(column, begin, end)])[0] - shift)) for _ in range(2))
        made = _drawn(series, begin, end, Asked(axis, start, stop, buckets, weight), origin, buckets)
        rows, marks, count = naive(points[begin:end], axis, origin, buckets, start, stop, weight)
        got = [*zip(made.x, made.lowest, made.highest, made.last, strict=True)]
        assert (got, made.count) == ([row[:4] for row in rows], count)
        assert repr(made.marks) == repr(marks)
        if weight is not None:
            assert made.smooth == pytest.approx([row[4] for row in rows], rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("seed", range(20))
def test_the_course_of_a_run_in_the_table_is_of_its_finite_values(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    points = made_up(chance, chance.choice((1, 5, 40, 300)))
    series, goal = spilled(tmp_path, points, chance), chance.choice(("maximize", "minimize", None))
    finite = [(step, value) for step, value, _ in points if isfinite(value)]
    best = None if goal is None or not finite else (max if goal == "maximize" else min)(finite, key=lambda point: point[1])
    spark = sparks._of(series, goal)
    assert (spark.at, spark.best) == (best or (None, None))
    count = len(finite)
    places = range(count) if count <= sparks.POINTS else [number * (count - 1) // (sparks.POINTS - 1) for number in range(sparks.POINTS)]
    assert list(spark.points) == [finite[place][1] for place in places]


def pieces_of(points: Sequence[Point]) -> list[tuple[int, int]]:
    cuts = [0, *(place for place in range(1, len(points)) if points[place][0] < points[place - 1][0]), len(points)]
    return [*pairwise(cuts)]


def test_a_step_that_goes_back_begins_a_piece_and_one_that_stays_does_not(tmp_path: Path) -> None:
    chance = random.Random(1)

    def pieces(*steps: int) -> list[tuple[int, int]]:
        return spilled(tmp_path, [(step, 0.0, 0.0) for step in steps], chance).pieces()

    assert pieces(0, 1, 2, 2, 1, 2, 3) == [(0, 4), (4, 7)]
    assert Points(NAME, "log").pieces() == [(0, 0)]
    assert len(pieces(*[0, 1] * MOST_PIECES)) == MOST_PIECES
    assert pieces(*[0, 1] * (MOST_PIECES + 1)) == []


@pytest.mark.parametrize("seed", range(8))
def test_points_are_those_of_the_files_as_they_grow_are_cut_and_are_replaced(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SPILLED_FROM", 20)
    monkeypatch.setattr(writing, "CHUNK_POINTS", 1)
    chance, workspace = random.Random(seed), WorkspacePaths(str(tmp_path))
    paths = make_run(workspace, "one")
    store = PointStore(workspace)
    for _ in range(25):
        act = chance.random()
        if act < 0.6:
            log(paths, made_up(chance, chance.randrange(1, 60)), chance)
        elif act < 0.7 and os.path.exists(paths.metrics):
            os.truncate(paths.metrics, chance.randrange(os.path.getsize(paths.metrics) + 1))
        elif act < 0.8:
            (tmp_path / "new").write_bytes(b"")
            os.replace(tmp_path / "new", paths.metrics)
        elif act < 0.9:
            del store
            store = PointStore(workspace)  # the server is started again
        fresh = Written(paths)
        fresh.read_on()
        with store.of(paths) as known:
            assert contents(known) == contents(fresh)
            assert known.bytes <= writing.BARE_BYTES + writing.POINT_BYTES * (20 + 60)


def log(paths: RunPaths, points: Sequence[Point], chance: random.Random) -> None:
    with open(paths.metrics, "ab") as stream:
        for step, value, time in points:
            name, number = chance.choice((NAME, "accuracy")), chance.choice((step, None))
            line = {"time": events.text(time), "name": name, "value": value, "step": number}
            stream.write(json.dumps(line, separators=(",", ":")).encode() + chance.choice((b"\n", b"\n", b"\n", b" torn\n", b"\r\n")))


def contents(written: Written) -> str:
    found = {}
    for name, points in written.series().items():
        facts = (points.pieces(), points.is_in_order, points.next_step, points.lowest, points.highest, points.latest)
        columns = [[each for block in points.blocks(column, 0, len(points)) for each in block] for column in (STEPS, VALUES, TIMES)]
        found[name] = facts, columns
    return repr(sorted(found.items()))


def test_the_bounds_of_a_series_and_its_last_value_are_told_without_a_look_at_its_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainconf.page.answers.run import _metrics
    from trainconf.page.site import Site

    monkeypatch.setattr(writing, "SPILLED_FROM", 20)
    workspace = WorkspacePaths(str(tmp_path))
    paths = make_run(workspace, "one")
    log(paths, [(step, float(step), 1_800_000_000.0 + step) for step in range(500)], random.Random(2))
    names = (NAME, "accuracy")
    site = Site(workspace)
    first = _metrics(site, paths, dict.fromkeys(names, 7.0))
    monkeypatch.setattr(PointFile, "read", lambda *_: pytest.fail("the points were read"))
    assert _metrics(site, paths, dict.fromkeys(names, 7.0)) == first
    assert {each["name"]: each["last"] for each in first} == dict.fromkeys(names, 7.0)
    assert sum(each["count"] for each in first) <= 500
    site.close()


def test_a_curve_of_a_run_is_the_same_whether_its_points_are_on_the_disk_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, elsewhere = WorkspacePaths(str(tmp_path)), WorkspacePaths(str(tmp_path / "elsewhere"))
    paths = make_run(workspace, "one")
    log(paths, made_up(random.Random(5), 500), random.Random(5))
    questions = [Asked(axis, None, None, 30, weight) for axis in (STEP, TIME, RELATIVE) for weight in (None, 0.9)]
    expected = [repr([curve.to_dict() for curve in read(PointStore(elsewhere), [paths], [NAME], asked)[0]]) for asked in questions]
    monkeypatch.setattr(writing, "SPILLED_FROM", 20)
    store = PointStore(workspace)
    assert [repr([curve.to_dict() for curve in read(store, [paths], [NAME], asked)[0]]) for asked in questions] == expected
