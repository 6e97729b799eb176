"""`trainconf ls`: runs as a table, CSV or JSON: the latest, or those that a condition finds; each for itself or folded into groups."""

from __future__ import annotations

import os

from trainconf.cli.screen import tables
from trainconf.cli.screen.printer import one_line, printer
from trainconf.cli.table import runs as shown
from trainconf.control.words import spreadsheets

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from trainconf.control.history import Progress
    from trainconf.history.index.query import Asked
    from trainconf.history.index.rows import Row
    from trainconf.paths import WorkspacePaths
    from trainconf.reporter import Wait

DEFAULT_LIMIT = 50
WATCH_S = 2.0
FIRST = 10  # runs of the first answer
DEFAULTS: dict[str, object] = {
    "of": None, "experiment": None, "status": None, "where": "", "sort": "", "limit": DEFAULT_LIMIT, "columns": [], "changed": False,
    "group": None, "archived": False, "csv": False, "json": False, "watch": False, "reindex": False,
}  # fmt: skip
LEFT_OUT = "`--columns` chooses, `--csv` has all"

EXPRESSIONS = """\
EXPRESSION is in Python's grammar: and, or, not, ==, <, in, is None, arithmetic; texts in quotes. Its names: params.NAME,
metrics.NAME (its last value; min, max, mean(metrics.NAME) of all), tags.NAME, metric, metric.best, run, experiment, sweep,
name, note, archived, status, reason, exit_code, attempt, compute, env, distributed, spec, git.commit, git.branch, git.dirty,
created, started, ended ("2026-11-01", "2h ago"), duration, age ("1h30m").
"""


def run(argv: list[str]) -> int:
    """Print the runs; exit code 0 also when there are none."""
    from trainconf.control import history
    from trainconf.paths import find_workspace

    args = _parse(argv)
    workspace = find_workspace(os.getcwd())
    if args.reindex:
        with _reading() as wait:
            count = history.reindex(workspace, _told(wait))
        printer.info(f"read {count} runs again from {workspace.runs}")
    if args.watch:
        return _watch(workspace, args)
    if vars(args) == DEFAULTS:
        _print_first_answer(workspace)
    return _print_groups(workspace, args) if args.group else _print_runs(workspace, args)


def _reading() -> Wait:
    return printer.wait("reading runs into the index", is_told_often=True)


def _told(wait: Wait) -> Progress:
    return lambda done, total: wait.at(done, total, "runs")


def _print_runs(workspace: WorkspacePaths, args: argparse.Namespace) -> int:
    """Print runs. All of 100,000 are read from the index as they are printed, once more for each look at them."""
    with _reading() as wait:
        rows = _Rows(workspace, _asked(args), args.limit, _told(wait))
        damaged = [one_line(f"{row.paths.run_id} is damaged: {row.damage}") for row in rows if row.damage]
    if args.json:
        printer.json_array(_object(row, args) for row in rows)
    elif args.csv:
        printer.csv(spreadsheets.of_runs(spreadsheets.columns_of(rows, args.columns, changed=args.changed), rows))
    elif rows.is_empty:
        printer.info(_nothing(workspace, args))
    else:
        lines, left_out = _table(rows, args, tables.room())
        for line in lines:
            printer.data(line)
        if left_out:
            printer.info(tables.no_room(left_out, LEFT_OUT))
    for line in damaged:
        printer.info(line)
    if rows.is_cut and not args.json:
        order = "first" if args.sort else "latest"
        told = f"these are the {order} {args.limit}" if args.limit > 1 else f"this is the {order} one"
        printer.info(f"{told}; `--limit 0` lists all")
    return 0


def _print_first_answer(workspace: WorkspacePaths) -> None:
    """Tell somebody who watches what can be told at once, where the index must be made of many runs first."""
    import sys

    from trainconf.control import history

    rows = history.first_answer(workspace, FIRST) if sys.stderr is not None and sys.stderr.isatty() else []
    if rows:
        printer.info(f"the newest by the times in their ids; all runs are read into {workspace.index} once, then the list follows")
        for row in rows:
            printer.info(one_line(f"  {row.fields['run_id']}  {row.fields['status']}"))


def _object(row: Row, args: argparse.Namespace) -> dict[str, object]:
    return row.values if args.columns else row.fields


def _table(rows: Iterable[Row], args: argparse.Namespace, room: int | None) -> tuple[Iterator[str], list[str]]:
    """The lines of the table, and the columns that had no room."""
    columns = shown.for_table(rows, args.columns, changed=args.changed)
    shown.widen(columns, rows)
    places, left = tables.fitting([column.drawn for column in columns], room)
    chosen = [columns[place] for place in places]
    lines = tables.lines([column.drawn for column in chosen], ([column.cell(row) for column in chosen] for row in rows))
    return iter(lines), [columns[place].drawn.header for place in left]


class _Rows:
    """Runs that can be gone through again: in memory when there is a limit, from the index each time when there is none."""

    def __init__(self, workspace: WorkspacePaths, asked: Asked, limit: int, progress: Progress | None) -> None:
        self._workspace, self._asked, self._limit, self._progress = workspace, asked, limit, progress
        self._kept = list(self._read()) if limit else None
        self.is_cut = self._kept is not None and len(self._kept) > limit
        self.is_empty = next(iter(self), None) is None

    def __iter__(self) -> Iterator[Row]:
        return iter(self._kept[: self._limit]) if self._kept is not None else self._read()

    def _read(self) -> Iterator[Row]:
        from trainconf.control import history

        return history.each(self._workspace, self._asked, self._progress)


def _asked(args: argparse.Namespace, limit: int | None = None) -> Asked:
    from trainconf.history.index.query import Asked

    limit = args.limit + 1 if args.limit and limit is None else limit
    return Asked(limit, args.experiment, args.status, args.where, args.sort, tuple(args.columns), args.archived, args.group or "")


def _print_groups(workspace: WorkspacePaths, args: argparse.Namespace) -> int:
    from trainconf.control.results.groups import groups as groups_of

    with _reading() as wait:
        groups = groups_of(workspace, _asked(args, args.limit or None), _told(wait))
    if args.json:
        printer.json([shown.group_object(group) for group in groups])
    elif args.csv:
        shown.print_group_csv(groups)
    elif not groups:
        printer.info(_nothing(workspace, args))
    else:
        lines, left_out = shown.group_table(groups, args.group, tables.room())
        for line in lines:
            printer.data(line)
        if left_out:
            printer.info(tables.no_room(left_out, LEFT_OUT))
    return 0


def _watch(workspace: WorkspacePaths, args: argparse.Namespace) -> int:
    from trainconf.cli.table.refresh import refresh
    from trainconf.control.results.groups import groups

    def draw(height: int) -> list[str]:
        limit = min(args.limit or height, max(1, height - 2))  # the header and a line to spare
        if args.group:
            lines = shown.group_table(groups(workspace, _asked(args, limit)), args.group, tables.room())[0]
            return list(lines)
        rows = _Rows(workspace, _asked(args, limit), limit, None)
        return [_nothing(workspace, args).partition("\n")[0]] if rows.is_empty else list(_table(rows, args, tables.room())[0])

    return refresh(draw, WATCH_S)


def _parse(argv: list[str]) -> argparse.Namespace:
    if not argv:
        from types import SimpleNamespace

        return SimpleNamespace(**DEFAULTS)  # type: ignore[return-value]  # argparse takes a third of the time of a plain list
    from trainconf.cli.arguments.parser import Arguments, count
    from trainconf.history.events import STATES

    def state(text: str) -> str:
        return next((known for known in STATES if known.lower() == text.lower()), text)

    parser = Arguments("ls", epilog=EXPRESSIONS)
    parser.add_argument("of", nargs="?", metavar="EXPERIMENT", help="only runs of this experiment")
    parser.add_argument("--experiment", metavar="E", help="the same")
    parser.add_argument("--status", metavar="S", type=state, choices=STATES, help=f"only runs in this state: {', '.join(STATES)}")
    parser.add_argument(
        "--where", metavar="EXPRESSION", help="only runs for which this holds: 'metrics.loss < 0.5 and params.lr > 0.01'"
    )
    parser.add_argument("--sort", metavar="EXPRESSIONS", help="by these, and not by time: -metrics.val_accuracy,params.lr")
    parser.add_argument("--limit", metavar="N", type=count, help="at most so many, 0 for all (default: %(default)s)")
    parser.add_argument("--columns", metavar="EXPRESSIONS", help="show these: run,params.lr,max(metrics.val_accuracy)")
    parser.add_argument("--changed", action="store_true", help="show only what differs among the runs")
    parser.add_argument("--group", choices=("sweep", "experiment"), help="fold the runs of a sweep or experiment into one line")
    parser.add_argument("--archived", action="store_true", help="only runs in the archive, which are left out else")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print comma-separated values with all columns")
    form.add_argument("--json", action="store_true", help="print a JSON array with every stable field, or with --columns")
    form.add_argument("--watch", action="store_true", help="show the table as it changes, until Ctrl-C")
    parser.add_argument("--reindex", action="store_true", help="first read every run directory again")
    parser.set_defaults(**{**DEFAULTS, "columns": ""})
    args = parser.parse_args(_joined(argv))
    if args.of is not None and args.experiment not in (None, args.of):
        parser.error(f"two experiments were given: {args.of} and {args.experiment}")
    if args.group and (args.sort or args.columns or args.changed):
        parser.error("--group does not go with --sort, --columns or --changed: a group has columns of its own, the newest first")
    if args.changed and (args.columns or args.json):
        parser.error("--changed chooses columns by itself: it goes with neither --columns nor --json")
    args.experiment = args.experiment or args.of
    args.columns = shown.split(args.columns)
    return args


def _joined(argv: list[str]) -> list[str]:
    """`--sort -metrics.loss` as one word: argparse would take what begins with - for an option."""
    joined: list[str] = []
    rest = iter(argv)
    for word in rest:
        following = next(rest, None) if word in ("--sort", "--where", "--columns") else None
        joined.append(word if following is None else f"{word}={following}")
    return joined


def _nothing(workspace: WorkspacePaths, args: argparse.Namespace) -> str:
    asked = (("experiment", args.experiment), ("status", args.status), ("where", args.where))
    narrowed = [f"{name} {value}" for name, value in asked if value] + ["archived"] * args.archived
    if narrowed:
        return f"no runs with {' and '.join(narrowed)} in {workspace.runs}"
    from trainconf.paths import folders_above, is_workspace

    if not is_workspace(workspace.root):
        searched = ", ".join(folders_above(workspace.root))
        hint = "`trainconf init` makes one, `trainconf train.py` runs a script"
        return f"no runs, for no workspace was found\n  searched  {searched}\n\nhint: {hint}"
    return f"no runs yet in {workspace.runs}\n\nhint: `trainconf` starts one, `trainconf init` makes a workspace with an example"
