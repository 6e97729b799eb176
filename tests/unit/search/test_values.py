"""What trials and points are worth, and which is best."""

from __future__ import annotations

import math

import pytest

from trainconf.search.values import best, value_of_point, value_of_trial, worst


@pytest.mark.parametrize(("logged", "goal", "which", "value"), [
    ([0.1, 0.5, 0.3], "maximize", "best", 0.5), ([0.1, 0.5, 0.3], "minimize", "best", 0.1), ([0.1, 0.5, 0.3], "maximize", "last", 0.3),
    ([math.nan, math.inf, 0.2, -math.inf], "maximize", "best", 0.2), ([0.2, math.nan], "minimize", "last", 0.2),
    ([], "maximize", "best", None), ([math.nan], "maximize", "best", None), ([0.0, -1.0], "maximize", "best", 0.0),
])
def test_a_trial_is_worth_a_finite_value_it_logged(logged: list[float], goal: str, which: str, value: float | None) -> None:
    assert value_of_trial(logged, goal, which) == value


def test_a_point_is_worth_the_mean_of_its_repeats() -> None:
    assert value_of_point([1.0, None, 3.0]) == 2.0
    assert value_of_point([None]) is None


def test_the_best_of_equal_values_is_the_first() -> None:
    assert best([None, 0.0, 2.0, 2.0], "maximize") == 2
    assert best([None, 0.0, 2.0, 0.0], "minimize") == 1
    assert best([None, None], "minimize") is None


def test_the_worst_is_known() -> None:
    assert worst([1.0, 3.0], "maximize") == 1.0
    assert worst([1.0, 3.0], "minimize") == 3.0
    assert worst([], "minimize") is None
