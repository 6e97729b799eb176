"""`trainconf azureml job.yml`: runs a job file of Azure ML v2 here. `trainconf azureml convert`: writes the experiment file of our own."""

from __future__ import annotations

import os

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import printer
from trainconf.compat.azureml import convert
from trainconf.compat.azureml.v2 import is_job
from trainconf.compat.azureml.v2.job import read
from trainconf.errors import UserError


def run(argv: list[str]) -> int:
    """Submit the job and show it, or with `--plan` what it would be; the exit code. Raises ConfigError."""
    parser = Arguments("azureml", "Run a job file of Azure ML v2 (`type: command` or `type: sweep`) here.", prog="trainconf azureml")
    parser.add_argument("file", metavar="job.yml", help="the job file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that win over the file: compute=docker params.lr=0.1")
    parser.add_argument("--plan", action="store_true", help="show what would run, and where; nothing is started")
    args = parser.parse_intermixed_args(argv)
    workspace = find_and_name_workspace()
    job = read(_file(args.file), args.overrides, workspace)
    for note in job.notes:
        printer.info(f"note: {note}")
    request = job.request(args.overrides)
    if args.plan:
        from trainconf.cli.launch.plan import show as show_plan

        return show_plan(request, is_sweep=job.is_sweep)
    if job.is_sweep:
        from trainconf.cli.launch.sweep import run as run_sweep

        return run_sweep(request)
    from trainconf.cli.launch.submit import show
    from trainconf.control.submit import submit

    return show(submit(request, workspace, printer))


def run_convert(argv: list[str]) -> int:
    """Write the experiment file, or print it. Raises UserError kinds."""
    parser = Arguments("azureml", "Write the experiment file that runs the same without Azure's names: the way off.",
                       prog="trainconf azureml convert")
    parser.add_argument("file", metavar="submit.py|job.yml", help="a script written for SDK v1, or a job file of v2")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="what the script gets")
    parser.add_argument("--output", "-o", metavar="FILE", help="such as conf/experiment/NAME.yaml; standard output when left out")
    argv, rest = (argv[:argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    args = parser.parse_intermixed_args(argv)
    workspace = find_and_name_workspace()
    if is_job(args.file):
        if args.arguments or rest:
            raise UserError(f"a job file takes no arguments: {' '.join([*args.arguments, *rest])}", ("from", "command line"))
        found = [convert.from_job(_file(args.file), workspace)]
    else:
        from trainconf.cli.azureml import script

        found = convert.from_script(lambda: script.run([args.file, *args.arguments, *rest]), args.file, workspace, printer)
    _write(found, args.output)
    return 0


def _file(name: str) -> str:
    if not os.path.isfile(name):
        raise UserError(f"the job file {name!r} {'is not a file' if os.path.exists(name) else 'does not exist'}", ("from", "command line"),
                        ("path", os.path.abspath(name)))
    return name


def _write(found: list[convert.Converted], output: str | None) -> None:
    """Each experiment into a file of its own; all or none."""
    if output is None:
        printer.verbatim("\n".join(one.text(one.name).rstrip("\n") + "\n" for one in found).rstrip("\n"))
        return
    for path, _, command in convert.write(found, output):
        printer.info(f"wrote {path}: `{command}` runs it")
