"""Which point has which number: whatever runs at a time, in whatever order trials end, after a restart, and with a higher budget."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainconf.search import grammar as e
from trainconf.search.bayes import STARTUP_COUNT, BayesSampler
from trainconf.search.conditions import Condition, ConditionError
from trainconf.search.expressions import Option
from trainconf.search.progress import Limits, Progress
from trainconf.search.samplers import NOTHING, GridSampler, NothingLeftError, PointSource, RandomSampler, Sieve, SobolSampler
from trainconf.search.space import Axis, Exclusion, Point, Space, key_of

NUMBERS = Space((Axis("lr", e.log_interval(1e-4, 1)), Axis("z", e.normal(0, 1)), Axis("layers", e.interval(1, 8, is_int=True))))
TREE = Space((
    Axis("opt", e.choice(Option("sgd", (("momentum", e.uniform(0.5, 0.99)),)), "adam", None)), Axis("q", e.quniform(0, 1, 0.1)),
    Axis("lr", e.loguniform(-7, 0)),
))
SMALL = Space((Axis("a", e.choice(1, True, "x")), Axis("b", e.randint(7))), (Exclusion({"a": 1, "b": 3}),))
PURE: dict[str, Callable[[], Any]] = {
    "random": lambda: RandomSampler(TREE, 3),
    "random, with an end": lambda: RandomSampler(SMALL, 3),
    "sobol": lambda: SobolSampler(TREE, 3),
    "sobol, with an end": lambda: SobolSampler(SMALL, 3),
    "grid": lambda: GridSampler(SMALL),
    "shuffled grid": lambda: GridSampler(SMALL, seed=3, is_shuffled=True),
}
LEARNING = [
    (kind, space) for kind in ("tpe", "cmaes", "gp") for space in ("numbers", "tree", "small")
    if (kind, space) != ("gp", "tree") and (kind != "gp" or find_spec("torch"))
]  # fmt: skip
SPACES = {"numbers": NUMBERS, "tree": TREE, "small": SMALL}
pytestmark = pytest.mark.skipif(find_spec("optuna") is None, reason="the extra `sweeps` is not installed")


def points_of(sampler: Any, concurrent: int, total: int, rng: random.Random) -> list[Point]:
    """The points of a search whose trials end in some order."""
    progress = Progress(PointSource(sampler, []), Limits(max_total_runs=total, max_concurrent_runs=concurrent), "maximize")
    while not progress.is_drained:
        while (line := progress.next_ask()) is not None:
            progress.take({**line, "run": ["x", "y"]})
        if progress.running:
            number = rng.choice(list(progress.running))
            progress.take({"deed": "told", "number": number, "state": "Completed", "value": rng.random()})
    return [trial.values for trial in progress.trials]


@pytest.mark.parametrize("kind", PURE)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5)
def test_trial_n_has_the_same_values_whatever_runs_at_a_time(kind: str, seed: int) -> None:
    one = points_of(PURE[kind](), 1, 20, random.Random(seed))
    assert len({key_of(point) for point in one}) == len(one)
    for concurrent in (4, 16):
        assert points_of(PURE[kind](), concurrent, 20, random.Random(seed + 1)) == one


@pytest.mark.parametrize("kind", PURE)
def test_a_higher_budget_goes_on_with_the_sequence(kind: str) -> None:
    short, long = (points_of(PURE[kind](), 4, total, random.Random(1)) for total in (5, 17))
    assert long[:5] == short


@pytest.mark.parametrize("kind", PURE)
def test_a_sampler_made_anew_gives_the_point_of_any_number(kind: str) -> None:
    first = PURE[kind]()
    points = [first.ask(number) for number in range(12)]
    assert PURE[kind]().ask(11) == points[11]
    assert first.ask(4) == points[4]


@pytest.mark.parametrize(("kind", "name"), LEARNING)
@pytest.mark.parametrize("concurrent", [1, 3])
def test_a_search_by_worth_that_is_rebuilt_from_its_journal_asks_the_same(kind: str, name: str, concurrent: int) -> None:
    space, rng = SPACES[name], random.Random(5)
    limits = Limits(max_total_runs=18, max_concurrent_runs=concurrent)

    def made() -> Progress:
        return Progress(PointSource(BayesSampler(space, 7, kind, "maximize"), []), limits, "maximize")

    progress = made()
    journal: list[dict[str, Any]] = []
    while not progress.is_drained:
        while (line := progress.next_ask()) is not None:
            if len(journal) % 5 == 0:  # at any time, another process may take over
                replayed = made()
                for before in journal:
                    replayed.take(before)
                assert replayed.next_ask() == line
            journal.append({**line, "run": ["x", "y"]})
            progress.take(journal[-1])
        number = rng.choice(list(progress.running))
        state = rng.choice(["Completed", "Completed", "Failed", "Canceled"])
        value = float(len(str(progress.trials[number].values))) if state == "Completed" else None
        journal.append({"deed": "told", "number": number, "state": state, "value": value})
        progress.take(journal[-1])
    values = [trial.values for trial in progress.trials]
    for key, expression in space.expressions():
        drawn = {type(point[key]) for point in values if key in point}
        assert drawn <= {type(expression.at(place / 20)) for place in range(20)}, f"{key} is given {drawn}"  # type: ignore[union-attr]
    assert values[:STARTUP_COUNT] == [RandomSampler(space, 7).ask(number) for number in range(STARTUP_COUNT)]
    assert len({key_of(point) for point in values}) == len(values) == 18


def test_after_the_points_of_first_a_search_by_worth_begins_as_random_search_does() -> None:
    space, first = SPACES["numbers"], [RandomSampler(SPACES["numbers"], 1).ask(0)] * 2
    sources = [PointSource(made, first) for made in (BayesSampler(space, 7, "tpe", "maximize", first_count=2), RandomSampler(space, 7))]
    assert [sources[0].ask(number) for number in range(STARTUP_COUNT)] == [sources[1].ask(number) for number in range(STARTUP_COUNT)]


@pytest.mark.parametrize("kind", ["tpe", "cmaes"])
def test_a_search_by_worth_of_a_space_with_an_end_gives_each_point_once_and_ends(kind: str) -> None:
    points = points_of(BayesSampler(SMALL, 1, kind, "minimize"), 3, 100, random.Random(1))
    assert len({key_of(point) for point in points}) == len(points) == 20
    assert not any(SMALL.excludes(point) for point in points)


@pytest.mark.parametrize("kind", ["tpe", "cmaes"])
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_a_search_by_worth_goes_where_the_good_points_are(kind: str, goal: str) -> None:
    space, sign = Space((Axis("x", e.uniform(-5, 5)), Axis("y", e.uniform(-5, 5)))), 1 if goal == "minimize" else -1
    sampler = BayesSampler(space, 2, kind, goal)
    for number in range(40):
        point = sampler.ask(number)
        sampler.add(number, point)
        sampler.tell(number, sign * ((point["x"] - 2) ** 2 + (point["y"] + 1) ** 2))
    late = [sampler.ask(number) for number in range(25, 40)]
    early = [sampler.ask(number) for number in range(10)]

    def distance(points: list[Point]) -> float:
        return float(sum(abs(point["x"] - 2) + abs(point["y"] + 1) for point in points)) / len(points)

    assert distance(late) < 0.6 * distance(early)


AXES = {"a": [0, 1, 2], "b": ["x", "y"], "c": [1, True, None, 2.5]}
EXCLUDE = st.one_of(
    st.dictionaries(st.sampled_from([*AXES]), st.sampled_from([0, 1, 2, "x", "y", True, None, 2.5]), min_size=1).map(Exclusion),
    st.sampled_from([
        "a > 0", "a == 1", "b == 'x'", "c is None", "a + c > 2", "a < 9", "1 > 0", "a > 0 and b == 'y'", "a in [0, 1] or c == 1",
    ]).map(lambda text: Exclusion(condition=Condition(text))),
)  # fmt: skip


@given(st.lists(EXCLUDE, max_size=4), st.permutations([*AXES]))
def test_a_grid_leaves_out_what_exclude_covers_and_nothing_else(exclusions: list[Exclusion], order: list[str]) -> None:
    space = Space(tuple(Axis(key, e.choice(AXES[key])) for key in order), tuple(exclusions))
    points = [space.at(place) for place in range(space.size or 0)]
    try:
        wanted = [point for point in points if not space.excludes(point)]
    except ConditionError:
        return  # a sieve asks less often, and may not come upon it
    assert [space.at(place) for place in Sieve(space).left()] == wanted
    sampler = GridSampler(space)
    assert [sampler.ask(number) for number in range(len(wanted))] == wanted
    with pytest.raises(NothingLeftError, match="done" if wanted else NOTHING):
        sampler.ask(len(wanted))


class Counted(Condition):
    """A condition that counts how often it is asked."""

    count = 0

    def holds(self, values: Any) -> bool:
        self.count += 1
        return super().holds(values)


@pytest.mark.parametrize(("texts", "most"), [(["a >= 0"], 100), (["c >= 0"], 100), (["a * b >= 0"], 10_000), (["c == 0", "c > 0"], 200)])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_a_large_grid_of_which_nothing_is_left_is_asked_about_the_axes_that_exclude_names(
    texts: list[str], most: int, is_shuffled: bool
) -> None:
    conditions = [Counted(text) for text in texts]
    axes = tuple(Axis(key, e.choice(*range(100))) for key in "abc")
    space = Space(axes, tuple(Exclusion(condition=condition) for condition in conditions))
    for sampler in (GridSampler(space, is_shuffled=is_shuffled), GridSampler(space)):
        with pytest.raises(NothingLeftError, match=NOTHING):
            sampler.ask(0)
    assert sum(condition.count for condition in conditions) <= 2 * most


def test_an_exclusion_that_has_no_answer_where_another_one_holds_is_not_asked() -> None:
    space = Space((Axis("a", e.choice(1, None)), Axis("b", e.choice(2, 3))),
                  (Exclusion({"a": None}), Exclusion(condition=Condition("a * b > 1"))))  # fmt: skip
    with pytest.raises(NothingLeftError, match=NOTHING):
        GridSampler(space).ask(0)
