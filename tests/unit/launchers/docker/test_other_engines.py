"""Engines that are set up otherwise, started beside the machine's: users of its own (`--userns-remap`), another disk."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.unit.launchers.docker.containers import carry_out, make_job, prepare
from trainconf.engine.address import EngineAddress, explain_missing_source, facts, missing_source
from trainconf.engine.client import Engine, EngineError

IMAGE = "trainconf-testbed/busybox:1"


def answers(engine: Engine) -> bool:
    try:
        return bool(engine.api)
    except EngineError:
        return False


@contextmanager
def engine_of_our_own(machines: str, *options: str, before: str = "") -> Iterator[Engine]:
    """A second engine with one image; `before` is done first, where only this engine sees it. In a network of its own: without a bridge a
    dockerd removes that of the machine's engine."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("only root starts an engine of its own")
    with tempfile.TemporaryDirectory(prefix="tc") as folder:
        at = Path(folder)
        at.chmod(0o755)
        words = ["--host", f"unix://{at}/s", "--data-root", f"{at}/data", "--exec-root", f"{at}/exec", "--pidfile", f"{at}/pid"]
        words += ["--bridge=none", "--iptables=false", *options]
        with (at / "log").open("wb") as log:
            daemon = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-c", f'{before or ":"} && exec dockerd "$@"', "sh", *words], stdout=log, stderr=log
            )
        try:
            engine = Engine(f"unix://{at}/s")
            wait_for(lambda: answers(engine) or daemon.poll() is not None)
            assert daemon.poll() is None, (at / "log").read_text()[-2000:]
            saved = subprocess.run(["docker", "--host", machines, "save", IMAGE], check=True, stdout=subprocess.PIPE).stdout
            subprocess.run(["docker", "--host", engine.address, "load"], check=True, input=saved, stdout=subprocess.DEVNULL)
            yield engine
        finally:
            daemon.terminate()
            daemon.wait(30)


@pytest.mark.docker
def test_an_engine_with_users_of_its_own_still_writes_the_callers_files(docker_engine: str, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["sh", "-c", "touch outputs/x ~/y; cat /proc/self/uid_map"], image=IMAGE, compute={"network": "none"})
    with engine_of_our_own(docker_engine, "--userns-remap=default") as remapped:
        found = facts(remapped, EngineAddress(remapped.address, "the test"))
        assert (found.has_userns_remap, found.is_rootless) == (True, False)
        ended = carry_out(remapped, job, found)
    assert (ended.code, ended.log.split()) == (0, ["0", "0", "4294967295"])
    made = (Path(job.paths.outputs, "x"), Path(job.paths.workspace.home, "y"))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(os.getuid(), os.getgid())}


@pytest.mark.docker
def test_an_engine_that_has_another_disk_is_recognised_by_what_it_does_not_see(docker_engine: str, tmp_path: Path) -> None:
    job = make_job(tmp_path / "here", ["true"], image=IMAGE, compute={"network": "none"})
    prepare(job)
    with engine_of_our_own(docker_engine, before=f"mount -t tmpfs none {shlex.quote(str(tmp_path))}") as elsewhere:
        with pytest.raises(EngineError) as error:
            carry_out(elsewhere, job)
        path = missing_source(error.value)
        assert path == job.paths.run_dir
        told = explain_missing_source(EngineAddress(elsewhere.address, "the test"), path).render()
    assert told.startswith(f"the container engine does not see {path}, which is here\n")
