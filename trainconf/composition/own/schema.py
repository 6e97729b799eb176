"""The schema that a workspace gives a config group of its own: dataclasses in `conf/<group>/_schema.py`, read and never run.

Looking at the config of a stranger's repository must not run its code. So the file is parsed. It says what Hydra's structured configs say:
dataclasses and enums with plain defaults. Imports, functions and other statements are passed over.
"""

from __future__ import annotations

import ast
import dataclasses
from typing import Any, NamedTuple, Optional

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf.composition.values import PLACE
from trainconf.errors import ConfigError
from trainconf.resolve.origins import MISSING
from trainconf.schema import setting

_PLAIN: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool, "Any": Any}
_TYPES = "int, float, str, bool, Any, list[...], dict[str, ...], Optional[...], Literal[...], an Enum or a dataclass of this file"
_METADATA: dict[str, tuple[type, ...]] = {
    "doc": (str,), "minimum": (int, float), "maximum": (int, float), "above": (int, float), "choices": (list, tuple),
}  # fmt: skip


class _Type(NamedTuple):
    """An annotation: as OmegaConf takes it, as `Setting` reads it, and the values it allows, if it lists them."""

    of: Any
    text: str
    choices: tuple[Any, ...] = ()


def schema_of(path: str, group: str, choice: str, shown: str) -> Any:
    """The dataclass of a choice in a schema file: the one with the choice's name (`Vit` for vit), else the one with the group's (`Model`).

    shown: the file's path in messages. Raises ConfigError for a file that cannot be read, or that has neither.
    """
    found = _Reader(path, shown).classes
    by_name = {_plain_name(name): kind for name, kind in found.items()}
    wanted = [choice, group.rpartition("/")[2]]
    kind = next((by_name[name] for name in map(_plain_name, wanted) if name in by_name), None)
    if kind is None:
        raise ConfigError(
            f"{shown} has no dataclass for {group}={choice}", ("from", shown), ("has", ", ".join(found) or "no dataclass"),
            ("allowed", " or ".join(f"class {name.title().replace('_', '').replace('-', '')}" for name in dict.fromkeys(wanted) if name)),
        )
    return kind


def _plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


class _Reader:
    """Reads one file."""

    def __init__(self, path: str, shown: str) -> None:
        self._shown = shown
        try:
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
            tree = ast.parse(text)
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError("a schema cannot be read", ("from", shown), ("because", str(error))) from error
        except SyntaxError as error:
            raise ConfigError("a schema is not Python", ("from", f"{shown}:{error.lineno or 1}"), ("because", error.msg)) from error
        self._lines = text.splitlines()
        self._enums: dict[str, tuple[str, ...]] = {}
        self.classes: dict[str, Any] = {}
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self._take(node)

    def _take(self, node: ast.ClassDef) -> None:
        bases = [_name(base) for base in node.bases]
        if any(base in ("Enum", "IntEnum", "StrEnum") for base in bases):
            self._enums[node.name] = tuple(target.id for line in node.body if isinstance(line, ast.Assign)
                                           for target in line.targets if isinstance(target, ast.Name))
        elif any(_name(each.func if isinstance(each, ast.Call) else each) == "dataclass" for each in node.decorator_list):
            unknown = [base for base in bases if base not in (*self.classes, "object")]
            if unknown:
                raise self._refused(node, f"its base {unknown[0]} is no dataclass above it", "a dataclass of this file")
            self.classes[node.name] = self._made(node, [self.classes[base] for base in bases if base in self.classes])

    def _made(self, node: ast.ClassDef, bases: list[Any]) -> Any:
        place = f"{self._shown}:{node.lineno}"
        fields = [self._field(line) for line in node.body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)]
        try:
            made = dataclasses.make_dataclass(node.name, fields, bases=tuple(bases), namespace={PLACE: place})
            OmegaConf.structured(made)
        except (OmegaConfBaseException, TypeError, ValueError) as error:
            line = next((each.lineno for each in node.body if isinstance(each, ast.AnnAssign)
                         and _name(each.target) == getattr(error, "full_key", "")), node.lineno)
            raise ConfigError(f"the schema {node.name} cannot be", ("from", f"{self._shown}:{line}"),
                              ("because", str(error).partition("\n")[0])) from error
        return made

    def _field(self, line: ast.AnnAssign) -> tuple[str, Any, Any]:
        of = self._type(line.annotation)
        default, given = (MISSING, {}) if line.value is None else self._default(line.value, of)
        known = {"doc": self._comment(line), "choices": of.choices, **given}
        made = setting(default, **{**known, "choices": tuple(known["choices"])})
        made.metadata = {**made.metadata, "annotation": of.text}
        return _name(line.target), of.of, made

    def _comment(self, line: ast.AnnAssign) -> str:
        """The comment behind a field."""
        assert line.end_lineno is not None
        assert line.end_col_offset is not None
        rest = self._lines[line.end_lineno - 1].encode()[line.end_col_offset:].decode().strip()
        return rest.lstrip("# ") if rest.startswith("#") else ""

    # -- types ---------------------------------------------------------------------------------------------------------

    def _type(self, node: ast.expr) -> _Type:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                return self._type(ast.copy_location(ast.parse(node.value, mode="eval").body, node))
            except SyntaxError as error:
                raise self._refused(node, f"it cannot be a {node.value!r}", _TYPES) from error
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._optional(node, [node.left, node.right])
        if isinstance(node, ast.Subscript):
            return self._subscripted(node, node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice])
        name = _name(node)
        if name in _PLAIN:
            return _Type(_PLAIN[name], name)
        if name in ("list", "List"):
            return _Type(list[Any], "list[Any]")
        if name in ("dict", "Dict"):
            return _Type(dict[str, Any], "dict[str, Any]")
        if name in self._enums:
            return _Type(str, "str", self._enums[name])
        if name in self.classes:
            return _Type(self.classes[name], name)
        raise self._refused(node, f"it cannot be a {ast.unparse(node)}", _TYPES)

    def _subscripted(self, node: ast.Subscript, inner: list[ast.expr]) -> _Type:
        name = _name(node.value)
        if name in ("Optional", "Union"):
            return self._optional(node, [*inner, *([ast.Constant(None)] if name == "Optional" else [])])
        if name == "Literal" and all(isinstance(each, ast.Constant) for each in inner):
            values = tuple(each.value for each in inner if isinstance(each, ast.Constant))
            kinds = {type(value).__name__ for value in values}
            name = kinds.pop() if len(kinds) == 1 and kinds <= set(_PLAIN) else "Any"
            return _Type(_PLAIN[name], name, values)
        if name in ("list", "List", "dict", "Dict"):
            of = self._type(inner[-1])
            is_list = name.lower() == "list"
            if not of.choices and (is_list or (len(inner) == 2 and _name(inner[0]) == "str")):
                kind: Any = list[of.of] if is_list else dict[str, of.of]  # type: ignore[name-defined]
                return _Type(kind, f"list[{of.text}]" if is_list else f"dict[str, {of.text}]")
        raise self._refused(node, f"it cannot be a {ast.unparse(node)}", _TYPES)

    def _optional(self, node: ast.expr, inner: list[ast.expr]) -> _Type:
        kinds = [each for each in inner if not (isinstance(each, ast.Constant) and each.value is None)]
        if len(kinds) != 1 or len(inner) != 2:
            raise self._refused(node, f"it cannot be a {ast.unparse(node)}", _TYPES)
        of = self._type(kinds[0])
        return _Type(Optional[of.of], f"Optional[{of.text}]", of.choices)

    # -- defaults ------------------------------------------------------------------------------------------------------

    def _default(self, node: ast.expr, of: _Type) -> tuple[Any, dict[str, Any]]:
        """The default of a field, or what makes it, and the metadata of `field(...)`."""
        if isinstance(node, ast.Call) and _name(node.func) == "field":
            given = {word.arg: word.value for word in node.keywords}
            value = given.get("default", given.get("default_factory"))
            default = MISSING if value is None else self._value(value, of, makes="default" not in given)
            return default, self._metadata(given["metadata"]) if "metadata" in given else {}
        return self._value(node, of), {}

    def _metadata(self, node: ast.expr) -> dict[str, Any]:
        """What `field(metadata=...)` says of a range; what else it says is another tool's."""
        given = self._literal(node)
        known = {name: given[name] for name in _METADATA if name in given} if isinstance(given, dict) else {"metadata": given}
        for name, value in known.items():
            if not isinstance(value, _METADATA.get(name, ())) or isinstance(value, bool):
                raise self._refused(node, f"its {name} cannot be {value!r}", "minimum, maximum, above: number; choices: list; doc: text")
        return known

    def _value(self, node: ast.expr, of: _Type, *, makes: bool = False) -> Any:
        if isinstance(node, ast.Lambda):
            return self._value(node.body, of)
        if makes and _name(node) in ("list", "dict"):
            return {"list": list, "dict": dict}[_name(node)]
        if makes and _name(node) in self.classes:
            return self.classes[_name(node)]
        if isinstance(node, ast.Call) and not node.args and not node.keywords and _name(node.func) in self.classes:
            return self.classes[_name(node.func)]
        if isinstance(node, ast.Call) and _name(node.func) in ("II", "SI") and len(node.args) == 1:
            text = str(self._literal(node.args[0]))
            return f"${{{text}}}" if _name(node.func) == "II" else text
        if _name(node) == "MISSING":
            return MISSING
        if isinstance(node, ast.Attribute) and _name(node.value) in self._enums and node.attr in of.choices:
            return node.attr
        value = self._literal(node)
        return (lambda: value) if isinstance(value, (list, dict)) else value

    def _literal(self, node: ast.expr) -> Any:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError) as error:
            allowed = "a value written out, MISSING, field(default=..., default_factory=..., metadata={...})"
            raise self._refused(node, f"its value {ast.unparse(node)} is not written out, and a schema is never run", allowed) from error

    def _refused(self, node: ast.AST, because: str, allowed: str) -> ConfigError:
        return ConfigError("a schema says what cannot be read", ("from", f"{self._shown}:{getattr(node, 'lineno', 1)}"),
                           ("because", because), ("allowed", allowed))


def _name(node: ast.AST) -> str:
    """The last part of a dotted name; empty for what is none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
