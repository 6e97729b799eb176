"""Fixtures for tests marked `docker`: an engine that answers, or a skip with the reason; and the settings with which images build here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.testbed.marks import TESTBED, pytest_itemcollected, status_of

__all__ = ["docker_base_image", "docker_engine", "docker_settings", "pytest_itemcollected"]

USUAL_ADDRESS = "unix:///var/run/docker.sock"


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[str]:
    """The address of an engine that answers and has the testbed's images. The context of the docker command decides which engine."""
    status_of("docker")
    asked = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    address = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with pytest.MonkeyPatch.context() as patch:
        if address != USUAL_ADDRESS:
            patch.setenv("DOCKER_HOST", address)  # a test's home has no context of its own
        yield address


@pytest.fixture(scope="session")
def docker_base_image(docker_engine: str) -> str:
    """The Python image of this engine: python:<minor>-slim."""
    return status_of("docker").split()[-1]


@pytest.fixture(scope="session")
def docker_settings(docker_base_image: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The overrides with which an environment's image builds on this machine: its mirror, its certificates, the Python there is."""
    folder = tmp_path_factory.mktemp("settings")
    told = subprocess.run([sys.executable, TESTBED / "settings", folder], check=True, stdout=subprocess.PIPE, text=True)
    version = re.fullmatch(r"python:(3\.\d+)-slim", docker_base_image)
    assert version, f"not a Python: {docker_base_image}"
    is_ours = version[1] == "{}.{}".format(*sys.version_info)
    return [*told.stdout.splitlines(), *([] if is_ours else [f"env.python.version='{version[1]}'"])]
