"""tests/testbed/up and down themselves, on a machine of their own as far as the kernel can make one: its processes, /run, state, net."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.testbed.marks import TESTBED

STATE = Path("/var/lib/trainconf-testbed")
PID = f"cat {STATE}/dockerd.pid"

MACHINE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]

# The images that are made already are lent, so that no package is needed.
ALONE = f"""\
set -eu
mount --bind --options ro "$2" "$1/images"
mount --rbind "$1" {STATE}
mount --bind "$3" /run
ip link set lo up 2>/dev/null || true
unset DOCKER_HOST
cd "$4"
trap './down docker || true' EXIT
"""


MADE = """\
set -e
. ./common.sh
. ./docker.sh
apt_get() { false; }
SOURCE=$(debian_source)
for kind in base busybox empty; do compgen -G "$STATE/images/$(key_of $kind)*.tar"; done
"""

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(autouse=True)
def made_images() -> None:
    """Where the engine in use was there before, `up` may have had them from a registry."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if subprocess.run(["bash", "-c", MADE], cwd=TESTBED, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        pytest.skip(f"the images of an engine that the testbed starts are not in {STATE}/images")


def alone(tmp_path: Path, script: str) -> tuple[int, str]:
    """The exit code and the output of a script on such a machine."""
    folders = [tmp_path / "state", tmp_path / "run"]
    for folder in [*folders, folders[0] / "images"]:
        folder.mkdir()
    places = [folders[0], STATE / "images", folders[1], TESTBED]
    ran = subprocess.run(
        [*MACHINE, "bash", "-c", ALONE + script, "bash", *map(str, places)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
    )  # fmt: skip
    shutil.rmtree(folders[0])  # pytest would keep the engine's images of three sessions
    return ran.returncode, ran.stdout


def test_an_engine_is_started_once_by_two_at_once_and_ended(tmp_path: Path) -> None:
    code, told = alone(
        tmp_path,
        f"""
        ! ./status docker
        ./up docker & first=$!; ./up docker & second=$!
        wait $first; wait $second
        ./status docker
        pid=$({PID})
        ./up docker
        [ $pid = $({PID}) ] && echo "same engine"
        ./down docker
        [ -e /proc/$pid/cmdline ] && [ -n "$(tr -d '\\0' </proc/$pid/cmdline)" ] || echo "it has ended"
        ! ./status docker
        """,
    )
    assert code == 0, told
    assert told.count("starting dockerd") == 1
    assert "started by this testbed, base image python:3." in told
    assert "same engine" in told
    assert "it has ended" in told


def test_a_killed_engine_is_brought_up_again_and_its_containers_have_ended(tmp_path: Path) -> None:
    code, told = alone(
        tmp_path,
        f"""
        ./up docker
        docker run --detach --init --name left trainconf-testbed/busybox:1 sleep 1000
        kill -KILL $({PID})
        ! ./status docker
        ./up docker
        docker ps --all --format '{{{{.Names}}}}: {{{{.State}}}}'
        docker start left
        kill -KILL $({PID})
        ./down docker
        grep -lszx --regexp=/run/trainconf-testbed/containerd/containerd.sock /proc/[0-9]*/cmdline || echo "nothing is left"
        """,
    )
    assert code == 0, told
    assert "left: exited" in told
    assert "starting it once more, to end its containers" in told
    assert "nothing is left" in told


def test_an_image_of_another_maker_is_not_replaced(tmp_path: Path) -> None:
    code, told = alone(
        tmp_path,
        """
        ./up docker
        docker rmi trainconf-testbed/empty:1
        docker commit $(docker create trainconf-testbed/busybox:1) trainconf-testbed/empty:1
        theirs=$(docker image inspect --format '{{.Id}}' trainconf-testbed/empty:1)
        ./up docker
        [ $theirs = $(docker image inspect --format '{{.Id}}' trainconf-testbed/empty:1) ] && echo "theirs stayed"
        """,
    )
    assert code == 0, told
    assert "theirs stayed" in told


def test_an_engine_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    code, told = alone(tmp_path, f"touch {STATE}/docker\n./up docker")
    assert code == 1, told
    assert "dockerd does not answer; the end of" in told
    assert f"{STATE}/docker" in told.partition("the end of")[2].partition("\n")[2]


def test_an_address_of_somebody_else_is_not_where_an_engine_is_started(tmp_path: Path) -> None:
    code, told = alone(tmp_path, "export DOCKER_HOST=tcp://127.0.0.1:9; ./up docker")
    assert code == 3, told
    assert "no engine answers at tcp://127.0.0.1:9, which DOCKER_HOST or the docker context names" in told


def test_a_part_nobody_has_is_told(tmp_path: Path) -> None:
    code, told = alone(tmp_path, "./up dokcer")
    assert code == 2, told
    assert "no part is called 'dokcer'; there is: docker" in told
