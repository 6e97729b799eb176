"""A few of the faults that `make faults` tries, the same ones in every run of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults import disk
from tests.faults.cases import Case
from tests.faults.place import Place

SEED = 3


@pytest.mark.parametrize("number", [0, 3, 4, 6, 8, 10, 11, 13])
def test_nothing_is_lost_and_nothing_lives_on_after_a_fault(tmp_path: Path, number: int) -> None:
    case = Case(Place(str(tmp_path / "workspace")), SEED, number)
    case.run()
    assert not case.wrong, f"{case}: {case.wrong}"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small disk")
@pytest.mark.parametrize("number", range(2))
def test_a_full_disk_loses_nothing_that_was_told(tmp_path: Path, number: int) -> None:
    assert disk.run(str(tmp_path / "disk"), str(tmp_path / "leases"), SEED, number) == []
