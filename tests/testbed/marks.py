"""The markers of the testbed. A marked test has its part, is skipped with the reason, or fails where CI could have had the part."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

TESTBED = Path(__file__).parent
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")  # read once: no test sees the variable
BRINGS = {"docker": "docker_engine", "slurm": "slurm_cluster"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a marked test the fixture of its marker, before any other fixture."""
    if not isinstance(item, pytest.Function):
        return
    for marker, fixture in BRINGS.items():
        if item.get_closest_marker(marker) and fixture not in item.fixturenames:
            item.fixturenames = [fixture, *item.fixturenames]  # a list of its own: the other params of its function may not be marked


def could_be_up() -> bool:
    """Whether CI could have brought the testbed up here. A skip would then hide that it did not."""
    if not IN_CI or os.geteuid() != 0:
        return False
    try:
        return platform.freedesktop_os_release()["ID"] in ("debian", "ubuntu")
    except OSError:
        return False


def status_of(part: str) -> str:
    """The line of `tests/testbed/status` for a part that is up. Skips or fails the test for any other."""
    status = subprocess.run([TESTBED / "status", part], stdout=subprocess.PIPE, text=True)
    if status.returncode:
        if could_be_up():
            pytest.fail(status.stdout.strip(), pytrace=False)
        pytest.skip(status.stdout.strip())
    return status.stdout.strip()
