"""Random walks of verbs and kills over small sweeps: see `tests.faults.walks`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.walks import Walk, place_at

SEED = 20


def walk(folder: Path, seed: int, number: int, words: Sequence[str] = ()) -> None:
    found = Walk(place_at(str(folder / "workspace")), seed, number, words)
    found.run()
    assert not found.wrong, f"{found}\n" + "\n".join(found.wrong)


@pytest.mark.parametrize("number", range(2))
def test_a_sweep_survives_a_walk(tmp_path: Path, number: int) -> None:
    walk(tmp_path, SEED, number)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_sweep_survives_many_walks(tmp_path: Path, seed: int) -> None:
    for number in range(40):
        walk(tmp_path / str(number), seed, number)


@pytest.mark.docker
@pytest.mark.nightly
@pytest.mark.parametrize("number", range(20))
def test_a_sweep_in_containers_survives_a_walk(tmp_path: Path, docker_base_image: str, number: int) -> None:
    walk(tmp_path, SEED, number, ["compute=docker", f"env.docker.image={docker_base_image}"])
