"""What an expression of a script says without being run: texts, names that stand for them, and paths that begin at the script."""

from __future__ import annotations

import ast
import os
from typing import Any

NOT_LITERAL = object()
_HERE = "\0"  # the folder of the script, at which a relative path begins; no path has this character
_SAME = ("str", "Path", "PurePath", "fspath", "as_posix")
_WHOLE = ("abspath", "realpath", "resolve", "absolute", "normpath")  # of another path than the script's they depend on the current folder


class Constants:
    """The names that a module sets once, at its top."""

    def __init__(self, tree: ast.Module) -> None:
        self._set: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                self._set.setdefault(node.id, []).append(None)
        for line in tree.body:
            target = line.targets[0] if isinstance(line, ast.Assign) and len(line.targets) == 1 else getattr(line, "target", None)
            if isinstance(target, ast.Name) and isinstance(line, (ast.Assign, ast.AnnAssign)) and len(self._set[target.id]) == 1:
                self._set[target.id] = [line.value]

    def value(self, node: ast.expr) -> Any:
        """A text or None; a path below or above the script as a relative one. NOT_LITERAL for all else."""
        found = self._value(node, 0)
        if not isinstance(found, str) or not found.startswith(_HERE):
            return found
        return os.path.normpath(os.curdir + found.removeprefix(_HERE))

    def mapping(self, node: ast.expr) -> dict[str, Any] | None:
        """The values of a mapping with texts as keys; None for what is none."""
        node = self._named(node) or node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
            return {word.arg: self.value(word.value) for word in node.keywords if word.arg}
        if not isinstance(node, ast.Dict) or not all(isinstance(key, ast.Constant) for key in node.keys):
            return None
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        return {str(key): self.value(value) for key, value in zip(keys, node.values, strict=True)}

    def _named(self, node: ast.expr) -> ast.expr | None:
        found = self._set.get(node.id, [None]) if isinstance(node, ast.Name) else [None]
        return found[0] if len(found) == 1 else None

    def _value(self, node: ast.expr, depth: int) -> Any:
        if depth > 50:
            return NOT_LITERAL
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, (str, type(None))) else NOT_LITERAL
        if isinstance(node, ast.Name) and node.id == "__file__" and node.id not in self._set:
            return f"{_HERE}/{_HERE}"  # any name: only its folder is asked for
        if (named := self._named(node)) is not None:
            return self._value(named, depth + 1)
        if isinstance(node, ast.Call):
            return self._called(node, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _joined([self._value(node.left, depth + 1), self._value(node.right, depth + 1)])
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            return _above(self._value(node.value, depth + 1), 1)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
            index = node.slice.value if isinstance(node.slice, ast.Constant) else None
            return _above(self._value(node.value.value, depth + 1), index + 1) if type(index) is int and index >= 0 else NOT_LITERAL
        return NOT_LITERAL

    def _called(self, node: ast.Call, depth: int) -> Any:
        function, given = node.func, [self._value(each, depth) for each in node.args]
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Attribute) and not node.args:  # of a path: `.resolve()`
            given = [self._value(function.value, depth)]
        if node.keywords or not given:
            return NOT_LITERAL
        if name in (*_SAME, *_WHOLE) and len(given) == 1:
            is_known = isinstance(given[0], str) and (name in _SAME or given[0].startswith(_HERE))
            return given[0] if is_known else NOT_LITERAL
        if name in ("join", "joinpath") and isinstance(function, ast.Attribute):
            return _joined(given if name == "join" else [self._value(function.value, depth), *given])
        return _above(given[0], 1) if name == "dirname" and len(given) == 1 else NOT_LITERAL


def _joined(parts: list[Any]) -> Any:
    """Parts of a path that begins at the script."""
    is_path = all(isinstance(part, str) for part in parts) and parts[0].startswith(_HERE) and not any(map(os.path.isabs, parts[1:]))
    return os.path.join(*parts) if is_path else NOT_LITERAL


def _above(path: Any, levels: int) -> Any:
    """The folder so many levels above a path that begins at the script."""
    if not isinstance(path, str) or not path.startswith(_HERE):
        return NOT_LITERAL
    parts = [part for part in path.removeprefix(_HERE).split("/") if part]
    return f"{_HERE}/{'/'.join(parts[:-levels] if levels <= len(parts) else [*parts, *['..'] * levels])}"
