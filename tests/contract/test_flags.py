"""The suite for launchers holds for one whose jobs are elsewhere: it sees no processes, and files only when a run has ended."""

from __future__ import annotations

import pytest

from trainconf.launchers.machine.local import LocalLauncher
from trainconf.testing.cancel import CancelContract


class TestElsewhere(CancelContract):
    has_slots = sees_processes = shares_disk_at_once = False
    start_seconds = 0.3

    @pytest.fixture
    def launcher(self) -> LocalLauncher:
        return LocalLauncher()
