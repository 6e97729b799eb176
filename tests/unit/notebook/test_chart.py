from __future__ import annotations

import base64
from array import array
from xml.etree import ElementTree

import pytest

from trainconf.notebook.chart import POINTS, described, source, svg
from trainconf.notebook.view import Chart, Line

NAN, INF = float("nan"), float("inf")


def paths_of(chart: Chart) -> list[str]:
    return [found.get("d", "") for found in ElementTree.fromstring(svg(chart)).iter() if found.tag.endswith("path")][1:]


@pytest.mark.parametrize("values", [
    [1.0], [1.0, 1.0], [NAN], [NAN, NAN], [INF, -INF], [1e308, -1e308], [], [1.0, NAN, 2.0, INF, 3.0], [5e-324, 0.0],
])  # fmt: skip
def test_any_numbers_make_a_picture_within_its_box(values: list[float]) -> None:
    chart = Chart("x", [Line("a", 0, range(len(values)), array("d", values))])
    for path in paths_of(chart):
        for place in path[1:].split("L"):
            x, y = map(float, place.split())
            assert 0 <= x <= 300
            assert 0 <= y <= 130
    assert described(chart).startswith("x: from ")


def test_a_value_that_is_not_finite_breaks_the_line() -> None:
    chart = Chart("x", [Line("a", 0, range(7), [1.0, 2.0, NAN, 3.0, 4.0, INF, 5.0])])
    assert [path.count("L") for path in paths_of(chart)] == [1, 1]
    assert svg(chart).count("<circle") == 1


def test_a_long_series_has_a_point_for_each_pixel_at_most() -> None:
    chart = Chart("x", [Line("a", 0, range(100_000), array("d", range(100_000)))])
    assert paths_of(chart)[0].count("L") < POINTS
    assert len(source(chart)) < 10_000


def test_the_picture_is_in_its_address_and_holds_no_name_of_anybody() -> None:
    chart = Chart("<script>alert(1)</script>", [Line("<b>", 0, [0, 1], [0.0, 1.0])])
    head, _, body = source(chart).partition(",")
    assert head == "data:image/svg+xml;base64"
    assert b"script" not in base64.b64decode(body)


def test_lines_beyond_the_colours_are_dashed() -> None:
    lines = [Line(str(place), place, [0, 1], [0.0, 1.0]) for place in range(9)]
    assert svg(Chart("x", lines)).count("stroke-dasharray") == 1
