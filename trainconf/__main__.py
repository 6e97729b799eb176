"""`python -m trainconf` and the console script `trainconf` are one program."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):  # -I; -P, of Python 3.11
    del sys.path[0]  # `python -m` puts the current folder first: a `yaml.py` that lies there would run as ours
import gc
import os

from trainconf.cli.main import main as run_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command and leave the process.

    Nothing is left to tidy by then, and the interpreter would take 7 ms over it: a tenth of a submission.
    """
    gc.set_threshold(100_000)  # looking for garbage takes 3 ms of a submission, which makes none worth it
    _open_closed_channels()
    code = run_command()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # its reader is gone
            code = code or 1
    os._exit(code)


def _open_closed_channels() -> None:
    """Open /dev/null for each standard channel that is closed: else the next file opened would take its number, and get our output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one


if __name__ == "__main__":
    main()
