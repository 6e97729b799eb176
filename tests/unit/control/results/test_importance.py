"""Keys that go together with the metric are strong, others are weak, and of few trials nothing is said."""

from __future__ import annotations

import random

import pytest

from trainconf.control.results.importance import FEWEST_TRIALS, associations


def test_what_goes_together_with_the_metric_is_strong_and_what_does_not_is_weak() -> None:
    rng = random.Random(3)
    points = [{"lr": rng.random(), "opt": rng.choice("ab"), "noise": rng.random(), "many": str(number), "one": 1} for number in range(200)]
    values = [float(point["lr"]) ** 3 * -1000 + (1e-3 if point["opt"] == "a" else 0) for point in points]  # type: ignore[arg-type]
    found = {each.key: each for each in associations(points, values)}
    assert (round(found["lr"].strength, 3), found["lr"].direction) == (1.0, -1)
    assert found["noise"].strength < 0.2
    assert found["opt"].strength < 0.2
    assert found["many"].strength == 0.0  # each value is there once: chance, not strength
    assert "one" not in found
    strong = {each.key: each.strength for each in associations(points, [float(point["opt"] == "a") for point in points])}
    assert strong["opt"] == pytest.approx(1.0)


def test_of_few_trials_and_of_those_without_a_value_nothing_is_said() -> None:
    points = [{"a": number} for number in range(FEWEST_TRIALS)]
    assert associations(points[:-1], [1.0 * number for number in range(FEWEST_TRIALS - 1)]) == []
    assert associations(points, [None] * FEWEST_TRIALS) == []
    assert len(associations(points, [1.0 * number for number in range(FEWEST_TRIALS)])) == 1


def test_unrelated_keys_seldom_reach_what_the_smallest_sweep_is_said_to_bound() -> None:
    rng = random.Random(7)
    strengths = []
    for _ in range(400):
        points = [{"a": rng.random()} for _ in range(FEWEST_TRIALS)]
        strengths += [each.strength for each in associations(points, [rng.random() for _ in points])]
    assert sum(strength < 0.45 for strength in strengths) / len(strengths) > 0.93
