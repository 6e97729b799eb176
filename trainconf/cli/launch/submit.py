"""Submits what is asked for, and shows it: the job's own output, its changes of state, and its exit code at the end."""

from __future__ import annotations

import os

from trainconf.cli.arguments import compose as composing
from trainconf.cli.screen.printer import printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import WorkspacePaths
    from trainconf.resolve.resolver import Resolved


def run(argv: list[str]) -> int:
    """Submit a run, or with `-m` one for every combination; the exit code."""
    asked = composing.parse(argv)
    if asked.multirun:
        from trainconf.cli.launch.sweep import run as run_sweep

        return run_sweep(asked)
    resolved, workspace = composing.resolved(asked)
    return submit_and_follow(resolved, workspace)


def submit_and_follow(resolved: Resolved, workspace: WorkspacePaths) -> int:
    """Submit; print the run id and return when detached, else follow to the end. The exit code."""
    from trainconf.submission.submit import submit

    submitted = submit(resolved, workspace, printer)
    options = resolved.config.submit
    run_id = submitted.paths.run_id
    if submitted.plan is None:
        but = f"; {submitted.not_looked_at}" if submitted.not_looked_at else ""
        printer.info(f"completed before as {run_id}; nothing was started{but}")
        if options.detach:
            printer.data(run_id)
        return 0
    try:
        engine = submitted.plan.engine
        where = f"  on the engine at {engine['address']} ({engine['source']})" if engine else ""
        printer.info(f"run {run_id}  {os.path.relpath(submitted.paths.run_dir)}{where}")
        if options.detach:
            printer.data(run_id)
            return 0
        from trainconf.cli.screen.follow import show_to_end

        return show_to_end(submitted, show_output=options.stream)
    except KeyboardInterrupt:  # before anybody followed it
        submitted.cancel()
        raise
