"""`-m`: submits a sweep and shows it to its end; a summary table with the experiment's metric.

Exit code 1 if any trial did not complete, 130 when the sweep was cancelled. What only shows a sweep is imported when its trials run.
"""

from __future__ import annotations

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.screen.interrupts import Interrupts
from trainconf.cli.screen.printer import printer
from trainconf.control.compose import ComposeRequest
from trainconf.control.sweeps import steer as sweeps


def run(request: ComposeRequest) -> int:
    """Prepare, start and show the sweep; the exit code."""
    return carry_out(sweeps.prepare(request, find_and_name_workspace(), printer))


def carry_out(sweep: sweeps.AnySweep) -> int:
    """Start a sweep that was prepared, and show it; the exit code."""
    with _cancelling(sweep) as interrupts:
        sweep.start()
        _announce(sweep)
        if sweeps.place_of(sweep) != "here":
            if not sweeps.hand_over(sweep) and not sweep.config.submit.detach:
                printer.info("no process needs to control it: all its runs are handed over")
            printer.data(sweep.sweep_id)
            return 130 if interrupts.count else 0
        follow(sweep, interrupts)
    return _finish(sweep, interrupts)


def show_to_end(sweep: sweeps.AnySweep) -> int:
    """Show a sweep that goes on, until it has ended; the exit code. Ctrl-C cancels it."""
    with _cancelling(sweep) as interrupts:
        follow(sweep, interrupts)
    return _finish(sweep, interrupts)


def _cancelling(sweep: sweeps.AnySweep) -> Interrupts:
    notice = "canceling all runs; press Ctrl-C again to kill them at once"
    return Interrupts(lambda force: sweep.cancel(force=force), notice, lambda: sweep.has_started)


def follow(sweep: sweeps.AnySweep, interrupts: Interrupts | None = None) -> None:
    """Show a sweep until it has ended."""
    from trainconf.cli.screen.live import LiveTable
    from trainconf.control.sweeps import following

    table = LiveTable(sweep)
    if interrupts is not None:
        interrupts.tell = table.alert
    try:
        for changed in following.follow(sweep):
            table.update(changed)
    finally:
        table.close()


def _finish(sweep: sweeps.AnySweep, interrupts: Interrupts) -> int:
    from trainconf.cli.screen.sweep import print_results
    from trainconf.control.results.sweep import results as results_of

    is_open = bool(interrupts.count) or sweep.is_paused
    sweep.forget()
    results = results_of(sweep.paths)
    print_results(results)
    return 130 if is_open else results.exit_code


def _announce(sweep: sweeps.AnySweep) -> None:
    before = f", {sweep.reused_count} of them completed before" if sweep.reused_count else ""
    before += f"; {sweep.not_looked_at}" if sweep.not_looked_at else ""
    printer.info(f"sweep {sweep.sweep_id}: {sweep.total} runs, {sweep.max_concurrent_runs} at a time{before}")
    if sweep.unsent_count:
        sends = "this command sends" if sweeps.place_of(sweep) == "here" else "its own jobs send"
        left = f"{sweep.unsent_count} runs are not sent yet"
        printer.info(f"Slurm takes no more jobs of yours now: {left}; {sends} them when there is room")
