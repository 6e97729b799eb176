"""`trainconf run FILE`: exactly what a frozen file says, again."""

from __future__ import annotations


def run(argv: list[str]) -> int:
    """Find the code, submit, and follow."""
    from trainconf.cli.arguments.compose import find_and_name_workspace
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.cli.launch.submit import submit_and_follow
    from trainconf.cli.screen.printer import printer
    from trainconf.submission import frozen
    from trainconf.submission.code import find_code
    from trainconf.submission.replay import from_frozen

    parser = Arguments("run")
    parser.add_argument("file", metavar="FILE", help="what `trainconf freeze -o FILE` wrote")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that are not part of the frozen spec: compute.slots=4")
    parser.add_argument("--detach", action="store_true", help="print the run id and return")
    args = parser.parse_intermixed_args(argv)
    workspace = find_and_name_workspace()
    file = frozen.read(args.file, workspace)
    resolved = from_frozen(file, [*args.overrides, *["submit.detach=true"] * args.detach], workspace, printer)
    code = file.resolved.spec.code.snapshot
    found = find_code(code, file.resolved.source_directory, file.git, workspace, args.file)
    frozen.pin_where_it_lies(file, workspace)
    printer.info(f"code {code[:12]} found in {found}")
    return submit_and_follow(resolved, workspace)
