"""Spaces: random points, grids, keys that change together or hang on another, and what is left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trainconf.search import grammar as e
from trainconf.search.bayes import BayesSampler
from trainconf.search.conditions import Condition
from trainconf.search.expressions import Option
from trainconf.search.samplers import GridSampler, NothingLeftError, RandomSampler, SobolSampler
from trainconf.search.space import Axis, Exclusion, Point, Space, Zip, key_in, key_of

TREE = Space((
    Axis("opt", e.choice(Option("sgd", (("momentum", e.choice(0.5, 0.9)),)), "adam")),
    Axis("size", Zip("size", ({"width": 64, "lr": 0.1}, {"width": 128, "lr": 0.05}))),
))
LINE = Space((Axis("lr", e.log_interval(1e-4, 1)), Axis("depth", e.choice(1, 2, 3))))


Sampler = GridSampler | RandomSampler | SobolSampler


def sobol(space: Space, seed: int, had: list[Point] | None = None) -> SobolSampler:
    pytest.importorskip("scipy", reason="the extra `sweeps` is not installed")
    return SobolSampler(space, seed, had=had or ())


def all_of(sampler: Sampler) -> tuple[list[Point], str]:
    points: list[Point] = []
    while True:
        try:
            points.append(sampler.ask(len(points)))
        except NothingLeftError as error:
            return points, error.reason


def test_a_grid_goes_through_the_tree_the_first_axis_slowest() -> None:
    points, reason = all_of(GridSampler(TREE))
    assert points == [
        {"opt": "sgd", "momentum": 0.5, "width": 64, "lr": 0.1}, {"opt": "sgd", "momentum": 0.5, "width": 128, "lr": 0.05},
        {"opt": "sgd", "momentum": 0.9, "width": 64, "lr": 0.1}, {"opt": "sgd", "momentum": 0.9, "width": 128, "lr": 0.05},
        {"opt": "adam", "width": 64, "lr": 0.1}, {"opt": "adam", "width": 128, "lr": 0.05},
    ]
    assert reason == "all 6 points done"


def test_a_grid_too_large_to_list_is_shuffled_without_a_point_twice() -> None:
    huge = Space((Axis("a", e.interval(0, 999_999, is_int=True)), Axis("b", e.interval(0, 999_999, is_int=True))))
    points = [GridSampler(huge, seed=1, is_shuffled=True).ask(number) for number in (0, 0)]
    assert points[0] == points[1]
    sampler = GridSampler(huge, seed=1, is_shuffled=True)
    found = [sampler.ask(number) for number in range(200)]
    assert len(set(map(key_of, found))) == 200
    assert found[0] == points[0]


def test_a_large_grid_whose_points_are_all_excluded_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainconf.search.samplers.MAX_LISTED", 1_000)
    huge = Space((Axis("a", e.interval(0, 999_999, is_int=True)),), (Exclusion(condition=Condition("a >= 0")),))
    with pytest.raises(NothingLeftError, match=r"leaves .almost. nothing: 1000 points in a row were excluded"):
        GridSampler(huge).ask(0)


@pytest.mark.parametrize("make", [
    lambda space, had: GridSampler(space, had=had),
    lambda space, had: RandomSampler(space, 3, had=had),
    lambda space, had: sobol(space, 3, had),
])  # fmt: skip
def test_a_point_that_came_first_is_not_given_again(make: Callable[[Space, list[Point]], Sampler]) -> None:
    space = Space((Axis("a", e.choice(1, 2, 3)), Axis("b", e.choice("x", "y"))))
    had: list[Point] = [{"b": "x", "a": 2}, {"a": 9, "b": "x"}, {"a": 1}]  # one of the space, one outside it, one without a key of it
    points, reason = all_of(make(space, had))
    assert sorted(map(key_of, points)) == sorted(key_of({"a": a, "b": b}) for a in (1, 2, 3) for b in "xy" if (a, b) != (2, "x"))
    assert reason == "all 8 points done"


def test_samples_hold_each_value_with_the_choices_that_it_hangs_on() -> None:
    inner = ("processes", e.interval(1, 8, is_int=True)), ("kind", e.choice(Option("x", (("deep", e.choice(1, 2)),)), "y"))
    space = Space((Axis("group", e.choice("none", Option("torch", inner))), Axis("z", Zip("z", ({"a": 1, "b": 2},)))))
    torch = {"group": "torch"}
    assert list(space.samples(9)) == [
        {"group": "none"}, torch, {**torch, "processes": 1}, {**torch, "processes": 8}, {**torch, "kind": "x"}, {**torch, "kind": "y"},
        {**torch, "kind": "x", "deep": 1}, {**torch, "kind": "x", "deep": 2}, {"a": 1, "b": 2},
    ]
    assert len(list(Space((Axis("a", e.choice(*range(50))),)).samples(9))) == 9


def test_a_shuffled_grid_has_the_same_points_in_an_order_of_its_seed() -> None:
    plain = all_of(GridSampler(TREE))[0]
    shuffled = all_of(GridSampler(TREE, seed=1, is_shuffled=True))[0]
    assert shuffled != plain
    assert sorted(map(key_of, shuffled)) == sorted(map(key_of, plain))
    assert shuffled == all_of(GridSampler(TREE, seed=1, is_shuffled=True))[0]
    assert shuffled != all_of(GridSampler(TREE, seed=2, is_shuffled=True))[0]


def test_a_random_point_is_the_same_in_whatever_order_it_is_asked_for() -> None:
    forwards = [RandomSampler(LINE, 5).ask(number) for number in range(20)]
    one = RandomSampler(LINE, 5)
    assert [one.ask(number) for number in reversed(range(20))] == forwards[::-1]
    assert RandomSampler(LINE, 6).ask(0) != forwards[0]


def test_a_new_key_leaves_the_values_of_the_others_alone() -> None:
    wider = Space((Axis("extra", e.uniform(0, 1)), *LINE.axes))
    for number in range(20):
        point = RandomSampler(wider, 5).ask(number)
        del point["extra"]
        assert point == RandomSampler(LINE, 5).ask(number)


def test_random_points_of_a_space_with_an_end_come_once_each_and_then_no_more() -> None:
    points, reason = all_of(RandomSampler(TREE, 3))
    assert sorted(map(key_of, points)) == sorted(map(key_of, all_of(GridSampler(TREE))[0]))
    assert reason == "all 6 points done"


def test_the_last_of_many_points_is_found_although_drawing_misses_it() -> None:
    space = Space((Axis("a", e.randint(3000)),))
    sampler = RandomSampler(space, 1)
    assert {sampler.ask(number)["a"] for number in range(3000)} == set(range(3000))
    fives = Space(tuple(Axis(key, e.choice(1, 2, 3, 4, 5)) for key in "abcd"))
    points, reason = all_of(sobol(fives, 2))  # with this seed the sequence misses one of them a thousand times
    assert (len(set(map(key_of, points))), reason) == (625, "all 625 points done")


def test_a_key_that_is_not_chosen_is_absent() -> None:
    points = [RandomSampler(TREE, seed).ask(0) for seed in range(30)]
    assert {("momentum" in point) for point in points if point["opt"] == "adam"} == {False}
    assert {("momentum" in point) for point in points if point["opt"] == "sgd"} == {True}


@pytest.mark.parametrize("exclusion", [
    Exclusion({"opt": "adam", "lr": 0.1}), Exclusion(condition=Condition("opt == 'adam' and width < 100")),
])
def test_excluded_points_get_no_number(exclusion: Exclusion) -> None:
    points, reason = all_of(GridSampler(Space(TREE.axes, (exclusion,))))
    assert len(points) == 5
    assert {"opt": "adam", "width": 64, "lr": 0.1} not in points
    assert reason == "all 5 points done"
    for sampler in (RandomSampler(Space(TREE.axes, (exclusion,)), 1), sobol(Space(TREE.axes, (exclusion,)), 1)):
        points, reason = all_of(sampler)
        assert (len(points), reason) == (5, "all 5 points done")


def test_what_an_exclusion_leaves_of_a_large_space_is_all_there_is_for_a_search_by_worth() -> None:
    pytest.importorskip("cmaes", reason="the extra `sweeps` is not installed")
    sampler = BayesSampler(Space((Axis("a", e.randint(2000)),), (Exclusion(condition=Condition("a > 19")),)), 1, "cmaes", "minimize")
    for number in range(20):
        sampler.add(number, sampler.ask(number))
    with pytest.raises(NothingLeftError, match=r"^all 20 points done$"):
        sampler.ask(20)


def test_an_excluded_random_point_is_drawn_again() -> None:
    wanted = Space(LINE.axes, (Exclusion(condition=Condition("lr > 0.01")),))
    points = [RandomSampler(wanted, 5).ask(number) for number in range(50)]
    free = [RandomSampler(LINE, 5).ask(number) for number in range(50)]
    assert all(point["lr"] <= 0.01 for point in points)
    assert all(point == other for point, other in zip(points, free, strict=True) if other["lr"] <= 0.01)


@pytest.mark.parametrize("space", [LINE, TREE])
def test_an_exclusion_of_everything_says_so(space: Space) -> None:
    with pytest.raises(NothingLeftError, match="exclude leaves"):
        RandomSampler(Space(space.axes, (Exclusion(condition=Condition("lr > 0")),)), 1).ask(0)


def test_one_and_true_are_not_the_same_value() -> None:
    assert Exclusion({"a": 1}).covers({"a": 1.0})
    assert not Exclusion({"a": 1}).covers({"a": True})
    assert not Exclusion({"a": 1}).covers({"b": 1})


def test_a_group_with_a_package_is_a_key_of_its_own_wherever_it_stands() -> None:
    of_mysql = (("params.pool", e.choice(1, 2)), ("db@params.more", e.choice("a", "b")))
    space = Space((
        Axis("db@params.source", e.choice(Option("mysql", of_mysql), "pg")),
        Axis("params.lr", e.choice(Option(1, (("params.pool", e.choice(3, 4)),)), 2)),
    ))  # fmt: skip
    assert space.key_names() == ["db@params.source", "params.pool", "db@params.more", "params.lr"]
    names = [name for name, _ in space.expressions()]
    assert [key_in(name) for name in names] == ["db@params.source", "params.pool", "db@params.more", "params.lr", "params.pool"]
    assert len(set(names)) == len(names)
