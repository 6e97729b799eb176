"""The four stopping rules against plain formulas, on curves and on whatever a property test thinks of."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.search import oracle
from trainconf.search.policies import Asha, Bandit, Judge, Median, Policy, Truncation

RULES: list[tuple[Policy, oracle.Rule]] = [
    (Bandit(slack_factor=0.1), partial(oracle.bandit, factor=0.1)),
    (Bandit(slack_factor=0.1, delay_evaluation=0), partial(oracle.bandit, factor=0.1, delay=0)),
    (Bandit(slack_amount=0.05), partial(oracle.bandit, amount=0.05)),
    (Bandit(slack_amount=0.0, evaluation_interval=4), partial(oracle.bandit, amount=0.0, interval=4)),
    (Median(), oracle.median),
    (Median(delay_evaluation=0, min_trials=1), partial(oracle.median, delay=0, min_trials=1)),
    (Truncation(), oracle.truncation),
    (Truncation(truncation_percentage=50, evaluation_interval=5), partial(oracle.truncation, percentage=50, interval=5)),
    (Asha(), oracle.asha),
    (Asha(min_intervals=1, reduction_factor=4, max_intervals=16), partial(oracle.asha, first=1, factor=4, last=16)),
]
# seed 0, 4 in flight: {trial: stopped at log}, as an independent program found them
KNOWN = {7: 5, 8: 14, 12: 5, 14: 5, 16: 15, 17: 16, 20: 6, 21: 23, 26: 23, 28: 5, 29: 17, 33: 17, 36: 23, 40: 24, 43: 5, 54: 21}


def judged(policy: Policy, data: list[oracle.Curve], in_flight: int, goal: str = "maximize") -> dict[int, int]:
    judge = Judge(policy, goal)
    sign = 1 if goal == "maximize" else -1
    return oracle.simulate(data, in_flight, lambda trial, value: any(v.is_stop for v in judge.log(trial, sign * value)))


def expected(rule: oracle.Rule, data: list[oracle.Curve], in_flight: int) -> dict[int, int]:
    histories: dict[int, list[float]] = {}

    def log(trial: int, value: float) -> bool:
        histories.setdefault(trial, []).append(value)
        return rule(histories, trial, len(histories[trial]))

    return oracle.simulate(data, in_flight, log)


@pytest.mark.parametrize("in_flight", [1, 4, 16])
@pytest.mark.parametrize(("policy", "rule"), RULES)
def test_a_policy_stops_what_its_formula_says(policy: Policy, rule: oracle.Rule, in_flight: int) -> None:
    for seed in range(6):
        data = oracle.curves(seed)
        assert judged(policy, data, in_flight) == expected(rule, data, in_flight)


def test_the_median_stops_what_an_independent_program_found() -> None:
    assert judged(Median(), oracle.curves(0), 4) == KNOWN


@pytest.mark.parametrize("policy", [policy for policy, _ in RULES])
def test_minimising_the_mirror_stops_the_same(policy: Policy) -> None:
    data = oracle.curves(1)
    assert judged(policy, data, 4, "minimize") == judged(policy, data, 4)


VALUE = st.one_of(st.sampled_from([0.0, -1.0, 1.0, 2.0, -2.0]), st.floats(-3, 3), st.just(math.nan), st.just(math.inf), st.just(-math.inf))


@pytest.mark.parametrize(("policy", "rule"), RULES)
@given(logs=st.lists(st.tuples(st.integers(0, 5), VALUE), max_size=80))
def test_any_order_of_any_logs_is_judged_as_the_formula_does(policy: Policy, rule: oracle.Rule, logs: list[tuple[int, float]]) -> None:
    judge = Judge(policy, "maximize")
    histories: dict[int, list[float]] = {}
    for trial, value in logs:
        histories.setdefault(trial, []).append(value)
        verdicts = judge.log(trial, value)
        assert any(v.is_stop for v in verdicts) == rule(histories, trial, len(histories[trial]))
    assert judge.verdict_count >= len(judge.stops)


def test_ties_survive() -> None:
    for policy in (Bandit(slack_amount=0.0, delay_evaluation=0), Median(delay_evaluation=0, min_trials=1),
                   Truncation(truncation_percentage=50, delay_evaluation=0), Asha(min_intervals=1)):
        judge = Judge(policy, "maximize")
        for trial in range(10):
            assert not any(verdict.is_stop for verdict in judge.log(trial, 0.5))


def test_a_trial_alone_is_never_stopped() -> None:
    for policy, _ in RULES:
        judge = Judge(policy, "maximize")
        assert not any(verdict.is_stop for value in range(40) for verdict in judge.log(0, float(-value)))


def test_a_trial_that_only_logs_nan_loses_to_any() -> None:
    judge = Judge(Bandit(slack_amount=100.0, delay_evaluation=0), "maximize")
    judge.log(0, -5.0)
    assert [verdict.is_stop for verdict in judge.log(1, math.nan)] == [True]


def test_a_verdict_says_what_was_compared() -> None:
    judge = Judge(Bandit(slack_amount=0.1, delay_evaluation=0), "minimize")
    judge.log(0, 0.2)
    judge.log(1, 0.25)
    (verdict,) = judge.log(2, 0.5)
    assert verdict.is_stop
    assert (verdict.interval, verdict.compared) == (1, 2)
    assert judge.as_logged(verdict.own) == 0.5
    assert judge.as_logged(verdict.bound) == pytest.approx(0.3)
    assert judge.stops == {2: verdict}
    assert judge.verdict_count == 3


def test_a_step_that_was_logged_before_replaces_that_log() -> None:
    again: dict[str, Any] = {}
    for name, logs in {"unbroken": [(0.1, 1), (0.2, 2), (0.9, 3)], "requeued": [(0.1, 1), (0.7, 2), (0.2, 2), (0.9, 3)]}.items():
        judge = Judge(Median(delay_evaluation=0, min_trials=1), "maximize")
        for value, step in logs:
            judge.log(0, value, step)
        again[name] = judge.log(1, 0.0, 1) + judge.log(1, 0.15, 2) + judge.log(1, 0.3, 3)
    assert again["unbroken"] == again["requeued"]


def test_intervals_may_be_steps() -> None:
    judge = Judge(Bandit(slack_amount=0.1, evaluation_interval=100, delay_evaluation=100), "maximize", counts_steps=True)
    assert judge.log(0, 0.5, 50) == []
    assert [verdict.interval for verdict in judge.log(0, 0.9, 310)] == [100, 200, 300]
    assert [(v.interval, v.own, v.is_stop) for v in judge.log(1, 0.3, 99)] == []
    assert [(v.interval, v.own, v.is_stop) for v in judge.log(1, 0.85, 205)] == [(100, 0.3, True), (200, 0.3, True)]
    assert judge.stops[1].bound == pytest.approx(0.4)
