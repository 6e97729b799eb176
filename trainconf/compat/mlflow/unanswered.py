"""What of a store of mlflow has no meaning here: it does nothing, and says so once."""

from __future__ import annotations

from trainconf.compat.tracking.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def rest_of(base: type, ours: type) -> dict[str, Any]:
    """A method for each that mlflow's base class leaves open, and that ours does not have."""
    names = [name for name in dir(base) if getattr(getattr(base, name), "__isabstractmethod__", False)]
    return {name: _nothing(name) for name in names if getattr(ours, name) is getattr(base, name)}


def _nothing(name: str) -> Any:
    def call(self: Any, *args: Any, **more: Any) -> None:
        note("mlflow." + name, f"mlflow's {name} does nothing here (docs/tracking.md)")

    return call
