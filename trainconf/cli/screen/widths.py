"""How wide a text is on a terminal, and text made to fit there: lines are broken between words, or cut."""

from __future__ import annotations

from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LABEL = re.compile(r"( *)((?:\S| (?! ))+) {2,}(?=\S)")  # of a line such as `  label   text`
_WORD = re.compile(r" *(?:`[^`]*`\S*|\S+)")  # with the blanks before it; a command stays together
_PLAIN_WORD = re.compile(r" *\S+")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NEXT = 4  # columns by which text that has no room beside its label stands further in
_FEWEST = 20  # columns in which anything is laid out


def width(text: str) -> int:
    """Columns the text takes on a terminal. Where terminals differ, it is the larger number."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    """Marks stand on the character before them, and so do vowels of Hangul; the last selector makes an emoji of that (Unicode TR51)."""
    from unicodedata import category, east_asian_width

    if character == "\ufe0f":
        return 1
    if category(character)[0] == "M" or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """As much of a line as fits, its end replaced by two dots where it does not."""
    if width(text) <= columns:
        return text
    shown, left = "", columns - 2
    for character in text:
        left -= width(character)
        if left < 0:
            break
        shown += character
    return (shown + "..")[: max(0, columns)]


def wrapped(text: str, columns: int) -> str:
    """The text with no line wider than that, broken between words. A word that is wider by itself stays whole, so that it can be copied.

    What follows a label, two blanks behind it, goes on below its beginning; other lines go on two columns further in.
    """
    if len(text) <= columns and text.isascii():
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, max(_FEWEST, columns)))


def _broken(line: str, columns: int) -> Iterator[str]:
    plain = _COLOUR.sub("", line)
    if width(plain) <= columns:
        yield line
        return
    label = LABEL.match(plain)
    indent = len(plain) - len(plain.lstrip(" "))
    hang = width(label[0]) if label else indent + 2
    shown, used = "", 0
    longest = max((width(word) for word in plain[len(label[0]) :].split()), default=0) if label else 0
    if label and (hang > columns // 2 or columns - hang < longest <= columns - indent - _NEXT):
        shown, used = _split_at(line, len(label[0]))
        yield shown.rstrip(" ")
        line, hang = line[used:], indent + _NEXT
        shown, used = " " * hang, hang
    elif label:
        shown, at = _split_at(line, len(label[0]))
        line, used = line[at:], hang
    has_text = False
    for word in _words(line, columns - hang):
        wide = width(_COLOUR.sub("", word))
        if has_text and used + wide > columns:
            yield shown
            stripped = word.lstrip(" ")
            shown, used = " " * hang + stripped, hang + wide - (len(word) - len(stripped))
        else:
            shown, used, has_text = shown + word, used + wide, True
    yield shown


def _words(line: str, room: int) -> Iterator[str]:
    for found in _WORD.findall(line):
        if found.count(" ") > 1 and width(_COLOUR.sub("", found.strip())) > room:
            yield from _PLAIN_WORD.findall(found)
        else:
            yield found


def _split_at(line: str, count: int) -> tuple[str, int]:
    """The beginning of a line that shows so many characters, colours not counted, and how long it is."""
    at = 0
    while count > 0:
        colour = _COLOUR.match(line, at)
        at, count = (colour.end(), count) if colour else (at + 1, count - 1)
    return line[:at], at
