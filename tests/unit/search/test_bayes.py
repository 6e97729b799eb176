"""Bayesian search: what one sampler made anew for each point must share, and what it must not."""

from __future__ import annotations

import pytest

from trainconf.search import grammar
from trainconf.search.bayes import BayesSampler
from trainconf.search.expressions import Choice, Option
from trainconf.search.space import Axis, Space

pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
PLAIN = Space((Axis("x", grammar.uniform(0, 1)), Axis("opt", grammar.choice("a", "b"))))
SGD = Option("sgd", (("momentum", grammar.uniform(0, 1)),))
CONDITIONAL = Space((Axis("x", grammar.uniform(0, 1)), Axis("opt", Choice((SGD, Option("adam"))))))


def worth(point: dict[str, object]) -> float:
    return abs(float(str(point["x"])) - 0.3)


@pytest.mark.parametrize("space", [PLAIN, CONDITIONAL])
def test_a_sampler_that_is_made_from_what_is_known_asks_the_same(space: Space) -> None:
    """Four in flight, told out of order, one told again; made anew before each ask, or never."""
    kept = BayesSampler(space, 5, "tpe", "minimize")
    history: list[tuple[str, int, tuple[object, ...]]] = []
    for number in range(24):
        anew = BayesSampler(space, 5, "tpe", "minimize")
        for deed, place, what in history:
            getattr(anew, deed)(place, *what)
        point = kept.ask(number)
        assert anew.ask(number) == point
        deeds: list[tuple[str, int, tuple[object, ...]]] = [("add", number, (point,))]
        if number >= 4:
            ended = (number - 4) ^ 1
            deeds.append(("tell", ended, (None if ended == 7 else worth(kept.ask(ended)),)))
        if number == 15:
            deeds += [("forget", 3, ()), ("tell", 3, (0.01,))]
        for deed, place, what in deeds:
            getattr(kept, deed)(place, *what)
        history += deeds
