"""A search space as a user writes it: a text in the grammar of overrides, a list, or a mapping with the words of Azure ML v2.

Every mistake is collected, so that all are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from trainconf.errors import Mistake
from trainconf.search import grammar
from trainconf.search.conditions import Condition, ConditionError
from trainconf.search.expressions import DOUBLED, Choice, Expression, ExpressionError, Option
from trainconf.search.space import Axis, Exclusion, Point, Space, Zip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# the functions that Azure ML v2 writes as a mapping, with the names of their arguments there
AZURE_ARGUMENTS = {
    "choice": ("values",), "randint": ("upper",),
    "uniform": ("min_value", "max_value"), "quniform": ("min_value", "max_value", "q"),
    "loguniform": ("min_value", "max_value"), "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"), "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"), "qlognormal": ("mu", "sigma", "q"),
}
FORMS = "an expression as text, a list of values, or a mapping with `choice` or `type`"


class SpaceReader:
    """Reads the parts of a space and keeps what is wrong with them.

    parse: a text in the grammar of overrides to an expression or a plain value; raises ExpressionError.
    source: where the setting of a dotted key was written, as messages tell it.
    """

    def __init__(self, parse: Callable[[str], Any], source: Callable[[str], str] = lambda key: "") -> None:
        self.parse = parse
        self.source = source
        self.mistakes: list[Mistake] = []
        self.warnings: list[str] = []
        self.keys: dict[str, None] = {}  # that were read, those with a wrong expression too
        self._setting = ""  # whose expression is read, with the spaces of its choices

    def space(self, written: Mapping[str, Any], zips: Mapping[str, Any], exclude: Sequence[Any]) -> Space:
        """The whole space. What is wrong is in `mistakes` afterwards, and left out of the result."""
        axes = []
        for key, spec in written.items():
            self._setting = f"sweep.space.{key}"
            if (expression := self.expression(key, spec)) is not None:
                axes.append(Axis(key, expression))
        axes += [Axis(name, rows) for name, spec in zips.items() if (rows := self.zip(name, spec)) is not None]
        space = Space(tuple(axes))
        self._refuse_keys_given_twice(space)
        known = list(self.keys)
        exclusions = [found for place, spec in enumerate(exclude) if (found := self.exclusion(place, spec, known)) is not None]
        return Space(space.axes, tuple(exclusions))

    def expression(self, key: str, spec: Any, *, is_column: bool = False) -> Expression | None:
        """One key's expression, from any of the FORMS; None if it is wrong. Equal values of a column of a zip are several rows."""
        self.keys[key] = None
        try:
            expression = self._expression(key, spec)
        except ExpressionError as error:
            hint = f"{key}: {error.example}" if error.example else ""
            self._wrong(self._setting, error.about(key), ("allowed", error.allowed or FORMS), hint=hint)
            return None
        warning = grammar.warning_of(expression) if expression is not None else ""
        if isinstance(expression, Choice) and expression.doubled_count and not is_column:
            warning = DOUBLED.format(expression.doubled_count)
        if warning:
            self.warnings.append(f"{key}: {warning}")
        return expression

    def _expression(self, key: str, spec: Any) -> Expression | None:
        if isinstance(spec, str):
            parsed = self.parse(spec)
            return parsed if isinstance(parsed, Expression) else Choice.of([parsed])
        if isinstance(spec, Mapping):
            return self._from_mapping(key, spec)
        values = list(spec) if isinstance(spec, list | tuple) else [spec]
        return Choice.of([self._option(key, value) for value in values])

    def _from_mapping(self, key: str, spec: Mapping[str, Any]) -> Expression | None:
        if set(spec) == {"choice"}:
            return self._expression(key, list(spec["choice"]) if isinstance(spec["choice"], list | tuple) else [spec["choice"]])
        kind = spec.get("type")
        if kind not in AZURE_ARGUMENTS:
            raise ExpressionError(f"a mapping needs `choice`, or `type` with one of {', '.join(AZURE_ARGUMENTS)}")
        names = AZURE_ARGUMENTS[kind]
        given = {name for name in spec if name != "type"}
        if given != set(names):
            raise ExpressionError(f"type {kind} needs {', '.join(names)}, and nothing besides")
        if kind == "choice":
            return self._expression(key, spec["values"])
        made: Expression = grammar.FUNCTIONS[kind](*(spec[name] for name in names))
        return made

    def _option(self, key: str, value: Any) -> Option:
        """A value of a choice; `{value: adam, space: {...}}` brings keys that exist only with it."""
        if not (isinstance(value, Mapping) and "value" in value and set(value) <= {"value", "space"}):
            return Option(value)
        inner = value.get("space") or {}
        if not isinstance(inner, Mapping):
            raise ExpressionError(f"the space of {value['value']!r} is a mapping of keys to expressions")
        read = [(name, expression) for name, spec in inner.items() if (expression := self.expression(name, spec)) is not None]
        return Option(value["value"], tuple(read))

    def zip(self, name: str, spec: Any) -> Zip | None:
        """Keys that change together; None if they cannot."""
        setting = f"sweep.zip.{name}"
        if not isinstance(spec, Mapping) or not spec:
            self._wrong(setting, f"{setting} is no zip", ("allowed", "a mapping of keys to lists of equal length"))
            return None
        columns: dict[str, list[Any]] = {}
        for key, column in spec.items():
            self._setting = f"{setting}.{key}"
            expression = self.expression(key, column, is_column=True)
            if expression is None:
                continue
            values = expression.values()
            if values is None or (isinstance(expression, Choice) and expression.has_spaces):
                self._wrong(setting, f"{setting}: {key} has no list of values", ("allowed", "values that can be listed"))
                continue
            columns[key] = list(column) if isinstance(column, list | tuple) else list(values)
        if len(columns) < len(spec):
            return None
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            told = ", ".join(f"{key} {len(values)}" for key, values in columns.items())
            self._wrong(setting, f"{setting}: its keys have {told} values", ("allowed", "as many values for each key"))
            return None
        return Zip(name, tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)))

    def exclusion(self, place: int, spec: Any, known: Sequence[str]) -> Exclusion | None:
        """One entry of `exclude`; None if it is wrong."""
        setting = f"sweep.exclude[{place}]"
        if isinstance(spec, Mapping) and spec:
            for key in spec:
                self._known(setting, key, known)
            return Exclusion(dict(spec))
        if not isinstance(spec, str):
            self._wrong(setting, f"{setting} is {spec!r}", ("allowed", "a mapping of keys to values, or a comparison as text"))
            return None
        try:
            condition = Condition(spec)
        except ConditionError as error:
            column = f" at column {error.column}" if error.column else ""
            self._wrong(setting, f"{setting}: {error}{column}", ("text", spec), ("example", "params.width * params.depth > 4096"))
            return None
        for name in condition.names:
            self._known(setting, name, known)
        return Exclusion(condition=condition)

    def points(self, setting: str, written: Sequence[Any], known: Sequence[str]) -> list[Point]:
        """The points of `first`: mappings of keys of the space to values."""
        points = []
        for place, spec in enumerate(written):
            if not isinstance(spec, Mapping) or not spec:
                self._wrong(setting, f"{setting}[{place}] is {spec!r}", ("allowed", "a mapping of keys to values"))
                continue
            for key in spec:
                self._known(f"{setting}[{place}]", key, known)
            points.append(dict(spec))
        return points

    def _refuse_keys_given_twice(self, space: Space) -> None:
        seen: set[str] = set()
        for axis in space.axes:
            for key in Space((axis,)).key_names():
                if key in seen:
                    self._wrong(f"sweep.space.{key}", f"{key} is in the space twice", hint="leave it in one place")
            seen.update(Space((axis,)).key_names())

    def _known(self, setting: str, key: str, known: Sequence[str]) -> None:
        if key in known:
            return
        from difflib import get_close_matches

        near = get_close_matches(key, known, 1)
        self._wrong(
            setting, f"{setting}: the space has no {key}", ("allowed", ", ".join(known) or "nothing: the space is empty"),
            hint=f"did you mean {near[0]}?" if near else "",
        )

    def _wrong(self, setting: str, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        """Note a mistake."""
        source = self.source(setting.partition("[")[0])
        self.mistakes.append(Mistake(what, *((("from", source),) if source not in ("", "default") else ()), *facts, hint=hint))
