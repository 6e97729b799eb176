"""A script that no experiment names: which of its words are params, and the request to compose that runs it.

    --lr 0.1 --layers 8 4 --amp     params {lr: 0.1, layers: [8, 4], amp: true}, passed as these words
    data.csv --lr=0.1               arguments [data.csv], params {lr: 0.1}
    data.csv -k 3                   arguments [data.csv, -k, 3], no params

The script gets the words that were typed, with its options in the order of their names, as all params are passed; where that could change
the order of positional arguments, they are no params. 1e-3 is passed as 0.001, and `--lr=0.1` as two words.
"""

from __future__ import annotations

import os
import shlex

from trainconf.composition.layers import Layer
from trainconf.control.compose import COMMAND_LINE, ComposeRequest
from trainconf.errors import UserError
from trainconf.fast.stdlib import re
from trainconf.launchers.job.argv import hydra_value, render_params
from trainconf.resolve.origins import leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_OPTION = re.compile(r"--([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)(?:=(.*))?", re.DOTALL | re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d*)", re.ASCII)
_DECIMAL = re.compile(r"-?\d+\.\d+", re.ASCII)
_EXPONENT = re.compile(r"-?\d+(?:\.\d*)?[eE][+-]?\d+", re.ASCII)
_EXPRESSION = re.compile(r"[a-z_]+\(.*\)", re.DOTALL)
_OURS = re.compile(r"(?:(?:compute|distributed|submit|sweep)(?:[./]\w+)*|env)=(?:\w+|\d[\d.]*)", re.ASCII)
_SWITCHES = ("true", "false", "yes", "no", "on", "off", "t", "f", "y", "n")  # `--amp=false` and `--amp false` may differ


def request_of(
    script: str, words: Sequence[str], overrides: Sequence[str] = (), *, is_sweep: bool = False, **places: Any
) -> ComposeRequest:
    """The request for a script with its own words. The current folder is its source directory, or else the script's own folder.

    overrides: of trainconf. is_sweep: a param with several values, `--lr 0.1,0.2`, or an expression, varies. places: what else
    `ComposeRequest` takes. Raises UserError when there is no such file, or when an experiment is chosen besides.
    """
    if not os.path.isfile(script):
        raise UserError(f"there is no script {script}", ("from", COMMAND_LINE), ("folder", os.getcwd()), *nearest(script))
    for word in overrides:
        if word.partition("=")[0] == "experiment":
            raise UserError(f"{word} and {script} both say what to run", ("from", COMMAND_LINE),
                            hint=f"leave one out; to give an experiment another script: {word} script={script}")
    source, inside = _places(script)
    arguments, params = split(words)
    values = {"experiment_name": re.sub(r"[^A-Za-z0-9_.-]", "_", os.path.basename(inside)[: -len(".py")]).lstrip("._-") or "script",
              "source_directory": source, "script": inside, "arguments": arguments, "params": params}
    own = ["experiment=adhoc", *([] if any(word.startswith("env=") for word in overrides) else ["env=current"])]
    varied = [f"params.{name}={text}" for name, value in leaves(params) if (text := _choices(value))] if is_sweep else []
    return ComposeRequest([*own, *varied, *overrides], layers=[Layer(COMMAND_LINE, values)], **places)


def misplaced(script: str, words: Sequence[str]) -> str:
    """A note on words behind a script that look like trainconf's own; "" where none does."""
    ours = [word for at, word in enumerate(words) if _OURS.fullmatch(word) or (not at and word in ("-m", "--multirun"))]
    if words[:1] == ["--"]:
        return f"-- goes to the script as a word of its own; without it: trainconf {shlex.join([script, *words[1:]])}"
    if ours:
        others = [word for word in words if word not in ours]
        typed = shlex.join([*ours, script, *others])
        return f"{' '.join(ours)} went to the script; what is for trainconf stands before it: trainconf {typed}"
    return ""


def split(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments and the params that give a script these words: as many of the last words as can be are params."""
    for begin, word in enumerate(words):
        if word.startswith("--"):
            found = _params(words[begin:])
            if found is not None:
                return list(words[:begin]), found
    return list(words), {}


def _params(words: Sequence[str]) -> dict[str, Any] | None:
    """The params that are passed as these words; None when there are none such."""
    options = _options(words)
    params: dict[str, Any] = {}
    for name, values in options or ():
        tree = params
        *above, last = name.split(".")
        for part in above:
            tree = tree.setdefault(part, {})
            if not isinstance(tree, dict):
                return None
        if last in tree:
            return None
        tree[last] = values if len(values) > 1 else values[0] if values else True
    names = [name for name, _ in options or ()]
    if not options or (names != sorted(names) and sum(len(values) > 1 for _, values in options) > 1):
        return None
    given = [word for name, values in options for word in (f"--{name}", *map(_written, values))]
    return params if render_params(params, "argparse") == given else None


def _options(words: Sequence[str]) -> list[tuple[str, list[Any]]] | None:
    """Each option and its values; None when the words are not options alone."""
    found: list[tuple[str, list[Any]]] = []
    is_open = False  # whether a further word is a value of the last option
    for word in words:
        option = _OPTION.fullmatch(word)
        if option is not None:
            name, text = option.groups()
            if text is not None and (not text or text.lower() in _SWITCHES):
                return None
            found.append((name, [] if text is None else [_scalar(text)]))
            is_open = text is None
        elif is_open and not (word.startswith("-") and isinstance(_scalar(word), str)):
            found[-1][1].append(_scalar(word))
        else:
            return None
    return found


def _scalar(word: str) -> Any:
    """A number where its text says no more than its value does: 3.10 may be a version."""
    if _INTEGER.fullmatch(word) and word != "-0":
        return int(word)
    if _EXPONENT.fullmatch(word) or (_DECIMAL.fullmatch(word) and repr(float(word)) == word):
        return float(word) if abs(float(word)) != float("inf") else word
    return word


def _written(value: Any) -> str:
    return render_params({"value": value}, "argparse")[-1]


def _choices(value: Any) -> str:
    """What varies, in the grammar of sweeps; "" for a value that does not."""
    if not isinstance(value, str):
        return ""
    if _EXPRESSION.fullmatch(value):
        return value
    return ",".join(hydra_value(_scalar(part)) for part in value.split(",")) if "," in value else ""


def _places(script: str) -> tuple[str, str]:
    """The source directory, and the script's path in it."""
    here, path = os.getcwd(), os.path.abspath(script)
    if path.startswith(os.path.join(here, "")):
        return here, os.path.relpath(path, here)
    return os.path.dirname(path), os.path.basename(path)


def nearest(script: str) -> list[tuple[str, str]]:
    """A script of just this name up to three folders above, one of nearly this name, or of just this name up to two folders below."""
    import difflib
    import glob

    folder, name = os.path.split(script)
    here = glob.glob("*.py", root_dir=folder or None)
    near = difflib.get_close_matches(name, here, n=1)
    below = [each for depth in ("*", "*/*") for each in sorted(glob.glob(f"{depth}/{glob.escape(name)}", root_dir=folder or None))]
    above = [path for depth in range(1, 4) if os.path.isfile(path := os.path.join(*[os.pardir] * depth, script))]
    found = next((each for each in (*above, *near, *below) if not each.startswith("runs/")), None)
    return [("nearest", os.path.join(folder, found))] if found else []
