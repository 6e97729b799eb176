"""Hydra's door to trainconf's sweeps: `hydra/sweeper=trainconf` in a Hydra app of anybody's.

Hydra imports this module in every Hydra app of the environment, so it holds nothing that can fail, and imports nothing of trainconf.
A sweeper may return before its runs have ended, which a launcher may not; it never calls a launcher.
"""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper


class TrainconfSweeper(Sweeper):
    """Hands the words of a multirun to trainconf, with what that must know of the app.

    words: for trainconf and not for the app, such as `sweep=random`. params: a key of the app's config to what it is searched for.
    detach: whether the command returns at once and prints the sweep's id; None: as `submit.detach` says.
    of_another: what the app's files set for another sweeper, such as Optuna's.
    """

    def __init__(self, words: Any = (), params: Any = None, detach: Any = None, **of_another: Any) -> None:
        self._words = [str(word) for word in words or ()]
        self._detach = detach
        self._params = dict(params or {})
        self._of_another = of_another
        self._config: Any = None

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep the app's config, of which only the names are looked at: trainconf composes by itself, once."""
        self._config = config

    def sweep(self, arguments: list[str]) -> int:
        """Submit the sweep and follow it, or return when detached. Hydra passes no exit code on: one that is not 0 ends the process."""
        from omegaconf import OmegaConf

        from trainconf.cli.launch.hydra_app import App, run
        from trainconf.cli.main import told

        hydra = self._config.hydra
        name = str(hydra.job.config_name or "config").removesuffix(".yaml")
        folder = next((found.path for found in hydra.runtime.config_sources if (found.provider, found.schema) == ("main", "file")), None)
        config: Any = OmegaConf.to_container(self._config)
        choices = config["hydra"]["runtime"]["choices"]
        app = App(str(hydra.job.name), name, folder, config, choices, self._words, self._params, self._detach, self._of_another)
        code = told(lambda: run(app, arguments))
        if code:
            raise SystemExit(code)
        return code


# A plain mapping: Hydra runs this file without entering it in sys.modules, where a dataclass would look itself up.
_NODE: dict[str, Any] = {  # not recursive: the sampler of another sweeper is not made
    "_target_": "hydra_plugins.trainconf_sweeper.TrainconfSweeper", "_recursive_": False, "words": [], "params": None, "detach": None,
}  # fmt: skip
ConfigStore.instance().store(group="hydra/sweeper", name="trainconf", node=_NODE, provider="trainconf")
