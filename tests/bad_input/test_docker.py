"""What goes wrong with compute=docker is told in the one form, with exit code 2, and leaves nothing: from the command a user types."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.test_asked_wrongly import without_roots_powers
from tests.conftest import Answer, Shell
from tests.unit.engine.test_address import answering, context, http, use

IMAGE = "env.docker.image=python:3.11-slim"


def in_docker(workspace: Shell, *words: str, image: str = IMAGE) -> list[str]:
    plain = ["experiment=adhoc", "script=train.py", "compute=docker", "env=minimal", "env.requirements=[]", image]
    return [*plain, f"compute.lease_dir={workspace.leases}", "compute.slots=4", *words]


def refused(workspace: Shell, answer: Answer) -> dict[str, dict[str, str]]:
    """The mistakes, when it was the user's and nothing is left of the run."""
    assert answer.code == 2, answer
    assert answer.out == ""
    assert workspace.run_dirs() == []
    return answer.told


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose sockets have names short enough for the kernel."""
    with tempfile.TemporaryDirectory(prefix="tc") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def engineless(short: Path) -> Iterator[dict[str, str]]:
    """The environment of a user whose engine says what it is and then is never asked for anything."""
    answers = {
        "/_ping": http("OK"),
        "/info": http({"ServerVersion": "27.1", "CgroupDriver": "systemd", "NCPU": 4}),
        "/json": http({"message": "No such image"}, status="404 Not Found"),
    }
    with answering(short / "s", answers):
        yield {"DOCKER_HOST": f"unix://{short}/s"}


def test_no_engine_is_told_with_its_address_and_what_named_it(workspace: Shell, short: Path) -> None:
    told = refused(workspace, workspace(*in_docker(workspace), env={"DOCKER_HOST": f"unix://{short}/gone"}))
    facts = told["there is no container engine"]
    assert (facts["address"], facts["from"]) == (f"unix://{short}/gone", "DOCKER_HOST")


def test_no_permission_on_the_socket_says_how_to_get_it(workspace: Shell, short: Path) -> None:
    with answering(short / "s", {"/_ping": http("OK")}):
        (short / "s").chmod(0)
        env = {"DOCKER_HOST": f"unix://{short}/s"}
        told = refused(workspace, workspace(*in_docker(workspace), env=env, before=without_roots_powers))
    assert f"`ls -l {short}/s`" in told["the container engine's socket refuses you"]["hint"]


def test_a_remote_context_is_refused_with_its_name(workspace: Shell) -> None:
    docker = workspace.home / ".docker"
    context(docker, "gpu-box", "ssh://gpu-box")
    use(docker, "gpu-box")
    told = refused(workspace, workspace(*in_docker(workspace), env={"DOCKER_HOST": ""}))
    facts = told["the container engine at ssh://gpu-box is on another machine, or may be"]
    assert facts["from"] == f"context gpu-box ({docker}/config.json)"


def test_every_mistake_in_the_settings_is_told_at_once_with_its_origin(workspace: Shell, engineless: dict[str, str]) -> None:
    workspace.write("conf/local.yaml", "compute:\n  memory_gib: 0.001\n")
    words = [
        "+compute.arguments.shm_size=1g", "+compute.arguments.cap_ad=[SYS_PTRACE]", "+compute.arguments.security_opt=seccomp",
        "+compute.arguments.environment={A: b}", "+compute.ulimits.nofile=many", "+compute.arguments.volumes=[/no/such/place:/data]",
        "+inputs.system=/etc",
    ]  # fmt: skip
    told = refused(workspace, workspace(*in_docker(workspace, *words), env=engineless))
    origins = {what: facts["from"] for what, facts in told.items()}
    assert origins == {
        "compute.memory_gib=0.001 is less than an engine accepts": "conf/local.yaml:2",
        "compute.ulimits.nofile=many is not a limit": "command line: +compute.ulimits.nofile=many",
        "inputs.system is mounted at its own path, and would hide /etc of the image": "command line: +inputs.system=/etc",
        "compute.arguments.shm_size is not for you to set": "command line: +compute.arguments.shm_size=1g",
        "compute.arguments.cap_ad is not an argument of the docker SDK's containers.run": f"command line: {words[1]}",
        "compute.arguments.security_opt is refused by the docker SDK": f"command line: {words[2]}",
        "compute.arguments.volumes mounts /no/such/place, which does not exist": f"command line: {words[5]}",
        "compute.arguments.environment is not for you to set": f"command line: {words[3]}",
    }
    by_key = {re.split(r"[ =]", what)[0]: facts for what, facts in told.items()}
    assert by_key["compute.arguments.shm_size"]["instead"] == "compute.shm_size_gib"
    assert by_key["compute.arguments.cap_ad"]["nearest"] == "cap_add"
    assert "expected list" in by_key["compute.arguments.security_opt"]["because"]


def test_a_list_of_flags_is_answered_in_words(workspace: Shell) -> None:
    told = refused(workspace, workspace(*in_docker(workspace, "compute.arguments=['-e','A=1']")))
    (facts,) = told.values()
    assert facts["allowed"] == "mapping"
    assert "by their names in the docker SDK" in facts["meaning"]
    assert "not a list of flags" in facts["meaning"]


def test_an_argument_without_its_plus_is_told_how_to_be_added(workspace: Shell) -> None:
    told = refused(workspace, workspace(*in_docker(workspace, "compute.arguments.cap_add=[SYS_PTRACE]")))
    (facts,) = told.values()
    assert facts["hint"] == "to add a new one: '+compute.arguments.cap_add=[SYS_PTRACE]'"


def test_an_input_that_is_not_there_is_told_before_any_engine_is_asked(workspace: Shell) -> None:
    told = refused(workspace, workspace(*in_docker(workspace, "+inputs.d=no/such"), env={"DOCKER_HOST": "unix:///no/where"}))
    assert list(told) == ["the input d does not exist"]


def test_several_nodes_have_a_network_of_their_own(workspace: Shell, engineless: dict[str, str]) -> None:
    words = in_docker(workspace, "compute.network=host", "distributed.node_count=2")
    told = refused(workspace, workspace(*words, env=engineless))
    assert list(told) == ["compute.network=host, but 2 nodes find each other on a network of the run's own"]


def test_a_variable_no_shell_can_hand_on_is_told(workspace: Shell, engineless: dict[str, str]) -> None:
    told = refused(workspace, workspace(*in_docker(workspace, "+env.variables.my-name=1"), env=engineless))
    assert list(told) == ["env.variables has 'my-name', which the shell in a container cannot hand on"]


def test_a_variable_that_a_shell_keeps_for_itself_is_told(workspace: Shell, engineless: dict[str, str]) -> None:
    told = refused(workspace, workspace(*in_docker(workspace, "+env.variables.UID=1000"), env=engineless))
    assert list(told) == ["env.variables has UID, which some shells in a container keep for themselves: it would not reach the job"]


def test_a_workspace_whose_name_is_not_utf_8_is_refused(workspace: Shell, engineless: dict[str, str]) -> None:
    root = Path(os.fsdecode(os.fsencode(workspace.root) + b"/\xff"))
    root.mkdir()
    (root / "train.py").write_text("")
    answer = workspace(*in_docker(workspace), cwd=root, env=engineless)
    assert answer.code == 2, answer
    assert set(answer.told) == {
        f"{what} has a name that is not UTF-8, and a container engine takes nothing else" for what in ("the run directory", "HOME")
    }
    assert not (root / "runs").exists()


@pytest.mark.docker
def test_an_image_without_an_interpreter_is_refused_for_a_script_and_takes_a_command(workspace: Shell) -> None:
    image = "env.docker.image=trainconf-testbed/busybox:1"
    told = refused(workspace, workspace(*in_docker(workspace, image=image)))
    assert list(told) == ["image trainconf-testbed/busybox:1 has no Python to run train.py with"]
    answer = workspace(*in_docker(workspace, "script=null", "command=[sh,-c,'echo it runs']", image=image))
    assert (answer.code, answer.out) == (0, "it runs\n"), answer


@pytest.mark.docker
def test_a_network_the_engine_does_not_have_fails_the_run_in_the_engines_words(workspace: Shell) -> None:
    answer = workspace(*in_docker(workspace, "compute.network=no-such-network"))
    assert answer.code == 125, answer  # as `docker run` has it
    assert "no-such-network" in answer.err
    assert "not found" in answer.err
