"""Runs in images: what is recorded of one that is used as it is, and what is told when its name was moved."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import Shell

pytestmark = pytest.mark.docker

BUSYBOX = "trainconf-testbed/busybox:1"
NAME = "trainconf-test-moved:1"


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def words(shell: Shell, docker_base_image: str) -> Iterator[list[str]]:
    """The words for a run in the image NAME, which is busybox."""
    docker("tag", BUSYBOX, NAME)
    yield [
        "experiment=adhoc", "compute=docker", "compute.network=none", f"compute.lease_dir={shell.leases}", "env=minimal",
        "env.requirements=[]", f"env.docker.image={NAME}",
    ]
    subprocess.run(["docker", "rmi", NAME], capture_output=True)


def recorded(shell: Shell) -> list[str]:
    """The image ids that the runs were recorded with, oldest first."""
    runs = sorted(shell.run_dirs(), key=lambda run: run.stat().st_mtime_ns)
    return [json.loads((run / "spec.json").read_text())["environment"]["packages"] for run in runs]


def test_a_rerun_takes_the_image_of_then_while_the_engine_has_it(shell: Shell, words: list[str], docker_base_image: str) -> None:
    busybox = docker("inspect", "--format", "{{.Id}}", BUSYBOX)
    assert shell(*words, "command=[sh,-c,echo hello]").out == "hello\n"
    docker("tag", docker_base_image, NAME)
    again = shell("rerun", shell.run_dirs()[0].name)
    assert (again.code, again.out) == (0, "hello\n")
    assert "not as it was" not in again.err
    assert recorded(shell) == [busybox, busybox]


def test_a_frozen_run_says_that_the_name_of_its_image_was_moved(shell: Shell, words: list[str], docker_base_image: str) -> None:
    frozen = [*words, "command=[sh,-c,echo hello]"]
    assert shell("freeze", *frozen, "-o", "run.lock.yaml").code == 0
    assert shell("freeze", "--check", "run.lock.yaml").code == 0
    docker("tag", docker_base_image, NAME)
    checked = shell("freeze", "--check", "run.lock.yaml")
    assert (checked.code, "packages" in checked.out) == (1, True)


def test_an_image_that_is_not_here_cannot_be_frozen(shell: Shell, words: list[str]) -> None:
    docker("rmi", NAME)
    answer = shell("freeze", *words, "command=[sh,-c,echo hello]")
    assert answer.code == 2
    assert answer.told[f"image {NAME} cannot be frozen: the engine does not have it"]["hint"].startswith(f"`docker pull {NAME}`")


def test_a_script_in_an_image_without_python_leaves_no_run(shell: Shell, words: list[str]) -> None:
    shell.write("train.py", "print(1)\n")
    answer = shell(*words, "script=train.py")
    assert answer.code == 2
    assert f"image {NAME} has no Python to run train.py with" in answer.told
    assert shell.run_dirs() == []


def test_env_knows_images(shell: Shell, words: list[str], docker_settings: list[str]) -> None:
    recipe = ["compute=docker", "env=minimal", "env.requirements=[]", *docker_settings]
    built = shell("env", "build", *recipe)
    assert built.code == 0, built
    listed = shell("env", "ls")
    assert "image" in listed.out
    assert "trainconf/minimal:" in listed.out
    assert "ready: sha256:" in shell("plan", *words[:1], *recipe, "command=[sh,-c,true]").out
    shown = shell("env", "show", "minimal")
    assert f"# image trainconf/minimal:{listed.out.split('trainconf/minimal:')[1][:12]} {built.out.strip()}" in shown.out
    docker("rmi", "-f", built.out.strip())
    assert "no longer in the engine" in shell("env", "ls").out
    assert shell("env", "build", *recipe).code == 0
    assert "not any more" not in shell("env", "ls").out
    assert shell("env", "rm", "minimal").code == 0
    assert subprocess.run(["docker", "inspect", built.out.strip()], capture_output=True).returncode == 1
    assert "will be built: trainconf/minimal:" in shell("plan", *words[:1], *recipe, "command=[sh,-c,true]").out
