"""`trainconf rerun RUN [overrides]`: a recorded run again, from its own snapshot, with other values where asked."""

from __future__ import annotations


def run(argv: list[str]) -> int:
    """Read the run's record, apply the overrides to it, submit, and follow."""
    from trainconf.cli.arguments.compose import find_and_name_workspace
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.cli.launch.submit import submit_and_follow
    from trainconf.cli.screen.printer import printer
    from trainconf.history.find import find_run
    from trainconf.submission.code import find_code
    from trainconf.submission.replay import from_run

    parser = Arguments("rerun")
    parser.add_argument("run", metavar="RUN", help="a run id, a unique beginning of one, or `last`")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values to change; groups stay as they were")
    args = parser.parse_intermixed_args(argv)
    workspace = find_and_name_workspace()
    paths = find_run(workspace, args.run)
    resolved, git = from_run(paths, args.overrides, workspace, printer)
    find_code(resolved.spec.code.snapshot, resolved.source_directory, git, workspace, paths.spec)
    return submit_and_follow(resolved, workspace)
