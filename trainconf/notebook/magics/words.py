"""The words of a magic: split as a shell does it, with the notebook's variables put in.

    $lr  $config.lr        the value of a variable, or of its attribute
    {lr * 2}               the value of an expression
    {{x}}  $$              a brace and a dollar as they are

A value is written as Hydra's override grammar has it: None is null, True is true, a list is [1,2]; a text and a run's id stand as they are.
What is the configuration's own stays: `${oc.env:HOME}`, `{inputs.data}`, `{a: 1}`, `\\d{3}`.
"""

from __future__ import annotations

import ast
import builtins
import shlex
from numbers import Number

from trainconf.errors import Mistake, UserError
from trainconf.fast.stdlib import re
from trainconf.launchers.job.argv import hydra_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
KEPT = "inputs"  # {inputs.name} in arguments is a path that only the job knows


def read(line: str, variables: Mapping[str, Any]) -> list[str]:
    """The words of a line. Raises UserError for an open quote, and for variables that are not there, all at once."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UserError(f"the line cannot be split into words: {str(error).lower()}", ("from", line.strip())) from error
    found, mistakes = [], []
    for word in words:
        reader = _Word(word, variables)
        found.append(reader.text())
        mistakes += reader.mistakes
    if mistakes:
        raise UserError(mistakes)
    return found


class _Word:
    """One word, read from left to right."""

    def __init__(self, word: str, variables: Mapping[str, Any]) -> None:
        self.mistakes: list[Mistake] = []
        self._word = word
        self._variables = variables

    def text(self) -> str:
        found, at = [], 0
        while at < len(self._word):
            piece, at = self._next(at)
            found.append(piece)
        return "".join(found)

    def _next(self, at: int) -> tuple[str, int]:
        """What the characters from a place on stand for, and where they end."""
        word = self._word
        if word.startswith("$$", at):
            return "$", at + 2
        if word.startswith("${", at):
            end = _closing(word, at + 1)
            return word[at:end], end
        if word[at] == "$" and (name := _NAME.match(word, at + 1)):
            return self._value(name[0], word[at : name.end()]), name.end()
        if word[at] == "{":
            end = _closing(word, at)
            inside = word[at + 1 : end - 1]
            if inside.startswith("{") and _closing(inside, 0) == len(inside):
                return inside, end
            return self._value(inside, word[at:end], is_expression=True), end
        return word[at], at + 1

    def _value(self, expression: str, written: str, *, is_expression: bool = False) -> str:
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except (SyntaxError, ValueError):
            return written
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        if not names or (is_expression and KEPT in names and KEPT not in self._variables):
            return written
        try:
            return as_word(eval(compile(tree, "<%trainconf>", "eval"), {"__builtins__": builtins}, self._variables))
        except NameError as error:
            kept = "{" + written + "}" if is_expression else "$" + written
            self._mistake(f"{written} has no value: {error}", f"assign it in a cell before; `{kept}` is the text itself")
        except Exception as error:
            self._mistake(f"{written} has no value: {type(error).__name__}: {error}", "")
        return written

    def _mistake(self, what: str, hint: str) -> None:
        self.mistakes.append(Mistake(what, ("from", self._word), hint=hint))


def as_word(value: Any) -> str:
    """A value as it may stand in an override or after a verb."""
    if isinstance(value, str):
        return str(value)
    if isinstance(getattr(value, "run_dir", None), str) and isinstance(getattr(value, "id", None), str):
        return str(value.id)
    if value is None or isinstance(value, (bool, int, float)):
        return hydra_value(value)
    if isinstance(value, (list, tuple, dict)):
        return hydra_value(_plain(value))
    return str(value)


def _plain(value: Any) -> Any:
    """A tree of what Hydra's grammar knows: numpy's numbers as Python's, other objects as texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.item() if isinstance(value, Number) and hasattr(value, "item") else str(value)


def _closing(word: str, at: int) -> int:
    """The place after the brace that closes the one at `at`; the end of the word where none does."""
    depth = 0
    for place in range(at, len(word)):
        depth += (word[place] == "{") - (word[place] == "}")
        if not depth:
            return place + 1
    return len(word)
