"""The command of a job: its placeholders become variables of the shell and references to params. Pure.

    ${{inputs.data}}        "$TRAINCONF_INPUT_DATA"       a path: one word of the shell, whatever it holds
    ${{inputs.lr}}          ${params.lr}                  a value: put into the text, as the original does
    ${{search_space.lr}}    ${params.lr}
    ${{outputs.model}}      "$AZURE_ML_OUTPUT_model"      a folder below ./outputs, made before the command begins
    $[[--seed ${{inputs.seed}}]]                          left out where the input has no value
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trainconf.composition.layers import escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
# What only bash understands: the original gives the command to bash, a text of ours goes to sh.
_BASH = re.compile(r"(?m)(^|[;&|(]|\bthen|\bdo)\s*(source|pushd|popd|function|shopt|declare|mapfile)\b|\[\[|pipefail|<\(|>\(|&>|<<<|"
                   r"\{-?\w+\.\.-?\w+\}|\w+=\(|\$'")


class Value(NamedTuple):
    """What a placeholder stands for. text: in the command. is_word: a variable of the shell, one word of it.

    is_given: whether it has a value. is_tree: whether the value is a mapping, whose text is one word, too.
    """

    text: str
    is_word: bool = False
    is_given: bool = True
    is_tree: bool = False


class Command(NamedTuple):
    """A command as our config has it. is_bash: whether sh would not understand it. unknown: placeholders that stand for nothing."""

    text: str
    is_bash: bool
    unknown: list[str]


def read(text: str, values: Mapping[str, Value]) -> Command:
    """The command with its placeholders filled; `values` by name, such as `inputs.lr`."""
    text = _OPTIONAL.sub(lambda part: _optional(part[1], values), text)
    pieces, unknown, end = [], [], 0
    for match in _PLACEHOLDER.finditer(text):
        pieces.append(escaped(text[end:match.start()]))
        end = match.end()
        value = values.get(match[1])
        if value is None:
            unknown.append(match[1])
            continue
        if value.text.startswith("${"):
            pieces[-1] += "\\" * (len(pieces[-1]) - len(pieces[-1].rstrip("\\")))  # else they would take the reference its meaning
        quote = _quote_at(text, match.start()) if value.is_word or value.is_tree else ""
        pieces.append(_word(value.text, quote) if value.is_word else f'"{value.text}"' if value.is_tree and not quote else value.text)
    whole = "".join([*pieces, escaped(text[end:])]).strip()
    return Command(whole, _BASH.search(whole) is not None, unknown)


def _optional(part: str, values: Mapping[str, Value]) -> str:
    """An optional part, or nothing where one of its names is known and has no value."""
    names = [values.get(name) for name in _PLACEHOLDER.findall(part)]
    return part if all(value is None or value.is_given for value in names) else ""


def _quote_at(text: str, place: int) -> str:
    """The quotes of the shell that are open at a place of the text: `'`, `"`, or none."""
    quote, index = "", 0
    while index < place:
        letter = text[index]
        if letter == "\\" and quote != "'":
            index += 1
        elif not quote and letter in "'\"":
            quote = letter
        elif letter == quote:
            quote = ""
        index += 1
    return quote


def _word(variable: str, quote: str) -> str:
    """A variable as one word of the shell, inside of the quotes that are open."""
    if quote == '"':
        return escaped("${" + variable + "}")
    return f"'\"${variable}\"'" if quote else f'"${variable}"'
