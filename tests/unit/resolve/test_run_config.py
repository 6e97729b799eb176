"""A composed config read by attribute."""

from __future__ import annotations

from typing import Any

import pytest

from trainconf.composition.compose import compose
from trainconf.paths import WorkspacePaths
from trainconf.resolve.run_config import ComputeConfig, RunConfig


@pytest.mark.parametrize("target", ["local", "docker", "slurm"])
def test_every_setting_of_the_schema_is_an_attribute(target: str, tmp_path: Any) -> None:
    composed = compose(["experiment=adhoc", "script=t.py", f"compute={target}", "+params.docker.build=1"], WorkspacePaths(str(tmp_path)))
    config = composed.typed
    assert config.tree is composed.config
    assert (config.script, config.params) == ("t.py", {"docker": {"build": 1}})
    assert (config.submit.detach, config.snapshot.max_files) == (False, 100_000)
    assert config.env.python.version == composed.config["env"]["python"]["version"]
    assert vars(config.env.docker.build) == composed.config["env"]["docker"]["build"]
    assert vars(config.compute) == composed.config["compute"]


def test_a_key_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="compute"):
        RunConfig({}).compute  # noqa: B018 (it raises)


def test_a_target_from_outside_has_the_answers_of_the_schema() -> None:
    site = ComputeConfig(target="site", queue="q")
    assert (site.cpus, site.gpus, site.build, site.has_gpus) == (1, 0, "submit", False)
    assert ComputeConfig(target="slurm", gpus_per_node=2).has_gpus
