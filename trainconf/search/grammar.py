"""The functions of the grammar of a space: HyperDrive's ten, Hydra's `interval`, and `log_interval`, whose bounds are values."""

from __future__ import annotations

import math
from collections.abc import Callable

from trainconf.fast.stdlib import decimal
from trainconf.search.expressions import Choice, Expression, ExpressionError, Numbers, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Number = int | float


def choice(*values: Any) -> Choice:
    """One of the values, each as likely. A single list is the list of values."""
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = tuple(values[0])
    return Choice.of(values)


def randint(upper: Number) -> Numbers:
    """A whole number from 0 up to, and without, `upper`."""
    if type(upper) is not int or upper < 1:
        raise ExpressionError(f"randint({upper}): upper must be a whole number of at least 1")
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


def interval(start: Number, end: Number, *, is_int: bool = False, is_log: bool = False) -> Numbers:
    """A number from `start` to `end`, bounds by value: Hydra's `interval`, with `int(...)` and `tag(log, ...)` around it."""
    name = "log_interval" if is_log else "interval"
    low, high = _number(name, "start", start), _number(name, "end", end)
    called = f"{name}({start}, {end})"
    if is_log and low <= 0:
        raise ExpressionError(f"{called}: a logarithmic bound must be above 0")
    if low >= high:
        raise ExpressionError(f"{called}: the first bound must be below the second")
    if is_int and math.ceil(low) > math.floor(high):
        raise ExpressionError(f"{called}: there is no whole number between the bounds")
    if not is_log:
        return Numbers(name, "uniform", low, high, is_int=is_int)
    if is_int:
        low, high = math.ceil(low), math.floor(high)
    return Numbers(name, "log", math.log(low), math.log(high), is_int=is_int)


def log_interval(start: Number, end: Number) -> Numbers:
    """A number from `start` to `end`, equal factors equally likely; the bounds are values, not logarithms."""
    return interval(start, end, is_log=True)


FUNCTIONS: dict[str, Callable[..., Expression]] = {
    function.__name__: function
    for function in (choice, randint, uniform, quniform, loguniform, qloguniform, normal, qnormal, lognormal, qlognormal, log_interval)
}


def warning_of(expression: Expression) -> str:
    """What is probably meant otherwise: logarithmic bounds that look like values; "" if nothing is."""
    if not isinstance(expression, Numbers) or expression.name != "loguniform" or not 0 < expression.a < expression.b <= 1:
        return ""
    low, high = expression.bounds()
    return (
        f"loguniform({text_of(expression.a)}, {text_of(expression.b)}) gives {text_of(low)} … {text_of(high)}, its bounds are logarithms; "
        f"by value: log_interval({text_of(expression.a)}, {text_of(expression.b)})"
    )


def _ranged(name: str, shape: str, low: Any, high: Any, q: Any = None) -> Numbers:
    called = f"{name}({low}, {high}{'' if q is None else f', {q}'})"
    a, b = _number(name, "min", low), _number(name, "max", high)
    if a >= b:
        raise ExpressionError(f"{called}: min must be below max")
    if shape == "log" and b > math.log(1.7e308):
        raise ExpressionError(f"{called}: e^{text_of(b)} is too large for a number; log_interval has bounds by value")
    return Numbers(name, shape, a, b, _step(called, q))


def _spread(name: str, shape: str, mu: Any, sigma: Any, q: Any = None) -> Numbers:
    called = f"{name}({mu}, {sigma}{'' if q is None else f', {q}'})"
    mean, deviation = _number(name, "mu", mu), _number(name, "sigma", sigma)
    if deviation < 0:
        raise ExpressionError(f"{called}: sigma must be at least 0")
    if shape == "lognormal" and mean + 9 * deviation > math.log(1.7e308):
        raise ExpressionError(f"{called}: mu and sigma are logarithms, and e^{text_of(mean + 9 * deviation)} is too large for a number")
    return Numbers(name, shape, mean, deviation, _step(called, q))


def _number(name: str, argument: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise ExpressionError(f"{name}: {argument} must be a number, not {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ExpressionError(f"{name}: {argument} must be a finite number, not {text_of(number)}")
    return number


def _step(called: str, q: Any) -> decimal.Decimal | None:
    if q is None:
        return None
    if type(q) not in (int, float) or not math.isfinite(q) or q <= 0:
        raise ExpressionError(f"{called}: q must be a number above 0")
    return decimal.Decimal(str(q))
