"""`trainconf rm`: remove runs and sweeps for good."""

from __future__ import annotations

import os
import sys

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.screen.printer import one_line, printer, size
from trainconf.cli.screen.tables import table
from trainconf.control import remove
from trainconf.errors import UserError
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.control.remove import Removable


def run(argv: list[str]) -> int:
    """Remove the runs after a yes; 1 when one of them stays because it was begun again meanwhile, or the answer is no."""
    about = "Remove runs, and sweeps with their trials, for good: code, outputs, logs, metrics. Snapshots and environments are gc's matter."
    parser = Arguments("rm", about)
    parser.add_argument("runs", metavar="RUN", nargs="*", help=RUNS_HELP)
    add_where(parser)
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    found = remove.find(workspace, chosen(workspace, args.runs, args.where))
    if not args.yes and not _is_agreed(found):
        printer.info("nothing was removed")
        return 1
    freed, is_whole = 0, True
    for each in found:
        if remove.remove(each):
            freed += each.size_bytes
            printer.data(one_line(f"removed  {each.paths.run_id}"))
        else:
            is_whole = False
            printer.info(one_line(f"{each.paths.run_id} stays: it was begun again just now"))
    printer.info(f"{size(freed)} freed; `trainconf gc` frees the snapshots that no run needs now")
    return 0 if is_whole else 1


def _is_agreed(found: list[Removable]) -> bool:
    """List what would go and ask. Raises UserError where nobody can answer."""
    rows = [(each.paths.run_id, each.status, str(len(each.trials) or ""), size(each.size_bytes)) for each in found]
    table(("run", "status", "trials", "size"), rows, needed=("status", "trials", "size"), status="status")
    total = f"{len(found)} of them, {size(sum(each.size_bytes for each in found))}"
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError(f"nothing was removed: {total}, and nobody is there to say yes", hint="`trainconf rm --yes ...` does not ask")
    printer.info(f"remove them for good? {total} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
