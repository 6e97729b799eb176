"""`trainconf ls`: the latest runs, newest first."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import number, one_line, printer, short_duration, utc_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.history.index.rows import Row
    from trainconf.paths import WorkspacePaths

DEFAULT_LIMIT = 50


def run(argv: list[str]) -> int:
    """Print the runs; exit code 0 also when there are none."""
    from trainconf.control import history
    from trainconf.paths import find_workspace

    args = _parse(argv)
    workspace = find_workspace(os.getcwd())
    if args.reindex:
        printer.info(f"read {history.reindex(workspace)} runs again from {workspace.runs}")
    rows = history.ls(workspace, args.limit + 1 if args.limit else None, experiment=args.experiment, status=args.status)
    shown = rows[: args.limit] if args.limit else rows
    if args.json:
        printer.json([row.fields for row in shown])
    elif shown:
        _table(shown)
    else:
        printer.info(_nothing(workspace, args))
    for row in shown:
        if row.damage:
            printer.info(one_line(f"{row.paths.run_id} is damaged: {row.damage}"))
    if len(rows) > len(shown) and not args.json:
        printer.info(f"these are the latest {args.limit}; `--limit 0` lists all")
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    from trainconf.cli.arguments.parser import Arguments, count
    from trainconf.history.events import STATES

    def state(text: str) -> str:
        return next((known for known in STATES if known.lower() == text.lower()), text)

    parser = Arguments("ls", "List runs, newest first.")
    parser.add_argument("of", nargs="?", metavar="EXPERIMENT", help="only runs of this experiment")
    parser.add_argument("--experiment", metavar="E", help="the same")
    parser.add_argument("--status", metavar="S", type=state, choices=STATES, help=f"only runs in this state: {', '.join(STATES)}")
    parser.add_argument("--limit", metavar="N", type=count, default=DEFAULT_LIMIT, help="at most so many, 0 for all (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print a JSON array with every stable field")
    parser.add_argument("--reindex", action="store_true", help="first read every run directory again")
    args = parser.parse_args(argv)
    if args.of is not None and args.experiment not in (None, args.of):
        parser.error(f"two experiments were given: {args.of} and {args.experiment}")
    args.experiment = args.experiment or args.of
    return args


def _table(rows: list[Row]) -> None:
    from trainconf.history.events import seconds

    names = {row.metric for row in rows if row.metric is not None}
    only = names.pop() if len(names) == 1 else None
    cells = []
    for row in rows:
        fields = row.fields
        value = number(fields["metrics"].get(row.metric))
        if only is None and value:
            value = f"{row.metric} {value}"
        created = utc_time(seconds(fields["created"]))
        took = short_duration(fields["duration_s"])
        cells.append((fields["run_id"], fields["status"], str(fields["experiment_name"]), created, took, value))
    printer.table(("run", "status", "experiment", "created (UTC)", "duration", only or "metric"), cells, status_column=1)


def _nothing(workspace: WorkspacePaths, args: argparse.Namespace) -> str:
    narrowed = [f"experiment {args.experiment}"] * bool(args.experiment) + [f"status {args.status}"] * bool(args.status)
    if narrowed:
        return f"no runs with {' and '.join(narrowed)} in {workspace.runs}"
    return f"no runs yet in {workspace.runs}\n\nhint: `trainconf` starts one, `trainconf init` makes a workspace with an example"
