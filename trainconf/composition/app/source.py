"""What the source of a Hydra app tells without being run: its `@hydra.main`, and what it puts into Hydra's ConfigStore."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from trainconf.composition.app.constants import NOT_LITERAL, Constants
from trainconf.errors import ConfigError, Mistake

UNSPECIFIED = object()
MOST_FILES = 5000
_MARKS = (b"ConfigStore", b"dataclass", b"attr")
_PARAMETERS = ("config_path", "config_name", "version_base")
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "runs", "outputs", "multirun", "wandb", "mlruns"})


class Main(NamedTuple):
    """One `@hydra.main(...)`: its line, and its arguments. What is no constant is NOT_LITERAL, what is not given is UNSPECIFIED."""

    line: int
    config_path: Any
    config_name: Any
    version_base: Any


class Registered(NamedTuple):
    """What code registers in the ConfigStore: paths such as `db/mysql`. is_open: whether some of it has a name that only running it tells.

    groups: those with such a name in them. names: of the fields of its classes, and of the keys that its mappings have. A key that is none
    of them is no key of theirs.
    """

    paths: frozenset[str]
    groups: frozenset[str]
    is_open: bool
    names: frozenset[str]


def parsed(path: str) -> ast.Module | None:
    """The syntax tree of a file; None for one that is no Python of this version, whose job will say why."""
    try:
        with open(path, "rb") as stream:
            return ast.parse(stream.read(), path)
    except (SyntaxError, ValueError, RecursionError):
        return None


def mains(tree: ast.Module) -> list[Main]:
    """Every call of `hydra.main`, whatever it was imported as, and of hydra-zen's `zen(...).hydra_main`, which by default has no folder."""
    modules, functions = set(), set()
    has_zen = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {name.asname or "hydra" for name in node.names if name.name == "hydra" or name.name.startswith("hydra.")}
            has_zen |= any(name.name.partition(".")[0] == "hydra_zen" for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in ("hydra", "hydra.main") and not node.level:
            functions |= {name.asname or name.name for name in node.names if name.name == "main"}
        elif isinstance(node, ast.ImportFrom):
            has_zen |= (node.module or "").partition(".")[0] == "hydra_zen"
    found = []
    constants = Constants(tree)
    for node in ast.walk(tree):
        is_zen = has_zen and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "hydra_main"
        if isinstance(node, ast.Call) and (is_zen or _is_main(node.func, modules, functions)):
            given: dict[str, Any] = dict(zip(_PARAMETERS, map(constants.value, node.args), strict=False))
            given |= {word.arg: constants.value(word.value) for word in node.keywords if word.arg}
            unpacked = [constants.mapping(word.value) for word in node.keywords if word.arg is None]  # **options
            for options in unpacked:
                given |= options or {}
            unknown = NOT_LITERAL if None in unpacked else UNSPECIFIED
            if is_zen and unknown is UNSPECIFIED:
                given = {"config_path": None, **given}
            found.append(Main(node.lineno, *(given.get(name, unknown) for name in _PARAMETERS)))
    return sorted(found, key=lambda main: main.line)


def _is_main(function: ast.expr, modules: set[str], functions: set[str]) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr == "main" and isinstance(function.value, ast.Name) and function.value.id in modules
    return isinstance(function, ast.Name) and function.id in functions


def _literal(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, (str, type(None))) else NOT_LITERAL


class Place(NamedTuple):
    """Where an app's configs are. config_path: relative to the file `script`, None for none, or `pkg://...`; config_name: None for none.

    version_base: as the app names it; UNSPECIFIED where it does not, or not as a literal.
    """

    script: str
    config_path: str | None
    config_name: str | None
    version_base: Any


def find_place(script: str, config_path: str | None, config_name: str | None, shown: str, origin: str) -> Place:
    """Where the configs of a script are: as they are given, else as its `@hydra.main` says. `shown` is the script in messages.

    Raises ConfigError that says what to write.
    """
    tree = parsed(script)
    found = mains(tree) if tree is not None else []
    is_told = config_path is not None and config_name is not None
    hint = "write all three: `hydra_app: {script: train.py, config_path: configs, config_name: train}`"
    if len(found) != 1:
        if is_told:
            return Place(script, config_path, config_name, UNSPECIFIED)
        if found:
            lines = ", ".join(str(main.line) for main in found)
            raise ConfigError(f"{shown} has {len(found)} calls of hydra.main", ("from", origin), ("lines", lines), hint=hint)
        raise ConfigError(f"{shown} has no @hydra.main" if tree is not None else f"{shown} is not Python", ("from", origin),
                          hint=f"hydra_app.script is the file that has it; where it is called otherwise, {hint}")
    main = found[0]
    wrong = [name for name, given in (("config_path", config_path), ("config_name", config_name))
             if given is None and getattr(main, name) is NOT_LITERAL]
    if wrong:
        raise ConfigError(
            Mistake(f"{name} of @hydra.main is no literal, and the script is not run to know it", ("from", f"{shown}:{main.line}"),
                    hint=f"write hydra_app.{name}=VALUE") for name in wrong
        )  # fmt: skip
    path = config_path if config_path is not None else "." if main.config_path is UNSPECIFIED else main.config_path
    name = config_name if config_name is not None else None if main.config_name is UNSPECIFIED else main.config_name
    return Place(script, path, name, UNSPECIFIED if main.version_base is NOT_LITERAL else main.version_base)


def refuse_relative_imports(path: str, script: str, shown: str) -> None:
    """Raise ConfigError for a script that only `python -m` can run. script: its path in the source directory."""
    tree = parsed(path)
    line = relative_import(tree) if tree is not None else 0
    if line:
        module = script.removesuffix(".py").removesuffix("/__main__").replace("/", ".")
        raise ConfigError(f"{shown} imports from its own package by a dot, which a script cannot", ("from", f"{shown}:{line}"),
                          hint=f"`hydra_app: {{module: {module}}}` starts it as `python -m {module}`")


def relative_import(tree: ast.Module) -> int:
    """The line of the first import by a dot that always runs; 0 where there is none."""
    return next((node.lineno for node in tree.body if isinstance(node, ast.ImportFrom) and node.level), 0)


def registered(source: str) -> Registered:
    """What the code below a folder puts into the ConfigStore: `ConfigStore.instance().store(group="db", name="mysql", node=...)`."""
    paths: set[str] = set()
    groups: set[str] = set()
    names: set[str] = set()
    is_open = False
    for path in _python_files(source):
        try:
            with open(path, "rb") as stream:
                text = stream.read()
        except OSError:
            continue
        if b"hydra_zen" in text:
            is_open = True
        if not any(mark in text for mark in _MARKS) or (tree := parsed(path)) is None:
            continue
        names.update(_fields(tree))
        if b"ConfigStore" not in text:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "store":
                given: dict[str, Any] = dict(zip(("name", "node", "group"), map(_literal, node.args), strict=False))
                given |= {word.arg: _literal(word.value) for word in node.keywords if word.arg}
                name, group = given.get("name", NOT_LITERAL), given.get("group")
                if isinstance(name, str) and (group is None or isinstance(group, str)):
                    paths.add(f"{group}/{name}".removesuffix(".yaml") if group else name.removesuffix(".yaml"))
                else:
                    is_open = True
                    groups |= {group} if isinstance(group, str) else set()
    return Registered(frozenset(paths), frozenset(groups), is_open, frozenset(names))


def _fields(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            targets = [target for line in node.body for target in (
                [line.target] if isinstance(line, ast.AnnAssign) else line.targets if isinstance(line, ast.Assign) else [])]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Dict):
            yield from (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _python_files(source: str) -> Iterator[str]:
    left = MOST_FILES
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _PASSED_OVER
                            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg")))
        for name in sorted(names):
            if name.endswith(".py"):
                left -= 1
                if left < 0:
                    return
                yield os.path.join(folder, name)
