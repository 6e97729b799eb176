"""Ignore rules with git's exact meaning, over bytes.

gitignore(5) and the source of git 2.39 (dir.c, wildmatch.c) are the reference; a property test holds this file to
`git check-ignore`. Nothing here touches the disk: text in, verdicts out.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GLOB_SPECIAL = re.compile(rb"[*?\[\\]")
NEVER = rb"(?!)"  # a pattern git rejects matches nothing
POSIX_CLASSES: dict[bytes, bytes] = {
    b"alnum": rb"[0-9A-Za-z]", b"alpha": rb"[A-Za-z]", b"blank": rb"[ \t]", b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]", b"graph": rb"[!-~]", b"lower": rb"[a-z]", b"print": rb"[ -~]",
    b"punct": rb"[!-/:-@\[-`{-~]", b"space": rb"[ \t-\r]", b"upper": rb"[A-Z]", b"xdigit": rb"[0-9A-Fa-f]",
}


class MalformedPatternError(ValueError):
    """The pattern can match nothing: an open bracket, an unknown class, a backslash at the end."""


class Pattern:
    """One line of an ignore file: a regular expression over a base name, or over a path below the file's folder."""

    __slots__ = ("by_name", "dirs_only", "negated", "regex")

    def __init__(self, line: bytes) -> None:
        self.negated = line.startswith(b"!")
        text = line[1:] if self.negated else line
        self.dirs_only = text.endswith(b"/")
        if self.dirs_only:
            text = text[:-1]
        self.by_name = b"/" not in text
        try:
            self.regex = translate(text, crosses_slash=True) if self.by_name else _translate_path(text)
        except MalformedPatternError:
            self.regex = NEVER


class RuleFile:
    """The patterns of one ignore file. The last one that matches decides.

    All patterns of one kind become one alternation, latest first, so that a path costs two matches, not one per line.
    """

    __slots__ = ("_dir", "_file", "patterns")

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._dir = self._compile(self.patterns)
        self._file = self._compile([pattern for pattern in self.patterns if not pattern.dirs_only])

    @classmethod
    def parse(cls, text: bytes) -> RuleFile:
        return cls(Pattern(line) for line in pattern_lines(text))

    def verdict(self, name: bytes, path: bytes, *, is_dir: bool) -> bool | None:
        """True: ignored; False: taken back by a `!` line; None: no line matches. `path` is relative to the file's folder."""
        by_name, by_path = self._dir if is_dir else self._file
        best = by_name.match(name)
        other = by_path.match(path)
        return max(best, other)[1] if best and other else (best or other or (0, None))[1]

    @staticmethod
    def _compile(patterns: Iterable[Pattern]) -> tuple[_Alternation, _Alternation]:
        numbered = list(enumerate(patterns))
        return _Alternation(numbered, by_name=True), _Alternation(numbered, by_name=False)


class _Alternation:
    """Patterns in one regular expression; answers which one is the last to match."""

    __slots__ = ("_fullmatch", "_outcomes")

    def __init__(self, numbered: Iterable[tuple[int, Pattern]], *, by_name: bool) -> None:
        chosen = [(number, pattern) for number, pattern in numbered if pattern.by_name == by_name][::-1]
        self._outcomes = [(number, not pattern.negated) for number, pattern in chosen]
        regex = b"|".join(b"(" + pattern.regex + b")" for _, pattern in chosen)
        self._fullmatch = re.compile(regex, re.DOTALL).fullmatch if chosen else None

    def match(self, text: bytes) -> tuple[int, bool] | None:
        found = self._fullmatch(text) if self._fullmatch else None
        return self._outcomes[(found.lastindex or 1) - 1] if found else None


def pattern_lines(text: bytes) -> Iterator[bytes]:
    """The lines that hold a pattern: no comments, no blank lines, unescaped trailing spaces gone."""
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not line.startswith(b"#"):
            pattern = _without_trailing_spaces(line.removesuffix(b"\r").split(b"\0", 1)[0])
            if pattern:
                yield pattern


def _without_trailing_spaces(line: bytes) -> bytes:
    end = len(line.rstrip(b" "))
    if end == len(line):
        return line
    backslashes = end - len(line[:end].rstrip(b"\\"))
    return line[: end + backslashes % 2]  # an odd backslash escapes the first space


def _translate_path(text: bytes) -> bytes:
    """git compares everything before the first wildcard literally, and matches the rest as a pattern of its own.

    So `a**/b` means `a`, then `**/b`: two stars there reach over slashes although no slash stands before them.
    """
    text = text.removeprefix(b"/")
    special = GLOB_SPECIAL.search(text)
    if not special:
        return re.escape(text)
    return re.escape(text[: special.start()]) + translate(text[special.start() :], crosses_slash=False)


def translate(text: bytes, *, crosses_slash: bool) -> bytes:
    """A wildmatch pattern as a regular expression. With `crosses_slash` off it is a path's: only `**` reaches over `/`."""
    anything, one = (rb".*", rb".") if crosses_slash else (rb"[^/]*", rb"[^/]")
    out: list[bytes] = []
    at = 0
    while at < len(text):
        char = text[at : at + 1]
        if char == b"*":
            stars = len(text) - at - len(text[at:].lstrip(b"*"))
            after = at + stars
            if crosses_slash or stars == 1 or not _stands_alone(text, at, after):
                out.append(anything)
            elif text[after : after + 1] == b"/":
                out.append(rb"(?:.*/)?")
                after += 1
            else:
                out.append(rb".*")
            at = after
        elif char == b"?":
            out.append(one)
            at += 1
        elif char == b"[":
            members, at = _bracket(text, at + 1)
            out.append(_one_of(members if crosses_slash else members - {0x2F}))
        else:
            if char == b"\\":
                at += 1
                if at == len(text):
                    raise MalformedPatternError(text)
            out.append(re.escape(text[at : at + 1]))
            at += 1
    return b"".join(out)


def _stands_alone(text: bytes, start: int, end: int) -> bool:
    """Whether the stars at `start:end` are a whole path component."""
    before = start == 0 or text[start - 1 : start] == b"/"
    return before and (end == len(text) or text.startswith((b"/", b"\\/"), end))


def _one_of(members: set[int]) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % member for member in sorted(members)) + b"]" if members else NEVER


def _bracket(text: bytes, at: int) -> tuple[set[int], int]:
    """The bytes a bracket expression matches, and where it ends. `at` is just behind the opening bracket."""
    negated = text[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    previous = 0  # the start of a possible range
    first = True
    while first or text[at : at + 1] != b"]":
        first = False
        char, following = text[at : at + 1], text[at + 1 : at + 2]
        if not char:
            raise MalformedPatternError(text)
        if char == b"-" and previous and following and following != b"]":
            at += 1
            char, at = _unescaped(text, at)
            members.update(range(previous, char[0] + 1))
            previous = 0
        elif char == b"[" and following == b":" and (named := _posix_class(text, at + 2)):
            members |= named[0]
            at = named[1]
            previous = 0
        else:
            char, at = _unescaped(text, at)
            members.add(char[0])
            previous = char[0]
        at += 1
    return (set(range(256)) - members if negated else members), at + 1


def _unescaped(text: bytes, at: int) -> tuple[bytes, int]:
    if text[at : at + 1] == b"\\":
        at += 1
    if at >= len(text):
        raise MalformedPatternError(text)
    return text[at : at + 1], at


def _posix_class(text: bytes, at: int) -> tuple[set[int], int] | None:
    """The class that starts at `at` (behind `[:`) and the place of its closing bracket; None when `[:` was only two characters."""
    end = text.find(b"]", at)
    if end < 0:
        raise MalformedPatternError(text)
    if end == at or text[end - 1 : end] != b":":
        return None
    regex = POSIX_CLASSES.get(text[at : end - 1])
    if regex is None:
        raise MalformedPatternError(text)
    return {byte for byte in range(128) if re.match(regex, bytes((byte,)))}, end
