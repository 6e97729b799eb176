"""A table that fits a terminal: narrow columns first, those that have no room are named, no line is ever wrapped."""

from __future__ import annotations

import os
import sys

from trainconf.cli.screen.printer import STATUS_COLOURS, cut, one_line, printer, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GAP = 2
SHORTEST_CUT = 16  # columns that a column needs that may be cut


class Column:
    """A column. One that `is_needed` always stays; one that `is_cut` takes the room that is left; `is_status` has colours."""

    __slots__ = ("header", "is_cut", "is_needed", "is_status", "widest")

    def __init__(self, header: str, *, is_needed: bool = False, is_cut: bool = False, is_status: bool = False) -> None:
        self.header = one_line(header)
        self.is_needed, self.is_cut, self.is_status = is_needed, is_cut, is_status
        self.widest = width(self.header)

    def measure(self, cell: str) -> None:
        """Make room for a cell."""
        self.widest = max(self.widest, width(one_line(cell)))


def room() -> int | None:
    """Columns of the terminal that standard output is, or None where it is none: nothing has to fit there."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    try:
        return max(20, int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(1).columns)
    except (ValueError, OSError):
        return 80


def fitting(columns: Sequence[Column], total: int | None) -> tuple[list[int], list[int]]:
    """The places of the columns that fit, and of those that do not: those that can be cut first, then the narrow ones."""
    if total is None:
        return list(range(len(columns))), []
    least = [min(column.widest, SHORTEST_CUT) if column.is_cut else column.widest for column in columns]
    chosen = {place for place, column in enumerate(columns) if column.is_needed}
    left = total - sum(least[place] + GAP for place in chosen) + GAP
    for place in sorted(range(len(columns)), key=lambda place: (not columns[place].is_cut, least[place], place)):
        if place not in chosen and least[place] + GAP <= left:
            chosen.add(place)
            left -= least[place] + GAP
    for place in sorted(chosen):
        column = columns[place]
        if left < 0 and column.is_needed:
            narrowed = max(8, column.widest + left)
            left += column.widest - narrowed
            column.widest = narrowed
        elif column.is_cut:
            given = min(column.widest, least[place] + max(0, left))
            left -= given - least[place]
            column.widest = given
    return sorted(chosen), [place for place in range(len(columns)) if place not in chosen]


def lines(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """The header and a line for each row, painted. Cells are cut to their columns; the last one is not padded."""
    yield printer.paint(_line(columns, [column.header for column in columns], paint=False), "bold")
    for row in rows:
        yield _line(columns, [one_line(cell) for cell in row], paint=True)


def _line(columns: Sequence[Column], cells: Sequence[str], *, paint: bool) -> str:
    shown = []
    for column, cell in zip(columns, cells, strict=True):
        text = cut(cell, column.widest)
        padded = text + " " * (column.widest - width(text))
        shown.append(printer.paint(padded, STATUS_COLOURS.get(cell, "")) if paint and column.is_status else padded)
    return (" " * GAP).join(shown).rstrip()
