"""sweep=...: where the trials of a sweep come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from trainconf.schema.fields import setting


@dataclass
class GridSweep:
    """sweep=grid: every combination of the values given with `-m`."""

    kind: str = setting("grid", "set by the choice of `sweep`", choices=("grid",))
    max_concurrent_runs: Optional[int] = setting(None, "trials at a time; default: as many as the machine has slots for", minimum=1)
    max_total_runs: int = setting(10_000, "a larger grid is refused", minimum=1)
