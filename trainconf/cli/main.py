"""The first argument decides: it is a verb, or else begins a run to submit, in Hydra's override grammar with Hydra's flags.

Turns errors into messages and exit codes: the script's own for a finished run, 2 a user's mistake, 1 our fault, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys

from trainconf.cli.screen.printer import Printer, printer
from trainconf.cli.verbs import VERBS
from trainconf.errors import TrainconfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainconf.reporter import Wait

_HYDRA_ONLY = (
    "--cfg", "-c", "--resolve", "--package", "-p", "--info", "-i", "--shell-completion",
    "-sc", "--hydra-help",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Only a bug of ours gets past it as an exception."""
    if argv is None:
        _take_sigterm()
    return told(lambda: dispatch(list(sys.argv[1:] if argv is None else argv)))


def told(command: Callable[[], int]) -> int:
    """Carry out a command; its exit code. Errors become messages."""
    try:
        return command()
    except TrainconfError as error:
        return _tell(error)
    except KeyboardInterrupt:
        printer.info("interrupted")
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        return 141
    except OSError as error:
        return _storage(error)


def _begin_wait(by: Printer, what: str, is_told_often: bool) -> Wait:
    from trainconf.cli.screen.waits import ShownWait

    return ShownWait(by, what, is_told_often=is_told_often)


Printer.begin_wait = _begin_wait


def _take_sigterm() -> None:
    """`kill`, `timeout` and service managers mean what Ctrl-C means: tidy up, and end with 130. While a run is watched, it is cancelled."""
    from trainconf.fast.stdlib import signal

    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def dispatch(argv: list[str]) -> int:
    """Find the command and run it."""
    if not argv or (argv[0] not in VERBS and not _is_flag(argv[0], "--help", "-h", "--version")):
        return _submit(argv)
    if _is_flag(argv[0], "--version"):
        from trainconf import __version__

        printer.data(f"trainconf {__version__}")
        return 0
    if argv[0] not in VERBS:
        from trainconf.cli.arguments.help import show

        return show()
    place = VERBS[argv[0]][0]
    module, function = (place, argv[0]) if "." in place else (f"{place}.{argv[0]}", "run")
    return int(getattr(importlib.import_module(f"trainconf.cli.{module}"), function)(argv[1:]))


def _submit(argv: list[str]) -> int:
    from trainconf.cli.arguments.compose import script_at
    from trainconf.resolve.hydra_app import split

    at = script_at(argv)
    own = split(argv[:at])[0]
    first = own[0] if own else ""
    if _is_a_word(first) or (first == "-m" and _is_a_word(*own[1:2])):
        from trainconf.cli.mistyped import word_error

        raise word_error(own, [] if at is None else argv[at:])
    if any(_is_flag(argument, *_HYDRA_ONLY) for argument in own):
        from trainconf.cli.arguments.hydra_flags import run as run_hydra

        return run_hydra(argv)
    if any(_is_flag(argument, "--help", "-h") for argument in own):
        from trainconf.cli.arguments.help import show

        return show()
    from trainconf.cli.launch.submit import run as submit

    return submit(argv)


def _is_a_word(word: str = "") -> bool:
    """Whether it is no override, nor a flag."""
    return bool(word) and "=" not in word and word[0] not in "-+~"


def _is_flag(argument: str, *names: str) -> bool:
    return argument in names or (argument.startswith("--") and argument.partition("=")[0] in names)


def _storage(error: OSError) -> int:
    from trainconf.errors import StorageError

    # EPERM EACCES EFBIG ENOSPC EROFS ELOOP EDQUOT: the disk's refusals, and what somebody has put in a file's place, are a user's matter
    if error.errno not in (1, 13, 27, 28, 30, 40, 122):
        raise error
    refusal = StorageError.from_os_error(error, "a file cannot be written or read")
    refusal.__cause__ = error
    return _tell(refusal)


def _tell(error: TrainconfError) -> int:
    """Print a mistake, or its traceback with TRAINCONF_FULL_ERROR=1; its exit code."""
    if os.environ.get("TRAINCONF_FULL_ERROR") == "1":
        import traceback

        printer.info("".join(traceback.format_exception(error)).rstrip("\n"))
    else:
        printer.error(error)
    return error.exit_code
