"""How a job that is over ended is not said before it is known: what Slurm's programs answer, and what is made of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainconf.history import events, liveness
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.queue_cache import QueueCache
from trainconf.launchers.slurm.reconcile import reconcile_jobs
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.process import Completed, Processes
from trainconf.testing.runs import make_job, make_run_dir, shell


class Cluster(Processes):
    """QueueCache by program; a text is what it says, None that it does not answer."""

    def __init__(self, **said: str | None) -> None:
        self.said = said

    def run(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None, input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:  # fmt: skip
        name = "codes" if any(word.startswith("--Format=") for word in argv) else argv[0]
        text = self.said.get(name, "")
        return Completed(argv, 1, b"", b"does not answer") if text is None else Completed(argv, 0, text.encode(), b"")


def run_of(root: Path, name: str, job_id: str) -> RunPaths:
    """A run whose agent began in that job, and is gone."""
    job = make_job(str(root), shell("true"), run_id=name)
    make_run_dir(job)
    events.append(job.paths, "NotStarted")
    events.append(job.paths, "Queued", scheduler={"kind": "slurm", "job_id": job_id, "conf": ""})
    events.append(job.paths, "Running", agent={"pid": 1, "start_ticks": 0, "boot_id": "x", "host": "elsewhere"})
    return job.paths


def look(root: Path, cluster: Cluster, paths: RunPaths, later_s: float = 0.0) -> liveness.State:
    queue = QueueCache(Controller({}, cluster), WorkspacePaths(str(root)), now=lambda: time.time() + later_s)
    return reconcile_jobs(queue, [(paths, liveness.state_of(paths))])[0]


def squeue_of(*names: str) -> str:
    return "".join(f"{number}|FAILED|n1|None|trainconf {name} 0\n" for number, name in enumerate(names, 1))


def test_a_look_at_one_run_does_not_settle_another_without_its_exit_code(tmp_path: Path) -> None:
    one, two = run_of(tmp_path, "one", "1"), run_of(tmp_path, "two", "2")
    cluster = Cluster(squeue=squeue_of("one", "two"), codes="1|768|\n2|9|\n")
    assert look(tmp_path, cluster, one).event["exit_code"] == 3
    first = look(tmp_path, cluster, two)
    assert first.is_final is False
    assert "Slurm has not told yet how it ended" in first.reason
    assert look(tmp_path, cluster, two, later_s=2).event["exit_code"] == 137


def test_while_neither_controller_nor_accounting_answers_nothing_is_settled(tmp_path: Path) -> None:
    paths = run_of(tmp_path, "one", "1")
    silent = Cluster(squeue=squeue_of("one"), codes=None)
    assert not look(tmp_path, silent, paths).is_final
    forgotten = Cluster(squeue=squeue_of("one"), codes="", sacct=None)
    assert not look(tmp_path, forgotten, paths, later_s=10).is_final
    told = Cluster(squeue="", codes="", sacct="1|FAILED|n1|None|one|0:9")
    assert look(tmp_path, told, paths, later_s=1000).event["exit_code"] == 137


def test_when_nobody_has_the_exit_code_the_run_is_settled_with_these_words(tmp_path: Path) -> None:
    paths = run_of(tmp_path, "one", "1")
    state = look(tmp_path, Cluster(squeue=squeue_of("one"), codes="", sacct=""), paths)
    assert (state.status, state.event["exit_code"]) == ("Failed", None)
    assert "for reasons that Slurm does not tell" in state.reason


def test_many_that_ended_at_once_all_have_their_exit_code(tmp_path: Path) -> None:
    names = [f"run{number}" for number in range(60)]
    runs = [run_of(tmp_path, name, str(number)) for number, name in enumerate(names, 1)]
    cluster = Cluster(squeue=squeue_of(*names), codes="".join(f"{number}|{number << 8}|\n" for number in range(1, 61)))
    queue = QueueCache(Controller({}, cluster), WorkspacePaths(str(tmp_path)))
    found = reconcile_jobs(queue, [(paths, liveness.state_of(paths)) for paths in runs])
    assert [state.event["exit_code"] for state in found] == list(range(1, 61))
