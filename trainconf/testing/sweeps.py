"""What every launcher that has a `pool` must do with the trials of a sweep."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from trainconf import files
from trainconf.history import events
from trainconf.launchers.protocol import Launcher, LaunchPlan, Pool, RunHandle
from trainconf.paths import RunPaths
from trainconf.testing.contract import Contract
from trainconf.testing.runs import make_run_dir, shell, wait_until


class SweepContract(Contract):
    """Inherit it beside `LauncherContract`, in a class of its own."""

    @pytest.fixture
    def home(self, root: str) -> RunPaths:
        """The folder of a sweep."""
        folder = os.path.join(root, "runs", "exp", "sweep-1")
        os.makedirs(folder)
        return RunPaths(folder)

    def start(self, launcher: Launcher, home: RunPaths, limit: int) -> Pool:
        """A pool of so many trials at a time."""
        files.write_atomic(home.sweep, json.dumps({"max_concurrent_runs": limit, "target": launcher.name}))
        lock = files.FileLock(home.lock)
        lock.acquire()
        return launcher.pool(home, lock, {}, self.job(home.workspace.root, []).compute, limit)

    def add(self, launcher: Launcher, pool: Pool, texts: list[str], **fields: Any) -> list[LaunchPlan]:
        """Hand over a trial for each text, which sh runs."""
        plans = []
        for number, text in enumerate(texts):
            job = self.job(pool.handle.paths.workspace.root, shell(text), run_id=f"trial-{number}", **fields)
            make_run_dir(job, pool.trial_lock)
            events.append(job.paths, "NotStarted")
            plans.append(launcher.plan(job))
        pool.add(plans)
        return plans

    def state(self, launcher: Launcher, plan: LaunchPlan) -> str:
        """The state of a trial."""
        return launcher.state(RunHandle(RunPaths(plan.run_dir))).status

    def test_every_trial_is_carried_out_and_never_more_at_a_time_than_the_limit(self, launcher: Launcher, home: RunPaths) -> None:
        pool = self.start(launcher, home, 2)
        plans = self.add(launcher, pool, [f"sleep 0.0{number % 3}; exit {number % 2}" for number in range(9)])
        pool.close()
        assert pool.wait().status == "Completed"
        assert pool.has_ended()
        assert [self.state(launcher, plan) for plan in plans] == ["Failed" if number % 2 else "Completed" for number in range(9)]
        marks = sorted([(time, 1) for time in times(plans, "Starting")] + [(time, -1) for time in times(plans, "Finalizing")])
        assert max(sum(step for _, step in marks[: number + 1]) for number in range(len(marks))) == 2

    def test_one_trial_can_be_canceled_running_or_not_started(self, launcher: Launcher, home: RunPaths) -> None:
        pool = self.start(launcher, home, 1)
        plans = self.add(launcher, pool, ["sleep 600", "sleep 600", "true"])
        pool.close()
        wait_until(lambda: self.state(launcher, plans[0]) == "Running", "the first")
        launcher.cancel(RunHandle(RunPaths(plans[1].run_dir)))
        wait_until(lambda: self.state(launcher, plans[1]) == "Canceled", "the one that had not started")
        assert self.state(launcher, plans[0]) == "Running"
        launcher.cancel(RunHandle(RunPaths(plans[0].run_dir)))
        assert pool.wait().status == "Completed"
        assert [self.state(launcher, plan) for plan in plans] == ["Canceled", "Canceled", "Completed"]

    def test_trials_that_wait_are_held_and_let_go(self, launcher: Launcher, home: RunPaths) -> None:
        pool = self.start(launcher, home, 1)
        if not launcher.can_hold(home):
            pool.cancel()
            pool.close()
            pytest.skip("its trials cannot be held")
        plans = self.add(launcher, pool, ["sleep 600", "true", "true"])
        pool.close()
        runs = [RunPaths(plan.run_dir) for plan in plans]
        wait_until(lambda: self.state(launcher, plans[0]) == "Running", "the first")
        for _ in range(2):
            launcher.hold(runs[1:], is_held=True)
        launcher.cancel(RunHandle(runs[0]))
        wait_until(lambda: self.state(launcher, plans[0]) == "Canceled", "the first to end")
        launcher.cancel(RunHandle(runs[2]))
        wait_until(lambda: self.state(launcher, plans[2]) == "Canceled", "one that is held, and not wanted any more")
        assert self.state(launcher, plans[1]) == "NotStarted", "its turn had come when the first ended"
        assert not pool.has_ended()
        for _ in range(2):
            launcher.hold(runs[1:2], is_held=False)
        wait_until(lambda: self.state(launcher, plans[1]) == "Completed", "the one that was let go")
        assert pool.wait().status == "Completed"

    @pytest.mark.parametrize("by", ["pool", "launcher"])
    def test_canceling_the_sweep_ends_every_trial(self, launcher: Launcher, home: RunPaths, by: str) -> None:
        pool = self.start(launcher, home, 2)
        plans = self.add(launcher, pool, ["setsid -f sleep 600; sleep 600"] * 4, grace_s=1.0)
        wait_until(lambda: self.state(launcher, plans[1]) == "Running", "two to run")
        if by == "pool":
            pool.cancel()
        else:
            launcher.cancel(RunHandle(RunPaths(home.run_dir)))
        assert pool.wait().status == "Canceled"
        pool.close()
        assert [self.state(launcher, plan) for plan in plans] == ["Canceled"] * 4


def times(plans: list[LaunchPlan], state: str) -> list[str]:
    """When each trial came into a state."""
    found = (events.read(RunPaths(plan.run_dir)) for plan in plans)
    return [next(event["time"] for event in history if event["state"] == state) for history in found]
