"""compute=slurm keeps the contract, on a real cluster."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.contract.launcher_contract import LauncherContract, wait_until
from tests.contract.runs import last, make_job, shell, states, submit
from trainconf.launchers import get
from trainconf.launchers.protocol import Job, Launcher
from trainconf.records import replace


@pytest.mark.slurm
class TestSlurm(LauncherContract):
    def job(self, root: str, argv: list[str], **wishes: Any) -> Job:
        """Without what only a machine that queues runs itself is told: `slots` and `lease_dir`."""
        job = make_job(root, argv, **wishes)
        return replace(job, compute={name: value for name, value in job.compute.items() if name not in ("slots", "lease_dir")})

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
