"""Makes an experiment of a script: conf/experiment/NAME.yaml with what it says of itself, and conf/env/project.yaml with its software."""

from __future__ import annotations

import os
import re

import yaml

from trainconf.cli.workspace.script_reader import REQUIRED, UNKNOWN, Found, Option, goal_of, read
from trainconf.composition.layers import escaped
from trainconf.control.workspace.init import Additions
from trainconf.environments.recipe.pyproject import optional_names
from trainconf.errors import StorageError, UserError
from trainconf.fast.records import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# The files that say which software a project needs, and the setting that takes each; the first that is there is taken.
_SOFTWARE = (
    ("uv.lock", "uv_lock"), ("requirements.txt", "requirements_file"), ("pyproject.toml", "pyproject"), ("environment.yml", "conda_file"),
    ("environment.yaml", "conda_file"),
)  # fmt: skip
_ENV = "project"  # one for all scripts of a project; a choice of `env`, so that `env=current` takes its place
_CONSTANTS_SHOWN = 8
_LIGHTNING = "docs/lightning.md"
_TOO_COMMON = ("main", "app", "__main__")


class Declared(Record):
    """What was made. guesses: (what, text) of each thing that was guessed, for people."""

    experiment: str
    additions: Additions
    guesses: list[tuple[str, str]]


def declare(root: str, script: str, name: str = "") -> Declared:
    """Write the experiment of a script of the workspace `root`. Raises UserError, StorageError; nothing is left then.

    name: of the experiment; by default the script's.
    """
    inside = os.path.relpath(os.path.realpath(script), os.path.realpath(root))
    if inside.startswith(os.pardir + os.sep):
        raise UserError("the script is not in the workspace", ("script", script), ("workspace", root), hint="run init in its project")
    found = read(script)
    name = name or _named(inside)
    additions = Additions(root)
    place = f"{additions.conf}/experiment/{name}.yaml"
    if os.path.lexists(os.path.join(root, place)):
        raise UserError(f"{place} is there already", ("workspace", root), hint="give this one another name: --name NAME")
    guesses: list[tuple[str, str]] = []
    setting, file = _software(root)
    texts = {place: _lines(root, name, inside, found, file, guesses)}
    if file:
        texts[f"{additions.conf}/env/{_ENV}.yaml"] = _env_lines(root, setting, file, guesses)
    try:
        for made, lines in texts.items():
            additions.add_file(made, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
    except BaseException as error:
        additions.undo()
        if isinstance(error, OSError):
            raise StorageError.from_os_error(error, f"{place} cannot be written") from error
        raise
    return Declared(name, additions, guesses)


def _named(script: str) -> str:
    parts = [part for part in script.removesuffix(".py").split(os.sep) if part not in _TOO_COMMON]
    return re.sub(r"[^A-Za-z0-9_.-]", "_", parts[-1] if parts else "experiment").lstrip("._-") or "experiment"


def _env_lines(root: str, setting: str, file: str, guesses: list[tuple[str, str]]) -> Iterator[str]:
    yield f"# The software of {file}: `env={_ENV}`"
    yield from ("defaults:", "  - /schema/env/recipe@_here_", "  - _self_", "", f"name: {_ENV}", f"{setting}: {file}")
    if setting in ("pyproject", "uv_lock"):
        yield from _left_out(os.path.join(root, "pyproject.toml"), guesses)


def _lines(root: str, name: str, script: str, found: Found, file: str, guesses: list[tuple[str, str]]) -> Iterator[str]:
    """The experiment. file: what says which software is needed; "" where none does."""
    yield "# @package _global_"
    yield f"# `trainconf experiment={name}` runs it"
    yield "defaults:"
    yield f"  - override /env: {_ENV if file else 'current'}"
    yield "  - _self_"
    yield ""
    yield f"experiment_name: {_value(name)}"
    yield from _program(root, script, found, guesses)
    if file:
        guesses.append(("software", f"that of {file}; its first run builds it. `env=current` takes the Python you are in"))
    else:
        files = "uv.lock, requirements.txt, pyproject.toml or environment.yml"
        guesses.append(("software", f"the Python you are in (env=current): no {files} is here"))
    if found.trackers:
        guesses.append(("imports", f"{', '.join(found.trackers)} log{'s' * (len(found.trackers) == 1)} into the run, with no account"))
        yield f"compat: {_value(found.trackers)}"
    yield from _arguments(found, guesses)
    if found.is_hydra_app:
        guesses.append(("params", f"the config of the Hydra app: `trainconf experiment={name} -- KEY=VALUE` (docs/hydra.md)"))
    else:
        yield from _params(found, guesses)
    yield from _metric(found, guesses)


def _program(root: str, script: str, found: Found, guesses: list[tuple[str, str]]) -> Iterator[str]:
    """What is run: a script, a module that only `python -m` can start, or a Hydra app that is one of the two."""
    if not found.is_in_package or os.sep not in script:
        yield f"hydra_app: {{script: {_value(script)}}}" if found.is_hydra_app else f"script: {_value(script)}"
        return
    folder = os.path.dirname(script) if found.is_hydra_app else ""
    while folder and os.path.isfile(os.path.join(root, folder, "__init__.py")):
        folder = os.path.dirname(folder)
    module = os.path.relpath(script, folder or os.curdir).removesuffix(".py").removesuffix("/__main__").replace(os.sep, ".")
    guesses.append(("command", f"python -m {module}: its relative imports want that"))
    yield f"hydra_app: {{module: {_value(module)}}}" if found.is_hydra_app else f"command: {_value(['python', '-m', module])}"
    if folder:
        yield f"env: {{variables: {{PYTHONPATH: {_value(folder)}}}}}"


def _arguments(found: Found, guesses: list[tuple[str, str]]) -> Iterator[str]:
    """What stands before the options: one of the script's commands, and its positionals."""
    first, told = found.commands[:1], []
    if first:
        commands = ", ".join(sorted(found.commands))
        guesses.append(("command", f"{first[0]}, of {commands}: `arguments` has it, `params` its options"))
        told = [f"one of {commands}", *([f"before it: {', '.join(f'--{name}' for name in found.before)}"] if found.before else [])]
    if found.positionals:
        names = " ".join(found.positionals)
        guesses.append(("arguments", f"the script takes {names}: arguments=[{','.join([*first, '...'])}]"))
        told.append(names.replace(" ", ", "))
    words = [*first, *["???"] * len(found.positionals)]
    if words:
        yield f"arguments: {_value(words)}  # {_comment('; '.join(told))}"


def _params(found: Found, guesses: list[tuple[str, str]]) -> Iterator[str]:
    if found.options:
        missing = [option.name for option in found.options if option.default is REQUIRED]
        need = f"; {', '.join(missing)} must be given a value" if missing else ""
        guesses.append(("params", f"{len(found.options)} option{'s' * (len(found.options) > 1)} of {found.reader}{need}"))
        yield "params:"
        yield from _tree(found.options)
    elif found.elsewhere:
        more = f"; {_LIGHTNING} has them in a file" if found.elsewhere == "LightningCLI" else ""
        guesses.append(("params", f"none yet: {found.elsewhere} makes options of the code; the script's own --help lists them, and "
                                  f"each can be a param: `+params.NAME=VALUE`{more}"))  # fmt: skip
    elif found.constants:
        shown = ", ".join(f"{name}={value!r}" for name, value in found.constants[:_CONSTANTS_SHOWN])
        guesses.append(("params", "none: the script takes no arguments; what it has as constants cannot be varied from outside"))
        yield f"# constants of the script: {_comment(shown)}"
        yield "# read them from arguments (argparse), and they become params"
    else:
        guesses.append(("params", "none: no arguments were found in the script"))


def _tree(options: list[Option], depth: int = 1) -> Iterator[str]:
    """The options as YAML; `a.b` lies below `a`."""
    opened = set()
    for option in options:
        first, dot, _ = option.name.partition(".")
        if dot:
            if first not in opened:
                opened.add(first)
                yield f"{'  ' * depth}{_value(first)}:"
                below = [other for other in options if other.name.startswith(f"{first}.")]
                yield from _tree([replace(other, name=other.name[len(first) + 1 :]) for other in below], depth + 1)
            continue
        is_open = option.default is REQUIRED or option.default is UNKNOWN
        value = "???" if option.default is REQUIRED else "null" if is_open else _value(option.default)
        about = "; ".join(part for part in (option.help, option.note, "required" if option.default is REQUIRED else "") if part)
        yield f"{'  ' * depth}{_value(option.name)}: {value}" + (f"  # {_comment(about)}" if about else "")


def _metric(found: Found, guesses: list[tuple[str, str]]) -> Iterator[str]:
    judged = [(name, line) for name, line in found.metrics if goal_of(name)]
    best = [each for each in judged if re.search(r"val|test|eval", each[0])] or judged
    if best:
        name, line = best[0]
        guesses.append(("metric", f"{name}, {goal_of(name)}: line {line} logs it"))
        yield from ("metric:", f"  name: {_value(name)}", f"  goal: {goal_of(name)}")
    else:
        guesses.append(("metric", "none: `metric: {name: val_accuracy, goal: maximize}` says what runs are judged by"))
        yield from _printed(found, guesses)


def _printed(found: Found, guesses: list[tuple[str, str]]) -> Iterator[str]:
    """Metrics that the script only prints, as comments: whether the patterns fit its output is not known."""
    if found.printed:
        name, _, line = next((each for each in found.printed if re.search(r"val|test|eval", each[0])), found.printed[0])
        guesses.append(("printed", f"{', '.join(each[0] for each in found.printed)}: stdout_metrics stands there as a comment, a guess"))
        yield f"# guessed from what line {line} prints; without the # in front, these become metrics of each run:"
        yield f"# stdout_metrics: {_comment(_value({each[0]: each[1] for each in found.printed}))}"
        yield f"# metric: {{name: {_comment(_value(name))}, goal: {goal_of(name)}}}"


def _software(root: str) -> tuple[str, str]:
    """The setting and the file that say which software is needed; empty where no file does."""
    for file, setting in _SOFTWARE:
        path = os.path.join(root, file)
        if os.path.isfile(path) and (setting != "pyproject" or _has_dependencies(path)):
            return setting, file
    return "", ""


def _left_out(path: str, guesses: list[tuple[str, str]]) -> Iterator[str]:
    """The extras and dependency groups of a pyproject file, as comments: which of them a script needs is not known."""
    for key, names in zip(("pyproject_extras", "pyproject_groups"), optional_names(path), strict=True):
        if names:
            guesses.append(("not installed", f"{', '.join(map(repr, names))} of pyproject.toml: `{key}: [...]` adds some"))
            yield f"# {key}: {_comment(_value(names))}  # add those that the script needs"


def _has_dependencies(path: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    return re.search(r"^dependencies\s*=", text, re.MULTILINE) is not None and "[tool.uv.sources]" not in text


def _value(value: Any) -> str:
    """A value as YAML on one line, which is read as this very value."""
    text = yaml.safe_dump(_escaped(value), default_flow_style=True, width=10**9, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _escaped(value: Any) -> Any:
    if isinstance(value, (list, set)):
        return [_escaped(item) for item in value]
    return escaped(value) if isinstance(value, str) else value


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
