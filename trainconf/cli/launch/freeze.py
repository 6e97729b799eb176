"""`trainconf freeze`: a run as a file for version control; `--check` says whether it still is what would run."""

from __future__ import annotations

import argparse
import os

from trainconf.cli.arguments.compose import add_arguments, find_and_name_workspace, parse_arguments, request_of
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.freeze import FileCommit, check, freeze, freeze_run
from trainconf.control.runs import find_run_or_best
from trainconf.errors import UserError
from trainconf.paths import find_workspace


def run(argv: list[str]) -> int:
    """Freeze, or check; 1 when a checked file no longer matches."""
    parser = Arguments("freeze")
    add_arguments(parser)
    parser.add_argument("--output", "-o", metavar="FILE", help="where to write it; standard output when left out")
    parser.add_argument("--commit", action="store_true", help="with -o: commit the file, and nothing else, to its git repository")
    parser.add_argument("--message", "-m", metavar="MSG", help="with --commit: the commit's message")
    parser.add_argument("--check", metavar="FILE", help="compare a frozen file with what its overrides compose to today")
    parser.add_argument("--diff", action="store_true", help="with --check: also print the lines of code that differ")
    parser.add_argument("--trust", action="store_true", help="with --check: start the Python that a file names which was not frozen here")
    args = parse_arguments(parser, argv)
    if (args.diff or args.trust) and not args.check:
        raise UserError("--diff and --trust go with --check FILE", ("from", "command line"))
    if (args.commit and not args.output) or (args.message is not None and not args.commit):
        raise UserError("--commit goes with -o FILE, and -m with --commit", ("from", "command line"))
    return _check(args) if args.check else _freeze(args)


def _freeze(args: argparse.Namespace) -> int:
    workspace = find_and_name_workspace()
    commit = FileCommit(args.output) if args.commit else None
    names = [word for word in args.overrides if "=" not in word and word[:1] not in ("~", "+")]
    if names and len(args.overrides) > 1:
        raise UserError(f"freeze takes one run, or overrides: {' '.join(args.overrides)}", ("from", "command line"),
                        hint=f"`trainconf rerun {names[0]} KEY=VALUE` makes a run with other values, to be frozen then")
    if names:
        run = find_run_or_best(workspace, names[0])
        printer.info(f"freezing {run.run_id}")
        frozen = freeze_run(run, workspace, args.output, printer.exact)
    else:
        frozen = freeze(request_of(args), workspace, args.output, printer.exact, printer)
    if args.output:
        printer.info(f"froze {frozen.experiment_name}, spec {frozen.spec_hash[:12]}, in {args.output}")
    if frozen.only_here:
        printer.info(f"note: {frozen.only_here}; only this snapshot store can run the file: {workspace.snapshots}")
    if commit is not None:
        made = commit.make(frozen, args.message or "")
        printer.info(f"committed as {made[:12]}: {args.output} alone" if made else f"{args.output} is committed already, as it is")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Tell, part by part, what is not as it was."""
    if args.overrides or args.script or args.output:
        raise UserError("freeze --check takes the file alone; the file has its own overrides", ("from", "command line"))
    workspace = find_workspace(os.getcwd())
    found = check(args.check, workspace, printer, config_dir=args.config_dir, diff=args.diff, trust=args.trust)
    for part, lines in found.differences.items():
        printer.data(f"{part} differs\n" + "\n".join(f"  {one_line(line)}" for line in lines))
    if found.code_diff:
        printer.verbatim("\n" + "\n".join("\t".join(map(one_line, line.split("\t"))) for line in found.code_diff.splitlines()))
    if found.strange_program:
        printer.info(f"the environment was not compared: the file names {one_line(found.strange_program)} and was not frozen here, "
                     "and a check starts no program that a stranger's file names; --trust starts it")  # fmt: skip
    if found.differences:
        printer.info(f"\nhint: freeze again if this is meant: `trainconf freeze -o {args.check} ...`")
    elif not found.strange_program:
        printer.info(f"{args.check} is what would run today" + (f"; {found.not_compared}" if found.not_compared else ""))
    return 1 if found.differences or found.strange_program else 0
