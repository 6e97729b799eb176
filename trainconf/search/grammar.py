"""The functions of the grammar of a space: HyperDrive's ten, Hydra's `interval`, and `log_interval`, whose bounds are values."""

from __future__ import annotations

import math
from collections.abc import Callable

from trainconf.fast.records import replace
from trainconf.fast.stdlib import decimal
from trainconf.search.expressions import DIGITS, Choice, Expression, ExpressionError, Numbers, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Number = int | float
LARGEST = 1.7e308


def choice(*values: Any) -> Choice:
    """One of the values, each as likely. A single list is the list of values."""
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = tuple(values[0])
    return Choice.of(values)


def randint(upper: Number) -> Numbers:
    """A whole number from 0 up to, and without, `upper`."""
    if type(upper) is not int or upper < 1:
        near = int(upper) if type(upper) is float and upper >= 1 and math.isfinite(upper) else 10
        raise ExpressionError(f"randint({upper}): upper must be a whole number of at least 1", "randint(upper)", f"randint({near})")
    return Numbers("randint", "uniform", 0, upper - 1, is_int=True)


def uniform(min: Number, max: Number) -> Numbers:
    """A number from `min` to `max`."""
    return _ranged("uniform", "uniform", min, max)


def quniform(min: Number, max: Number, q: Number) -> Numbers:
    """round(uniform(min, max) / q) * q"""
    return _ranged("quniform", "uniform", min, max, q)


def loguniform(min: Number, max: Number) -> Numbers:
    """exp(uniform(min, max)): the bounds are logarithms."""
    return _ranged("loguniform", "log", min, max)


def qloguniform(min: Number, max: Number, q: Number) -> Numbers:
    """round(exp(uniform(min, max)) / q) * q: the bounds are logarithms."""
    return _ranged("qloguniform", "log", min, max, q)


def normal(mu: Number, sigma: Number) -> Numbers:
    """A number from the normal distribution with mean `mu` and standard deviation `sigma`."""
    return _spread("normal", "normal", mu, sigma)


def qnormal(mu: Number, sigma: Number, q: Number) -> Numbers:
    """round(normal(mu, sigma) / q) * q"""
    return _spread("qnormal", "normal", mu, sigma, q)


def lognormal(mu: Number, sigma: Number) -> Numbers:
    """exp(normal(mu, sigma))"""
    return _spread("lognormal", "lognormal", mu, sigma)


def qlognormal(mu: Number, sigma: Number, q: Number) -> Numbers:
    """round(exp(normal(mu, sigma)) / q) * q"""
    return _spread("qlognormal", "lognormal", mu, sigma, q)


def interval(start: Number, end: Number, *, is_int: bool = False, is_log: bool = False, form: str = "") -> Numbers:
    """A number from `start` to `end`, bounds by value: Hydra's `interval`, with `int(...)` and `tag(log, ...)` around it.

    form: how it was written, with {} for the bounds. Raises ExpressionError.
    """
    name = "log_interval" if is_log else "interval"
    low, high = _number(name, "start", start), _number(name, "end", end)
    form = form or (f"int({name}({{}}, {{}}))" if is_int else f"{name}({{}}, {{}})")
    called = form.format(exact(low), exact(high))
    allowed = form.format("start", "end")
    if is_log and min(low, high) <= 0:
        largest = max(low, high)
        example = form.format(exact(largest / 1000), exact(largest)) if largest > 0 else "log_interval(0.001,1)"
        raise ExpressionError(f"{called}: a logarithmic bound must be above 0", allowed, example)
    if low >= high:
        _refuse_order(f"{called}: the first bound must be below the second", allowed, form, low, high)
    if is_int and math.ceil(low) > math.floor(high):
        below, above = math.floor(low), math.ceil(high)
        what = f"{called}: there is no whole number between the bounds; the nearest are {below} and {above}"
        raise ExpressionError(what, allowed, form.format(1, 2) if is_log and below < 1 else form.format(below, above))
    _refuse_too_far(called, low, high)
    if not is_log:
        return Numbers(name, "uniform", low, high, is_int=is_int)
    if is_int:
        low, high = math.ceil(low), math.floor(high)
    return Numbers(name, "log", math.log(low), math.log(high), is_int=is_int)


def log_interval(start: Number, end: Number) -> Numbers:
    """A number from `start` to `end`, equal factors equally likely; the bounds are values, not logarithms."""
    return interval(start, end, is_log=True)


def is_whole(made: Numbers) -> bool:
    """Whether it gives whole numbers alone."""
    return made.is_int or (made.step is not None and made.step == made.step.to_integral_value())


def whole(made: Numbers) -> Numbers:
    """The whole numbers of a function's values, which is what `int(...)` around it means. Raises ExpressionError."""
    if is_whole(made):
        return made
    called = f"int({_called(made)})"
    if made.step is not None:
        q = max(1, round(made.step))
        example = _called(replace(made, step=decimal.Decimal(q)))
        raise ExpressionError(f"{called}: multiples of {made.step} are not all whole", "a whole q", example)
    if not made.is_bounded:  # as its q form with multiples of 1
        return replace(made, step=decimal.Decimal(1))
    if not made.is_log:
        return interval(made.a, made.b, is_int=True, form=f"int({made.name}({{}}, {{}}))")
    return interval(*(float(f"{math.exp(bound):.{DIGITS}g}") for bound in (made.a, made.b)), is_int=True, is_log=True)


def _called(made: Numbers) -> str:
    """A function with its arguments, as it is typed."""
    if made.name == "randint":
        return f"randint({made.b + 1})"
    bounds = (math.exp(made.a), math.exp(made.b)) if made.name == "log_interval" else (made.a, made.b)
    arguments = [*bounds, *([] if made.step is None else [float(made.step)])]
    return f"{made.name}({', '.join(map(text_of, map(float, arguments)))})"


FUNCTIONS: dict[str, Callable[..., Expression]] = {
    function.__name__: function
    for function in (choice, randint, uniform, quniform, loguniform, qloguniform, normal, qnormal, lognormal, qlognormal, log_interval)
}


def warning_of(expression: Expression) -> str:
    """What is probably meant otherwise: a single value, and logarithmic bounds that look like values; "" if nothing is."""
    if not isinstance(expression, Numbers):
        return ""
    low, high = expression.bounds()
    if low == high:
        why = "" if expression.step is None else ": q is too large for these bounds"
        return f"{_called(expression)} gives {text_of(low)} alone{why}"
    if expression.name != "loguniform" or not 0 < expression.a < expression.b <= 1:
        return ""
    return (
        f"loguniform({text_of(expression.a)}, {text_of(expression.b)}) gives {text_of(low)} … {text_of(high)}, its bounds are logarithms; "
        f"by value: log_interval({text_of(expression.a)}, {text_of(expression.b)})"
    )


def _ranged(name: str, shape: str, low: Any, high: Any, q: Any = None) -> Numbers:
    form = f"{name}({{}}, {{}}{'' if q is None else f', {q}'})"
    a, b = _number(name, "min", low), _number(name, "max", high)
    called = form.format(exact(a), exact(b))
    if a >= b:
        _refuse_order(f"{called}: min must be below max", form.format("min", "max"), form, a, b, is_log=shape == "log")
    if shape == "log" and (b > math.log(LARGEST) or not math.exp(a)):
        power = f"e^{text_of(b)} is too large" if b > math.log(LARGEST) else f"e^{text_of(a)} is too small"
        by_value = f"log_interval({exact(a)}, {exact(b)})" if a > 0 else ""
        raise ExpressionError(f"{called}: {power} for a number; log_interval has bounds by value", form.format("min", "max"), by_value)
    _refuse_too_far(called, a, b)
    return Numbers(name, shape, a, b, _step(called, q, math.exp(b) if shape == "log" else max(abs(a), abs(b))))


def _spread(name: str, shape: str, mu: Any, sigma: Any, q: Any = None) -> Numbers:
    mean, deviation = _number(name, "mu", mu), _number(name, "sigma", sigma)
    called = f"{name}({exact(mean)}, {exact(deviation)}{'' if q is None else f', {q}'})"
    if deviation < 0:
        raise ExpressionError(f"{called}: sigma must be at least 0")
    furthest = abs(mean) + 9 * deviation
    if shape == "lognormal" and mean + 9 * deviation > math.log(LARGEST):
        raise ExpressionError(f"{called}: mu and sigma are logarithms, and e^{text_of(mean + 9 * deviation)} is too large for a number")
    if shape == "lognormal" and not math.exp(mean):
        raise ExpressionError(f"{called}: mu is a logarithm, and e^{text_of(mean)} is too small for a number")
    if furthest > LARGEST:
        raise ExpressionError(f"{called}: values nine sigma from mu are too large for a number")
    largest = math.exp(mean + 9 * deviation) if shape == "lognormal" else furthest
    return Numbers(name, shape, mean, deviation, _step(called, q, largest))


def exact(value: float) -> str:
    """A bound as it was written: 1 and not 1.0."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _refuse_order(what: str, allowed: str, form: str, low: float, high: float, *, is_log: bool = False) -> None:
    """Bounds that are equal, or the wrong way round. is_log: whether they are logarithms. Raises ExpressionError."""
    if low != high:
        raise ExpressionError(what, allowed, form.format(exact(high), exact(low)))
    raise ExpressionError(f"{what}; a single value is written alone", allowed, text_of(math.exp(low)) if is_log else exact(low))


def _refuse_too_far(called: str, low: float, high: float) -> None:
    if high - low > LARGEST:
        raise ExpressionError(f"{called}: the bounds are too far apart: their difference is too large for a number")


def _number(name: str, argument: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise ExpressionError(f"{name}: {argument} must be a number, not {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ExpressionError(f"{name}: {argument} must be a finite number, not {text_of(number)}", "a finite number")
    return number


def _step(called: str, q: Any, furthest: float) -> decimal.Decimal | None:
    """furthest: the largest magnitude that is rounded to multiples of q."""
    if q is None:
        return None
    if type(q) not in (int, float) or not math.isfinite(q) or q <= 0:
        raise ExpressionError(f"{called}: q must be a number above 0")
    if furthest / q > LARGEST:
        raise ExpressionError(f"{called}: q is too small: {text_of(furthest)} / {text_of(float(q))} is too large for a number")
    return decimal.Decimal(str(q))
