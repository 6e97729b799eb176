"""compute=docker keeps the contract on a real engine, and what only containers can promise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.launcher_contract import HOSTILE_NAMES, LauncherContract
from tests.contract.runs import make_job, shell
from trainconf.engine.address import find
from trainconf.engine.client import Engine
from trainconf.errors import ConfigError
from trainconf.launchers import get
from trainconf.launchers.base import Job, Launcher

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(docker_engine: str) -> Engine:
    return Engine(find(os.environ).url)


@pytest.fixture
def _nothing_is_left(engine: Engine, tmp_path: Path) -> Iterator[None]:
    """No container and no network of a run in the test's folder."""
    yield
    mine = str(tmp_path)
    labelled = {"filters": {"label": ["trainconf.run_dir"]}}
    for kind, path in (("containers", "/containers/json"), ("networks", "/networks")):
        found = engine.get(path, {"all": True, **labelled})
        left = [each for each in found if each["Labels"]["trainconf.run_dir"].startswith(mine)]
        for each in left:
            engine.delete(f"/{kind}/{each['Id']}", {"force": True})
        assert not left, [each["Labels"] for each in left]


@pytest.mark.usefixtures("_nothing_is_left")
class TestDocker(LauncherContract):
    interpreter = "python3"

    @pytest.fixture
    def launcher(self) -> Launcher:
        return get("docker")

    @pytest.fixture(autouse=True)
    def _image(self, docker_base_image: str) -> None:
        self.image = docker_base_image

    def job(self, root: str, argv: list[str], **wishes: Any) -> Job:
        return replace(make_job(root, argv, **wishes), image=self.image)

    @pytest.mark.parametrize("name", HOSTILE_NAMES)
    def test_any_folder_name_will_do(self, launcher: Launcher, root: str, name: str) -> None:
        """Any but one that is no UTF-8: the engine's interface is JSON, and has no word for it."""
        if os.fsencode(name).decode("utf-8", "replace") == name:
            super().test_any_folder_name_will_do(launcher, root, name)
            return
        with pytest.raises(ConfigError, match="UTF-8"):
            launcher.plan(self.job(os.path.join(root, name), shell("true"), run_id=name))
