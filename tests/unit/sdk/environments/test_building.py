"""Environments that a program builds: here from wheels made by hand, and as images of the real engine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.environments.conftest import make_wheel
from trainconf import CondaDependencies, Environment, Workspace
from trainconf.control.workspace import environments as control
from trainconf.errors import BuildError, TrainconfError, UserError


@pytest.fixture
def offline(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment of a wheel that was made by hand."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    wheel = make_wheel(Path(ws.root, "made"), "demo", "1.0")
    found = Environment("mine")
    found.python.conda_dependencies = CondaDependencies.create(pip_packages=[Environment.add_private_pip_wheel(ws, wheel)])
    return found


def test_one_for_this_machine_is_built_once(offline: Environment, ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    building = offline.build(ws)
    assert building.wait_for_completion() is building
    assert building.status == "Succeeded"
    assert building.get_log().endswith("built\n")
    assert capsys.readouterr().out == building.get_log()
    assert subprocess.run([building.python, "-m", "demo"], check=False).returncode == 0
    again = offline.build_local(ws).wait_for_completion(show_output=False)
    assert again.get_log() == "it is there already\n"
    assert capsys.readouterr().out == ""
    assert [listed.built.name for listed in control.ls(ws._paths)] == ["mine"]


def test_a_build_that_fails_says_why(ws: Workspace, offline: Environment) -> None:
    offline.python.conda_dependencies.add_pip_package("not-there==1")
    building = offline.build(ws)
    with pytest.raises(BuildError, match="not-there"):
        building.wait_for_completion(show_output=False)
    assert building.status == "Failed"
    assert control.ls(ws._paths) == []


def test_what_has_no_meaning_here_is_refused_by_name(ws: Workspace) -> None:
    wrong: list[dict[str, Any]] = [{"platform": "linux"}, {"pushImageToWorkspaceAcr": True}, {"useDocker": "yes"}]
    for given in wrong:
        with pytest.raises(UserError, match=next(iter(given))):
            Environment("x").build_local(ws, **given)
    with pytest.raises(UserError, match="image_build_compute"):
        Environment("x").build(ws, image_build_compute="cpu-cluster")
    with pytest.raises(UserError, match="workspace cannot be"):
        Environment("x").build("ws")  # type: ignore[arg-type]


@pytest.mark.docker
def test_an_image_is_built_and_described(ws: Workspace, offline: Environment, docker_base_image: str) -> None:
    image = offline.clone("image")
    context = Path(ws.root, "ctx")
    context.mkdir()
    (context / "data.txt").write_text("from the context")
    image.docker.base_dockerfile = f"FROM {docker_base_image}\nRUN echo built > /built\n"
    before = image.get_image_details(ws)
    assert (before["image_exist"], before["dockerfile"]) == (False, image.docker.base_dockerfile)
    try:
        building = image.build(ws)
        building.wait_for_completion(show_output=False)
        details = image.get_image_details(ws)
        assert (details["image_exist"], details["image"]["id"]) == (True, building.image)
        assert details["interpreter_path"] == building.python == "/opt/trainconf/env/bin/python"
        said = subprocess.run(
            ["docker", "run", "--rm", "--network=none", building.image, building.python, "-c", "import demo; print(open('/built').read())"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert said.strip() == "built"
    finally:
        for listed in control.ls(ws._paths):
            control.rm(ws._paths, listed.built.hash)


@pytest.mark.docker
def test_a_wrong_image_is_told_by_the_build(ws: Workspace, docker_engine: str) -> None:
    building = Environment.from_docker_image("x", "localhost:1/no/such:thing").build(ws)
    with pytest.raises(TrainconfError, match="cannot be pulled"):
        building.wait_for_completion(show_output=False)
    assert building.status == "Failed"
    with pytest.raises(UserError, match="cannot be the name of an image"):
        Environment.from_docker_image("x", "UPPER/x").get_image_details(ws)
