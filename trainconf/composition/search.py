"""Reads the overrides of a sweep and composes what its trials share: from the cache where all of it is plain, else by Hydra."""

from __future__ import annotations

from trainconf.composition.plain.request import read_sweep as read_plainly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.composition.layers import Layer
    from trainconf.composition.plain.trials import SweepRequest
    from trainconf.paths import WorkspacePaths


def read_sweep(
    texts: Sequence[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    layers: Sequence[Layer] = (),
) -> SweepRequest:
    """Read the overrides and compose the base. A later override of the same key replaces an earlier one. Raises ConfigError."""

    def whole() -> SweepRequest:
        from trainconf.composition.hydra.light import import_lightly

        import_lightly()
        from trainconf.composition.sweep.request import read_sweep as read_by_hydra

        return read_by_hydra(texts, workspace, config_dir=config_dir, config_name=config_name, layers=layers)

    return read_plainly(texts, workspace, whole, config_dir=config_dir, config_name=config_name, layers=layers)
