"""Conditions on named values, in Python's own grammar: `params.width * params.depth > 4096 and params.opt != "sgd"`.

The text is parsed by `ast` and only a list of harmless nodes is carried out; nothing is evaluated by Python itself.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}
_CONSTANTS = {"true": True, "false": False, "null": None}  # as YAML spells them
MAX_LENGTH = 2_000


class ConditionError(ValueError):
    """A condition that cannot be read or answered; `column` counts from 1, 0 when no place is known."""

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
        if len(text) > MAX_LENGTH:
            raise ConditionError(f"a condition has at most {MAX_LENGTH} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            place = error.offset or 0 if isinstance(error, SyntaxError) else 0
            raise ConditionError(f"{getattr(error, 'msg', None) or error}", place) from None
        self.names: list[str] = []
        self._check(self._tree)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition holds for these values. A name without a value makes a comparison false.

        Raises ConditionError: operands that cannot be compared or calculated with.
        """
        return self._truth(self._tree, values)

    def _check(self, node: ast.AST) -> None:
        """Refuse every node that is not on the list, and collect the names."""
        name = _dotted(node)
        if name is not None:
            if name not in _CONSTANTS and name not in self.names:
                self.names.append(name)
            return
        known = (
            isinstance(node, ast.BoolOp | ast.Compare | ast.List | ast.Tuple)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.UAdd))
            or (isinstance(node, ast.BinOp) and type(node.op) in _BINARY)
            or (isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | None))
        )
        if not known or (isinstance(node, ast.Compare) and any(type(op) not in _COMPARE for op in node.ops)):
            raise ConditionError(
                f"{ast.unparse(node)!r} is not part of a condition; it has names, numbers, texts, lists, "
                "and or not, == != < <= > >= in, + - * / // %", getattr(node, "col_offset", -1) + 1,
            )
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._check(child)

    def _value(self, node: ast.AST, values: Mapping[str, Any]) -> Any:
        name = _dotted(node)
        if name is not None:
            if name in values:
                return values[name]
            if name in _CONSTANTS:
                return _CONSTANTS[name]
            raise _Unknown
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(item, values) for item in node.elts]
        if isinstance(node, ast.BoolOp):
            if isinstance(node.op, ast.And):
                return all(self._truth(part, values) for part in node.values)
            return any(self._truth(part, values) for part in node.values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self._truth(node.operand, values)
        return self._truth(node, values) if isinstance(node, ast.Compare) else self._number(node, values)

    def _truth(self, node: ast.AST, values: Mapping[str, Any]) -> bool:
        """The truth of a part; a name without a value makes it false."""
        try:
            return self._compared(node, values) if isinstance(node, ast.Compare) else bool(self._value(node, values))
        except _Unknown:
            return False

    def _compared(self, node: ast.Compare, values: Mapping[str, Any]) -> bool:
        left = self._value(node.left, values)
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self._value(item, values)
            if not self._calculate(node, _COMPARE[type(op)], left, right):
                return False
            left = right
        return True

    def _number(self, node: ast.AST, values: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.UnaryOp):
            sign = operator.neg if isinstance(node.op, ast.USub) else operator.pos
            return self._calculate(node, lambda a, _: sign(a), self._value(node.operand, values), None)
        assert isinstance(node, ast.BinOp)
        return self._calculate(node, _BINARY[type(node.op)], self._value(node.left, values), self._value(node.right, values))

    def _calculate(self, node: ast.expr, what: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        try:
            return what(left, right)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConditionError(f"{ast.unparse(node)!r} has no answer here: {error}", node.col_offset + 1) from None


def _dotted(node: ast.AST) -> str | None:
    """`params.width`, or `params["n-estimators"]`, as one name; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        inner = _dotted(node.value)
        return None if inner is None else f"{inner}.{node.slice.value}"
    return None
