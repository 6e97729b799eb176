"""What of a sweep Slurm does not have yet: pure."""

from __future__ import annotations

import pytest

from trainconf.launchers.slurm.arrays.chunks import left


@pytest.mark.parametrize(
    ("chunks", "arrays", "expected"),
    [
        ([[0, 5]], [], [(0, 5)]),
        ([[0, 5]], [["7", 0, 5]], []),
        ([[0, 5]], [["7", 0, 2]], [(2, 3)]),
        ([[0, 5]], [["7", 0, 2], ["8", 2, 2]], [(4, 1)]),
        ([[0, 5], [5, 5]], [["7", 0, 5]], [(5, 5)]),
        ([[0, 5], [5, 5]], [["7", 0, 5], ["9", 5, 1]], [(6, 4)]),
    ],
)
def test_what_no_array_has_is_left(chunks: list[list[int]], arrays: list[list[object]], expected: list[tuple[int, int]]) -> None:
    assert left(chunks, arrays) == expected
