"""`trainconf compare`: what differs between runs, as a table."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.screen.printer import (
    STATUS_COLOURS,
    cut,
    measure,
    number,
    one_line,
    printer,
    short_duration,
    terminal_size,
    utc_time,
    width,
)  # fmt: skip
from trainconf.cli.screen.tables import table
from trainconf.control import compare, runs
from trainconf.control.words.spreadsheets import of_comparison
from trainconf.fast.json import dumps
from trainconf.history.events import seconds
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.control.compare import Comparison

    Rows = list[list[str]]

CELL_COLUMNS, SHORTEST_CELL = 40, 12  # a longer value is cut; --json and --csv have it whole


def run(argv: list[str]) -> int:
    """Print the table; exit code 0 also when nothing differs."""
    parser = Arguments("compare")
    parser.add_argument("runs", metavar="RUN", nargs="+", help=RUNS_HELP)
    parser.add_argument("--all", action="store_true", help="also what is the same in all of them")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--csv", action="store_true", help="print CSV, a line for each run")
    args = parser.parse_args(argv)
    chosen = {paths.run_dir: paths for found in runs.find_all(find_workspace(os.getcwd()), args.runs) for paths in runs.runs_of(found)}
    found = compare.compare(list(chosen.values()))
    for place, broken in found.damage.items():
        printer.info(one_line(f"{found.runs[place].run_id} is damaged: {broken}"))
    names = [name for name in found.facts if args.all or name in found.differing]
    if args.json:
        printer.json(found.to_dict(everything=args.all))
    elif args.csv:
        printer.csv(of_comparison(found, names))
    elif names:
        _table(found, names)
    else:
        printer.info(f"nothing differs between these {len(found.runs)} runs; `--all` prints what is known of them")
    return 0


def _table(found: Comparison, names: Sequence[str]) -> None:
    """Runs as columns where these fit, else as lines; what is wider than the terminal goes on below."""
    ids = [paths.run_id for paths in found.runs]
    names = [name for name in names if any(value not in (None, "", [], {}) for value in found.facts[name])]
    upright: Rows = [["run", *ids], *([name, *(cell(name, value) for value in found.facts[name])] for name in names)]
    room = terminal_size()[0]
    label = min(max(width(one_line(row[0])) for row in [*upright, ids]), room // 2)
    fits = min(CELL_COLUMNS, max(SHORTEST_CELL, room - label - 2))
    upright = [[cut(one_line(row[0]), label), *(cut(one_line(cell), fits) for cell in row[1:])] for row in upright]
    colours = {(place + 1, names.index(name) + 1): "green" for name, place in found.best.items() if name in names}
    if "status" in names:
        status = names.index("status") + 1
        colours |= {(place, status): STATUS_COLOURS.get(str(value), "") for place, value in enumerate(found.facts["status"], 1)}
    across = [list(row) for row in zip(*upright, strict=True)]
    prefix = "".join(os.path.commonprefix(ids).rpartition("-")[:2])  # noqa: RUF071 characters are meant, not folders
    upright[0] = [prefix, *(run_id.removeprefix(prefix) for run_id in ids)]
    if len(_blocks(upright, room)) <= len(_blocks(across, room)):
        _print(upright, {(line, column): colour for (column, line), colour in colours.items()}, room)
    else:
        _print(across, colours, room)


def _print(rows: Rows, colours: dict[tuple[int, int], str], room: int) -> None:
    """`colours` are those of cells, by line and column."""
    for place, block in enumerate(_blocks(rows, room)):
        if place:
            printer.data()
        columns = [0, *block]
        shown = {(line - 1, columns.index(column)): colour for (line, column), colour in colours.items() if column in columns}
        table([rows[0][column] for column in columns], [[row[column] for column in columns] for row in rows[1:]], colours=shown)


def _blocks(rows: Rows, room: int) -> list[list[int]]:
    """The columns after the first, in blocks that fit beside it."""
    widths = [max(width(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    blocks: list[list[int]] = [[]]
    left = room + 2 - widths[0]
    for column in range(1, len(widths)):
        if blocks[-1] and widths[column] > left:
            blocks.append([])
            left = room + 2 - widths[0]
        blocks[-1].append(column)
        left -= widths[column]
    return blocks


def cell(name: str, value: Any) -> str:
    if name == "duration_s":
        return short_duration(value)
    if name == "created":
        return utc_time(seconds(value))
    if isinstance(value, (list, dict, bool)):
        return dumps(value)
    judged, _, metric = name.partition(".")
    return measure(metric, value) if judged == "metrics" else number(value)
