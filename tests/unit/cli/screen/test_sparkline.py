from __future__ import annotations

import math

import pytest

from trainconf.cli.screen.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "columns", "shown"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"),
        ([7, 0], 8, "█▁"),
        ([3, 3, 3], 8, "▅▅▅"),
        ([], 8, ""),
        ([1], 0, ""),
        ([0, math.nan, 1, math.inf], 8, "▁·█·"),
        ([math.nan], 8, "·"),
        ([0, 0, 0, 0, 1, 1, 1, 1], 2, "▁█"),
        ([-1.7e308, 1.7e308], 8, "▁█"),
        ([1e-320, 3e-320], 8, "▁█"),
    ],
)
def test_a_sparkline_goes_from_the_lowest_to_the_highest(values: list[float], columns: int, shown: str) -> None:
    assert sparkline(values, columns) == shown


def test_a_sparkline_never_takes_more_columns_than_there_are() -> None:
    assert [len(sparkline(range(count), 20)) for count in (0, 1, 19, 20, 21, 1000)] == [0, 1, 19, 20, 20, 20]


def test_a_terminal_without_blocks_gets_ascii() -> None:
    assert sparkline([0, math.nan, 1], 3, "ascii") == "_ @"
