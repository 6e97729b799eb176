"""Which containers and networks are nobody's any more, with real ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.unit.launchers.docker.containers import body, make_job, prepare
from trainconf import files
from trainconf.engine import container
from trainconf.engine.client import Engine, EngineError
from trainconf.files import FileLock
from trainconf.history import events, liveness
from trainconf.launchers.docker import leftovers as container_leftovers
from trainconf.launchers.docker import request as container_request
from trainconf.launchers.protocol import Job

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(docker_engine: str) -> Engine:
    return Engine(docker_engine)


@contextmanager
def left_behind(engine: Engine, job: Job, *, command: Sequence[str] = ("sleep", "60"), running: bool = False) -> Iterator[str]:
    """A container of a job, and its network when it has several nodes."""
    prepare(job)
    request = body(job) | {"Cmd": list(command), "OpenStdin": False}
    request["Labels"] = {**request["Labels"], container.LABEL_ATTEMPT: "1"}
    asked = container_request.network(job)
    network = engine.post("/networks/create", body=asked)["Id"] if asked else None
    made = engine.post("/containers/create", body=request)["Id"]
    try:
        if running:
            engine.post(f"/containers/{made}/start")
        yield made
    finally:
        for path in (f"/containers/{made}?force=1", f"/networks/{network}"):
            with suppress(EngineError):  # the test removed it, or there was none
                engine.delete(path)


def there(engine: Engine, container: str) -> bool:
    return any(each["Id"] == container for each in engine.get("/containers/json", {"all": True}))


def over(job: Job, state: str = "Completed") -> None:
    events.append(job.paths, state, 1, exit_code=0, reason="")


def write_plan(job: Job, count: int = 1) -> None:
    """With `count` ranks in one container."""
    ranks = [{"rank": rank, "argv": ["true"], "env": {"NODE_RANK": "0"}} for rank in range(count)]
    ranks[0]["container"] = body(job)
    files.write_atomic(job.paths.plan, files.dumps({"cwd": job.paths.code, "env": {}, "slots": None, "grace_seconds": 1.0, "ranks": ranks}))


def test_what_a_run_that_is_over_has_left_goes_with_its_network(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"], node_count=2)
    with left_behind(engine, job, running=True) as made:
        over(job)
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        assert (found.run_dir, found.why, found.may_go) == (job.paths.run_dir, "its run is Completed", True)
        assert found.networks == [container_request.network_name(job)]
        container_leftovers.remove(engine, found)
        assert not there(engine, made)
        assert container_leftovers.find(engine, job.paths.workspace) == []


def test_a_run_whose_agent_lives_keeps_everything(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"])
    with left_behind(engine, job), FileLock(job.paths.lock):
        events.append(job.paths, "Running", 1)
        assert container_leftovers.find(engine, job.paths.workspace) == []


def test_a_job_that_still_runs_without_its_agent_is_left_to_who_cancels_it(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"])
    with left_behind(engine, job, running=True) as made:
        events.append(job.paths, "Running", 1)
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        assert (found.why, found.may_go) == ("its run is NotResponding", False)
        engine.post(f"/containers/{made}/kill")
        engine.post(f"/containers/{made}/wait")
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        assert found.may_go
        assert "exited (137)" in found.containers[0]


@pytest.mark.parametrize(("code", "status"), [(0, "Completed"), (7, "Failed"), (137, "Failed")])
def test_how_a_job_without_its_agent_ended_is_on_disk_before_its_container_goes(
    engine: Engine, tmp_path: Path, code: int, status: str
) -> None:
    job = make_job(tmp_path, ["true"])
    with left_behind(engine, job, command=["sh", "-c", f"exit {code}"], running=True) as made:
        write_plan(job)
        events.append(job.paths, "Running", 1)
        engine.post(f"/containers/{made}/wait")
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        container_leftovers.remove(engine, found)
        assert not there(engine, made)
    state = liveness.state_of(job.paths)
    assert (state.status, state.event["exit_code"], state.event.get("rank")) == (status, code, 0 if code else None)
    assert state.reason.endswith("its agent was gone, and the engine told this afterwards")
    assert events.seconds(state.event["time"]) is not None


def test_of_several_ranks_the_first_that_failed_is_told_when_the_agent_is_gone(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"])
    ends = f"echo '2 0\n1 5\n0 9' >{job.paths.ends(0)}; echo x >{job.paths.usage(0)}; exit 5"
    with left_behind(engine, job, command=["sh", "-c", ends], running=True) as made:
        write_plan(job, 3)
        events.append(job.paths, "Running", 1)
        engine.post(f"/containers/{made}/wait")
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        container_leftovers.remove(engine, found)
    end = liveness.state_of(job.paths).event
    assert (end["state"], end["exit_code"], end["rank"]) == ("Failed", 5, 1)
    assert not os.path.exists(job.paths.ends(0))


def test_a_job_that_never_ran_is_not_given_an_end(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"])
    with left_behind(engine, job):
        write_plan(job)
        events.append(job.paths, "Starting", 1)
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        container_leftovers.remove(engine, found)
    assert liveness.state_of(job.paths).status == "NotResponding"


def test_what_belongs_to_a_run_that_was_removed_goes(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"])
    with left_behind(engine, job, running=True):
        shutil.rmtree(job.paths.run_dir)
        (found,) = container_leftovers.find(engine, job.paths.workspace)
        assert (found.why, found.may_go) == ("its run was removed", True)


def test_another_workspaces_containers_are_not_seen(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path / "ws", ["true"])
    other = make_job(tmp_path / "ws2", ["true"])
    with left_behind(engine, job):
        over(job)
        assert container_leftovers.find(engine, other.paths.workspace) == []
        assert not container_leftovers.may_exist(other.paths.workspace)
        assert container_leftovers.may_exist(job.paths.workspace)
        assert os.path.isdir(job.paths.run_dir)
