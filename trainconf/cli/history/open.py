"""`trainconf open`: the folder of a run or sweep, shown by the desktop where there is one."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.screen.printer import printer
from trainconf.control.runs import find
from trainconf.paths import find_workspace

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def run(argv: list[str]) -> int:
    """Print the folder, and have xdg-open show it where there is a display."""
    parser = Arguments("open")
    parser.add_argument("run", metavar="RUN", help=RUNS_HELP)
    paths = find(find_workspace(os.getcwd()), parser.parse_args(argv).run)
    if os.isatty(1):
        printer.data(paths.run_dir)
    else:
        printer.raw(os.fsencode(paths.run_dir) + b"\n")  # for `cd "$(trainconf open RUN)"`, whatever it is called
    if any(os.environ.get(name) for name in DISPLAYS):
        _show(paths.run_dir)
    return 0


def _show(folder: str) -> None:
    import shutil

    from trainconf.fast.spawn import spawn

    program = shutil.which("xdg-open")
    if program is None:
        printer.info("there is no xdg-open, so no window shows it")
        return
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        spawn(program, [program, folder], os.environ, (nothing, nothing, nothing))
    except OSError as error:
        printer.info(f"xdg-open cannot be started: {error.strerror}")
    finally:
        os.close(nothing)
