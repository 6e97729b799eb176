"""How the processes of a run are laid out over ranks and nodes. Pure functions; they start nothing."""

from __future__ import annotations

from trainconf.distributed.layout import RankLayout, layout

__all__ = ["RankLayout", "layout"]
