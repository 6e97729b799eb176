"""`%trainconf` and `%%trainconf`: the command line in a notebook, and a cell as a script."""

from __future__ import annotations

import os
import sys
from time import sleep as pause

from trainconf.cli.screen.printer import printer
from trainconf.cli.verbs import VERBS
from trainconf.errors import Mistake, TrainconfError, UserError
from trainconf.fast.stdlib import re
from trainconf.notebook.details import notebook_shell
from trainconf.notebook.magics import child, words
from trainconf.notebook.magics.cell import CellScript, check, source_folder
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

SUBMITS = ("run", "rerun", "resume")  # verbs whose run is the value of the magic
WATCHED = {"watch": [], "ls": ["--watch"]}  # verbs that draw a table again and again, and the flag that has them do so
ONCE = {"watch": ["--once"], "ls": []}
LOOK_S = 2.0
# What a submission says first: run digits-20261123-0532-x7k2  runs/...; sweep digits-...: 4 runs
_SUBMITTED = re.compile(r"^(?:run|sweep) ([\w.-]+-\d{8}-\d{4}-\w+)(?:  |: )|^completed before as ([\w.-]+);", 8)  # re.MULTILINE


def load(shell: Any) -> None:
    """Register both magics with an IPython shell."""
    from IPython.core.magic import no_var_expand

    magics = Magics(shell)

    def line(text: str) -> Any:
        return magics.line(text)

    def cell(text: str, source: str) -> Any:
        return magics.cell(text, source)

    # `words` puts variables in, and leaves {inputs.name} alone
    shell.register_magic_function(no_var_expand(line), "line", "trainconf")
    shell.register_magic_function(no_var_expand(cell), "cell", "trainconf")


class Magics:
    """What both magics do, in one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def line(self, text: str) -> Any:
        """`%trainconf ls`: any command, as in a terminal. Of one that submits, the run."""
        return self._told(lambda: self._command(self._words(text)))

    def cell(self, text: str, source: str) -> Any:
        """`%%trainconf env=current +params.lr=0.1`: the cell runs as a script. The value is its run."""
        return self._told(lambda: self._script(self._words(text), source))

    def _told(self, command: Callable[[], Any]) -> Any:
        """Errors become messages, as in a terminal."""
        try:
            return command()
        except TrainconfError as error:
            printer.error(error)
            self._end(error.exit_code)
            return None

    def _words(self, text: str) -> list[str]:
        found = words.read(text, self._shell.user_ns)
        return ["submit.detach=true" if word == "--detach" else word for word in found]

    def _command(self, argv: list[str]) -> Any:
        verb = argv[0] if argv and argv[0] in VERBS else ""
        if verb in WATCHED and _is_watched(verb, argv) and notebook_shell() is not None:  # a terminal can show it as it is
            self._watch(verb, argv)
            return None
        found = self._run(argv)
        return found if not verb or verb in SUBMITS else None

    def _script(self, argv: list[str], source: str) -> Any:
        _refuse(argv)
        check(source)
        if not any(word.lstrip("+").startswith("experiment=") for word in argv):
            argv = ["experiment=adhoc", *argv]
        workspace = find_workspace(os.getcwd())
        with CellScript(source, source_folder(argv, workspace)) as script:
            return self._run([*argv, f"script={script.name}"], lambda _: script.forget())

    def _run(self, argv: Sequence[str], submitted: Callable[[str], object] = lambda _: None) -> Any:
        """Run a command; the run or sweep that it has submitted, or None. `submitted` is called as soon as that is known."""
        told: list[str] = []
        said = ""

        def take_error(text: str) -> None:
            nonlocal said
            sys.stderr.write(text)
            sys.stderr.flush()
            if not told:
                said += text
                if match := _SUBMITTED.search(said[: said.rfind("\n") + 1]):
                    told.append(match[1] or match[2])
                    submitted(told[0])

        def take_output(text: str) -> None:
            sys.stdout.write(text)
            sys.stdout.flush()

        self._end(child.run(argv, take_output, take_error))
        return run_of(told[0]) if told else None

    def _end(self, code: int) -> None:
        """Tell an exit code, and keep it where IPython keeps that of `!command`."""
        self._shell.user_ns["_exit_code"] = code
        if code:
            printer.info(f"exit code {code}")

    def _watch(self, verb: str, argv: list[str]) -> None:
        """Show a table again and again, in one display, until the kernel is interrupted."""
        once = [*(word for word in argv if word not in WATCHED[verb]), *ONCE[verb]]
        display_id = os.urandom(16).hex()
        is_shown, code = False, 0
        try:
            while not code:
                text: list[str] = []
                code = child.run(once, text.append, text.append)
                publish = self._shell.display_pub.publish
                publish(data={"text/plain": "".join(text).rstrip("\n")}, metadata={}, transient={"display_id": display_id}, update=is_shown)
                is_shown = True
                pause(0 if code else LOOK_S)
        except KeyboardInterrupt:
            code = 0  # that is how one stops looking; what was seen last stays
        self._end(0 if code == 130 else code)


def run_of(name: str) -> Any:
    """A run of this workspace as scripts have it."""
    from trainconf import Run, Workspace

    return Run.get(Workspace(), name)


def _is_watched(verb: str, argv: Sequence[str]) -> bool:
    if verb == "watch":
        return not {"--once", "--json", "--help", "-h"} & {*argv}
    return "--watch" in argv


def _refuse(argv: Sequence[str]) -> None:
    """Raise UserError for words that no cell can have, all at once."""
    mistakes = []
    if argv and argv[0] in VERBS:
        hint = f"`%trainconf {argv[0]}`, with one %, in a line"
        mistakes.append(Mistake(f"{argv[0]} is a verb, and takes no cell", ("from", f"%%trainconf {argv[0]}"), hint=hint))
    for key in ("script", "command"):
        mistakes += [
            Mistake(f"{key} is not for a cell: the cell is the script", ("from", word), hint=f"`%trainconf ... {word}` in a line")
            for word in argv if word.lstrip("+~").partition("=")[0] == key
        ]  # fmt: skip
    if mistakes:
        raise UserError(mistakes)
