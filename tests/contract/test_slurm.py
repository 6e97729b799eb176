"""compute=slurm keeps the contract, on a real cluster."""

from __future__ import annotations

import os

import pytest

from trainconf.launchers import get
from trainconf.launchers.protocol import Launcher
from trainconf.testing import LauncherContract
from trainconf.testing.runs import last, shell, states, submit, wait_until


@pytest.mark.slurm
class TestSlurm(LauncherContract):
    has_slots = False

    @pytest.fixture
    def launcher(self) -> Launcher:
        return get("slurm")

    def test_cancel_works_while_waiting_for_a_slot(self, launcher: Launcher, root: str) -> None:
        """What waits for a slot elsewhere waits in Slurm's queue here."""
        waiting = submit(launcher, self.job(root, shell("echo ran"), compute={"sbatch": {"begin": "now+1hour"}}))
        wait_until(lambda: "BeginTime" in launcher.state(waiting).reason, "Slurm to say why it waits")
        assert launcher.state(waiting).status == "Queued"
        launcher.cancel(waiting)
        assert launcher.wait(waiting).status == "Canceled"
        assert states(waiting) == ["NotStarted", "Queued", "CancelRequested", "Canceled"]
        assert not os.path.exists(waiting.paths.log(0))
        assert "canceled in Slurm" in last(waiting)["reason"]
