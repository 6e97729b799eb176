"""`trainconf env`: the environments of this workspace, and lock files for their recipes."""

from __future__ import annotations

import argparse
import os

from trainconf.cli.arguments.compose import add_arguments, request_of
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import printer, size, utc_time
from trainconf.cli.screen.tables import table
from trainconf.control.workspace import environments
from trainconf.environments.store import BuiltImage
from trainconf.files import write_atomic
from trainconf.paths import WorkspacePaths, find_workspace


def run(argv: list[str]) -> int:
    """One of ls, show NAME, build [overrides], lock [overrides] [-o FILE], rm NAME."""
    parser = Arguments("env")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("ls", help="list what is built here")
    for name, text in (("show", "print the contents of one"), ("rm", "remove one; it is built again when it is needed")):
        actions.add_parser(name, help=text).add_argument("name", metavar="NAME", help="a hash, the beginning of one, or a name")
    add_arguments(actions.add_parser("build", help="build the environment of env=... now"))
    lock = actions.add_parser("lock", help="pin every version of env=... in a file for version control")
    add_arguments(lock)
    lock.add_argument("--output", "-o", metavar="FILE", help="where to write it; standard output when left out")
    args = parser.parse_args(argv)
    return {"ls": _ls, "show": _show, "rm": _rm, "build": _build, "lock": _lock}[args.action](args, find_workspace(os.getcwd()))


def _ls(_: argparse.Namespace, workspace: WorkspacePaths) -> int:
    rows = [
        (built.hash, built.name, built.kind, built.python_version or "none", str(len(built.packages())), size(bytes_),
         utc_time(last_used), f"{built.image}{'' if is_here else ', no longer in the engine'}" if isinstance(built, BuiltImage) else "")
        for built, is_here, bytes_, last_used in environments.ls(workspace)
    ]  # fmt: skip
    headers = ("hash", "name", "kind", "python", "packages", "size", "last used (UTC)", "image")
    table(headers, rows, needed=("name", "kind", "size"), cuttable=("image",),
          nothing="no environments are built here: the first run of each builds it, and so does `trainconf env build env=NAME`")
    return 0


def _show(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    built = environments.show(workspace, args.name)
    printer.data(f"{built.hash}  {built.name}  built {built.created}\n\npython  {built.python}\n\n{built.lock_text()}".rstrip())
    return 0


def _rm(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    printer.info(f"removed {environments.rm(workspace, args.name)}")
    return 0


def _build(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    ready = environments.build(request_of(args), workspace, printer)
    printer.info("built" if ready.built else "it is there already")
    printer.data(ready.image or ready.python)
    return 0


def _lock(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    text = environments.lock(request_of(args), workspace, printer)
    if args.output:
        write_atomic(args.output, text)
        printer.info(f"pinned in {args.output}; name it as env.requirements_file to use it")
    else:
        printer.verbatim(text.rstrip("\n"))
    return 0
