"""In the job of a Hydra app: has the config that the app has composed compared with the one that was recorded at submission.

Hydra imports this module before it composes, for `compat/hydra/path` is on the job's PYTHONPATH. A callback would need a word of its own in
`.hydra/overrides.yaml`, and Hydra 1.4 warns about each.
"""

from __future__ import annotations

from typing import Any

from hydra.core.hydra_config import HydraConfig


def _comparing(set_config: Any) -> Any:
    """Hydra's own function, which is given the config before the app's function is."""

    def compared(self: Any, cfg: Any) -> None:
        set_config(self, cfg)
        from trainconf.compat.hydra.composed import compare

        compare(cfg)

    compared.is_of_trainconf = True  # type: ignore[attr-defined]
    return compared


if not hasattr(HydraConfig.set_config, "is_of_trainconf"):  # Hydra may import this module more than once
    HydraConfig.set_config = _comparing(HydraConfig.set_config)  # type: ignore[method-assign]
