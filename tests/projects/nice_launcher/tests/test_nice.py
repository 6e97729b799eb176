"""The launcher keeps what trainconf promises of every launcher."""

import pytest
from nice_launcher import NiceLauncher
from trainconf.testing import LauncherContract, SweepContract


class Nice:
    compute = {"niceness": 5}
    finds_programs = False  # `nice` does

    @pytest.fixture
    def launcher(self):
        return NiceLauncher()


class TestNice(Nice, LauncherContract):
    pass


class TestNiceSweeps(Nice, SweepContract):
    pass
