"""compute=docker for somebody who is not root: what a job writes is theirs, and the job has a name and a home without a passwd entry."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainconf.engine.address import find

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
UID = 43210  # nobody on this machine, and nobody in the image
# by its path: the package trainconf.testing needs pytest, which the system's Python need not have
SUBMIT = """
import os, runpy, sys
globals().update(runpy.run_path(os.path.join(os.environ["PYTHONPATH"], "trainconf", "testing", "runs.py")))
from trainconf.launchers import get
from trainconf.fast.records import replace
root, image, text, user = sys.argv[1:]
launcher = get("docker")
handle = submit(launcher, replace(make_job(root, shell(text), compute={"user": user or None}), image=image))
launcher.wait(handle)
print(last(handle)["state"], last(handle)["reason"])
print(open(handle.paths.log(0)).read(), end="")
"""


@pytest.fixture
def folder(docker_engine: str) -> Iterator[Path]:
    """A folder of theirs; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="tc-user-", dir="/tmp"))
    os.chown(path, UID, UID)
    yield path
    shutil.rmtree(path)


def submit_as_them(folder: Path, image: str, text: str, user: str = "") -> list[str]:
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    if os.geteuid() != 0 or python is None or not os.stat(ROOT).st_mode & 0o005:
        pytest.skip("needs root to become somebody else, a system Python, and a checkout that others may read")
    done = subprocess.run(
        [python, "-c", SUBMIT, folder, image, text, user], user=UID, group=UID, extra_groups=[os.stat(find(os.environ).socket).st_gid],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_everything_a_job_writes_is_the_callers(folder: Path, docker_base_image: str) -> None:
    who = "id -u; id -g; python3 -c 'import getpass; print(getpass.getuser())'"
    text = f"{who}; mkdir -p ~/.cache/x && echo m > outputs/model && touch logs/mine"
    assert submit_as_them(folder, docker_base_image, text) == ["Completed ", str(UID), str(UID), str(UID)]
    paths = [folder, *folder.rglob("*")]
    assert {path.lstat().st_uid for path in paths} == {UID}
    assert {path.name for path in paths} >= {"model", "mine", "std_log.txt", "home", "x"}


def test_the_job_has_no_more_rights_than_the_caller(folder: Path, docker_base_image: str) -> None:
    text = "touch /etc/x 2>/dev/null || echo refused"
    assert submit_as_them(folder, docker_base_image, text) == ["Completed ", "refused"]


def test_a_job_that_is_root_by_wish_gets_into_their_files_and_not_further(folder: Path, docker_base_image: str) -> None:
    work = "touch outputs/mine; rm -r logs; mkdir logs; touch logs/kept"
    text = f"id -u; grep CapBnd /proc/self/status; {work}; mknod /dev/x c 1 3 2>&1 | cut -d: -f3"
    assert submit_as_them(folder, docker_base_image, text, "0:0") == [
        "Completed ", "0", f"CapBnd:\t{1 | 1 << 1 | 1 << 3:016x}", " Operation not permitted",  # capabilities(7)
    ]  # fmt: skip
    (run_dir,) = folder.glob("runs/exp/*")
    assert (run_dir / "outputs/mine").lstat().st_uid == 0
    assert (run_dir / "code/logs/kept").exists()  # root made that folder, so the caller may move nothing out of it
