"""An engine that is set up otherwise: one of our own beside the machine's, with users of its own (`--userns-remap`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.unit.launchers.containers import carry_out, make_job
from trainconf.engine.address import EngineAddress, facts
from trainconf.engine.client import Engine, EngineError

IMAGE = "trainconf-testbed/busybox:1"


def answers(engine: Engine) -> bool:
    try:
        return bool(engine.api)
    except EngineError:
        return False


@pytest.fixture
def remapped(docker_engine: str) -> Iterator[Engine]:
    """An engine whose root is another user of this machine, with one image."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("only root starts an engine of its own")
    with tempfile.TemporaryDirectory(prefix="tc") as folder:
        at = Path(folder)
        at.chmod(0o755)
        words = ["--host", f"unix://{at}/s", "--data-root", at / "data", "--exec-root", at / "exec", "--pidfile", at / "pid"]
        with (at / "log").open("wb") as log:
            # In a network namespace of its own: with --bridge=none a dockerd removes the docker0 of the machine's own engine.
            daemon = subprocess.Popen(
                ["unshare", "--net", "dockerd", *words, "--bridge=none", "--iptables=false", "--userns-remap=default"], stdout=log, stderr=log
            )  # fmt: skip
        try:
            engine = Engine(f"unix://{at}/s")
            wait_for(lambda: answers(engine) or daemon.poll() is not None)
            assert daemon.poll() is None, (at / "log").read_text()[-2000:]
            saved = subprocess.run(["docker", "--host", docker_engine, "save", IMAGE], check=True, stdout=subprocess.PIPE).stdout
            subprocess.run(["docker", "--host", engine.address, "load"], check=True, input=saved, stdout=subprocess.DEVNULL)
            yield engine
        finally:
            daemon.terminate()
            daemon.wait(30)


@pytest.mark.docker
def test_an_engine_with_users_of_its_own_still_writes_the_callers_files(remapped: Engine, tmp_path: Path) -> None:
    found = facts(remapped, EngineAddress(remapped.address, "the test"))
    assert (found.has_userns_remap, found.is_rootless) == (True, False)
    job = make_job(tmp_path, ["sh", "-c", "touch outputs/x ~/y; cat /proc/self/uid_map"], image=IMAGE, compute={"network": "none"})
    ended = carry_out(remapped, job, found)
    assert (ended.code, ended.log.split()) == (0, ["0", "0", "4294967295"])
    made = (Path(job.paths.outputs, "x"), Path(job.paths.workspace.home, "y"))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(os.getuid(), os.getgid())}
