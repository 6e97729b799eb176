"""A view as text, for a terminal and for whatever shows no HTML."""

from __future__ import annotations

from trainconf.cli.screen.printer import one_line, width
from trainconf.notebook.view import sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.notebook.view import Table, View


def render(view: View) -> str:
    """The whole of it, but for the charts: tables have the courses of metrics as words."""
    return "\n".join(_lines(view))


def _lines(view: View) -> Iterator[str]:
    state = f"  {sign(view.status)} {view.status}" if view.status else ""
    yield one_line(f"{view.kind} {view.name}{state}")
    if view.reason:
        yield one_line(f"  {view.reason}")
    wide = max((width(label) for label, _ in view.facts), default=0)
    for label, value in view.facts:
        yield one_line(f"  {label:<{wide}}  {value}")
    for table in view.tables:
        yield ""
        yield from _table(table)
    if view.notes:
        yield ""
        yield from map(one_line, view.notes)
    if view.log:
        yield ""
        yield one_line(view.log_title)
        yield from (f"  {line}" for line in view.log)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield one_line(table.title)
    rows = [[one_line(cell) for cell in row] for row in ([table.headers] if any(table.headers) else []) + [*table.rows]]
    widths = [max(width(row[column]) for row in rows) for column in range(len(table.headers))]
    for row in rows:
        yield ("  " + "  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))).rstrip()
