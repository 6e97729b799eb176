"""The parameter expressions of HyperDrive: what a parameter of a search can be."""

from __future__ import annotations

from trainconf.sdk.settings.arguments import Arguments, described
from trainconf.sdk.submission.layers import plain
from trainconf.search import grammar
from trainconf.search.expressions import ExpressionError
from trainconf.search.reading import AZURE_ARGUMENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PLAIN = "texts, numbers, True, False, None, lists and dicts of these"


class ParameterExpression:
    """What a parameter can be: `name` is the function that made it, `arguments` what it was given."""

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.name = name
        self.arguments = arguments

    @property
    def _spec(self) -> dict[str, Any]:
        """The same in `sweep.space`."""
        if self.name == "choice":
            return {"type": "choice", "values": [_option(value) for value in self.arguments]}
        return {"type": self.name, **dict(zip(AZURE_ARGUMENTS[self.name], self.arguments, strict=True))}

    @property
    def is_choice(self) -> bool:
        """Whether it lists values."""
        return self.name == "choice"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParameterExpression) and (other.name, other.arguments) == (self.name, self.arguments)

    def __hash__(self) -> int:
        return hash((self.name, repr(self.arguments)))

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


def _option(value: Any) -> Any:
    """A value as `sweep.space` lists it: as the words that a script is given, and never read as an expression."""
    if value is None or isinstance(value, bool):
        return str(value)  # the script gets `--name True`, and not a flag
    return {"value": value} if isinstance(value, dict) else value


def choice(*options: Any) -> ParameterExpression:
    """One of the options, each as likely: `choice(1, 2, 3)`, `choice([1, 2, 3])`, `choice(range(1, 4))`. Raises UserError.

    >>> from trainconf import choice
    >>> choice(range(1, 4))
    choice(1, 2, 3)
    """
    arguments = Arguments("choice")
    given = options
    if len(options) == 1 and (isinstance(options[0], (list, tuple, range)) or type(options[0]).__name__ == "ndarray"):
        given = tuple(options[0])
    values = tuple(plain(value) for value in given)
    if not values:
        arguments.wrong("choice is given no value at all", ("allowed", "one at least"))
    for value in values:
        if not _is_plain(value):
            arguments.refuse("a value", value, PLAIN)
    arguments.check()
    return ParameterExpression("choice", values)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or (isinstance(value, (str, bool, int, float)) and value == value)


def randint(upper: int) -> ParameterExpression:
    """A whole number from 0 up to, and without, `upper`. Raises UserError."""
    return _made("randint", upper)


def uniform(min_value: float, max_value: float) -> ParameterExpression:
    """A number between two. Raises UserError unless the first is below the second."""
    return _made("uniform", min_value, max_value)


def quniform(min_value: float, max_value: float, q: float) -> ParameterExpression:
    """round(uniform(min_value, max_value) / q) * q; q may be a fraction. Raises UserError."""
    return _made("quniform", min_value, max_value, q)


def loguniform(min_value: float, max_value: float) -> ParameterExpression:
    """exp(uniform(min_value, max_value)): the bounds are logarithms. Raises UserError."""
    return _made("loguniform", min_value, max_value)


def qloguniform(min_value: float, max_value: float, q: float) -> ParameterExpression:
    """round(exp(uniform(min_value, max_value)) / q) * q: the bounds are logarithms. Raises UserError."""
    return _made("qloguniform", min_value, max_value, q)


def normal(mu: float, sigma: float) -> ParameterExpression:
    """A number from the normal distribution. Raises UserError for a sigma below 0."""
    return _made("normal", mu, sigma)


def qnormal(mu: float, sigma: float, q: float) -> ParameterExpression:
    """round(normal(mu, sigma) / q) * q. Raises UserError."""
    return _made("qnormal", mu, sigma, q)


def lognormal(mu: float, sigma: float) -> ParameterExpression:
    """exp(normal(mu, sigma)). Raises UserError."""
    return _made("lognormal", mu, sigma)


def qlognormal(mu: float, sigma: float, q: float) -> ParameterExpression:
    """round(exp(normal(mu, sigma)) / q) * q. Raises UserError."""
    return _made("qlognormal", mu, sigma, q)


def _made(name: str, *given: Any) -> ParameterExpression:
    arguments = Arguments(name)
    values = tuple(plain(value) for value in given)
    for parameter, value in zip(AZURE_ARGUMENTS[name], values, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            arguments.refuse(parameter, value, "a number")
    arguments.check()
    if name == "randint" and isinstance(values[0], float) and values[0].is_integer():
        values = (int(values[0]),)
    try:
        grammar.FUNCTIONS[name](*values)
    except ExpressionError as error:
        arguments.wrong(error.about("the expression"), ("given", f"{name}({', '.join(map(described, values))})"))
    arguments.check()
    return ParameterExpression(name, values)
