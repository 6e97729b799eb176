"""Runs a script as `python SCRIPT` would, with trainconf's `azureml` in front of its imports."""

from __future__ import annotations

import os
import sys
import types

from trainconf.errors import TrainconfError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType


def run(argv: list[str]) -> int:
    """The script's exit code; 1 with its traceback for an exception that it does not catch. Raises UserError and SystemExit.

    A mistake in what it asks of trainconf is told as on the command line. The script is `__main__` from then on.
    """
    path, *_ = argv
    code = _compiled(path)
    _put_first(path)
    sys.argv = argv
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=os.path.abspath(path), __builtins__=__builtins__, __spec__=None, __cached__=None)
    sys.modules["__main__"] = main
    try:
        exec(code, main.__dict__)
    except TrainconfError:
        raise
    except Exception as error:
        _show(error)
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _compiled(path: str) -> CodeType:
    if not os.path.isfile(path):
        state = "is not a file" if os.path.exists(path) else "does not exist"
        folder = os.path.dirname(path) or "."
        near = [name for name in sorted(os.listdir(folder)) if name.endswith(".py")][:8] if os.path.isdir(folder) else []
        raise UserError(f"the script {path!r} {state}", ("from", "command line"), ("path", os.path.abspath(path)),
                        *([("there are", ", ".join(near))] if near else []))  # fmt: skip
    with open(path, "rb") as stream:
        text = stream.read()
    try:
        return compile(text, os.path.abspath(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(
            f"the script is not Python {sys.version_info[0]}.{sys.version_info[1]}: {getattr(error, 'msg', error)}",
            ("from", f"{path}:{line}" if line else path),
        ) from None  # fmt: skip


def _put_first(path: str) -> None:
    """`sys.path` as a script sees it: its folder instead of ours, and before that the folder with our `azureml`."""
    import trainconf

    compat = os.path.join(os.path.dirname(os.path.abspath(trainconf.__file__)), "compat", "azureml", "path")
    folder = os.path.dirname(os.path.realpath(path))
    first = sys.path[0] if sys.path else ""
    if first in ("", os.getcwd(), os.path.dirname(os.path.realpath(sys.argv[0] or "-"))):
        del sys.path[:1]  # of `python -m trainconf`, or of the program `trainconf`
    sys.path[:0] = [compat, folder]
    for name in [name for name in sys.modules if name == "azureml" or name.startswith("azureml.")]:
        del sys.modules[name]


def _show(error: BaseException) -> None:
    """The traceback as Python prints it, without our own frames above the script's; of a refusal of ours also without those below."""
    import traceback

    from trainconf.compat.azureml.exceptions import AzureMLException

    found: TracebackType | None = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename == __file__:
        found = found.tb_next
    told = traceback.TracebackException(type(error), error, found)
    if isinstance(error, AzureMLException):
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
        last = max((number for number, frame in enumerate(told.stack) if not frame.filename.startswith(package)
                    and not frame.filename.endswith(os.sep + "contextlib.py")), default=-1)  # fmt: skip
        del told.stack[last + 1 :]
    sys.stdout.flush()
    sys.stderr.write("".join(told.format()))
