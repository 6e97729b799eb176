"""What every launcher must do, as tests that a launcher's own test class inherits. pytest is needed here, and nowhere else in trainconf.

    from trainconf.testing import LauncherContract

    class TestMine(LauncherContract):
        compute = {"niceness": 5}

        @pytest.fixture
        def launcher(self):
            return MyLauncher()

The suite starts real processes in real folders. Its jobs are shell and Python commands. `trainconf.testing.contract.Contract` has the
flags for launchers that differ: no slots, processes on another machine, a disk that shows files only when the run has ended.
"""

from __future__ import annotations

import pytest

for _name in ("cancel", "contract", "ends", "jobs", "ranks", "runs", "sweeps"):
    pytest.register_assert_rewrite(f"trainconf.testing.{_name}")  # so that a failed assert shows both sides

from trainconf.testing.cancel import CancelContract  # noqa: E402
from trainconf.testing.contract import Contract  # noqa: E402
from trainconf.testing.ends import EndsContract  # noqa: E402
from trainconf.testing.jobs import JobsContract  # noqa: E402
from trainconf.testing.ranks import RanksContract  # noqa: E402
from trainconf.testing.sweeps import SweepContract  # noqa: E402

__all__ = ["Contract", "LauncherContract", "SweepContract"]


class LauncherContract(EndsContract, JobsContract, CancelContract, RanksContract):
    """The whole suite but sweeps. Inherit it and give the fixture `launcher`."""
