"""Hydra's door to trainconf's sweeps: `hydra/sweeper=trainconf` in an app over trainconf's config.

Hydra imports this module in every Hydra app of the environment, so it holds nothing that can fail, and imports nothing of trainconf.
A sweeper may return before its runs have ended, which a launcher may not; it never calls a launcher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper


@dataclass
class TrainconfSweeperConfig:
    """Nothing to set here: how to search is the config group `sweep`."""

    _target_: str = "hydra_plugins.trainconf_sweeper.TrainconfSweeper"


class TrainconfSweeper(Sweeper):
    """Hands the words of a multirun to trainconf."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Nothing is kept: trainconf composes by itself, once."""

    def sweep(self, arguments: list[str]) -> int:
        """Submit the sweep and follow it, or return when detached; its exit code."""
        from trainconf.cli.composing import Words
        from trainconf.cli.sweep import run

        return run(Words(list(arguments), multirun=True))


ConfigStore.instance().store(group="hydra/sweeper", name="trainconf", node=TrainconfSweeperConfig, provider="trainconf")
