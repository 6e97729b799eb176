"""A table that fits a terminal: narrow columns first, those that have no room are named, no line is ever wrapped."""

from __future__ import annotations

import sys

from trainconf.cli.screen.printer import STATUS_COLOURS, columns_of, one_line, printer
from trainconf.cli.screen.widths import cut, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

GAP = 2
SHORTEST_CUT = 16  # columns that a column needs that may be cut
NAMED = 8  # columns without room that are named; of more it is said how many
ELSEWHERE = "a wider terminal or `| cat` shows all columns"


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
    columns = columns_of(sys.stdout)
    return None if columns is None else max(20, columns)


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, needed: Collection[str] = (), cuttable: Collection[str] = (),
    status: str | None = None, colours: Mapping[tuple[int, int], str] | None = None, rest: str = ELSEWHERE, nothing: str = "",
) -> None:
    """Print aligned columns, two spaces apart, under their headers, and which of them had no room.

    The first column and those `needed` always stay. `colours` are those of cells, by row and column. `rest` says where all columns are,
    and `nothing`, in the place of headers, that there are no rows.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    if nothing and not cells:
        printer.info(nothing)
        return
    columns = [
        Column(header, is_needed=not place or header in needed, is_cut=header in cuttable, is_status=header == status)
        for place, header in enumerate(headers)
    ]  # fmt: skip
    for row in cells:
        for column, cell in zip(columns, row, strict=True):
            column.measure(cell)
    places, left_out = fitting(columns, room())
    chosen = [columns[place] for place in places]
    of = {} if colours is None else {(row, places.index(place)): colour for (row, place), colour in colours.items() if place in places}
    printer.data("\n".join(lines(chosen, [[row[place] for place in places] for row in cells], of)))
    if left_out:
        printer.info(no_room([headers[place] for place in left_out], rest))


def no_room(headers: Sequence[str], rest: str) -> str:
    """Which columns were left out, and where they are."""
    named = ", ".join(headers[:NAMED]) + (f" and {len(headers) - NAMED} more" if len(headers) > NAMED else "")
    return one_line(f"no room for {named}; {rest}")


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
    for place in sorted(chosen, key=lambda place: (not columns[place].is_cut, place)):
        given = min(columns[place].widest, least[place] + max(0, left)) if columns[place].is_cut else least[place]
        given = max(8, given + left) if left < 0 and columns[place].is_needed else given
        left -= given - least[place]
        columns[place].widest = given
    return sorted(chosen), [place for place in range(len(columns)) if place not in chosen]


def lines(columns: Sequence[Column], rows: Iterable[Sequence[str]], colours: Mapping[tuple[int, int], str] | None = None) -> Iterable[str]:
    """The header and a line for each row, painted. Cells are cut to their columns; the last one is not padded."""
    yield printer.paint(_line(columns, [column.header for column in columns]), "bold")
    for number, row in enumerate(rows):
        painted = {place: STATUS_COLOURS.get(row[place], "") for place, column in enumerate(columns) if column.is_status}
        if colours:
            painted |= {place: colours[number, place] for place in range(len(columns)) if (number, place) in colours}
        yield _line(columns, [one_line(cell) for cell in row], painted)


def _line(columns: Sequence[Column], cells: Sequence[str], colours: Mapping[int, str] | None = None) -> str:
    shown = []
    for place, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        text = cut(cell, column.widest)
        padded = text + " " * (column.widest - width(text))
        shown.append(printer.paint(padded, colours.get(place, "")) if colours else padded)
    return (" " * GAP).join(shown).rstrip()
