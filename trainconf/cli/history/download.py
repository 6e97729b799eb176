"""`trainconf download`: files of a run, copied to a place of one's own."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import RUN_HELP, Arguments
from trainconf.cli.screen.printer import one_line, printer, size
from trainconf.control.download import download
from trainconf.control.runs import find_run
from trainconf.paths import find_workspace


def run(argv: list[str]) -> int:
    """Copy, and print the path of each file; 1 when something was passed over."""
    parser = Arguments("download")
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    what = "a file, a folder or a glob in the run's folder: outputs/model.bin, outputs, 'outputs/**/*.pt'"
    parser.add_argument("wanted", metavar="PATH", help=what)
    where = "a folder, or the new name of a single file (default: here)"
    parser.add_argument("destination", metavar="DEST", nargs="?", default=".", help=where)
    parser.add_argument("--force", action="store_true", help="write over files that are there")
    args = parser.parse_args(argv)
    paths = find_run(find_workspace(os.getcwd()), args.run)
    found = download(paths, args.wanted, args.destination, printer, force=args.force)
    for path in found.written:
        printer.data(one_line(os.path.relpath(path)))
    count = f"{len(found.written)} file{'' if len(found.written) == 1 else 's'}"
    printer.info(one_line(f"{count} of {paths.run_id}, {size(found.size)}"))
    for path in found.passed_over:
        printer.info(one_line(f"note: {path} was passed over: it is a link or no regular file"))
    return 1 if found.passed_over else 0
