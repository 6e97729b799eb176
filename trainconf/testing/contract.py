"""What a launcher under test is like, and the fixtures and steps that all parts of the suite use."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from trainconf.agent.processes import tree
from trainconf.fast.records import replace
from trainconf.launchers.protocol import Job, Launcher, RunHandle
from trainconf.testing.runs import make_job, output, submit, wait_until


class Contract:
    """Base of the parts. A launcher's own test class says here what the launcher is like, and gives the fixture `launcher`."""

    interpreter = sys.executable  # the Python that jobs find
    compute: ClassVar[Mapping[str, Any]] = {}  # the launcher's settings, as a composed config has them
    has_slots = True  # runs wait for slots of this machine: compute.slots, compute.lease_dir
    sees_processes = True  # the job's processes are in this machine's /proc
    shares_disk_at_once = True  # what the job writes is in the run directory at once, and the other way; else when the run has ended
    start_seconds = 2.0  # that a running job needs to begin, where its output cannot be seen before its end
    finds_programs = True  # it looks for the job's program itself; else a missing one is an exit code like any other
    states_of_a_good_end: tuple[str, ...] = ("NotStarted", "Queued", "Starting", "Running", "Finalizing", "Completed")

    @pytest.fixture
    def launcher(self) -> Launcher:
        """The launcher under test."""
        raise NotImplementedError

    @pytest.fixture
    def root(self, tmp_path: Path) -> str:
        """The workspace."""
        return str(tmp_path)

    @pytest.fixture(autouse=True)
    def _nothing_outlives_a_test(self, launcher: Launcher, root: str) -> Iterator[None]:
        """Every run of a test must be over, and no process of any run may be left."""
        yield
        for folder, _, names in os.walk(root) if self.sees_processes else ():
            if "events.jsonl" in names:
                run_id = os.path.basename(folder)
                try:
                    wait_until(lambda run_id=run_id: not tree.processes_with_run_id(run_id), f"the processes of {run_id}")
                finally:
                    tree.send(tree.processes_with_run_id(run_id), signal.SIGKILL)

    def job(self, root: str, argv: list[str], **fields: Any) -> Job:
        """What is submitted; `fields` are those of `make_job`. Override it for what else jobs need, such as an image."""
        job = make_job(root, argv, **{**fields, "compute": {**self.compute, **fields.get("compute", {})}})
        leased = () if self.has_slots else ("slots", "lease_dir")
        return replace(job, compute={name: value for name, value in job.compute.items() if name not in leased})

    def python(self, code: str) -> list[str]:
        """A command that runs `code` in the target's Python."""
        return [self.interpreter, "-c", code]

    def run(self, launcher: Launcher, job: Job) -> RunHandle:
        """Submit and wait."""
        handle = submit(launcher, job)
        assert launcher.wait(handle).is_final
        return handle

    def wait_until_up(self, launcher: Launcher, handle: RunHandle) -> None:
        """Until the job has printed `up`, and the run is known to be running."""
        if self.shares_disk_at_once:
            wait_until(lambda: os.path.exists(handle.paths.log(0)) and "up" in output(handle), "the job to say that it is up")
        wait_until(lambda: launcher.state(handle).status == "Running", "the state, which may come after the job's first words")
        if not self.shares_disk_at_once:
            time.sleep(self.start_seconds)

    def cancel_when_up(self, launcher: Launcher, job: Job, *, force: bool = False) -> RunHandle:
        """Submit, and cancel when the job has printed `up`."""
        handle = submit(launcher, job)
        self.wait_until_up(launcher, handle)
        launcher.cancel(handle, force=force)
        assert launcher.wait(handle).status == "Canceled"
        return handle
