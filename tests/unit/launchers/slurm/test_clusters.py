"""A run's folder that came from somebody else names clusters, jobs and scripts: none is believed, and Slurm is not even asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainconf.errors import LaunchError
from trainconf.history import events, liveness
from trainconf.launchers.protocol import RunHandle
from trainconf.launchers.slurm import clusters
from trainconf.launchers.slurm.arrays import chunks
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.launchers.states import state_of
from trainconf.paths import RunPaths
from trainconf.testing.runs import make_job, make_run_dir, shell

JOBS = {"7": "bash||", "8": "trainconf other-run 0123", "9": "trainconf run 0123"}  # what Slurm has, by number: the jobs' comments
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $* SLURM_CONF=$SLURM_CONF" >> {record}
case "$0" in *squeue) cat {jobs} ;; esac
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was asked of Slurm, a line for each call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "jobs").write_text("".join(f"{number}|{comment}\n" for number, comment in JOBS.items()))
    for name in ("squeue", "scancel", "sbatch", "sacct", "scontrol"):
        (folder / name).write_text(PROGRAM.format(record=tmp_path / "record", jobs=tmp_path / "jobs"))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SLURM_CONF", raising=False)
    (tmp_path / "record").touch()
    return tmp_path / "record"


def claims(root: Path, **facts: Any) -> RunPaths:
    """The folder of a run that says it is that job."""
    job = make_job(str(root), shell("true"), run_id="run")
    make_run_dir(job)
    events.append(job.paths, "Queued", scheduler={"kind": "slurm", "job_id": "9", "conf": "", **facts})
    return job.paths


def test_the_configuration_that_only_a_run_names_is_given_to_no_command(tmp_path: Path, record: Path) -> None:
    paths = claims(tmp_path, conf=str(tmp_path / "slurm.conf"))
    state = state_of(paths)
    assert state.status == "Queued"
    assert f"export SLURM_CONF={tmp_path}/slurm.conf" in state.reason
    with pytest.raises(LaunchError, match="this shell knows another cluster"):
        SlurmLauncher().cancel(RunHandle(paths))
    assert record.read_text() == ""


def test_a_cluster_that_was_submitted_to_is_asked_also_where_the_shell_does_not_name_it(tmp_path: Path, record: Path) -> None:
    conf = str(tmp_path / "slurm.conf")
    clusters.note(clusters.CLUSTER, conf)
    state_of(claims(tmp_path, conf=conf))
    assert f"SLURM_CONF={conf}" in record.read_text()


@pytest.mark.parametrize("job_id", ["7", "8"])
@pytest.mark.parametrize("force", [False, True])
def test_a_job_of_something_else_is_not_cancelled_for_a_run_that_claims_it(tmp_path: Path, record: Path, job_id: str, force: bool) -> None:
    SlurmLauncher().cancel(RunHandle(claims(tmp_path, job_id=job_id)), force=force)
    assert "squeue" in record.read_text()
    assert "scancel" not in record.read_text()


def test_a_runs_own_job_is_cancelled(tmp_path: Path, record: Path) -> None:
    SlurmLauncher().cancel(RunHandle(claims(tmp_path)))
    assert "scancel --state=PENDING 9" in record.read_text()


@pytest.mark.parametrize("facts", [
    {"job_id": "--me"}, {"job_id": "9,8"}, {"job_id": 9}, {"job_id": ["9"]}, {"job_id": "9\n"}, {"conf": ["x"]}, {"kind": None},
    {"arrays": {"9": 1}}, {"arrays": [["--me", 0, 1]]}, {"arrays": [["9", "0", 1]]}, {"arrays": [["9"]]},
])  # fmt: skip
def test_facts_that_no_scheduler_has_told_are_none(tmp_path: Path, record: Path, facts: dict[str, Any]) -> None:
    paths = claims(tmp_path, **facts)
    assert liveness.scheduler_of(paths) == {}
    assert state_of(paths).status == "NotResponding"
    assert record.read_text() == ""


def test_the_rest_of_a_sweep_is_sent_only_by_who_began_it(tmp_path: Path, record: Path) -> None:
    home = RunPaths(str(tmp_path / "runs" / "x" / "sweep"))
    Path(home.logs).mkdir(parents=True)
    Path(home.plan).write_text(json.dumps({"target": "slurm", "batch": None, "chunks": [[0, 1]], "width": 0, "cluster": {"conf": ""}}))
    Path(home.trials).write_text("")
    assert SlurmLauncher()._submitter_of(home) is None
    chunks.send_on(home)
    assert not Path(home.agent_log).exists()
    clusters.note(clusters.SWEEP, home.run_dir)
    assert SlurmLauncher()._submitter_of(home) is not None
    clusters.forget(clusters.SWEEP, home.run_dir)
    assert SlurmLauncher()._submitter_of(home) is None
