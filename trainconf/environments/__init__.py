"""The software a run sees: the current Python or a venv made from a recipe. `resolve` reads recipes, `ensure` hands environments out.

`build` and what it needs are imported by the call that needs them.
"""

from __future__ import annotations

from trainconf.environments.prepare import Prepared, Software, ensure, locate
from trainconf.environments.recipe import identity, resolve
from trainconf.environments.store import BuiltEnvironment, ls, rm, show, sweep_leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["BuiltEnvironment", "Prepared", "Software", "ensure", "identity", "locate", "lock", "ls", "resolve", "rm", "show", "sweep_leftovers"]


def lock(env: dict[str, Any], root: str, *, report: Callable[[str], None]) -> str:
    """The recipe with every version pinned; see `build.lock`."""
    from trainconf.environments.build import lock

    return lock(env, root, report=report)
