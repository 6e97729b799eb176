"""Submits a run and shows it: the job's own output, its changes of state, and its exit code at the end."""

from __future__ import annotations

import os

from trainconf.cli.arguments.compose import find_and_name_workspace, parse
from trainconf.cli.screen.printer import printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.submission.submit import Submitted


def run(argv: list[str]) -> int:
    """Submit a run, or with `-m` one for every combination; the exit code."""
    request, is_sweep = parse(argv)
    if is_sweep:
        from trainconf.cli.launch.sweep import run as run_sweep

        return run_sweep(request)
    from trainconf.control.submit import submit

    return show(submit(request, find_and_name_workspace(), printer))


def show(submitted: Submitted) -> int:
    """Print the run id and return when detached, else show the run to its end. The exit code."""
    run_id, plan, options = submitted.paths.run_id, submitted.plan, submitted.options
    if plan is None:
        but = f"; {submitted.not_looked_at}" if submitted.not_looked_at else ""
        printer.info(f"completed before as {run_id}; nothing was started{but}")
        if options.detach:
            printer.data(run_id)
        return 0
    try:
        where = f"  on the engine at {plan.engine['address']} ({plan.engine['source']})" if plan.engine else ""
        printer.info(f"run {run_id}  {os.path.relpath(submitted.paths.run_dir)}{where}")
        if options.detach:
            printer.data(run_id)
            return 0
        from trainconf.cli.screen.follow import show_to_end

        return show_to_end(submitted, show_output=options.stream)
    except KeyboardInterrupt:  # before anybody followed it
        submitted.cancel()
        if options.detach:
            raise
    from trainconf.cli.screen.follow import show_to_end

    return show_to_end(submitted, show_output=options.stream, is_canceled=True)
