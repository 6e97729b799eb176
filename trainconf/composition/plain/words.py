"""The words of a sweep, as far as they are plain: those with one value, and those of `params` that list values or draw them."""

from __future__ import annotations

from trainconf.composition.patch import is_name
from trainconf.composition.plain.expressions import expression_of, listed
from trainconf.errors import Mistake
from trainconf.search.expressions import MADE_AT_ONCE, Choice, ExpressionError, Steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

_RESERVED = ("null", "true", "false", "nan", "inf")


class RangeWords:
    """The override for each number of a range, made when it is asked for. Behaves as a list of them."""

    def __init__(self, key: str, numbers: range | Steps) -> None:
        self._key = key
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        """One of them, or a list of a slice."""
        found = self._numbers[place]
        return [self._word(number) for number in found] if isinstance(found, range | Steps) else self._word(found)

    def __iter__(self) -> Iterator[str]:
        return map(self._word, self._numbers)

    def _word(self, number: float) -> str:
        return f"{self._key}={number}"


Words = list[str] | RangeWords


class Axis:
    """One key of a sweep. words: an override for each of its values, of a distribution for its median. values: of a list, else empty.

    spec: its expression as `sweep.space` has it, "" for a key that does not vary. doubled_count: equal values that were left out.
    """

    __slots__ = ("doubled_count", "key", "spec", "values", "words")

    def __init__(self, key: str, words: Words, values: Sequence[Any] = (), spec: str = "", doubled_count: int = 0) -> None:
        self.key = key
        self.words = words
        self.values = values
        self.spec = spec
        self.doubled_count = doubled_count

    @property
    def path(self) -> str:
        """The dotted key in the config."""
        return self.key.lstrip("+")


def read_axes(texts: Sequence[str]) -> list[Axis] | None:
    """The axes of overrides, in their order. None where one of them is not plain, or may meet another.

    That what seems to have one value has one is known to whoever has composed it.
    """
    axes = []
    for text in texts:
        axis = _read(text)
        if axis is None:
            return None
        axes.append(axis)
    paths = [axis.path for axis in axes]
    for axis in axes:
        if paths.count(axis.path) > 1 or (axis.spec and any(_is_above(axis.path, other) or _is_above(other, axis.path) for other in paths)):
            return None
    return axes


def _is_above(path: str, other: str) -> bool:
    return other.startswith(f"{path}.")


def _read(text: str) -> Axis | None:
    left, equals, right = text.partition("=")
    path = left.lstrip("+")
    first, *rest = path.split(".")
    is_key = equals and len(left) - len(path) <= 2 and all(is_name(part) for part in path.replace("/", ".").split("."))
    if not is_key:
        return None
    if first != "params" or not rest or not all(map(is_name, rest)):
        return Axis(left, [text])
    try:
        expression = expression_of(right)
    except ExpressionError:
        return None
    if expression is None:
        return Axis(left, [text])
    values = listed(right)
    if values is None:
        return None if isinstance(expression, Choice) else Axis(left, [f"{left}={written(expression.at(0.5))}"], spec=right)
    if isinstance(values, range) and len(values) > MADE_AT_ONCE:
        return Axis(left, RangeWords(left, values), values, right)
    kept: dict[str, Any] = {}
    for value in values:
        kept.setdefault(f"{left}={_listed(value)}", value)
    is_varying = isinstance(expression, Choice) and len(values) > 1  # also where all of them are equal
    return Axis(left, list(kept), list(kept.values()), right if is_varying else "", len(values) - len(kept))


def _listed(value: Any) -> str:
    """A value of a list as Hydra's own sweeper writes it."""
    return "null" if value is None else str(value)


def written(value: Any) -> str:
    """A value as an override has it."""
    if isinstance(value, str) and "\\" not in value:
        is_itself = value.isascii() and value.replace("_", "a").replace("-", "a").isalnum() and (value[0].isalpha() or value[0] == "_")
        if is_itself and value.lower() not in _RESERVED:
            return value
        if "${" not in value:
            return "'" + value.replace("'", "\\'") + "'"
    elif value is None or type(value) in (int, float, bool):
        return "null" if value is None else str(value)
    elif type(value) in (list, tuple):
        return "[" + ",".join(map(written, value)) + "]"
    from trainconf.composition.hydra.light import import_lightly

    import_lightly()
    from trainconf.composition.hydra.written import written as written_by_hydra

    return written_by_hydra(value)


def overrides_of(values: Mapping[str, Any]) -> list[str]:
    """Values as overrides."""
    return [f"{key}={written(value)}" for key, value in values.items()]


def of_space(mistakes: Iterable[Mistake], values: Iterable[str], written_at: Callable[[str], str]) -> list[Mistake]:
    """Mistakes in values of these keys of a space, with what was written where they name the override that a trial would have had.

    written_at: of a key where its expression stands, "" where that is not known.
    """
    found = []
    for mistake in mistakes:
        facts = dict(mistake.facts)
        word = facts.get("from", "").partition("command line: ")[2].lstrip("+")
        key = next((key for key in values if word.startswith(f"{key}=")), "")
        source = written_at(key) if key else ""
        if source:
            facts["from"] = source
        typed = source.removeprefix("command line: ") if source.startswith("command line: ") else ""
        hint = _with(mistake.hint, word, typed) if typed else mistake.hint
        found.append(Mistake(mistake.what, *facts.items(), hint=hint))
    return found


def _with(hint: str, word: str, typed: str) -> str:
    """A hint with what was typed in the place of a word, quoted for a shell."""
    words = []
    for part in hint.split(" "):
        plain = part.lstrip("+")
        words.append(part if plain != word else "'" + part[: len(part) - len(plain)] + typed.replace("'", "'\"'\"'") + "'")
    return " ".join(words)
