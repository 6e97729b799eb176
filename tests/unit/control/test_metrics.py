from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from trainconf.control.metrics import extent, thinned

VALUES = st.lists(st.floats(), max_size=200)


@given(VALUES, st.integers(4, 50))
def test_a_thinned_series_keeps_its_ends_and_its_extremes(values: list[float], count: int) -> None:
    kept = list(thinned(values, count))
    assert len(kept) <= max(count, 4)
    assert kept == sorted(set(kept))
    if values:
        assert {0, len(values) - 1} <= set(kept)
        assert extent([values[place] for place in kept])[:2] == extent(values)[:2]


@given(VALUES)
def test_the_extent_is_that_of_the_finite_values(values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    assert extent(values) == ((min(finite), max(finite), finite[-1]) if finite else (None, None, None))
