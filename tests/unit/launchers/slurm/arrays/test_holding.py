"""Which jobs of a sweep are held and let go: only its own, only those that wait, and whoever asks hears when Slurm does not do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.unit.history.build import make_run
from trainconf import files
from trainconf.errors import LaunchError
from trainconf.history import events
from trainconf.launchers.slurm.arrays.holding import hold, is_paused
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.process import Completed, Processes


class Queue(Processes):
    """Rows of squeue by job, [state, priority, comment]; a job in `stubborn` does not obey."""

    def __init__(self, **jobs: list[str]) -> None:
        self.jobs = jobs
        self.stubborn: set[str] = set()
        self.told: list[tuple[str, ...]] = []
        self.is_silent = False

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, input: bytes | None = None, timeout_s: float | None = None
    ) -> Completed:
        if self.is_silent:
            return Completed(argv, 1, b"", b"Unable to contact slurm controller")
        if argv[0] == "squeue":
            rows = [f"{name[1:]}|{'|'.join(facts)}" for name, facts in self.jobs.items()]
            return Completed(argv, 0, "\n".join(rows).encode(), b"")
        self.told.append(tuple(argv[1:]))
        for job in set(argv[2].split(",")) - self.stubborn:
            self.jobs[f"j{job}"][1] = "0" if argv[1] == "uhold" else "100"
        return Completed(argv, 0, b"", b"")


def trial(workspace: WorkspacePaths, name: str, job_id: str) -> RunPaths:
    paths = make_run(workspace, name, states=("NotStarted",))
    events.append(paths, "NotStarted", scheduler={"kind": "slurm", "job_id": job_id, "conf": ""})
    return paths


@pytest.fixture
def space(tmp_path: Path) -> WorkspacePaths:
    return WorkspacePaths(str(tmp_path))


def clusters(queue: Queue) -> Clusters:
    return Clusters({"PATH": ""}, queue)


def test_an_array_is_held_as_one_job_and_only_where_something_waits(space: WorkspacePaths) -> None:
    queue = Queue(
        j7=["PENDING", "100", "trainconf s 1"], j8=["RUNNING", "100", "trainconf s_9 1"], j9=["PENDING", "100", "trainconf other 1"],
    )  # fmt: skip
    trials = [trial(space, f"s_{number}", f"7_{number}") for number in range(3)]
    trials += [trial(space, "s_9", "8"), trial(space, "s_5", "9"), trial(space, "s_6", "")]
    for _ in range(2):
        hold(clusters(queue), trials, is_held=True)
    assert queue.told == [("uhold", "7")], "9 is the number of somebody else's job by now; 6 was not sent"
    for _ in range(2):
        hold(clusters(queue), trials, is_held=False)
    assert queue.told[1:] == [("release", "7")]


def test_whoever_asks_hears_that_slurm_is_silent_or_does_not_obey(space: WorkspacePaths) -> None:
    queue = Queue(j7=["PENDING", "100", "trainconf s_0 1"])
    queue.stubborn.add("7")
    with pytest.raises(LaunchError, match="could not be told") as error:
        hold(clusters(queue), [trial(space, "s_0", "7")], is_held=True)
    assert "it did not hold 7" in error.value.render()
    queue.is_silent = True
    with pytest.raises(LaunchError, match="could not be told"):
        hold(clusters(queue), [trial(space, "s_1", "7")], is_held=False)


def test_a_sweep_is_paused_from_its_pause_to_its_resume(tmp_path: Path) -> None:
    home = RunPaths(str(tmp_path))
    assert not is_paused(home)
    for deed, expected in (("ask", False), ("pause", True), ("hold", True), ("resume", False), ("pause", True)):
        files.append_line(home.journal, {"deed": deed})
        assert is_paused(home) == expected
