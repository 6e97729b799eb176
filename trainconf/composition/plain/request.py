"""Reads the overrides of a sweep and composes what its trials share, where all of it is plain and the cache knows it."""

from __future__ import annotations

from trainconf.composition.cache import Asked
from trainconf.composition.plain.trials import PatchedTrials, PlainGrid, SweepRequest
from trainconf.composition.plain.words import read_axes
from trainconf.resolve.search import config_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainconf.composition.layers import Layer
    from trainconf.composition.plain.trials import AnyGrid
    from trainconf.paths import WorkspacePaths


def read_sweep(
    texts: Sequence[str], workspace: WorkspacePaths, whole: Callable[[], SweepRequest], *, config_dir: str | None, config_name: str,
    layers: Sequence[Layer],
) -> SweepRequest:
    """What overrides and layers say. whole: asks Hydra for the same; what is not plain, or was not composed before, is left to it."""
    axes = read_axes(texts)
    if axes is None:
        return whole()
    first = [axis.words[0] for axis in axes]
    base = Asked(first, workspace, config_dir=config_dir, config_name=config_name, layers=layers).found()
    if base is None or base.bound is None:
        return whole()
    base.config_name = config_name
    composer = PatchedTrials(base, config_dirs(workspace, config_dir), lambda: whole().composer)
    is_grid = all(axis.values for axis in axes if axis.spec)
    return SweepRequest(
        composer, {axis.path: axis.spec for axis in axes if axis.spec}, {}, {axis.path for axis in axes if not axis.spec},
        PlainGrid(axes, composer, lambda: _grid_of(whole())) if is_grid else None,
    )  # fmt: skip


def _grid_of(request: SweepRequest) -> AnyGrid:
    assert request.grid is not None
    return request.grid
