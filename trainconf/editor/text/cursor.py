"""Where a cursor stands in a text that may be half-typed: read from lines and indentation, because such a text is often no YAML."""

from __future__ import annotations

import re
from typing import NamedTuple

from trainconf.editor.text.text import Span, Text

KEY, VALUE, ITEM, NOWHERE = "key", "value", "item", "nowhere"
MAX_LINES = 5_000  # upwards, in search of the keys above
_KEY_LINE = re.compile(r"""(?P<key>"[^"]*"|'[^']*'|[^\s#'"\[\]{},][^#]*?)\s*:(?=\s|$)\s*(?P<value>.*)""", re.DOTALL)
_WORD_END = re.compile(r"[\w./@-]*")
_QUOTED = "'\""


class Cursor(NamedTuple):
    """kind: a key is typed below `path`; a value of the key `path`; or an item of the list at `path`.

    prefix: what is typed of it before the cursor. word: what another text would replace: the prefix, and the rest of the word.
    indent: of the line.
    """

    kind: str
    path: tuple[str, ...]
    prefix: str
    word: Span
    indent: int

    def last(self, count: int) -> Span:
        """The last `count` characters of the prefix, and the rest of the word."""
        return Span(self.word.start + len(self.prefix) - count, self.word.end)


def cursor_at(text: Text, index: int) -> Cursor:
    """What is typed at a character of a text."""
    line = text.line_at(index)
    index = min(index, line.end)
    before = text.content[line.start : index]
    rest = _WORD_END.match(text.content, index, line.end)
    end = rest.end() if rest is not None else index
    body = before.lstrip(" ")
    indent = len(before) - len(body)
    if _in_comment(before):
        return Cursor(NOWHERE, (), "", Span(index, index), indent)
    is_item = body == "-" or body.startswith("- ")
    inner = body[1:].lstrip(" ") if is_item else body
    path = _above(text, line.start, indent, is_item=is_item)
    found = _KEY_LINE.fullmatch(inner)
    if found is not None:
        kind, path, prefix = _in_value((*path, _plain(found["key"])), found["value"])
    elif inner[:1] in ("{", "["):
        kind, path, prefix = _in_value(path, inner)
    else:
        kind, prefix = (ITEM if is_item else KEY), inner
    return Cursor(kind, path, prefix, Span(index - len(prefix), end), indent)


def _plain(key: str) -> str:
    return key[1:-1] if key[:1] in _QUOTED else key.rstrip()


def _in_comment(before: str) -> bool:
    quote = ""
    for place, letter in enumerate(before):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTED and before[:place].rstrip()[-1:] in ("", ":", "-", ",", "[", "{"):
            quote = letter
        elif letter == "#" and before[:place][-1:] in ("", " ", "\t"):
            return True
    return False


def _above(text: Text, start: int, indent: int, *, is_item: bool) -> tuple[str, ...]:
    """The keys above a line that begins at a character."""
    found: list[str] = []
    for _ in range(MAX_LINES):
        if start <= 0 or (indent == 0 and not is_item):
            break
        line = text.line_at(start - 1)
        start = line.start
        content = text.content[line.start : line.end]
        body = content.lstrip(" ")
        own = len(content) - len(body)
        if not body or body[0] == "#" or own > indent or (own == indent and (not is_item or body[0] == "-")):
            continue
        is_inner_item = body.startswith("- ")
        inner = body[2:].lstrip(" ") if is_inner_item else body
        key = _KEY_LINE.fullmatch(inner)
        if key is None or (key["value"] and key["value"][0] not in "#&!"):
            continue  # of a value in several lines
        found.insert(0, _plain(key["key"]))
        indent, is_item = own, is_inner_item
    return tuple(found)


def _in_value(path: tuple[str, ...], value: str) -> tuple[str, tuple[str, ...], str]:
    """Kind, path and prefix in a value, of which the text before the cursor is given: it may hold lists and mappings in brackets."""
    if value[:1] not in ("{", "["):
        return VALUE, path, value
    opened: list[str] = []
    keys: list[str] = []
    part, quote = "", ""
    for letter in value:
        if quote:
            quote = "" if letter == quote else quote
            part += letter
        elif letter in "{[" and not part.strip().endswith("$"):
            opened.append(letter)
            keys.append("")
            part = ""
        elif letter == "{":
            opened.append("$")
            keys.append("")
            part += letter
        elif letter in "}]" and opened:
            is_interpolation = opened.pop() == "$"
            keys.pop()
            part = part + letter if is_interpolation else ""
        elif letter == "," and opened[-1:] != ["$"]:
            part = ""
            keys[-1:] = [""] if keys else []
        elif letter == ":" and opened[-1:] == ["{"] and not keys[-1]:
            keys[-1], part = _plain(part.strip()), ""
        else:
            quote = letter if letter in _QUOTED and not part.strip() else ""
            part += letter
    while opened[-1:] == ["$"]:
        opened.pop()
        keys.pop()
    prefix = part.lstrip()
    if not opened:
        return NOWHERE, path, ""
    inner = (*path, *(key for key in keys if key))
    return (ITEM if opened[-1] == "[" else VALUE if keys[-1] else KEY), inner, prefix
