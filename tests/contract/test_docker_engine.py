"""Runs whose engine goes away: stopped, killed, restarted with and without live-restore, never there. An engine of the tests' own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainconf import files
from trainconf.engine.client import Engine, EngineError
from trainconf.fast.records import replace
from trainconf.history import events
from trainconf.launchers.docker.launcher import DockerLauncher
from trainconf.launchers.protocol import RunHandle
from trainconf.testing.runs import last, make_job, make_run_dir, output, shell, wait_until

pytestmark = pytest.mark.docker

BUSYBOX = "trainconf-testbed/busybox:1"


class OwnEngine:
    """A dockerd with a socket and data of its own, in a network namespace of its own, or it would remove the bridge of the other."""

    def __init__(self, folder: Path, *, live_restore: bool) -> None:
        self.socket = folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._pid = folder / "dockerd.pid"
        self._argv = [
            "unshare", "--net", "dockerd", f"--host={self.url}", f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}",
            f"--pidfile={self._pid}", "--bridge=none", "--iptables=false", "--storage-driver=vfs",
            f"--live-restore={str(live_restore).lower()}",
        ]  # fmt: skip
        self._containerd = folder / "exec" / "containerd" / "containerd.pid"
        self._log = folder / "dockerd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, f"the engine; {self._log}")

    def answers(self) -> bool:
        try:
            Engine(self.url).get("/version")
        except EngineError:
            return False
        return True

    def stop(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()
        self._process = None
        containerd = Path("/proc", self._containerd.read_text()) if self._containerd.exists() else Path("/nowhere")
        wait_until(lambda: not containerd.exists(), "its containerd to follow: a new dockerd would take it for a living one")
        self._pid.unlink(missing_ok=True)  # after a kill, its number may be another's

    def containers(self) -> list[str]:
        return [found["Id"] for found in Engine(self.url).get("/containers/json", {"all": True})]

    def end(self) -> None:
        if self._process is None:
            self.start()
        for container in self.containers():
            Engine(self.url).delete(f"/containers/{container}", {"force": True})
        self.stop(signal.SIGTERM)


@pytest.fixture
def own(request: pytest.FixtureRequest, docker_engine: str) -> Iterator[OwnEngine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("an engine of one's own needs root and dockerd")
    folder = Path(tempfile.mkdtemp(prefix="tc-engine-", dir="/tmp"))  # a socket's path must be short
    engine = OwnEngine(folder, live_restore=getattr(request, "param", True))
    engine.start()
    image = subprocess.run(["docker", "save", BUSYBOX], check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["docker", "--host", engine.url, "load"], input=image, check=True, stdout=subprocess.DEVNULL)
    yield engine
    engine.end()
    subprocess.run(f"mount | cut -d' ' -f3 | grep ^{folder} | xargs -r umount", shell=True, check=False)
    shutil.rmtree(folder)


class Launched:
    """A run on that engine, with a patience that a test can wait for."""

    def __init__(self, own: OwnEngine, root: Path, text: str, patience_s: float = 30.0) -> None:
        self.launcher = DockerLauncher(environ={**os.environ, "DOCKER_HOST": own.url})
        job = replace(make_job(str(root), shell(text), compute={"network": "none"}), image=BUSYBOX)
        plan = self.launcher.plan(job)
        assert plan.engine is not None
        plan.engine["patience_seconds"] = patience_s
        make_run_dir(job)
        self.paths = job.paths
        self._plan = plan

    def submit(self) -> RunHandle:
        lock = files.FileLock(self.paths.lock)
        lock.acquire()
        events.append(self.paths, "NotStarted")
        self.handle = self.launcher.submit(self._plan, lock, {})
        return self.handle

    def submit_and_wait_until_up(self) -> RunHandle:
        handle = self.submit()
        wait_until(lambda: last(handle)["state"] == "Running" and "up" in output(handle), "the job")
        return handle

    def reasons(self) -> list[str]:
        """What its history says besides how it ended."""
        return [event["reason"] for event in events.read(self.paths)[:-1] if event.get("reason")]


LONG = "echo up; while ! test -e ../go; do sleep 0.1; done; echo done; exit 6"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_with_live_restore_a_run_goes_on_without_its_engine_and_keeps_its_exit_code(
    own: OwnEngine, tmp_path: Path, number: signal.Signals
) -> None:
    run = Launched(own, tmp_path, LONG)
    handle = run.submit_and_wait_until_up()
    own.stop(number)
    wait_until(lambda: "does not answer" in last(handle).get("reason", ""), "the word that the engine is away")
    own.start()
    wait_until(lambda: "answers again" in last(handle).get("reason", ""), "the word that it is back")
    Path(run.paths.run_dir, "go").touch()
    assert run.launcher.wait(handle).status == "Failed"
    assert (last(handle)["exit_code"], output(handle)) == (6, "up\ndone\n")
    assert len(run.reasons()) == 2
    assert own.containers() == []


def test_a_job_that_ends_while_its_engine_is_away_keeps_its_exit_code(own: OwnEngine, tmp_path: Path) -> None:
    run = Launched(own, tmp_path, LONG.replace("exit 6", "exit 0"))
    handle = run.submit_and_wait_until_up()
    own.stop(signal.SIGKILL)
    Path(run.paths.run_dir, "go").touch()
    wait_until(lambda: "done" in output(handle), "the job to end")
    own.start()
    assert run.launcher.wait(handle).status == "Completed", last(handle)


@pytest.mark.parametrize("own", [False], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_without_live_restore_the_engine_ends_its_runs_and_they_say_so(own: OwnEngine, tmp_path: Path, number: signal.Signals) -> None:
    run = Launched(own, tmp_path, "trap 'exit 0' TERM; " + LONG)
    handle = run.submit_and_wait_until_up()
    own.stop(number)
    own.start()
    assert run.launcher.wait(handle).status == "Failed", last(handle)
    assert "not by trainconf" in last(handle)["reason"] or "trainconf did not send" in last(handle)["reason"]
    assert own.containers() == []


def test_a_run_that_is_cancelled_while_its_engine_is_away_ends_when_it_is_back(own: OwnEngine, tmp_path: Path) -> None:
    run = Launched(own, tmp_path, "trap 'exit 5' TERM; " + LONG)
    handle = run.submit_and_wait_until_up()
    own.stop(signal.SIGKILL)
    run.launcher.cancel(handle)
    own.start()
    assert run.launcher.wait(handle).status == "Canceled"
    assert last(handle)["exit_code"] in (5, 137)
    assert own.containers() == []


def test_an_engine_that_comes_while_the_run_waits_to_start_is_used(own: OwnEngine, tmp_path: Path) -> None:
    run = Launched(own, tmp_path, "echo up")
    own.stop(signal.SIGTERM)
    handle = run.submit()
    wait_until(lambda: "does not answer" in last(handle).get("reason", ""), "the word that the engine is away")
    assert last(handle)["state"] == "Starting"
    own.start()
    assert run.launcher.wait(handle).status == "Completed"


def test_an_engine_that_does_not_come_is_a_failed_run_that_says_which(own: OwnEngine, tmp_path: Path) -> None:
    run = Launched(own, tmp_path, "echo up", patience_s=0.5)
    own.stop(signal.SIGTERM)
    handle = run.submit()
    assert run.launcher.wait(handle).status == "Failed"
    assert f"the container engine at {own.url} cannot be reached" in last(handle)["reason"]


def test_a_run_that_waits_for_an_engine_can_be_cancelled(own: OwnEngine, tmp_path: Path) -> None:
    run = Launched(own, tmp_path, "echo up")
    own.stop(signal.SIGTERM)
    handle = run.submit()
    wait_until(lambda: "does not answer" in last(handle).get("reason", ""), "the word that the engine is away")
    run.launcher.cancel(handle)
    assert run.launcher.wait(handle).status == "Canceled"
