"""What a notebook shows: runs, sweeps and comparisons, live; and the magics `%trainconf` and `%%trainconf`.

Runs load it by its name when they are displayed, so that nothing below needs it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.notebook.details import RunDetails, is_displayed, mimebundle

__all__ = ["RunDetails", "is_displayed", "mimebundle"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.details"), name)
