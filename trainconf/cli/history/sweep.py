"""`trainconf sweep`: what sweeps there are, how one goes, and what it shall do now."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import Any

from trainconf.agent.signals import LOCK_FD
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.history.cancel import ask_to_end
from trainconf.cli.screen.printer import measure, one_line, printer
from trainconf.cli.screen.sweep import print_sweep, summary
from trainconf.cli.screen.tables import table
from trainconf.control import runs
from trainconf.control.results import asking
from trainconf.control.results import sweep as sweeps
from trainconf.control.results.damage import UNKNOWN, damage, refuse_damaged
from trainconf.control.results.whereabouts import controller_now, was_begun_as
from trainconf.control.sweeps.standing import (
    before_stop,
    check_extension,
    nothing_to_resume,
    nothing_to_retry,
    refuse_pause_of_ended,
    standing,
)
from trainconf.control.words.spreadsheets import of_sweep
from trainconf.control.words.sweeps import without_a_best
from trainconf.errors import UserError
from trainconf.history import labels
from trainconf.paths import RunPaths, WorkspacePaths, find_workspace

PLACES = ("here", "detached", "job")
CONTROLLER = "sweep.controller="
RETRIES = ("failed", "canceled", "lost", "all")


def run(argv: list[str]) -> int:
    """One of ls, show, best, importance, export, pause, resume, extend, retry, stop, cancel."""
    parser = Arguments("sweep")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    ls = actions.add_parser("ls", help="list sweeps, newest first")
    ls.add_argument("--json", action="store_true", help="print a JSON array")
    ls.add_argument("--archived", action="store_true", help="only those that were archived")
    texts = {
        "show": "print every trial, the best one, and why trials were stopped", "best": "print the best trial",
        "pause": "start no further trial for now; those that run go on", "resume": "go on, also where the controller was killed",
        "extend": "go on with higher limits: sweep.max_total_runs=60", "retry": "run ended trials again, with the same values",
        "stop": "start no further trial; those that run go on to their end", "cancel": "end all trials",
        "importance": "print how much each key matters (Optuna's PED-ANOVA)", "export": "write it as an Optuna study, or as CSV",
    }
    parsers = {name: actions.add_parser(name, help=text) for name, text in texts.items()}
    for name, sub in parsers.items():
        sub.add_argument("sweep", metavar="SWEEP", help="an id, its beginning, or last")
        if name in ("resume", "extend", "retry"):
            sub.add_argument("--in", dest="workspace", metavar="DIR", help=argparse.SUPPRESS)
            sub.add_argument("--as-job", action="store_true", help=argparse.SUPPRESS)
            sub.add_argument("--leaves", action="store_true", help=argparse.SUPPRESS)
            sub.add_argument("--has-lock", action="store_true", help=argparse.SUPPRESS)
            sub.add_argument("--detach", action="store_true", help="return at once; a process of its own controls the sweep")
            sub.add_argument("changes", nargs="*", metavar="sweep.LIMIT=NUMBER", help="new limits, "
                             "such as sweep.max_total_runs=60; a policy, such as sweep/policy=asha; what further trials may use, "
                             "such as compute.time_minutes=240; sweep.controller=here|detached|job")
    target = parsers["export"].add_mutually_exclusive_group(required=True)
    target.add_argument("--optuna", metavar="FILE", help="a journal file, which optuna-dashboard opens")
    target.add_argument("--csv", action="store_true", help="print a line for each trial")
    parsers["show"].add_argument("--json", action="store_true", help="print one JSON object")
    parsers["show"].add_argument("--all", action="store_true", help="also on a terminal print every trial, of however many")
    parsers["best"].add_argument("--words", action="store_true", help="print its overrides alone, for another command")
    parsers["cancel"].add_argument("--force", action="store_true", help="kill at once, without the grace time")
    parsers["retry"].add_argument("--only", choices=RETRIES, default="failed", help="which of the ended trials (default: failed)")
    args, rest = parser.parse_known_args(argv)
    if rest and (not hasattr(args, "changes") or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # argparse takes no further words behind an option
        args.changes += rest
    workspace = find_workspace(getattr(args, "workspace", None) or os.getcwd())
    return {
        "ls": _ls, "show": _show, "best": _best, "pause": _pause, "resume": _resume, "extend": _resume, "retry": _resume, "stop": _stop,
        "cancel": _cancel, "importance": _importance, "export": _export,
    }[args.action](args, workspace)  # fmt: skip


def _ls(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    found = [sweeps.results(paths) for paths in sweeps.ls(workspace) if labels.read(paths).archived == args.archived]
    if args.json:
        printer.json([{**results.to_dict(), "trials": len(results.trials)} for results in found])
        return 0
    rows = [
        (results.sweep.run_id, results.kind, sweeps.state(results.sweep), f"{results.count('Completed')}/{results.total}",
         str(results.count("Failed") or ""), results.metric or "", measure(results.metric, results.best_value))
        for results in found
    ]  # fmt: skip
    nothing = "no sweep is archived" if args.archived else "no sweeps here: `trainconf -m key=a,b` makes one"
    headers = ("sweep", "kind", "status", "completed", "failed", "metric", "best")
    table(headers, rows, needed=("status", "best"), status="status", nothing=nothing)
    for results in found:
        if results.kind == UNKNOWN:
            printer.info(one_line(f"{results.sweep.run_id} is damaged: {damage(results.sweep)}"))
    return 0


def _show(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    results = sweeps.results(runs.find_sweep(workspace, args.sweep))
    if args.json:
        printer.json(results.to_dict())
        return 0
    print_sweep(results, every=args.all)
    return 0


def _best(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    results = sweeps.results(runs.find_sweep(workspace, args.sweep))
    if results.best is None:
        refuse_damaged(results.sweep)
        shows = f"`trainconf show {results.sweep.run_id}` lists its trials"
        raise UserError(without_a_best(results), hint=shows if results.metric else "metric.name=NAME says by which metric they are")
    if args.words:
        from trainconf.sweeps.trials import words_of

        printer.verbatim(shlex.join(words_of(results.sweep, results.best.overrides)))
        return 0
    printer.data(str(results.best.row.get("run_id")))
    printer.info(summary(results)[-1])
    return 0


def _importance(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    from trainconf.control.sweeps.study import study_of

    found = study_of(runs.find_sweep(workspace, args.sweep)).importances()
    table(("key", "importance"), [(key, f"{share:.2f}") for key, share in found.items()], needed=("importance",))
    return 0


def _export(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    paths = runs.find_sweep(workspace, args.sweep)
    if args.csv:
        if broken := damage(paths):
            printer.info(one_line(f"{paths.run_id} is damaged: {broken}"))
        printer.csv(of_sweep(sweeps.results(paths)))
        return 0
    from trainconf.control.sweeps.study import study_of

    study_of(paths).write(args.optuna)
    printer.info(f"{args.optuna} holds the study {paths.run_id}: optuna-dashboard {args.optuna}")
    return 0


def _pause(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    paths = runs.find_sweep(workspace, args.sweep)
    refuse_pause_of_ended(paths)
    if sweeps.state(paths) == "Paused":
        printer.info(f"{paths.run_id} is paused already; `trainconf sweep resume {args.sweep}` goes on")
        return 0
    asking.ask_for(paths, "pause")
    held = ", and those that wait in the queue are held" if asking.can_hold(paths) else ""
    printer.info(f"no further trial starts{held}; `trainconf sweep resume {args.sweep}` goes on")
    return 0


def _stop(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    paths = runs.find_sweep(workspace, args.sweep)
    ended, closed = before_stop(paths)
    if ended:
        printer.info(ended)
        return 0
    runs.stop_sweep(paths)
    printer.info("no further trial starts" + (f", as before: {closed}" if closed else ""))
    return 0


def _cancel(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    return 0 if ask_to_end(runs.find_sweep(workspace, args.sweep), force=args.force) else 1


def _resume(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    paths = runs.find_sweep(workspace, args.sweep)
    if args.action == "resume" and not args.changes and sweeps.is_paused_grid(paths):
        asking.ask_for(paths, "resume")
        printer.info("its trials that wait in the queue may begin")
        printer.data(paths.run_id)
        return 0
    if args.as_job:
        return _control_in_job(paths, workspace, leaves=args.leaves)
    place = _place(args, paths)
    from trainconf.control.sweeps.resume import change_of, of_compute

    words = [word for word in args.changes if not word.startswith(CONTROLLER)]
    changes = dict(change_of(word, "command line") for word in words)
    if args.action == "extend" and not changes:
        raise UserError("extend needs a new limit", ("from", "command line"), hint="sweep.max_total_runs=60")
    if args.action == "extend" and not args.has_lock:
        check_extension(paths, changes, workspace)
    retry = args.only if args.action == "retry" else ""
    if not args.has_lock and (nothing := _nothing_to_do(paths, changes, retry, workspace)):
        printer.info(nothing)
        printer.data(paths.run_id)
        return sweeps.results(paths).exit_code if standing(paths).has_ended else 0
    if (settings := of_compute(changes)) and not args.has_lock:
        printer.info(f"{', '.join(settings)} hold{'s' * (len(settings) == 1)} for trials that are made from now on")
    if place == "job" and not controller_now(paths).is_here:
        from trainconf.control.sweeps.resume import resume_as_job

        printer.info(f"job {resume_as_job(paths, workspace, changes, retry) or 'whose number Slurm has not told yet'} controls it")
        printer.data(paths.run_id)
        return 0
    if place == "detached":
        from trainconf.control.sweeps.resume import resume_detached

        if resume_detached(paths, workspace, args.action, words, retry):
            printer.info(f"the controller of {paths.run_id} was told")
        printer.data(paths.run_id)
        return 0
    from trainconf.cli.launch.sweep import show_to_end
    from trainconf.control.sweeps.resume import resume

    sweep = resume(paths, workspace, changes, retry, printer, lock_fd=LOCK_FD if args.has_lock else -1)
    if sweep is None:
        printer.info(f"the controller of {paths.run_id} was told")
        return 0
    return show_to_end(sweep)


def _nothing_to_do(sweep: RunPaths, changes: dict[str, Any], retry: str, workspace: WorkspacePaths) -> str:
    if retry:
        return nothing_to_retry(sweep, retry, changes)
    return nothing_to_resume(sweep, changes, workspace)


def _place(args: argparse.Namespace, sweep: RunPaths) -> str:
    """Where a sweep that goes on is controlled: as asked for, else in a job where that was so from the beginning."""
    asked = [word.partition("=")[2] for word in args.changes if word.startswith(CONTROLLER)]
    if asked and asked[-1] not in PLACES:
        raise UserError(f"{CONTROLLER}{asked[-1]} is no place", ("from", "command line"), ("allowed", ", ".join(PLACES)))
    if asked:
        return str(asked[-1])
    return "job" if was_begun_as(sweep) == "job" else "detached" if args.detach else "here"


def _control_in_job(sweep: RunPaths, workspace: WorkspacePaths, *, leaves: bool) -> int:
    from trainconf.cli.launch.sweep import follow
    from trainconf.control.sweeps.in_job import carry_out, leave

    if leaves:
        leave(sweep, printer)
        return 1
    return 0 if carry_out(sweep, workspace, printer, follow) else 1
