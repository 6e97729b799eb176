"""What tests of the job's side of Slurm share: their jobs do not outlive them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.slurm_runs import sent, slurm
from tests.testbed.cluster import Cluster


@pytest.fixture
def no_job_is_left(slurm_cluster: Cluster) -> Iterator[None]:
    """Cancel the jobs of the runs in `sent`, whatever became of them."""
    yield
    for paths in sent:
        slurm("scancel", "--quiet", f"--name={paths.run_id}")
    sent.clear()
