"""What an override gives a key in a sweep, in Hydra's grammar and the functions of `trainconf.search.grammar` besides.

Hydra's `choice`, `range`, `glob`, `interval` and `tag(log, ...)` become expressions of ours; `uniform`, `loguniform`,
`log_interval` and the others are known to the parser that `register` was given.
"""

from __future__ import annotations

import decimal
import inspect
import itertools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException

from trainconf.search import grammar
from trainconf.search.expressions import MADE_AT_ONCE, MAX_LISTED, Choice, Expression, ExpressionError, Numbers, Steps
from trainconf.search.wrong import explained, split

_ZIP = re.compile(r"(\w+)=zip\((.*)\)", re.DOTALL)


@dataclass
class Drawn(IntervalSweep):
    """What a function of ours gives: to Hydra an interval, so that it counts as a sweep and can be cast by `int`."""

    expression: Numbers | None = None


def register(parser: OverridesParser) -> OverridesParser:
    """The same parser, which knows our functions from here on."""
    known = parser.functions
    for name in grammar.FUNCTIONS:
        if name not in known.functions:
            known.register(name, _function(name))
    for name in ("int", "float"):
        if name in known.functions and not isinstance(known.functions[name], _Cast):
            known.functions[name] = _Cast(name, known.functions[name])
    return parser


class _Cast:
    """Hydra's `int(...)` or `float(...)`, but for distributions: of those Hydra would cut the bounds off and forget the rest."""

    def __init__(self, name: str, of_hydra: Callable[..., Any]) -> None:
        self._name = name
        self._of_hydra = of_hydra

    def __call__(self, *values: Any, value: Any = None) -> Any:
        """The value as Hydra makes it, or a distribution. Raises ExpressionError."""
        found = values[0] if len(values) == 1 else value
        if isinstance(found, Drawn) and found.expression is not None:
            return self._drawn(found, found.expression)
        if isinstance(found, IntervalSweep) and self._name == "int":
            return Whole(start=found.start, end=found.end, tags=set(found.tags))
        try:
            made = self._of_hydra(*values, value=value)
        except (ValueError, OverflowError) as error:
            if self._name == "float" or not isinstance(found, (ChoiceSweep, str, int, float, type(None))):
                raise
            raise ExpressionError(f"int(...) cannot make a whole number of {str(error).rpartition(': ')[2]}", "numbers") from None
        if isinstance(found, RangeSweep) and found.step and not made.step:
            what = f"int(range({found.start},{found.stop},{found.step})): as a whole number the step is 0"
            raise ExpressionError(what, "int(range(start, stop, [step]))", f"range({made.start},{made.stop})")
        return made

    def _drawn(self, found: Drawn, expression: Numbers) -> Drawn:
        if self._name == "int":
            return replace(found, expression=grammar.whole(expression))
        if grammar.is_whole(expression):
            what = f"float(...) has no meaning around {expression.name}, which gives whole numbers"
            raise ExpressionError(what, "float around an interval, a range or a choice", "float(range(0,10))")
        return found


@dataclass
class Whole(IntervalSweep):
    """The whole numbers of an interval, whose bounds are as they were written."""


def _function(name: str) -> Any:
    make = grammar.FUNCTIONS[name]

    def call(*arguments: Any, **named: Any) -> Drawn:
        made = make(*arguments, **named)
        assert isinstance(made, Numbers)
        low, high = made.bounds()
        return Drawn(start=low, end=high, expression=made)

    parameters = [parameter.replace(annotation=object) for parameter in inspect.signature(make).parameters.values()]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Hydra binds the arguments by it
    return call


def expression_of(override: Override) -> Expression | None:
    """What the values of an override are drawn from; None for one that sets a single value.

    Raises ExpressionError, and HydraException for a `glob` of what is no group.
    """
    if not override.is_sweep_override():
        return None
    sweep = override.value()
    if override.is_discrete_sweep():
        is_shuffled = isinstance(sweep, (ChoiceSweep, RangeSweep)) and sweep.shuffle
        if isinstance(sweep, (ChoiceSweep, RangeSweep)) and is_shuffled:  # Hydra would shuffle by chance; the sweep's seed does
            override = replace(override, _value=replace(sweep, shuffle=False))
        values = range_of(override) or list(itertools.islice(override.sweep_iterator(_plain), MAX_LISTED + 1))
        if values[MAX_LISTED:]:
            raise ExpressionError(f"there are more values than a sweep can have, which is {MAX_LISTED}")
        if isinstance(values, list) and any(isinstance(value, Drawn) for value in values):
            raise ExpressionError("a distribution cannot be one of several values")
        if isinstance(values, list) and any(isinstance(value, Sweep) for value in values):
            raise ExpressionError("a list cannot be one of its own values")
        found = Choice.of(values)
        return Choice(found.options, is_shuffled, found.doubled_count)
    if isinstance(sweep, Drawn) and sweep.expression is not None:
        if sweep.tags:
            what = f"tag has no meaning around {sweep.expression.name}; log_interval(a, b) has logarithmic steps"
            raise ExpressionError(what, "tag(log, interval(start, end))", "log_interval(0.001,1)")
        return sweep.expression
    assert isinstance(sweep, IntervalSweep)
    unknown = sorted(set(sweep.tags) - {"log"})
    if unknown:
        example = f"tag(log,interval({grammar.exact(float(sweep.start or 0))},{grammar.exact(float(sweep.end or 0))}))"
        raise ExpressionError(f"the tag {unknown[0]} has no meaning here; allowed is log", "log", example)
    is_int, is_log = isinstance(sweep, Whole), "log" in sweep.tags
    form = "int(interval({}, {}))" if is_int else "interval({}, {})"
    form = f"tag(log, {form})" if is_log else form
    return grammar.interval(_number(sweep.start), _number(sweep.end), is_int=is_int, is_log=is_log, form=form)


def range_of(override: Override) -> range | Steps | None:
    """The numbers that an override counts through; None where they are listed: those with a part, up to MADE_AT_ONCE of them, and
    those that are cast to another type.

    Raises ValueError: a step of 0.
    """
    sweep = override.value()
    is_cast = bool(getattr(sweep, "transformers", ()))  # of Hydra 1.4, which casts each number as it is taken
    found = sweep.range() if isinstance(sweep, RangeSweep) and not sweep.shuffle and not is_cast else None
    if found is None or isinstance(found, range):
        return found
    start, stop, step = float(found.start), float(found.stop), float(found.step)
    count = (stop - start) / step if step else 0.0
    differ = abs(step) > 4 * math.ulp(max(abs(start), abs(stop)))
    if not (MADE_AT_ONCE < count <= MAX_LISTED + 1 and differ):
        return None
    return Steps(*map(decimal.Decimal, (found.start, found.stop, found.step)))


def read_expression(text: str) -> Any:
    """A text of `sweep.space`: the expression that it is, or the plain value. Raises ExpressionError."""
    try:
        override = register(OverridesParser.create()).parse_overrides([f"value={text}"])[0]
        expression = expression_of(override)
    except HydraException as error:
        cause = error.__cause__
        if isinstance(cause, ExpressionError):
            raise explained(text) or cause from None
        raise unreadable(text, _why(error)) from error
    except ExpressionError as error:
        raise explained(text) or error from None
    except (ValueError, ArithmeticError) as error:  # of a range without a step, of a number with too many digits
        raise unreadable(text, str(error)) from error
    return override.value() if expression is None else expression


def unreadable(text: str, because: str) -> ExpressionError:
    """What is wrong with a text that cannot be read: in our words, or else the reason that the parser gave."""
    found = explained(text)
    if found is None:
        return ExpressionError(f"{text[:200]!r} cannot be read: {because}")
    return ExpressionError(f"{text[:200]!r} cannot be read: {found}", found.allowed, found.example, may_be_text=found.may_be_text)


def _plain(value: Any) -> Any:
    return Override._convert_value(value)


def _number(value: Any) -> Any:
    return value if type(value) in (int, float) else float(value)


def _why(error: Exception) -> str:
    """Hydra's reason in one line."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith(("Error ", "See http"))]
    return lines[0].partition("': ")[2] or lines[0] if lines else str(error)


def read_zip(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the columns of `size=zip(params.width=[64,128],params.lr=[0.1,0.05])`; an empty name for another text.

    Hydra's grammar has no dotted names inside a call, so each column is read as an override of its own. Raises ExpressionError.
    """
    found = _ZIP.fullmatch(text)
    if found is None:
        return "", {}
    columns: dict[str, Any] = {}
    for column in split(found[2]):
        key, equals, value = column.partition("=")
        if not equals:
            raise ExpressionError(f"{column!r} in zip(...) is no key=[values]")
        columns[key.strip()] = read_expression(value)
    return found[1], {key: value.values() if isinstance(value, Choice) else value for key, value in columns.items()}

