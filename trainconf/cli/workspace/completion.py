"""`trainconf completion bash|zsh|fish`: prints what makes a shell complete our words; and answers when that asks.

The shell hands over its line up to the cursor. The answer is a line for each word that may stand there. Nothing is ever said on standard
error, for it would land in the middle of what somebody types.
"""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import printer
from trainconf.cli.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SHELLS = ("bash", "zsh", "fish")
ANSWER = "--answer"
SCRIPTS = {
    "bash": """\
# trainconf: completion for bash. In ~/.bashrc: eval "$(trainconf completion bash)"
_trainconf() {
    mapfile -t COMPREPLY < <("$1" completion --answer bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.\\(] ]]; then compopt -o nospace; fi
}
complete -o default -F _trainconf trainconf
""",
    "zsh": """\
#compdef trainconf
# trainconf: completion for zsh. In ~/.zshrc, after compinit: eval "$(trainconf completion zsh)"
_trainconf() {
    local -a open found
    local line="$LBUFFER"  # which lacks the quote that the word begins with
    [[ "$line" == *"$QIPREFIX$PREFIX" ]] || line="${line%"$PREFIX"}$QIPREFIX$PREFIX"
    found=("${(@f)$("$words[1]" completion --answer zsh "$line" 2>/dev/null)}")
    found=(${found:#})
    if (( ! $#found )); then _files; return; fi
    open=(${(M)found:#*[=.\\(]})
    found=(${found:#*[=.\\(]})
    compadd -U -a found
    compadd -U -S '' -a open
}
compdef _trainconf trainconf
""",
    "fish": """\
# trainconf: completion for fish. In ~/.config/fish/config.fish: trainconf completion fish | source
function __trainconf_complete
    set -l command (commandline -opc)[1]
    set -l found ($command completion --answer fish (commandline -cp | string collect) 2>/dev/null)
    if test (count $found) -eq 0
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c trainconf -e
complete -c trainconf -f -k -a '(__trainconf_complete)'
""",
}

# Where words of an action come before what it is about.
EXPRESSIONS = ("--where", "--sort", "--columns")
TAKE_OVERRIDES = ("config", "plan", "freeze", "rerun")
TAKE_NO_RUN = ("init", "config", "plan", "run", "ls", "env", "snapshot", "gc", "doctor", "completion", "check", "watch", "schema")
BREAKS = "=:"  # bash completes what comes after the last of these


def run(argv: list[str]) -> int:
    """Print the script for a shell, or answer it. Raises UserError."""
    if argv[:1] == [ANSWER] and len(argv) == 3:
        return _answer(argv[1], argv[2])
    from trainconf.cli.arguments.parser import Arguments

    parser = Arguments("completion")
    parser.add_argument("shell", choices=SHELLS, help="which shell: its comment says where the line goes that loads it")
    printer.exact(SCRIPTS[parser.parse_args(argv).shell].removesuffix("\n"))
    return 0


def _answer(shell: str, line: str) -> int:
    words, is_quoted = split(line)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        found = candidates(words)
    except Exception:  # whatever is wrong, the next command says it, and not the one that is being typed
        return 0
    word = words[-1]
    cut = max(map(word.rfind, BREAKS)) + 1 if shell == "bash" and not is_quoted else 0
    for each in dict.fromkeys(found):
        if each.startswith(word) and each.isprintable():
            printer.exact(each[cut:])
    return 0


def split(line: str) -> tuple[list[str], bool]:
    """The words of a shell's line, the last one unfinished, and whether that is within quotes."""
    words, quote, is_escaped = [""], "", False
    for character in line:
        if is_escaped:
            words[-1] += character
            is_escaped = False
        elif character == "\\" and quote != "'":
            is_escaped = True
        elif character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif character.isspace() and not quote:
            words += [""] * bool(words[-1])
        else:
            words[-1] += character
    return words, bool(quote)


def candidates(words: list[str]) -> list[str]:
    """What the last of these words may be: the first one is the program."""
    from trainconf.control.workspace import complete
    from trainconf.paths import find_workspace
    from trainconf.resolve.hydra_app import SEPARATOR

    if len(words) < 2:
        return []
    workspace, before, word = find_workspace(os.getcwd()), words[1:-1], words[-1]
    if SEPARATOR in before:
        own = before[: before.index(SEPARATOR)]
        given = [each for each in own if "=" in each and not each.startswith("-")]
        again = complete.overrides_of(workspace, own[1]) if own[0] == "rerun" and len(own) > 1 else []
        return complete.app_words(workspace, [*again, *given], word)
    if not before:
        flags = ["--help", "--version", "--multirun", "--config-dir", "--config-name", "--cfg", "--resolve", "--info"]
        return flags if word.startswith("-") else [*VERBS, *complete.overrides(workspace, word)] if word else [*VERBS]
    verb = before[0]
    if verb not in VERBS:
        return complete.overrides(workspace, word)
    option, equals, value = word.partition("=")
    if equals and option in EXPRESSIONS:
        return [f"{option}={each}" for each in complete.expressions(workspace, value)]
    if before[-1] in EXPRESSIONS:
        return complete.expressions(workspace, word)
    if word.startswith("-") or before[-1].startswith("--"):
        return _options(verb, before, word, complete.experiments(workspace))
    if verb == "completion":
        return list(SHELLS)
    if verb == "ls":
        return complete.experiments(workspace)
    actions = _actions(verb) if len(before) == 1 else []
    if actions:
        return actions
    found = [] if verb in TAKE_NO_RUN else complete.ids(workspace, word)
    return found + (complete.overrides(workspace, word) if verb in TAKE_OVERRIDES and (len(before) > 1 or verb != "rerun") else [])


def _options(verb: str, before: list[str], word: str, experiments: list[str]) -> list[str]:
    """The flags of a verb, or the values of the flag before the word."""
    choices = {"--experiment": experiments, "--group": ["sweep", "experiment"]}
    if not word.startswith("-") and before[-1] in choices:
        return choices[before[-1]]
    if before[-1] == "--status":
        from trainconf.history.events import STATES

        return list(STATES)
    return _marked(_help(verb, *before[1:2]), "-") if word.startswith("-") else []


def _actions(verb: str) -> list[str]:
    """The actions of a verb that has some, such as `ls` of `env`."""
    if verb not in ("sweep", "env", "snapshot"):
        return []
    listed = _help(verb).partition("\n  ACTION\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines() if line.startswith("    ") and line[4:5].strip()]


def _help(*words: str) -> str:
    from trainconf.cli.main import dispatch

    return _printed(lambda: dispatch([*words, "--help"]))


def _marked(text: str, mark: str) -> list[str]:
    """The words of a help text that begin with a mark."""
    words = [word.strip("[](),.|") for word in text.replace("|", " ").replace("=", " ").split()]
    return list(dict.fromkeys(word for word in words if word.startswith(mark) and word.strip(mark)))


def _printed(print_it: Callable[[], object]) -> str:
    import io
    import sys

    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        print_it()
    except SystemExit:
        pass
    finally:
        found, sys.stdout = sys.stdout, before
    return found.getvalue()
