"""What a curve keeps when it is drawn in fewer points than it has."""

from __future__ import annotations

from array import array
from math import inf, nan

import pytest

from trainconf.control.curves.buckets import drawn, smoothed


def doubles(*values: float) -> array[float]:
    return array("d", values)


def test_every_spike_is_in_some_bucket_however_few_there_are() -> None:
    values = array("d", [0.0] * 10_000)
    values[1234], values[8765] = 5.0, -7.0
    made = drawn(range(10_000), values, None, 50, None, None)
    assert len(made.x) == 50
    assert (max(made.highest), min(made.lowest), made.count) == (5.0, -7.0, 10_000)
    assert made.last[-1] == values[-1]


def test_few_points_are_shown_as_they_are_with_the_ends_included() -> None:
    made = drawn([0, 10, 20, 30], doubles(1, 2, 3, 4), None, 100, 10, 30)
    assert (made.x, made.last, made.lowest, made.highest) == ([10, 20, 30], [2, 3, 4], [2, 3, 4], [2, 3, 4])


def test_what_is_not_finite_is_a_mark_and_hides_nothing_beside_it() -> None:
    made = drawn(range(6), doubles(1, nan, 3, inf, nan, 2), None, 2, None, None)
    assert (made.highest, made.lowest, made.last) == ([3, 2], [1, 2], [3, 2])
    assert [x for x, _ in made.marks] == [1, 4]
    assert drawn(range(3), doubles(nan, nan, nan), None, 10, None, None).x == []


def test_a_clock_that_goes_back_loses_no_point() -> None:
    made = drawn([5.0, 1.0, 2.0, 9.0], doubles(1, 2, 3, 4), None, 2, None, None)
    assert (min(made.lowest), max(made.highest), made.count) == (1, 4, 4)


def test_smoothing_is_the_average_that_tensorboard_documents() -> None:
    weight, last, count, expected = 0.6, 0.0, 0, []
    values = doubles(3, 1, 4, 1, 5, 9, 2, 6)
    for value in values:
        last, count = last * weight + (1 - weight) * value, count + 1
        expected.append(last / (1 - weight**count))
    assert list(smoothed(values, weight)) == pytest.approx(expected)
    assert list(smoothed(values[:5], weight)) == list(smoothed(values, weight))[:5]  # the past does not move


def test_smoothing_passes_over_what_is_not_finite() -> None:
    made = smoothed(doubles(1, nan, 1, inf, 1), 0.9)
    assert [made[0], made[2], made[4]] == pytest.approx([1, 1, 1])
    assert made[1] != made[1]
    assert made[3] == inf
