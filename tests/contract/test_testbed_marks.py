"""A test has the part of the testbed that its marker names, and no other test waits for it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("part", ["none", pytest.param("slurm_cluster", marks=pytest.mark.slurm)])
def test_a_marker_of_one_param_is_not_that_of_the_others(request: pytest.FixtureRequest, part: str) -> None:
    assert {"slurm_cluster"} & set(request.fixturenames) == {part} - {"none"}
