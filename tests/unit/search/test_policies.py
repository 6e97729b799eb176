"""The four stopping rules against plain formulas, on curves and on whatever a property test thinks of."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.search import oracle
from trainconf.search.policies import Asha, Bandit, Field, Judge, Median, Policy, Truncation, Verdict

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
# seed 0, by policy and trials in flight: {trial: stopped at log}, as an independent program found them
STOPS: dict[tuple[str, int], dict[int, int]] = {
    ("bandit, factor 0.1", 1): {
        1: 5, 2: 5, 5: 5, 7: 5, 8: 5, 10: 5, 12: 5, 13: 5, 14: 5, 15: 5, 16: 5, 17: 5, 18: 5, 19: 5, 20: 5, 21: 5, 22: 5, 23: 5, 24: 5,
        25: 5, 26: 5, 27: 5, 28: 5, 29: 5, 30: 5, 31: 5, 32: 5, 33: 5, 34: 5, 35: 5, 36: 5, 37: 5, 38: 5, 39: 5, 40: 5, 42: 5, 43: 5, 44:
        5, 45: 5, 46: 5, 47: 5, 48: 5, 49: 5, 50: 5, 51: 5, 52: 5, 53: 5, 54: 5, 55: 5, 56: 5, 57: 5, 58: 5
    },
    ("bandit, factor 0.1", 4): {
        0: 5, 5: 5, 7: 5, 8: 5, 10: 5, 12: 5, 13: 5, 14: 5, 15: 5, 16: 5, 17: 5, 18: 5, 19: 5, 20: 5, 21: 5, 22: 5, 23: 5, 24: 5, 25: 5,
        26: 5, 27: 5, 28: 5, 29: 5, 30: 5, 31: 5, 32: 5, 33: 5, 34: 5, 35: 5, 36: 5, 37: 5, 38: 5, 39: 5, 40: 5, 42: 5, 43: 5, 44: 5, 45:
        5, 46: 5, 47: 5, 48: 5, 49: 5, 50: 5, 51: 5, 52: 5, 53: 5, 54: 5, 55: 5, 56: 5, 57: 5, 58: 5
    },
    ("median", 1): {
        7: 5, 8: 14, 12: 5, 14: 5, 16: 15, 17: 16, 20: 6, 21: 23, 26: 23, 28: 5, 29: 17, 33: 17, 36: 23, 40: 24, 43: 5, 54: 21
    },
    ("median", 4): {
        7: 5, 8: 14, 12: 5, 14: 5, 16: 15, 17: 16, 20: 6, 21: 23, 26: 23, 28: 5, 29: 17, 33: 17, 36: 23, 40: 24, 43: 5, 54: 21
    },
    ("truncation 20 %, interval 5", 1): {
        7: 5, 8: 10, 12: 10, 14: 5, 16: 15, 17: 15, 20: 10, 21: 20, 24: 20, 26: 20, 28: 5, 29: 10, 30: 20, 32: 10, 33: 10, 36: 10, 40: 15,
        42: 20, 43: 5, 45: 20, 47: 5, 48: 25, 49: 5, 50: 25, 53: 15, 54: 15, 55: 25, 58: 10
    },
    ("truncation 20 %, interval 5", 4): {
        7: 5, 8: 10, 12: 10, 14: 5, 16: 15, 17: 15, 20: 10, 21: 20, 24: 20, 26: 20, 28: 5, 29: 10, 30: 20, 32: 10, 33: 10, 36: 10, 40: 15,
        42: 20, 43: 5, 45: 20, 47: 5, 48: 25, 49: 5, 50: 25, 53: 15, 54: 15, 55: 25, 58: 10
    },
    ("truncation 50 %, interval 5", 1): {
        1: 5, 2: 10, 5: 15, 7: 5, 8: 5, 12: 5, 13: 5, 14: 5, 15: 5, 16: 10, 17: 10, 18: 5, 19: 15, 20: 5, 21: 10, 22: 5, 23: 10, 24: 10,
        25: 15, 26: 10, 27: 5, 28: 5, 29: 5, 30: 10, 31: 5, 32: 5, 33: 5, 34: 5, 35: 5, 36: 5, 37: 5, 39: 5, 40: 10, 41: 20, 42: 5, 43: 5,
        44: 15, 45: 10, 46: 10, 47: 5, 48: 5, 49: 5, 50: 10, 51: 15, 52: 10, 53: 5, 54: 10, 55: 5, 56: 5, 57: 5, 58: 5
    },
    ("truncation 50 %, interval 5", 4): {
        0: 15, 2: 20, 7: 5, 8: 5, 12: 5, 13: 5, 14: 5, 15: 5, 16: 10, 17: 10, 18: 5, 19: 20, 20: 5, 21: 10, 22: 5, 23: 10, 24: 10, 25: 15,
        26: 10, 27: 5, 28: 5, 29: 5, 30: 10, 31: 5, 32: 5, 33: 5, 34: 5, 35: 5, 36: 5, 37: 5, 39: 5, 40: 10, 42: 5, 43: 5, 45: 10, 46: 10,
        47: 5, 48: 5, 49: 5, 50: 10, 51: 15, 52: 10, 53: 5, 54: 10, 55: 5, 56: 5, 57: 5, 58: 5
    },
    ("asha, from 1", 1): {
        1: 1, 2: 1, 4: 1, 5: 1, 6: 3, 7: 1, 8: 1, 10: 1, 11: 3, 12: 1, 13: 1, 14: 1, 15: 1, 16: 3, 17: 3, 18: 1, 19: 3, 20: 1, 21: 3, 22:
        1, 23: 1, 24: 3, 25: 3, 26: 3, 27: 1, 28: 1, 29: 1, 30: 3, 31: 1, 32: 1, 33: 1, 34: 1, 35: 1, 36: 1, 37: 1, 38: 9, 39: 1, 40: 3,
        41: 9, 42: 1, 43: 1, 44: 1, 45: 3, 46: 1, 47: 1, 48: 1, 49: 1, 50: 1, 51: 3, 52: 1, 53: 1, 54: 3, 55: 1, 56: 1, 57: 1, 58: 1
    },
    ("asha, from 1", 4): {
        0: 1, 2: 1, 4: 1, 5: 1, 6: 3, 7: 1, 8: 1, 10: 1, 11: 3, 12: 1, 13: 1, 14: 1, 15: 1, 16: 3, 17: 3, 18: 1, 19: 3, 20: 1, 21: 3, 22:
        1, 23: 1, 24: 3, 25: 3, 26: 3, 27: 1, 28: 1, 29: 1, 30: 3, 31: 1, 32: 1, 33: 1, 34: 1, 35: 1, 36: 1, 37: 1, 38: 9, 39: 1, 40: 3,
        41: 9, 42: 1, 43: 1, 44: 1, 45: 3, 46: 1, 47: 1, 48: 1, 49: 1, 50: 1, 51: 3, 52: 1, 53: 1, 54: 3, 55: 1, 56: 1, 57: 1, 58: 1
    },
}  # fmt: skip
RULE_OF: dict[str, Policy] = {
    "bandit, factor 0.1": Bandit(slack_factor=0.1), "median": Median(), "truncation 20 %, interval 5": Truncation(evaluation_interval=5),
    "truncation 50 %, interval 5": Truncation(truncation_percentage=50, evaluation_interval=5), "asha, from 1": Asha(min_intervals=1),
}  # fmt: skip


def log(judge: Judge, trial: int, value: float, step: int | None = None) -> list[Verdict]:
    """Judge a trial by each log as it comes."""
    judge.take(trial, value, step)
    return judge.verdicts(trial)


def judged(policy: Policy, data: list[oracle.Curve], in_flight: int, goal: str = "maximize") -> dict[int, int]:
    judge = Judge(policy, goal)
    sign = 1 if goal == "maximize" else -1
    return oracle.simulate(data, in_flight, lambda trial, value: any(v.is_stop for v in log(judge, trial, sign * value)))


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


@pytest.mark.parametrize(("policy", "in_flight"), STOPS)
def test_a_policy_stops_what_an_independent_program_found(policy: str, in_flight: int) -> None:
    assert judged(RULE_OF[policy], oracle.curves(0), in_flight) == STOPS[policy, in_flight]


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
        verdicts = log(judge, trial, value)
        assert any(v.is_stop for v in verdicts) == rule(histories, trial, len(histories[trial]))
    assert judge.verdict_count >= len(judge.stops)


@pytest.mark.parametrize(("policy", "rule"), RULES)
@given(logs=st.lists(st.tuples(st.integers(0, 5), VALUE), max_size=80), order=st.permutations(range(6)))
def test_logs_that_are_all_there_are_judged_alike_in_whatever_order_they_are_read(
    policy: Policy, rule: oracle.Rule, logs: list[tuple[int, float]], order: list[int]
) -> None:
    judge = Judge(policy, "maximize")
    histories: dict[int, list[float]] = {}
    for trial, value in sorted(logs, key=lambda entry: order.index(entry[0])):  # one trial after the other
        judge.take(trial, value)
        histories.setdefault(trial, []).append(value)
    for trial in order:
        stops = [verdict.interval for verdict in judge.verdicts(trial) if verdict.is_stop]
        assert stops == [n for n in range(1, len(histories.get(trial, [])) + 1) if rule(histories, trial, n)]
        assert judge.verdicts(trial) == [], "once at each interval"


def test_a_better_trial_that_comes_as_far_later_takes_no_verdict_back() -> None:
    judge = Judge(Bandit(slack_amount=0.1, delay_evaluation=1), "maximize")
    assert [verdict.is_stop for verdict in log(judge, 0, 0.1)] == [False]
    assert [verdict.is_stop for verdict in log(judge, 1, 0.9)] == [False]
    assert judge.verdicts(0) == []
    assert [verdict.is_stop for verdict in log(judge, 0, 0.2)] == [False], "the other has not come as far"


@pytest.mark.parametrize("policy", [policy for policy, _ in RULES])
@given(logs=st.lists(st.tuples(st.integers(0, 5), VALUE), max_size=80), gone=st.integers(0, 5))
def test_a_trial_that_is_forgotten_was_never_there(policy: Policy, logs: list[tuple[int, float]], gone: int) -> None:
    found = []
    for others in (logs, [(trial, value) for trial, value in logs if trial != gone]):
        judge = Judge(policy, "maximize")
        for trial, value in others:
            judge.take(trial, value)
        judge.verdicts(gone)
        judge.forget(gone)
        for value in (0.5, 0.7, -0.5, 0.1, math.nan, 2.0):
            judge.take(gone, value)
        found.append([judge.verdicts(trial) for trial in range(6)])
    assert found[0] == found[1]


def test_ties_survive() -> None:
    for policy in (Bandit(slack_amount=0.0, delay_evaluation=0), Median(delay_evaluation=0, min_trials=1),
                   Truncation(truncation_percentage=50, delay_evaluation=0), Asha(min_intervals=1)):
        judge = Judge(policy, "maximize")
        for trial in range(10):
            assert not any(verdict.is_stop for verdict in log(judge, trial, 0.5))


def test_a_trial_alone_is_never_stopped() -> None:
    for policy, _ in RULES:
        judge = Judge(policy, "maximize")
        assert not any(verdict.is_stop for value in range(40) for verdict in log(judge, 0, float(-value)))


def test_a_trial_that_only_logs_nan_loses_to_any() -> None:
    judge = Judge(Bandit(slack_amount=100.0, delay_evaluation=0), "maximize")
    log(judge, 0, -5.0)
    assert [verdict.is_stop for verdict in log(judge, 1, math.nan)] == [True]


def test_a_verdict_says_what_was_compared() -> None:
    judge = Judge(Bandit(slack_amount=0.1, delay_evaluation=0), "minimize")
    log(judge, 0, 0.2)
    log(judge, 1, 0.25)
    (verdict,) = log(judge, 2, 0.5)
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
            log(judge, 0, value, step)
        again[name] = log(judge, 1, 0.0, 1) + log(judge, 1, 0.15, 2) + log(judge, 1, 0.3, 3)
    assert again["unbroken"] == again["requeued"]


def test_a_log_with_a_step_is_one_interval_as_one_without() -> None:
    found = []
    for steps in ((None, None, None, None), (50, 100, 7, 200)):
        judge = Judge(Bandit(slack_amount=0.1, delay_evaluation=1), "maximize")
        verdicts = [log(judge, trial, value, step) for trial, values in enumerate(((0.1, 0.9, 0.2, 1.0), (0.1, 0.5, 0.6, 0.7)))
                    for value, step in zip(values, steps, strict=True)]
        found.append([[(one.interval, one.own, one.bound, one.compared) for one in each] for each in verdicts])
    assert found[0] == found[1]
    assert [[interval for interval, *_ in each] for each in found[0]] == [[1], [2], [3], [4]] * 2
    assert found[0][6][0][1:] == (0.6, 0.9 - 0.1, 1)


def test_intervals_may_be_steps() -> None:
    judge = Judge(Bandit(slack_amount=0.1, evaluation_interval=100, delay_evaluation=100), "maximize", counts_steps=True)
    assert log(judge, 0, 0.5, 50) == []
    assert [verdict.interval for verdict in log(judge, 0, 0.9, 310)] == [100, 200, 300]
    assert [(v.interval, v.own, v.is_stop) for v in log(judge, 1, 0.3, 99)] == []
    assert [(v.interval, v.own, v.is_stop) for v in log(judge, 1, 0.85, 205)] == [(100, 0.3, True), (200, 0.3, True)]
    assert judge.stops[1].bound == pytest.approx(0.4)


STEP_POLICIES = [
    Bandit(slack_amount=0.1, delay_evaluation=0), Median(min_trials=1, delay_evaluation=2), Truncation(truncation_percentage=50),
    Truncation(truncation_percentage=40, evaluation_interval=3, delay_evaluation=0), Asha(min_intervals=1, reduction_factor=2),
]  # fmt: skip


@pytest.mark.parametrize("policy", STEP_POLICIES, ids=lambda policy: type(policy).__name__)
@given(logs=st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 12), st.sampled_from([0.0, 0.1, 0.5, 0.9, -1.0, math.nan])), max_size=25))
def test_at_every_step_a_trial_is_compared_with_what_all_had_logged_up_to_it(policy: Policy, logs: list[tuple[int, int, float]]) -> None:
    judge = Judge(policy, "maximize", counts_steps=True)
    known: dict[int, dict[int, float]] = {}
    judged: dict[int, int] = {}
    for trial, step, value in logs:
        known.setdefault(trial, {})[step] = value
        expected = []
        for at in policy.due(judged.get(trial, 0), max(known[trial])):
            field = Field()
            for number, values in known.items():
                finite = [one for when, one in values.items() if when <= at and math.isfinite(one)]
                if max(values) >= at:
                    field.put(number, max(finite, default=-math.inf), sum(finite) / len(finite) if finite else None)
            expected.append((at, field.trials[trial][0], policy.bound(field, trial), len(field.trials) - 1))
            judged[trial] = at
        found = log(judge, trial, value, step)
        assert [(one.interval, one.own, one.compared) for one in found] == [(at, own, compared) for at, own, _, compared in expected]
        assert [one.bound for one in found] == pytest.approx([bound for _, _, bound, _ in expected])


@pytest.mark.parametrize("policy", STEP_POLICIES, ids=lambda policy: type(policy).__name__)
def test_steps_may_be_billions_apart(policy: Policy) -> None:
    judge = Judge(policy, "maximize", counts_steps=True)
    for number in range(1, 6):
        for trial in (3, 2, 1, 0):
            log(judge, trial, trial / 10, number * 10**12)
    assert 0 in judge.stops
    assert judge.judged[3] > 10**12
    assert judge.verdict_count < 1_000


EDGES: dict[str, tuple[dict[int, list[float]], dict[str, list[int]]]] = {
    # histories, and which trials the policies stop when all have logged: by name, where any is
    "all equal": ({trial: [0.5, 0.5] for trial in range(6)}, {}),
    "one trial": ({0: [0.1, 0.2]}, {}),
    "NaN first": ({0: [math.nan, 0.9], 1: [0.9, 0.9], 2: [0.8, 0.9], 3: [0.9, 0.9], 4: [0.7, 0.9], 5: [0.6, 0.9]}, {}),
    "NaN last": ({0: [0.9, math.nan], 1: [0.9, 0.9], 2: [0.8, 0.9], 3: [0.9, 0.9], 4: [0.7, 0.9], 5: [0.6, 0.9]}, {}),
    "NaN only": (
        {0: [math.nan, math.nan], 1: [0.9, 0.9], 2: [0.9, 0.9], 3: [0.9, 0.9], 4: [0.9, 0.9], 5: [0.9, 0.9]},
        {"bandit": [0], "amount": [0], "median": [0], "truncation": [0]},
    ),
    "all NaN": ({trial: [math.nan, math.inf] for trial in range(6)}, {}),
    "negative": (
        {0: [-5.0, -5.0], 1: [-1.0, -1.0], 2: [-1.0, -1.0], 3: [-1.0, -1.0], 4: [-1.0, -1.0], 5: [-1.05, -1.0]},
        {"bandit": [0], "amount": [0], "median": [0], "truncation": [0]},
    ),
    "zero is the best": (
        {0: [-0.3, -0.3], 1: [0.0, 0.0], 2: [0.0, 0.0], 3: [0.0, 0.0], 4: [0.0, 0.0], 5: [0.0, 0.0]},
        {"bandit": [0], "amount": [0], "median": [0], "truncation": [0]},
    ),
}  # fmt: skip
AT_TWO: dict[str, Policy] = {
    "bandit": Bandit(slack_factor=0.1, delay_evaluation=2), "amount": Bandit(slack_amount=0.2, delay_evaluation=2),
    "median": Median(delay_evaluation=2), "truncation": Truncation(delay_evaluation=2), "asha": Asha(min_intervals=2, reduction_factor=2),
}  # fmt: skip


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("policy", ["bandit", "amount", "median", "truncation"])
def test_the_worst_of_odd_histories_is_judged_last(policy: str, edge: str, goal: str) -> None:
    histories, stopped = EDGES[edge]
    judge = Judge(AT_TWO[policy], goal)
    sign = 1.0 if goal == "maximize" else -1.0
    for trial in sorted(histories, reverse=True):
        for value in histories[trial]:
            log(judge, trial, sign * value)
    assert sorted(judge.stops) == stopped.get(policy, [])


def test_trials_that_end_out_of_order_and_late_logs_are_judged_by_what_was_there() -> None:
    judge = Judge(Median(delay_evaluation=1, min_trials=1), "maximize")
    log(judge, 2, 0.9)  # the third trial is the first to log, and to end
    assert [verdict.is_stop for verdict in log(judge, 0, 0.1)] == [True]
    assert [verdict.is_stop for verdict in log(judge, 1, 0.6)] == [False]
    assert log(judge, 0, 2.0)[0].is_stop is False, "what is logged after a stop is judged like anything else"
    assert judge.stops[0].own == 0.1, "and a verdict is never taken back"
