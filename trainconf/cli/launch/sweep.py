"""`-m`: submits a sweep and shows it to its end; a summary table with the experiment's metric.

Exit code 1 if any trial did not complete, 130 when the sweep was cancelled.
"""

from __future__ import annotations

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.screen.interrupts import Interrupts
from trainconf.cli.screen.live import LiveTable
from trainconf.cli.screen.printer import printer
from trainconf.cli.screen.sweep import print_results
from trainconf.control import runs
from trainconf.control.compose import ComposeRequest
from trainconf.control.sweeps import results as sweep_results
from trainconf.control.sweeps import steer as sweeps


def run(request: ComposeRequest) -> int:
    """Prepare, start and show the sweep; the exit code."""
    sweep = sweeps.prepare(request, find_and_name_workspace(), runs, printer)
    with _cancelling(sweep) as interrupts:
        sweep.start()
        _announce(sweep)
        if sweep.config.submit.detach:
            if sweep_results.needs_controller(sweep.paths):
                sweep_results.detach(sweep.paths)
            printer.data(sweep.sweep_id)
            return 130 if interrupts.count else 0
        _follow(sweep, interrupts)
    return _finish(sweep, interrupts)


def show_to_end(sweep: sweeps.AnySweep) -> int:
    """Show a sweep that goes on, until it has ended; the exit code. Ctrl-C cancels it."""
    with _cancelling(sweep) as interrupts:
        _follow(sweep, interrupts)
    return _finish(sweep, interrupts)


def _cancelling(sweep: sweeps.AnySweep) -> Interrupts:
    notice = "canceling all runs; press Ctrl-C again to kill them at once"
    return Interrupts(lambda force: sweep.cancel(force=force), notice, lambda: sweep.has_started)


def _follow(sweep: sweeps.AnySweep, interrupts: Interrupts) -> None:
    table = LiveTable(sweep)
    interrupts.tell = table.alert
    try:
        for changed in sweeps.follow(sweep):
            table.update(changed)
    finally:
        table.close()


def _finish(sweep: sweeps.AnySweep, interrupts: Interrupts) -> int:
    results = sweep_results.results(sweep.paths)
    print_results(results)
    return 130 if interrupts.count else results.exit_code


def _announce(sweep: sweeps.AnySweep) -> None:
    before = f", {sweep.reused_count} of them completed before" if sweep.reused_count else ""
    before += f"; {sweep.not_looked_at}" if sweep.not_looked_at else ""
    printer.info(f"sweep {sweep.sweep_id}: {sweep.total} runs, {sweep.max_concurrent_runs} at a time{before}")
    if sweep.unsent_count:
        sends = "its own jobs send" if sweep.config.submit.detach else "this command sends"
        left = f"{sweep.unsent_count} runs are not sent yet"
        printer.info(f"Slurm takes no more jobs of yours now: {left}; {sends} them when there is room")
