"""Submits what the words ask for, and follows it: the job's own output, its changes of state, and its exit code at the end."""

from __future__ import annotations

import os

from trainconf.cli.arguments import compose as composing
from trainconf.cli.screen.printer import printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import WorkspacePaths
    from trainconf.resolve.resolver import Resolved


def run(words: list[str]) -> int:
    """Submit a run, or with `-m` one for every combination; the exit code."""
    asked = composing.parse(words)
    if asked.multirun:
        from trainconf.cli.launch.sweep import run as run_sweep

        return run_sweep(asked)
    resolved, workspace = composing.resolved(asked)
    return submit_and_follow(resolved, workspace)


def submit_and_follow(resolved: Resolved, workspace: WorkspacePaths) -> int:
    """Submit; print the run id and return when detached, else follow to the end. The exit code."""
    from trainconf import launchers
    from trainconf.submission.submit import submit

    submitted = submit(resolved, workspace, printer)
    wanted = resolved.config.submit
    paths = submitted.paths
    if submitted.reused:
        but = f"; {submitted.not_looked_at}" if submitted.not_looked_at else ""
        printer.talk(f"completed before as {paths.run_id}; nothing was started{but}")
        if wanted.detach:
            printer.data(paths.run_id)
        return 0
    assert submitted.handle is not None
    assert submitted.plan is not None
    launcher = launchers.get(submitted.plan.target)
    try:
        engine = submitted.plan.engine
        where = f"  on the engine at {engine['address']} ({engine['source']})" if engine else ""
        printer.talk(f"run {paths.run_id}  {os.path.relpath(paths.run_dir)}{where}")
        if wanted.detach:
            printer.data(paths.run_id)
            return 0
        from trainconf.cli.screen.follow import Following

        return Following(launcher, submitted.handle, submitted.plan, show_output=wanted.stream).to_the_end()
    except KeyboardInterrupt:  # before anybody followed it
        launcher.cancel(submitted.handle)
        raise
