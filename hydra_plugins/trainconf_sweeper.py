"""Hydra's door to trainconf's sweeps: `hydra/sweeper=trainconf` in an app over trainconf's config.

Hydra imports this module in every Hydra app of the environment, so it holds nothing that can fail, and imports nothing of trainconf.
A sweeper may return before its runs have ended, which a launcher may not; it never calls a launcher.
"""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper


class TrainconfSweeper(Sweeper):
    """Hands the words of a multirun to trainconf, with the name and the folder of the app's config."""

    def __init__(self, params: Any = None) -> None:
        """params: the app's `hydra.sweeper.params`, which trainconf reads by itself."""
        self.config_name = "config"
        self.config_dir: str | None = None

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Of the app's config only its name and its folder are kept: trainconf composes by itself, once."""
        sources = config.hydra.runtime.config_sources
        self.config_name = str(config.hydra.job.config_name or "config").removesuffix(".yaml")
        self.config_dir = next((source.path for source in sources if source.provider == "main" and source.schema == "file"), None)

    def sweep(self, arguments: list[str]) -> int:
        """Submit the sweep and follow it, or return when detached; its exit code."""
        from trainconf.cli.launch.sweep import run
        from trainconf.control.compose import ComposeRequest

        return run(ComposeRequest(arguments, self.config_name, self.config_dir))


# A plain mapping: Hydra runs this file without entering it in sys.modules, where a dataclass would look itself up.
_NODE = {"_target_": "hydra_plugins.trainconf_sweeper.TrainconfSweeper", "params": None}
ConfigStore.instance().store(group="hydra/sweeper", name="trainconf", node=_NODE, provider="trainconf")
