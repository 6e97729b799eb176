"""`trainconf gc`: remove what no run and no frozen file needs."""

from __future__ import annotations

import argparse
import os

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import one_line, printer, size
from trainconf.control.workspace import gc
from trainconf.paths import find_workspace

ENVIRONMENT_DAYS = 30


def run(argv: list[str]) -> int:
    """Collect, and say what was removed; 1 when something had to stay because it cannot be read or removed."""
    about = "Remove unneeded snapshots, half-made run folders, leftovers of builds and of containers, and old cache files. Never a run."
    parser = Arguments("gc", about)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument(
        "--older-than", metavar="DAYS", type=_days, default=1.0, help="only snapshots not used for so many days (default: %(default)s)"
    )
    parser.add_argument(
        "--drop-pins", metavar="PIN", nargs="*",
        help="let the code of these frozen files go; without a name, of those that are gone or name other code now",
    )
    parser.add_argument("--environments", action="store_true", help="also environments and images that nothing has used for a while")
    parser.add_argument(
        "--unused-days", metavar="DAYS", type=_days, help=f"with --environments: not used for so many days (default: {ENVIRONMENT_DAYS})"
    )
    args = parser.parse_args(argv)
    if args.unused_days is not None and not args.environments:
        parser.error("--unused-days goes with --environments; --older-than is for snapshots")
    unused_days = ENVIRONMENT_DAYS if args.unused_days is None else args.unused_days
    unused_envs_s = unused_days * gc.DAY_S if args.environments else None
    workspace = find_workspace(os.getcwd())
    is_whole = True
    for found in gc.find(workspace, unused_s=args.older_than * gc.DAY_S, drop_pins=args.drop_pins, unused_envs_s=unused_envs_s):
        done = found if args.dry_run else found.remove()
        _tell(done, "would remove" if args.dry_run else "removed")
        is_whole = is_whole and done.is_whole
    return 0 if is_whole else 1


def _tell(found: gc.Garbage, verb: str) -> None:
    for line in found.stays:
        printer.info(one_line(line))
    for name in found.names:
        printer.data(f"{verb}  {name}")
    if found.error is not None:
        printer.info(f"{found.what}: {'not looked at' if found.is_whole else 'all stay'}\n")
        printer.error(found.error)
        printer.info()
        return
    freed = ""
    if found.size_bytes is not None and found.names:
        freed = f", {size(found.size_bytes)} " + ("freed" if verb == "removed" else "less what others share")
    printer.info(f"{found.what}: {len(found.names)}{freed}")


def _days(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
    return value
