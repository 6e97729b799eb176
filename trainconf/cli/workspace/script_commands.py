"""Finds the commands of a script that has several, `tool.py fit --lr 0.1`, and what each of them declares: argparse, click, typer."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TRAINING = ("train", "fit", "training", "run")
_LIGHTNINGS = ("fit", "validate", "test", "predict")
_ELSEWHERE = {"LightningCLI": "LightningCLI", "Fire": "fire", "auto_cli": "jsonargparse", "CLI": "jsonargparse", "tyro.cli": "tyro"}
_GROUPS = (".add_argument_group", ".add_mutually_exclusive_group")


def commands_of(tree: ast.Module) -> dict[str, list[ast.AST]]:
    """What each command declares: calls of `add_argument`, decorators of click, functions of typer. {} of a script without commands."""
    found: dict[str, list[ast.AST]] = {}
    for name, declared in (*_argparse(tree), *_decorated(tree)):
        found.setdefault(name, []).extend(declared)
    return found or ({name: [] for name in _LIGHTNINGS} if parser_elsewhere(tree) == "LightningCLI" else {})


def parser_elsewhere(tree: ast.Module) -> str:
    """What makes options of the signatures of a script's functions and classes, which are not read here, such as fire; "" if nothing."""
    called = {written_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    called |= {written_name(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases}
    return next((told for name, told in _ELSEWHERE.items() if any(name in (each, each.rpartition(".")[2]) for each in called)), "")


def likeliest(commands: dict[str, list[ast.AST]]) -> str:
    """The command that trains, by its name; else the one that declares most. "" of none."""
    named = [name for name in _TRAINING if name in commands]
    return next(iter([*named, *sorted(commands, key=lambda name: -len(commands[name]))]), "")


def written_name(node: ast.expr) -> str:
    """`a.b.c` as it is written; of a method of something else only `.c`."""
    if isinstance(node, ast.Attribute):
        return f"{written_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _argparse(tree: ast.Module) -> Iterator[tuple[str, list[ast.AST]]]:
    """Read in the order of the lines, for a script may use one variable for parser after parser."""
    parsers: dict[str, list[str]] = {}  # the commands of each variable that holds their parser, or a group of it
    listed, joined = dict(_loops(tree)), _subcommands(tree)
    yield from ((command, []) for command in joined.values())
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Assign, ast.Call))]
    for node in sorted(nodes, key=lambda node: (node.lineno, isinstance(node, ast.Call))):
        call = node.value if isinstance(node, ast.Assign) else node
        name = written_name(call.func) if isinstance(call, ast.Call) else ""
        held, _, method = name.rpartition(".")
        commands: list[str] = []
        if method == "add_parser" and isinstance(call, ast.Call):
            literal = _literal_name(call)
            commands = [literal] if literal else listed.get(written_name(call.args[0]), []) if call.args else []
        if isinstance(node, ast.Assign):
            for target in map(written_name, node.targets):
                group = parsers.get(held, []) if name.endswith(_GROUPS) else []
                parsers[target] = commands or group or ([joined[target]] if target in joined else [])
        elif commands:
            yield from ((command, []) for command in commands)
        elif method == "add_argument":
            for command in parsers.get(held, ()):
                yield command, [node]


def _subcommands(tree: ast.Module) -> dict[str, str]:
    """The command of each variable that holds a parser of jsonargparse, which is made first: `add_subcommand("fit", parser)`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and written_name(node.func).endswith(".add_subcommand")]
    found = [(written_name(call.args[1]), _literal_name(call)) for call in calls if len(call.args) > 1]
    held = [variable for variable, _ in found]
    return {variable: command for variable, command in found if command and held.count(variable) == 1}


def _loops(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """The variable of each loop over texts, and these: `for command in ("fit", "test"):`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and isinstance(node.iter, (ast.Tuple, ast.List)):
            texts = [each.value for each in node.iter.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if len(texts) == len(node.iter.elts):
                yield node.target.id, texts


def _decorated(tree: ast.Module) -> Iterator[tuple[str, list[ast.AST]]]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    names = {node: [written_name(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list] for node in functions}
    groups = {node.name for node in functions if any(name.rpartition(".")[2] in ("group", "callback") for name in names[node])}
    found = []
    for node in functions:
        at = next((at for at, name in enumerate(names[node]) if name.endswith(".command") and name != "click.command"), None)
        if at is not None:
            decorator = node.decorator_list[at]
            given = _literal_name(decorator) if isinstance(decorator, ast.Call) else ""
            found.append((given or node.name.replace("_", "-"), [node, *node.decorator_list]))
    if len(found) > 1 or groups:
        yield from found


def _literal_name(call: ast.Call) -> str:
    """The text that a call is given first, or as `name`."""
    words = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    return next((word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)), "")
