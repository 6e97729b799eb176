"""`wandb.integration.lightning.fabric`: Lightning's own logger under the name it has there."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def __getattr__(name: str) -> Any:
    """The logger of the Lightning that is installed. Raises ImportError when there is none."""
    if name != "WandbLogger":
        raise AttributeError(name)
    try:
        return import_module("lightning.pytorch.loggers").WandbLogger
    except ImportError:
        return import_module("pytorch_lightning.loggers").WandbLogger
