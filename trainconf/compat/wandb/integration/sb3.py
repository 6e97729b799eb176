"""`wandb.integration.sb3`: a callback for Stable-Baselines3 that logs what its logger holds, and keeps models."""

from __future__ import annotations

import os

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter

from trainconf.compat.wandb import api, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional


class _Writer(KVWriter):  # type: ignore[misc]
    """Takes each row that the logger dumps."""

    def write(self, key_values: Any, key_excluded: Any, step: int = 0) -> None:
        api.log(dict(key_values, global_step=step), step=step)

    def close(self) -> None:
        return None


class WandbCallback(BaseCallback):  # type: ignore[misc]
    """Logs what the model's logger holds at each of its dumps."""

    def __init__(
        self, verbose: int = 0, model_save_path: Optional[str] = None, model_save_freq: int = 0, gradient_save_freq: int = 0,
        log: Any = None
    ) -> None:  # fmt: skip
        super().__init__(verbose)
        self._folder, self._every = model_save_path, model_save_freq

    def _init_callback(self) -> None:
        known = {"policy": str(self.model.policy_class), "algorithm": type(self.model).__name__}
        current.config().update(known, allow_val_change=True)
        self.model.logger.output_formats.append(_Writer())

    def _on_step(self) -> bool:
        if self._folder and self._every and self.n_calls % self._every == 0:
            self._save()
        return True

    def _on_training_end(self) -> None:
        if self._folder:
            self._save()

    def _save(self) -> None:
        path = os.path.join(str(self._folder), "model.zip")
        self.model.save(path)
        api.save(path, base_path=self._folder)
