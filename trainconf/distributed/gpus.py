"""Which of a node's GPUs a process sees."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def gpus_seen(visible: Sequence[str], share: Sequence[int] | None) -> list[str]:
    """The GPUs a process sees of those that are visible on its node. `share` is (which, of how many); None is all, (0, 0) none.

    Parts are contiguous and as equal as can be; with fewer GPUs than processes, they are dealt out in turn.
    """
    if share is None:
        return list(visible)
    which, of = share
    if of == 0 or not visible:
        return []
    if len(visible) < of:
        return [visible[which % len(visible)]]
    return list(visible[which * len(visible) // of : (which + 1) * len(visible) // of])
