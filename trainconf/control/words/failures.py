"""Why runs failed: the last lines of each, and the command that shows more."""

from __future__ import annotations

import os

from trainconf.control.words.values import one_line
from trainconf.fast.stdlib import re
from trainconf.history import ranks, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

_NO_MODULE = re.compile(r"(?:\S*: )?ModuleNotFoundError: No module named '([\w.]+)'")
_NO_FILE = re.compile(r"(?:\S*: )?FileNotFoundError: \[Errno 2\] No such file or directory: '(.+)'")
_NO_SUBMODULE = re.compile(r"submodule (.+?) is not checked out(?:;|$)")
_UNKNOWN = re.compile(r": error: unrecognized arguments: (.+)$")
_MARKS = re.compile(r" *[~^]+")  # what Python draws below a line of a traceback
# What some modules are called in the package index.
_PACKAGES = {
    "PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil", "dotenv": "python-dotenv",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "pyyaml",
}  # fmt: skip


class Failures:
    """Tells why each of several runs failed. Of those that ended alike, only the first one's lines are shown."""

    def __init__(self, line_count: int) -> None:
        self._line_count = line_count
        self._first: dict[tuple[str, ...], str] = {}  # whose last lines these were

    def lines(self, paths: RunPaths, event: dict[str, Any]) -> list[str]:
        """What comes below the line that says that the run failed. `event` is its last one."""
        number = ranks.failed(event) or 0
        try:
            found = [text(line) for line in ranks.last_lines(paths.log(number), 2 * self._line_count)]
            words = [word for word in found if not _MARKS.fullmatch(word)][-self._line_count :]
        except OSError:
            words = []
        without_id = tuple(word.replace(paths.run_id, "") for word in words)
        first = self._first.setdefault(without_id, paths.run_id)
        if words and first != paths.run_id:
            words = [f"(the same last lines as {first})"]
        return [*(words or ["(it has written nothing)"]), *what_to_do(paths, number), more(paths, event)]


def more(paths: RunPaths, event: dict[str, Any]) -> str:
    """The command that shows all that the failed rank wrote; of a run that no rank ended its agent's log."""
    number = ranks.failed(event)
    which = " --agent" if number is None else f" --rank {number}" if number else ""
    return f"more: trainconf logs {paths.run_id}{which}"


def what_to_do(paths: RunPaths, rank: int = 0) -> list[str]:
    """What to do about a failure that the last line of a rank tells: an import that failed, a question to nobody."""
    try:
        line = text(next(iter(ranks.last_lines(paths.log(rank), 1)), b""))
    except OSError:
        return []
    if line.startswith("EOFError: EOF when reading a line"):
        return ["hint: nobody answers input() in a run: let the script take the answer as an argument"]
    if line.endswith("ImportError: attempted relative import with no known parent package"):
        return [f"hint: a module of a package is run by its name: 'command=[python,-m,{_module(paths)}]' in the place of the script"]
    if missing := _NO_FILE.fullmatch(line):
        return _left_out(paths, missing[1])
    if unknown := _UNKNOWN.search(line):
        return _not_an_option(unknown[1])
    found = _NO_MODULE.match(line)
    if not found:
        return []
    top = found[1].partition(".")[0]
    code = os.path.join(paths.run_dir, "code")
    for folder in (os.curdir, "src"):
        if any(os.path.exists(os.path.join(code, folder, name)) for name in (top, f"{top}.py")):
            hint = f"hint: {top} is in the project, where Python does not look: +env.variables.PYTHONPATH={folder}"
            return [hint] if top == found[1] else []
    if empty := _NO_SUBMODULE.findall(str(record.read_mapping(paths.git).get("note"))):
        return [one_line(f"hint: {', '.join(empty)} of the repository is not checked out: `git submodule update --init` does it")]
    env = one_line(str(record.read_mapping(paths.record).get("env")))
    package = _PACKAGES.get(top, top)
    if env == "current":
        return [f"hint: the Python of env=current has no {top}: `python -m pip install {package}` puts it there"]
    return [f"hint: env={env} has no {top}: name {package} in env.requirements, or choose another env; `trainconf env ls` lists them"]


def _not_an_option(words: str) -> list[str]:
    """What to do about words that a parser of options has refused: `lr=0.1`, which another tool takes."""
    if not re.fullmatch(r"[A-Za-z][\w.-]*=\S*(?: [A-Za-z][\w.-]*=\S*)*", words):
        return []
    options = " ".join(f"--{word.replace('=', ' ', 1)}" for word in words.split())
    return [f"hint: the script takes options: {options}; what is for trainconf stands before the script"]


def _module(paths: RunPaths) -> str:
    """The name by which Python runs a run's script as a module."""
    code = record.read_mapping(paths.spec).get("code")
    script = str(code.get("script") or "") if isinstance(code, dict) else ""
    return one_line(script.removesuffix(".py").replace(os.sep, ".")) if os.sep in script else "PACKAGE.MODULE"


def _left_out(paths: RunPaths, name: str) -> list[str]:
    """What to do where a file that a script did not find is in its source directory, and not in the run's code."""
    source = record.read_mapping(paths.record).get("source_directory")
    code = os.path.join(paths.run_dir, "code")
    if os.path.isabs(name) or not isinstance(source, str) or not os.path.lexists(os.path.join(source, name)):
        return []
    if os.path.lexists(os.path.join(code, name)):
        return []
    if os.path.normpath(name).startswith(os.pardir):
        return [f"hint: a run has a copy of the code, beside which there is no {name}: give the script its whole path"]
    top = os.path.normpath(name).split(os.sep)[0]
    folder = "/" if os.path.isdir(os.path.join(source, top)) else ""
    return [f"hint: {name} is in the project, and .gitignore keeps it out of the run's copy of the code: a line `!/{top}{folder}` in "
            ".trainconfignore takes it along; large data is better an input (docs/recipes.md)"]


def text(line: bytes) -> str:
    """A line of a log as it may stand in a text of ours: nothing in it steers a terminal."""
    return one_line(line.decode("utf-8", "backslashreplace").expandtabs())
