"""`trainconf gc` and what runs left in the engine, by the command a user types."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import Shell
from tests.unit.launchers.docker.containers import make_job
from tests.unit.launchers.docker.test_leftovers import left_behind, over, there
from trainconf.engine.client import Engine
from trainconf.history import events


@pytest.mark.docker
def test_gc_shows_then_removes_what_is_over_and_leaves_a_job_that_runs(shell: Shell, docker_engine: str) -> None:
    engine = Engine(docker_engine)
    done, lost = (make_job(shell.root, ["true"], run_id=name, node_count=2) for name in ("done", "lost"))
    with left_behind(engine, done) as old, left_behind(engine, lost, running=True) as running:
        over(done)
        events.append(lost.paths, "Running", 1)
        shown = shell("gc", "--dry-run")
        assert shown.code == 0, shown
        assert [line.split()[:3] for line in shown.out.splitlines()] == [["would", "remove", "container"], ["would", "remove", "network"]]
        assert there(engine, old)
        removed = shell("gc")
        assert [line.split()[:2] for line in removed.out.splitlines()] == [["removed", "container"], ["removed", "network"]]
        assert "its run is Completed" in removed.out
        assert f"`trainconf cancel {lost.run_id}` ends it" in removed.err
        assert (there(engine, old), there(engine, running)) == (False, True)
        shutil.rmtree(lost.paths.run_dir)
        assert "its run was removed" in shell("gc").out
        assert not there(engine, running)


def test_gc_collects_the_rest_when_the_engine_cannot_be_asked(shell: Shell) -> None:
    (shell.root / ".trainconf" / "home").mkdir(parents=True)
    said = shell("gc", env={"DOCKER_HOST": "unix:///no/where.sock"})
    assert said.code == 0, said
    assert "containers and networks of runs: not looked at\n\nthere is no container engine\n" in said.err
    assert said.err.rstrip().endswith("snapshots: 0")


def test_gc_asks_no_engine_where_there_never_was_a_container(shell: Shell) -> None:
    said = shell("gc", env={"DOCKER_HOST": "unix:///no/where.sock"})
    assert (said.code, "container" in said.err) == (0, False)
