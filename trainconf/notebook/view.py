"""What is shown of a run, a sweep or a comparison, before it is HTML or text: plain data, and nothing of it is markup."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIGNS = {
    "Completed": "✓", "Failed": "✗", "NotResponding": "?", "Canceled": "⊘", "CancelRequested": "⊘", "Running": "●",
    "Finalizing": "●", "Paused": "‖", "NoController": "?",
}  # fmt: skip
WAITS = "◌"  # the sign of every other state
TONES = {
    "Completed": "good", "Failed": "bad", "NotResponding": "bad", "Canceled": "off", "CancelRequested": "off", "Running": "on",
    "Finalizing": "on", "NoController": "bad",
}  # fmt: skip


class Line(NamedTuple):
    """One line of a chart. `colour` is its place among the colours of the view."""

    name: str
    colour: int
    steps: Sequence[float]
    values: Sequence[float]


class Chart(NamedTuple):
    """The courses of one metric."""

    title: str
    lines: Sequence[Line]


class Table(NamedTuple):
    """Cells of text below their headers. `tones` are those of cells, by row and column; `swatches` are colours by column or by row.

    titles: what a cell says besides, by row and column.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    tones: Mapping[tuple[int, int], str] = {}
    column_swatches: Mapping[int, int] = {}
    row_swatches: Mapping[int, int] = {}
    best_row: int | None = None


class View(NamedTuple):
    """One thing that is shown. `status` is empty for what has no state. `is_over`: it will not change by itself any more."""

    kind: str
    name: str
    status: str
    reason: str = ""
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    notes: Sequence[str] = ()
    log: Sequence[str] = ()
    log_title: str = ""
    is_over: bool = True


def sign(status: str) -> str:
    """A character for a state, so that its colour is never all that tells it."""
    return SIGNS.get(status, WAITS)
