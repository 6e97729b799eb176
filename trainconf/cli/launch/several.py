"""Submits several recorded runs again, one after the other; nobody waits for them."""

from __future__ import annotations

from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.runs import is_sweep
from trainconf.errors import TrainconfError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainconf.paths import RunPaths
    from trainconf.submission.submit import Submitted


def each(runs: Sequence[RunPaths], submit: Callable[[RunPaths], Submitted], done: str, refused: str) -> int:
    """Submit each and print its id; one that cannot be submitted is told and passed over. The first mistake's exit code.

    `done` and `refused` say it in words, after the run's id. Raises UserError for a sweep among them.
    """
    if sweeps := [paths.run_id for paths in runs if is_sweep(paths)]:
        raise UserError(f"a sweep {refused} among others: {', '.join(sweeps)}", ("from", "command line"),
                        hint="`trainconf sweep retry SWEEP` runs its failed trials again")
    code = 0
    for paths in runs:
        try:
            submitted = submit(paths)
        except TrainconfError as error:
            printer.info(one_line(f"{paths.run_id} {refused}:"))
            printer.error(error)
            code = code or error.exit_code
        else:
            printer.info(one_line(f"{paths.run_id} {done}"))
            show(submitted)
    return code
