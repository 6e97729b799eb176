"""Reads what a training script can be told and what it logs without running it: argparse, click, typer, absl, Hydra, constants, metrics."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from trainconf.cli.arguments.script import nearest
from trainconf.cli.workspace.script_commands import commands_of, likeliest, parser_elsewhere
from trainconf.cli.workspace.script_commands import written_name as _name
from trainconf.errors import UserError
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

UNKNOWN, REQUIRED = object(), object()
_MAXIMIZE = re.compile(r"acc|auc|f1|score|precision|recall|(?:^|_)map|iou|dice|bleu|rouge|r2|reward|return", re.IGNORECASE)
_MINIMIZE = re.compile(r"loss|err|rmse|mae|mse|perplexity|ppl|(?:^|_)fid", re.IGNORECASE)
_TRACKERS = ("wandb", "trackio", "mlflow")
_LOGS = re.compile(r"(?!(?:math|np|torch|numpy|logging|logger)\.).*\.(?:log|log_metric|add_scalar|log_list)")
_PRINTED_NAME = re.compile(r"([A-Za-z]\w*(?:[/.]\w+)*)\s*[:=]?\s*$")
_ABSL = re.compile(r"DEFINE_(?:bool|boolean|integer|float|string|enum|list)")


class Option(Record):
    """One option, `--name`. default: a literal, REQUIRED, or UNKNOWN where the script computes it. help, note: texts for people."""

    name: str
    default: Any
    help: str = ""
    note: str = ""
    line: int = 0


class Found(Record):
    """What a script has. reader: of its options, such as argparse; "" where it has none. positionals: arguments without a dash.

    commands: of a script that has several, the likeliest to train first; options and positionals are those of that one.
    before: options that stand before the command.
    elsewhere: what makes its options where they are not read, such as LightningCLI; "" of most.
    is_in_package: whether it imports by relative names, which only a module of a package can.
    is_hydra_app: whether a function has the decorator `@hydra.main`. printed: (name, pattern, line) of numbers that it prints by name.
    """

    reader: str
    options: list[Option]
    positionals: list[str]
    constants: list[tuple[str, Any]]
    metrics: list[tuple[str, int]]
    trackers: list[str]
    is_hydra_app: bool
    is_in_package: bool
    elsewhere: str
    commands: list[str]
    before: list[str]
    printed: list[tuple[str, str, int]]


def read(path: str) -> Found:
    """What the script at `path` has. Raises UserError when it is not there or is no Python."""
    try:
        with open(path, "rb") as stream:
            tree = ast.parse(stream.read(), path)
    except OSError as error:
        raise UserError("the script cannot be read", ("path", path), ("because", error.strerror or ""), *nearest(path)) from error
    except (SyntaxError, ValueError) as error:
        raise UserError("the script is no Python", ("path", path), ("because", str(error).splitlines()[0])) from error
    options: dict[str, Option] = {}
    positionals: list[str] = []
    readers: dict[str, None] = {}
    before: list[str] = []
    commands = commands_of(tree)
    command = likeliest(commands)
    owned = {node for nodes in commands.values() for node in nodes}
    for reader, each, node in sorted(_declared(tree), key=lambda found: getattr(found[1], "line", 0)):
        readers.setdefault(reader)
        if node not in commands[command] if command else node in owned:
            before += [each.name] if node not in owned and isinstance(each, Option) else []
        elif isinstance(each, Option):
            options.setdefault(each.name, each)
        else:
            positionals.append(each)
    imported = _imported(tree)
    return Found(
        " and ".join(readers), list(options.values()), positionals, list(_constants(tree)), list(_metrics(tree)),
        [name for name in _TRACKERS if name in imported],
        ("hydra" in imported or "hydra_zen" in imported) and any(map(_is_hydra_main, ast.walk(tree))),
        any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), "" if options else parser_elsewhere(tree),
        sorted(commands, key=lambda name: name != command), before, list(_printed(tree)),
    )  # fmt: skip


def goal_of(metric: str) -> str:
    """Whether more of a metric is better, by its name; "" where that does not say it."""
    more, less = _MAXIMIZE.search(metric), _MINIMIZE.search(metric)
    return "" if bool(more) == bool(less) else "maximize" if more else "minimize"


def _declared(tree: ast.Module) -> Iterator[tuple[str, Option | str, ast.AST]]:
    """The reader of each option and positional, what it is, and where it is declared."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if name.endswith(".add_argument"):
                yield from (("argparse", each, node) for each in _argparse(node))
            elif name in ("click.option", "option", "click.argument", "argument"):
                yield from (("click", each, node) for each in _click(node, name))
            elif _ABSL.fullmatch(name.rpartition(".")[2]):
                yield from (("absl", each, node) for each in _absl(node, name))
    if "typer" in _imported(tree):
        for function in _commands(tree):
            yield from (("typer", each, function) for each in _typer(function))


def _argparse(node: ast.Call) -> Iterator[Option | str]:
    words = [word for word in map(_literal, node.args) if isinstance(word, str)]
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    named = next((word[2:] for word in words if word.startswith("--") and word != "--"), None)
    if named is None:
        yield from (word for word in words[:1] if not word.startswith("-"))
        return
    action = _literal(given["action"]) if "action" in given else None
    default = _literal(given.get("default"))
    note = _choices(given.get("choices"))
    if action == "store_true":
        yield _switch(node, named, given, is_on=default is True)
    elif action == "store_false":
        yield Option(named, False, _text(given.get("help")), "", node.lineno)
    elif "action" in given and "BooleanOptional" in ast.unparse(given["action"]):
        yield _switch(node, named, given, is_on=default is True)
    elif action in ("version", "help"):
        return
    else:
        yield _valued(node, named, given, note)


def _click(node: ast.Call, name: str) -> Iterator[Option | str]:
    words = [word for word in map(_literal, node.args) if isinstance(word, str)]
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name.endswith("argument"):
        yield from words[:1]
        return
    named = next((word[2:] for word in words if word.startswith("--")), None)
    if named is None:
        return
    named, slash, _ = named.partition("/")
    default = _literal(given.get("default"))
    if slash or _literal(given.get("is_flag")) is True:
        yield _switch(node, named, given, is_on=default is True)
        return
    kind = given.get("type")
    note = _choices(kind.args[0]) if isinstance(kind, ast.Call) and _name(kind.func).endswith("Choice") and kind.args else ""
    yield _valued(node, named, given, note)


def _absl(node: ast.Call, name: str) -> Iterator[Option]:
    values = [*map(_literal, node.args)]
    if values and isinstance(values[0], str):
        texts = [value for value in values[2:] if isinstance(value, str)]
        default = values[1] if len(values) > 1 else None
        if "bool" in name:
            yield Option(f"no{values[0]}" if default is True else values[0], False, texts[0] if texts else "", "", node.lineno)
        else:
            yield Option(values[0], default, texts[-1] if texts else "", _computed(node.args[1]) if len(node.args) > 1 else "", node.lineno)


def _typer(function: ast.FunctionDef) -> Iterator[Option | str]:
    arguments = function.args.args
    defaults: list[ast.expr | None] = [None] * (len(arguments) - len(function.args.defaults)) + list(function.args.defaults)
    only_named = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    for argument, written in (*zip(arguments, defaults, strict=True), *only_named):
        about, default = next((call for call in ast.walk(argument) if isinstance(call, ast.Call)), None), written
        if isinstance(written, ast.Call) and _name(written.func).endswith(("Option", "Argument")):
            about, default = written, written.args[0] if written.args else None
        is_positional = _name(about.func).endswith("Argument") if about is not None else default is None
        if is_positional:
            yield argument.arg
            continue
        given = {keyword.arg: keyword.value for keyword in about.keywords} if about is not None else {}
        words = [word for word in map(_literal, about.args) if isinstance(word, str)] if about is not None else []
        named = next((word[2:].partition("/")[0] for word in words if word.startswith("--")), argument.arg.replace("_", "-"))
        value = _literal(default) if default is not None else REQUIRED
        if isinstance(value, bool):
            yield _switch(argument, named, given, is_on=value)
        else:
            is_required = value is REQUIRED or value is ...
            yield Option(named, REQUIRED if is_required else value, _text(given.get("help")), _computed(default), argument.lineno)


def _valued(node: ast.Call, name: str, given: dict[str | None, ast.expr], note: str) -> Option:
    """An option with a value, of argparse or click."""
    is_required = "default" not in given and _literal(given.get("required")) is True
    default = REQUIRED if is_required else _literal(given.get("default"))
    return Option(name, default, _text(given.get("help")), _computed(given.get("default")) or note, node.lineno)


def _switch(node: ast.expr | ast.arg, name: str, given: dict[str | None, ast.expr], *, is_on: bool) -> Option:
    """A flag. One that is on by default is turned off by `--no-name`."""
    note = f"{name} is on by default" if is_on else ""
    return Option(f"no-{name}" if is_on else name, False, _text(given.get("help")), note, node.lineno)


def _commands(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions that typer makes commands of."""
    run = {_name(node.args[0]) for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "typer.run" and node.args}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            decorators = [_name(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]
            if node.name in run or any(name.endswith(".command") for name in decorators):
                yield node


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, _literal(node.value)
            if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and isinstance(value, (int, float, str)):
                yield name, value


def _metrics(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names that are logged, and the line of each: `run.log("loss", ...)`, `log({"loss": ...})`, `writer.add_scalar("loss", ...)`."""
    seen = set()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args and _LOGS.fullmatch(_name(node.func))]
    for node in sorted(calls, key=lambda call: call.lineno):
        first = node.args[0]
        for name in map(_literal, first.keys if isinstance(first, ast.Dict) else [first]):
            if isinstance(name, str) and name and name not in seen:
                seen.add(name)
                yield name, node.lineno


def _printed(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Numbers that are printed behind a name that can be judged: `print(f"loss {loss:.4f}")`, `print("loss:", loss)`."""
    seen = set()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "print"]
    for node in sorted(calls, key=lambda call: call.lineno):
        inside = [part for argument in node.args for part in (argument.values if isinstance(argument, ast.JoinedStr) else [argument])]
        for before, after in pairwise(inside):
            text = _literal(before)
            found = _PRINTED_NAME.search(text) if isinstance(text, str) and _literal(after) is UNKNOWN else None
            if found and found[1] not in seen and goal_of(found[1]):
                seen.add(found[1])
                yield found[1], f"{re.escape(found[1])}[\\s:=]+([-+0-9.eE]+)", node.lineno


def _is_hydra_main(node: ast.AST) -> bool:
    """Whether it is a function below `@hydra.main(...)`, or `@main(...)` that is imported from there; or hydra-zen's `.hydra_main()`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "hydra_main":
        return True
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(each, ast.Call) and _name(each.func) in ("hydra.main", "main") for each in decorators)


def _imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN
    return list(value) if isinstance(value, tuple) else value


def _computed(node: ast.expr | None) -> str:
    return f"the script's default: {ast.unparse(node)}" if node is not None and _literal(node) is UNKNOWN else ""


def _choices(node: ast.expr | None) -> str:
    values = _literal(node)
    return f"one of {', '.join(map(str, values))}" if isinstance(values, list) else ""


def _text(node: ast.expr | None) -> str:
    text = _literal(node)
    return " ".join(text.split()) if isinstance(text, str) and text != "==SUPPRESS==" else ""
