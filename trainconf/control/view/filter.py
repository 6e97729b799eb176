"""What somebody types to narrow a list: words, short forms and expressions, side by side; all of them must hold.

    digits                      in the id, the experiment, the name or the note
    status:Failed,Running       one of these states; also experiment:, name:, compute:, env:, sweep:
    tag:paper  tag:stage=final  has this tag, or this value of it
    params.lr>0.1               an expression as `ls --where` takes it; with spaces in it, it is all there is
"""

from __future__ import annotations

from trainconf.fast.records import Record
from trainconf.fast.stdlib import re
from trainconf.history.index.where import WORDED

FIELDS = {"status": "status", "state": "status", **{name: name for name in ("experiment", "name", "compute", "env", "sweep", "type")}}
_OPERATORS = re.compile(r"(?:^|\s)(?:and|or|not|in|is|==|!=|<=?|>=?)(?:\s|$)")
_COMPARED = re.compile(r"[<>=!(]")
_PARTS = re.compile(r"""(?:[^\s"'(\[]|"[^"]*"?|'[^']*'?|\([^)]*\)?|\[[^\]]*\]?)+""")


class Part(Record):
    """One part: what was typed, and what it means: an expression, or a word that is looked for."""

    typed: str
    expression: str = ""
    word: str = ""


def parse(text: str) -> list[Part]:
    """The parts of a filter. An expression in it is not checked here: whoever asks the index with it gets a UserError."""
    text = text.strip()
    if not text:
        return []
    if _OPERATORS.search(_without_texts(text)):
        return [Part(text, expression=text)]
    return [_part(typed) for typed in _PARTS.findall(text)]


def condition(text: str) -> str:
    """The same as one expression, as `ls --where` takes it; empty for an empty filter."""
    found = [part.expression or _held(part.word.lower()) for part in parse(text)]
    return found[0] if len(found) == 1 else " and ".join(f"({each})" for each in found)


def _held(word: str) -> str:
    return " or ".join(f"{word!r} in {name}.lower()" for name in ("run", *WORDED))


def _part(typed: str) -> Part:
    key, colon, rest = typed.partition(":")
    if colon and rest and key.lower() == "tag":
        name, equals, value = rest.partition("=")
        return Part(typed, expression=f"tags[{_quoted(name)}] == {_quoted(value)}" if equals else f"{_quoted(name)} in tags")
    if colon and rest and key.lower() in FIELDS:
        values = [_quoted(value) for value in rest.split(",") if value]
        return Part(typed, expression=f"{FIELDS[key.lower()]} in [{', '.join(values)}]")
    if _COMPARED.search(_without_texts(typed)):
        return Part(typed, expression=_with_double_signs(typed))
    return Part(typed, word=_unquoted(typed))


def _with_double_signs(text: str) -> str:
    """`params.lr=0.1` says what `params.lr==0.1` says."""
    return re.sub(r"(?<![<>=!])=(?!=)", "==", text) if _without_texts(text) == text else text


def _without_texts(text: str) -> str:
    return re.sub(r"\"[^\"]*\"|'[^']*'", '""', text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _quoted(text: str) -> str:
    return repr(_unquoted(text))
