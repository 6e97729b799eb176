"""Conditions on named values, in Python's own grammar: `params.width * params.depth > 4096 and params.opt != "sgd"`.

One language for `sweep.exclude` and for `trainconf ls --where`. The text is parsed by Python, only a list of harmless nodes is let through,
and Python itself evaluates nothing.
"""

from __future__ import annotations

import operator

from trainconf.fast.stdlib import ast, re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
CONSTANTS = {"true": True, "false": False, "null": None}  # as YAML spells them
METHODS = ("startswith", "endswith", "lower", "upper")  # of a text
MAX_LENGTH = 2_000


class ConditionError(ValueError):
    """A condition that cannot be read or answered; `column` counts characters from 1, 0 when no place is known."""

    def __init__(self, text: str, column: int = 0) -> None:
        self.column = column
        super().__init__(text)


class _Unknown(Exception):
    """A name without a value: the condition does not hold."""


class Condition:
    """A condition that is parsed once and asked of many mappings.

    names: the dotted names it reads, in the order they occur. Raises ConditionError.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tree = parse(text)
        self.names: list[str] = []
        self._collect(self._tree)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition holds for these values. A name without a value makes a comparison false, but for `is None`.

        Raises ConditionError: operands that cannot be compared or calculated with.
        """
        return self._truth(self._tree, values)

    def _collect(self, node: ast.AST) -> None:
        name = dotted(node)
        if name is None:
            for child in children(node):
                self._collect(child)
        elif name not in CONSTANTS and name not in self.names:
            self.names.append(name)

    def _value(self, node: ast.AST, values: Mapping[str, Any]) -> Any:
        name = dotted(node)
        if name is not None:
            if name in values:
                return values[name]
            if name in CONSTANTS:
                return CONSTANTS[name]
            raise _Unknown
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(item, values) for item in node.elts]
        if isinstance(node, ast.BoolOp):
            parts = (self._truth(part, values) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._truth(node.operand, values)
        return self._truth(node, values) if isinstance(node, ast.Compare) else self._calculated(node, values)

    def _truth(self, node: ast.AST, values: Mapping[str, Any]) -> bool:
        """The truth of a part; a name without a value makes it false."""
        try:
            return self._compared(node, values) if isinstance(node, ast.Compare) else bool(self._value(node, values))
        except _Unknown:
            return False

    def _compared(self, node: ast.Compare, values: Mapping[str, Any]) -> bool:
        left_node = node.left
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.Is | ast.IsNot):
                if (self._known(left_node, values) is self._known(right_node, values)) is isinstance(op, ast.IsNot):
                    return False
            elif not self._calculate(node, _COMPARE[type(op)], self._value(left_node, values), self._value(right_node, values)):
                return False
            left_node = right_node
        return True

    def _known(self, node: ast.AST, values: Mapping[str, Any]) -> Any:
        try:
            return self._value(node, values)
        except _Unknown:
            return None

    def _calculated(self, node: ast.AST, values: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.UnaryOp):
            sign = operator.neg if isinstance(node.op, ast.USub) else operator.pos
            return self._calculate(node, lambda a, _: sign(a), self._value(node.operand, values), None)
        if isinstance(node, ast.BinOp):
            return self._calculate(node, _BINARY[type(node.op)], self._value(node.left, values), self._value(node.right, values))
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        text, arguments = self._value(node.func.value, values), [self._value(each, values) for each in node.args]
        if not isinstance(text, str):
            raise ConditionError(f"{self._source(node)!r} has no answer here: {text!r} is no text", column(self.text, node))
        return self._calculate(node, lambda method, given: method(*given), getattr(text, node.func.attr), arguments)

    def _calculate(self, node: ast.expr, what: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        try:
            return what(left, right)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConditionError(f"{self._source(node)!r} has no answer here: {error}", column(self.text, node)) from None

    def _source(self, node: ast.expr) -> str:
        return source(self.text, node)


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_SINGLE_EQUALS = re.compile(r"(?<![=<>!:])=(?!=)")


def parse(text: str, functions: Collection[str] = ()) -> ast.expr:
    """The tree of a condition, in which every node is known. `functions` take one name each. Raises ConditionError."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"a condition has at most {MAX_LENGTH} characters")
    import warnings

    try:
        with warnings.catch_warnings():  # of an escape in a text that means nothing
            warnings.simplefilter("ignore")
            tree: ast.expr = compile(_flat(text).strip(), "", "eval", ast.PyCF_ONLY_AST).body  # type: ignore[attr-defined]
        _check(text, tree, functions)
    except SyntaxError as error:
        single = _SINGLE_EQUALS.search(_QUOTED.sub(lambda quoted: " " * len(quoted[0]), text))
        if single:
            raise ConditionError("values are compared by ==", single.start() + 1) from None
        raise ConditionError(error.msg or "it cannot be read", (error.offset or 0) + _indent(text)) from None
    except ConditionError:
        raise
    except (RecursionError, MemoryError):
        raise ConditionError("it is nested too deeply") from None
    except ValueError as error:
        raise ConditionError(str(error)) from None
    return tree


def dotted(node: ast.AST) -> str | None:
    """`params.width`, or `params["n-estimators"]`, as one name; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        inner = dotted(node.value)
        return None if inner is None else f"{inner}.{node.slice.value}"
    return None


def children(node: ast.AST) -> list[ast.expr]:
    """The expressions below a node; of a method's call its text and its arguments."""
    if isinstance(node, ast.Call):
        return [node.func.value if isinstance(node.func, ast.Attribute) else node.func, *node.args]
    found: list[Any] = []
    for name in node._fields:
        value = getattr(node, name, None)
        found += value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, ast.expr)]


def column(text: str, node: ast.AST) -> int:
    """Where a node begins in the text, in characters from 1."""
    return _characters(text, getattr(node, "col_offset", 0)) + 1


def source(text: str, node: ast.expr) -> str:
    """The part of the text that a node was read from."""
    return text[_characters(text, node.col_offset) : _characters(text, node.end_col_offset or 0)]


def pointed_at(text: str, place: int) -> str:
    """The text around a place, on one line, and a caret below it."""
    line = "".join(character if character.isprintable() else " " for character in text)
    start = max(0, place - 60)
    shown = ("..." if start else "") + line[start : start + 100]
    return f"{shown}\n{' ' * (place - 1 - start + (3 if start else 0))}^" if place else shown


def _characters(text: str, offset: int) -> int:
    """Python counts the bytes of a line in UTF-8."""
    indent = _indent(text)
    return indent + len(text[indent:].encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "surrogatepass"))


def _indent(text: str) -> int:
    return len(text) - len(_flat(text).lstrip())


def _flat(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def _check(text: str, node: ast.expr, functions: Collection[str]) -> None:
    """Refuse every node that is not on the list."""
    if dotted(node) is not None:
        return
    if not _is_known(node, functions):
        calls = ", ".join([*(f"{name}(...)" for name in functions), *(f".{name}()" for name in METHODS)])
        raise ConditionError(
            f"{source(text, node)!r} is not part of a condition; it has names, numbers, texts, lists, and or not, "
            f"== != < <= > >= in, is None, + - * / // %, {calls}", column(text, node),
        )  # fmt: skip
    for child in children(node):
        _check(text, child, functions)


def _is_known(node: ast.expr, functions: Collection[str]) -> bool:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        is_none = [isinstance(side, ast.Constant) and side.value is None for side in sides]
        return all(
            type(op) in _COMPARE or (isinstance(op, ast.Is | ast.IsNot) and is_none[place + 1]) for place, op in enumerate(node.ops)
        )
    if isinstance(node, ast.Call):
        is_function = isinstance(node.func, ast.Name) and node.func.id in functions and len(node.args) == 1
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
        wanted = int(isinstance(node.func, ast.Attribute) and node.func.attr.endswith("with"))
        return not node.keywords and (is_function or (is_method and len(node.args) == wanted))
    return (
        isinstance(node, ast.BoolOp | ast.List | ast.Tuple)
        or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd))
        or (isinstance(node, ast.BinOp) and type(node.op) in _BINARY)
        or (isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None))
    )
