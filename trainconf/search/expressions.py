"""What one key of a search space can be: a choice, or numbers under a distribution.

An expression is asked three things: `at(u)`, the value at the quantile u; `values()`, all values when they are few enough to
list; `ends()`, the values a schema must accept. The names of the ten functions and their meaning are HyperDrive's
(`hyperdrive.parameter_expressions`, Azure ML SDK v1): the bounds of `loguniform` are logarithms. `log_interval` has bounds by value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainconf.fast.records import Record
from trainconf.fast.stdlib import decimal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_LISTED = 1_000_000  # values of one key: what memory holds
MADE_AT_ONCE = 1_000  # options of a range; of a longer one each is made when it is asked for
KEPT_EVERY = 64  # numbers of `Steps`
DIGITS = 12  # of a drawn number: short on a command line, and equal on machines whose exp() and log() differ in the last place
SHOWN_VALUES = 8  # of a list in `plan`
RESERVED = ("null", "true", "false")  # texts that are another value unless they are quoted
SPECIAL = frozenset(" ,'\"()[]{}\n\t\\")
BELOW_ONE = 1 - 2.0**-53  # the largest float below 1
ABOVE_ZERO = 2.0**-65
DOUBLED = "{} of its values are there twice, and taken once"


class ExpressionError(ValueError):
    """An expression that describes no values; the text says which argument is wrong.

    allowed: what may stand there. example: an expression that is right. may_be_text: whether it may have been meant as a text.
    """

    def __init__(self, what: str, allowed: str = "", example: str = "", *, may_be_text: bool = False) -> None:
        self.allowed = allowed
        self.example = example
        self.may_be_text = may_be_text
        super().__init__(what)

    def about(self, key: str) -> str:
        """The sentence about a key's expression."""
        return f"{key} {self}" if str(self).startswith("is ") else f"{key}: {self}"


class Option(Record):
    """One value of a choice. `space` holds the keys that exist only while this value is chosen."""

    value: Any
    space: tuple[tuple[str, Expression], ...] = ()


class Steps(Sequence[float]):
    """The numbers of a range that are not all whole: start, start + step and so on before stop, summed up in decimal, as Hydra does it.

    Few are kept; the others are counted up from these.
    """

    def __init__(self, start: decimal.Decimal, stop: decimal.Decimal, step: decimal.Decimal) -> None:
        self._step = step
        self._kept: list[decimal.Decimal] = []
        count, value = 0, start
        while value < stop if step > 0 else value > stop:
            if count % KEPT_EVERY == 0:
                self._kept.append(value)
            value += step
            count += 1
        self._places = range(count)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        found = self._places[place]
        if isinstance(found, range):
            part = object.__new__(Steps)
            part._step, part._kept, part._places = self._step, self._kept, found
            return part
        value = self._kept[found // KEPT_EVERY]
        for _ in range(found % KEPT_EVERY):
            value += self._step
        return float(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Steps) and (self._step, self._places, self._kept[:1]) == (other._step, other._places, other._kept[:1])

    def __hash__(self) -> int:
        return hash((self._step, self._places))


def is_made_later(values: object) -> bool:
    """Whether values are so many numbers of a range that each is made when it is asked for."""
    return isinstance(values, range | Steps) and len(values) > MADE_AT_ONCE


class RangeOptions(Sequence[Option]):
    """The options of a range of numbers, each made when it is asked for."""

    def __init__(self, numbers: range | Steps) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: Any) -> Any:
        found = self.numbers[place]
        return RangeOptions(found) if isinstance(found, range | Steps) else Option(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeOptions) and self.numbers == other.numbers

    def __hash__(self) -> int:
        return hash(self.numbers)


class Choice(Record):
    """One of several values, each as likely as the others. Equal values are one, and their order is kept.

    is_shuffled: whether a grid goes through them in an order of its seed. doubled_count: equal values that were left out.
    Raises ExpressionError: no value at all.
    """

    options: Sequence[Option]
    is_shuffled: bool = False
    doubled_count: int = 0

    def __init__(self, options: Sequence[Option], is_shuffled: bool = False, doubled_count: int = 0) -> None:
        if not options:
            raise ExpressionError("is given no value at all")
        super().__init__(options, is_shuffled, doubled_count)

    @classmethod
    def of(cls, values: Sequence[Any]) -> Choice:
        """A choice of plain values; equal ones (1 and True are not equal) are taken once."""
        if isinstance(values, range | Steps) and is_made_later(values):
            return cls(RangeOptions(values))
        kept: dict[str, Option] = {}
        for value in values:
            option = value if isinstance(value, Option) else Option(value)
            kept.setdefault(identity(option.value), option)
        return cls(tuple(kept.values()), doubled_count=len(values) - len(kept))

    def at(self, u: float) -> Any:
        """The value at the quantile u, 0 <= u < 1."""
        return self.option_at(u).value

    def option_at(self, u: float) -> Option:
        """The option at the quantile u, 0 <= u < 1."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]

    @property
    def has_spaces(self) -> bool:
        """Whether some key exists only with one of the values."""
        return not isinstance(self.options, RangeOptions) and any(option.space for option in self.options)

    def values(self) -> Sequence[Any]:
        """Every value, in the order they were written."""
        return self.options.numbers if isinstance(self.options, RangeOptions) else [option.value for option in self.options]

    ends = values

    def describe(self) -> str:
        """The values, as `plan` shows them."""
        return _listed(self.values())


class Numbers(Record):
    """Numbers under a distribution; made by the functions of `search.grammar`.

    shape: `uniform` (low to high), `log` (low to high are logarithms), `normal` and `lognormal` (mu and sigma).
    step: values are rounded to multiples of it, computed in decimal, so that 3 * 0.1 is 0.3; None rounds nothing.
    is_int: whole numbers from low to high, both included.
    """

    name: str
    shape: str
    a: float
    b: float
    step: decimal.Decimal | None = None
    is_int: bool = False

    @property
    def is_bounded(self) -> bool:
        """Whether there is a smallest and a largest value."""
        return self.shape in ("uniform", "log")

    @property
    def is_log(self) -> bool:
        """Whether equal factors are equally likely, instead of equal differences."""
        return self.shape in ("log", "lognormal")

    def at(self, u: float) -> int | float:
        """The value at the quantile u, 0 <= u < 1: the inverse of the distribution function."""
        u = min(max(u, ABOVE_ZERO), BELOW_ONE)
        if self.is_int and self.step is None:
            return self._whole_at(u)
        return self.rounded(self.unrounded_at(u))

    def unrounded_at(self, u: float) -> float:
        """The value at the quantile u before it is rounded to `step`."""
        if self.is_bounded:
            return self._from_line(self.a + u * (self.b - self.a))
        from statistics import NormalDist  # 5 ms, which other shapes need not wait for

        return self.unrounded_at_z(NormalDist().inv_cdf(u))

    def unrounded_at_z(self, z: float) -> float:
        """The value z standard deviations from the mean, before it is rounded to `step`; for the normal shapes."""
        return self._from_line(self.a + z * self.b)

    def at_z(self, z: float) -> int | float:
        """The value z standard deviations from the mean; for the normal shapes."""
        return self.rounded(self.unrounded_at_z(z))

    def _from_line(self, x: float) -> float:
        if not self.is_log:
            return x
        try:
            y = math.exp(x)
        except OverflowError:
            return math.inf
        return min(max(y, math.exp(self.a)), math.exp(self.b)) if self.shape == "log" else y

    def _whole_at(self, u: float) -> int:
        low, high = self.whole_bounds()
        if self.shape == "uniform":
            return min(low + int(u * (high - low + 1)), high)
        line = math.log(low - 0.5) + u * (math.log(high + 0.5) - math.log(low - 0.5))
        return min(max(round(math.exp(line)), low), high)

    def whole_bounds(self) -> tuple[int, int]:
        """The smallest and the largest whole number of an `is_int` expression."""
        if self.shape == "log":
            return round(math.exp(self.a)), round(math.exp(self.b))
        return math.ceil(self.a), math.floor(self.b)

    def rounded(self, x: float) -> int | float:
        """x as the nearest multiple of `step`, halves to the even one; without a step x with DIGITS digits, or whole."""
        if math.isinf(x):
            return x
        if self.step is None:
            return round(x) if self.is_int else float(f"{x:.{DIGITS}g}")
        return multiple(round(x / float(self.step)), self.step)

    def bounds(self) -> tuple[int | float, int | float]:
        """The smallest and the largest value; of the normal shapes, those three standard deviations from the mean."""
        if self.is_int and self.step is None:
            return self.whole_bounds()
        if not self.is_bounded:
            return self.at_z(-3), self.at_z(3)
        return self.rounded(self._from_line(self.a)), self.rounded(self._from_line(self.b))

    def ends(self) -> list[int | float]:
        """The values that a schema must accept for every value to be accepted."""
        return list(self.bounds())

    @property
    def count(self) -> int | None:
        """How many values there are; None if there is no end to them."""
        if not self.is_bounded:
            return None
        if self.is_int and self.step is None:
            low, high = self.whole_bounds()
            return high - low + 1
        if self.step is None:
            return None
        low_value, high_value = self.bounds()
        return round((decimal.Decimal(str(high_value)) - decimal.Decimal(str(low_value))) / self.step) + 1

    def value_at(self, index: int) -> int | float:
        """The value at that place among all, ascending; for expressions that have a count."""
        low = self.bounds()[0]
        if self.step is None:
            return int(low) + index
        return multiple(round(decimal.Decimal(str(low)) / self.step) + index, self.step)

    def values(self) -> list[int | float] | None:
        """Every value, ascending; None if there is no end to them, or there are more than MAX_LISTED."""
        count = self.count
        if count is None or count > MAX_LISTED:
            return None
        return [self.value_at(index) for index in range(count)]

    def describe(self) -> str:
        """What the expression can give, as values: `0.0001 … 1, log`; `0, 4, 8`."""
        count = self.count
        if count is not None and count <= SHOWN_VALUES:
            return _listed([self.value_at(index) for index in range(count)])
        low, high = self.bounds()
        kind = ["whole"] if self.is_int or (self.step is not None and self.step == int(self.step)) else []
        if self.is_log:
            kind.append("log")
        if self.step is not None:
            kind.append(f"steps of {text_of(float(self.step))}")
        if not self.is_bounded:
            kind.append(f"{self.shape}, mostly" if self.shape == "normal" else "normal in its logarithm, mostly")
            return f"{text_of(low)} … {text_of(high)} ({', '.join(part for part in kind if part != 'log')})"
        return ", ".join([f"{text_of(low)} … {text_of(high)}", *kind])


Expression = Choice | Numbers


def multiple(factor: int, step: decimal.Decimal) -> int | float:
    """factor * step, computed in decimal; an int where the step is a whole number."""
    product = factor * step
    return int(product) if step == step.to_integral_value() else float(product)


def identity(value: Any) -> str:
    """A text that is equal for equal values only: 1, 1.0, True and "1" are four."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{identity(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(identity(inner) for inner in value) + "]"
    return f"{type(value).__name__}:{value!r}"


def text_of(value: Any) -> str:
    """A value as a person reads it: numbers with at most six digits, and a text in quotes where it would be read as something else."""
    if type(value) is float:
        return f"{value:.6g}"
    return repr(value) if isinstance(value, str) and _reads_otherwise(value) else str(value)


def _reads_otherwise(text: str) -> bool:
    """Whether a text without quotes would be another value, or several."""
    try:
        float(text)
    except ValueError:
        return text in ("", "None") or text.lower() in RESERVED or bool(SPECIAL.intersection(text))
    return True


def _listed(values: Sequence[Any]) -> str:
    return in_short([text_of(value) for value in (values if len(values) <= SHOWN_VALUES else [*values[:3], values[-1]])], len(values))


def in_short(texts: Sequence[str], count: int) -> str:
    """So many values in words: the texts of all; of more than SHOWN_VALUES those of the first three and of the last."""
    return ", ".join(texts) if count <= SHOWN_VALUES else f"{', '.join(texts[:3])}, … {texts[-1]} ({count} values)"
