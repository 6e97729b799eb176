"""Messages: Hydra's and OmegaConf's refusals as `Mistake`s that say what is wrong, where it came from, and what is near or allowed."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from hydra.core.override_parser.types import Override, Sweep
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf.composition.meant import meant
from trainconf.composition.values import group_node, known_settings, not_in_schema, own_types
from trainconf.errors import Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve.origins import Origins, leaves
from trainconf.resolve.search import groups, label
from trainconf.resolve.settings import nearest, shown
from trainconf.schema import GROUPS, group_of, node_key
from trainconf.search.expressions import ExpressionError
from trainconf.search.wrong import explained

# What OmegaConf 2.3 and 2.4 run into when a key lies below an interpolation that is no mapping, or below a list and is no index.
BELOW_NO_MAPPING = (AssertionError, AttributeError, RecursionError, ValueError)
_OPEN_MAPPINGS = (
    "params", "tags", "inputs", "stdout_metrics", "env.variables", "env.docker.build.args", "compute.ulimits", "compute.arguments",
    "compute.sbatch",
)  # fmt: skip

NO_VALUE = "it has no ="


def shown_choice(choice: Any) -> str:
    """A choice as it is typed: one, a list of them, or none at all."""
    if isinstance(choice, (list, ListConfig)):
        return f"[{','.join(map(shown_choice, choice))}]"
    return "null" if choice is None else str(choice).lower() if isinstance(choice, bool) else str(choice)


def unknown_choice(group: str, choice: str, options: Sequence[str], source: str, beside: Sequence[str] = ()) -> Mistake:
    """A choice that its group, which has others, does not have. beside: all choices of the list that it stands in."""
    near = nearest(choice, list(options))
    facts = [("from", source), ("allowed", ", ".join(options))]
    if near:
        facts.insert(1, ("nearest", f"{group}={near}"))
    hint = meant(group, choice) or f"a file conf/{group}/{choice}.yaml would make it one"
    if len(beside) > 1:
        one = near or (options[0] if options else "CHOICE")
        hint = f"a list is merged into one; choose one: {group}={one}, or run each with -m: `trainconf -m {group}={','.join(beside)}`"
    return Mistake(f"{choice!r} is not a choice of {group}", *facts, hint=hint)


def unknown_group(override: Override, cfg: DictConfig, chosen: Mapping[str, str], choices: Mapping[str, Sequence[str]]) -> Mistake | None:
    """A word whose key, without dots, is nothing that there is, if it is near a group. `choices` are those of each group."""
    key, value = str(override.key_or_group), override.value()
    near = near_group(key, choices, map(str, cfg))
    if not near:
        return None
    choice = near_choice(value, choices[near]) if isinstance(value, str) else ""
    package = f"@{override.package}" if override.package else ""
    word = f"~{near}{package}" if override.is_delete() else f"{'' if near + package in chosen else '+'}{near}{package}={choice or 'CHOICE'}"
    return Mistake(f"{key} is neither a config group nor a setting", ("from", f"command line: {override.input_line}"), ("nearest", word),
                   ("allowed", f"choices of {near}: {', '.join(choices[near])}"),
                   hint="a value of your own goes into params: +params.name=value")


def no_group(group: str, choice: str, choices: Mapping[str, Sequence[str]], source: str, keyword: str = "") -> Mistake:
    """A group in a defaults list that there is not. keyword: what stands before it there."""
    near = near_group(group, choices)
    facts = [("nearest", f"- {keyword}/{near}: {near_choice(choice, choices[near]) or '...'}")] if near else []
    return Mistake(f"there is no config group {group}", ("from", source), *facts, ("allowed", ", ".join(choices)),
                   hint=f"a file conf/{group}/{choice}.yaml would make it one")


def near_group(name: str, groups: Collection[str], settings: Iterable[str] = ()) -> str:
    """The group that a mistyped name most likely meant; empty when a setting is nearer, or nothing is near."""
    found = difflib.get_close_matches(name, dict.fromkeys([*groups, *settings]), n=1)
    return found[0] if found and found[0] in groups else ""


def near_choice(choice: str, choices: Sequence[str]) -> str:
    """The choice of a group that was meant: itself, or the nearest; empty when none is."""
    return choice if choice in choices else nearest(choice, list(choices))


def why_unreadable(text: str, error: Exception) -> str:
    """What Hydra's grammar says against an override, in words."""
    key, equals, _ = text.partition("=")
    if not equals:
        return NO_VALUE
    if strange := re.search(r"[^\w./@:-]", key.lstrip("+~")):
        return f"its key has {strange[0]!r}; a key has letters, digits and _ - . / @"
    lines = [line for line in str(error).splitlines() if not line.startswith(("Error parsing", "Error when parsing", "See "))]
    said = lines[0].strip() if lines else ""
    if said.startswith("LexerNoViableAlt") and len(lines) > 1:
        at = lines[1].find("^") - lines[0].find(text)
        if 0 <= at < len(text):
            return f"character {at + 1}, {text[at]!r}, cannot stand there without quotes"
    found = re.match(r"(mismatched|extraneous) input '(.*)' expecting", said) or re.match(r"(no viable alternative) at input '(.*)'", said)
    if not found:
        return said or "Hydra's grammar does not take it"
    return f"{found[2]} is not finished, or needs quotes" if found[1] == "no viable alternative" else f"{found[2]} needs quotes there"


def choice_without_quotes(group: str, choice: Any, options: Sequence[str], source: str) -> Mistake | None:
    """A choice whose name the grammar reads as another value: `true`, `nan`, `1e3`; None for what is no such."""
    if isinstance(choice, (str, int)) and not isinstance(choice, bool):
        return None
    typed = source.rpartition("=")[2]
    names = {typed, "null" if choice is None else str(choice)}
    meant = next((option for option in options if option.lower() in {name.lower() for name in names}), "")
    if not meant:
        return None
    what = "null" if choice is None else str(choice).lower()
    return Mistake(f"{group}={meant} is read as the value {what}, and a choice is a text", ("from", source),
                   hint=shlex.quote(f'{group}="{meant}"'))


def unreadable_override(text: str, because: str) -> Mistake:
    """A word that Hydra's override grammar cannot read, or that says nothing by it."""
    key, equals, value = text.partition("=")
    if equals and re.fullmatch(r"[+~]*[\w./@:-]+", key) and (found := explained(value)) is not None:
        return about_expression(text, found)
    hint = "a verb comes first: `trainconf --help`"
    if because == NO_VALUE and not text.startswith("~"):
        hint = f"give it a value: {text}=VALUE; {hint}"
    elif equals and re.fullmatch(r"[+~]*[\w./@-]+", key) and "\\" not in value:
        quoted = value.replace('"', '\\"')
        hint = "to give it as a text: " + shlex.quote(f'{key}="{quoted}"')
        if re.fullmatch(r"\[[^]\[{}'\"]+\]", value):
            items = ",".join(f'"{item.strip()}"' for item in value[1:-1].split(","))
            hint = "to give texts: " + shlex.quote(f"{key}=[{items}]")
    return Mistake(
        f"{text!r} is not an override", ("from", "command line"), ("because", because),
        ("allowed", "key=value, +key=value, ++key=value, ~key, group=choice"), hint=hint,
    )


def wrong_expression(text: str, error: BaseException) -> Mistake | None:
    """A function of a search that was given what it cannot take, such as `uniform(2, 1)`; None for another error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ExpressionError):
        cause = cause.__cause__
    return about_expression(text, explained(text.partition("=")[2]) or cause) if cause is not None else None


def about_expression(text: str, error: ExpressionError) -> Mistake:
    """An override whose expression describes no values."""
    key, _, value = text.partition("=")
    hint = shlex.quote(f"{key}={error.example}") if error.example else ""
    if error.may_be_text:
        quoted = value.replace('"', '\\"')
        hint = "; ".join(filter(None, (hint, "as a text: " + shlex.quote(f'{key}="{quoted}"'))))
    facts = [("allowed", error.allowed)] if error.allowed else []
    return Mistake(error.about(key.lstrip("+~")), ("from", f"command line: {text}"), *facts, hint=hint)


def sweep_without_m(override: Override) -> Mistake:
    """Several values, but no `-m`."""
    key, _, value = str(override.input_line).partition("=")
    group = str(override.key_or_group)
    is_group = group in GROUPS or group == "experiment" or "/" in group
    one = f"choose one: {key}={value.partition(',')[0]}" if is_group else (
        f"write one value: '{key}=[{value}]' (a list), '{key}=\"{value}\"' (a text)"
    )
    return Mistake(
        f"{group} was given several values, and this is a single run", ("from", f"command line: {override.input_line}"),
        hint=f"add -m to run each of them, or {one}",
    )


def dotted(key: str, origins: Origins) -> Mistake:
    """A path of keys, as the command line has them, in a file."""
    nested = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(key.split("."))).rstrip("\n") + " ..."
    return Mistake(f"{key} is one name in a file, dots and all", ("from", origins.of_part(key)), ("write", nested))


def not_ours(config_name: str, dirs: list[str], workspace: WorkspacePaths) -> Mistake:
    """A primary config that composes something else."""
    paths = (os.path.join(folder, f"{config_name}.yaml") for folder in dirs)
    source = next((label(path, workspace) for path in paths if os.path.isfile(path)), config_name)
    return Mistake("this primary config does not hold trainconf's settings", ("from", source),
                   hint="begin its defaults list with `- /schema/config`, as the shipped conf/config.yaml does; "
                        "or, where conf/ is the tree of a Hydra app, put trainconf's files into conf/trainconf/")  # fmt: skip


def no_package(path: str, line: int, package: str) -> Mistake:
    """A file whose group is no key of the config, and that does not say where its values belong."""
    group = package.replace(".", "/")
    return Mistake(
        f"{path} does not begin with `# @package _global_`", ("from", f"{path}:{line}"),
        ("because", f"its values would go under {package}, which is not a setting"),
        hint="" if group == "experiment" else f"or give it a package where it is chosen: - /{group}@params.{package}: ...",
    )


def no_place_for_schema(schema: str, group: str, choice: str, package: str) -> Mistake:
    """A schema of the workspace's own beside a choice whose values are no mapping below `params`."""
    return Mistake(f"{schema} types {group}={choice}, whose values are no mapping below params", ("from", schema),
                   ("package", package or "_global_"), hint=f"begin its file with `# @package params.{group.replace('/', '.')}`")


def no_choice(group: str, words: Sequence[str], dirs: list[str], origin: str) -> Mistake:
    """A group that was left without an answer: by a word such as `~compute`, or by a primary config that does not ask."""
    word = next((word for word in words if re.fullmatch(rf"~{group}(=.*)?", word)), "")
    return Mistake(f"{group} has no choice, and a run needs one", ("from", f"command line: {word}" if word else origin),
                   ("allowed", ", ".join(groups(dirs).get(group, []))), hint=f"name one: {group}=...")


def is_setting(key: str, cfg: DictConfig) -> bool:
    """Whether a key is a setting of ours, or a group of them: it can have another value, but cannot be away."""
    known = known_settings(cfg)
    return key in known or any(name.startswith(f"{key}.") for name in known)


def removed_setting(override: Override) -> Mistake:
    """`~key`, where the key is a setting."""
    key = override.key_or_group
    return Mistake(f"{key} is a setting, and a setting cannot be removed", ("from", f"command line: {override.input_line}"),
                   hint=f"give it another value: {key}=...; only what a mapping such as params holds can be removed")


def refused_override(override: Override, error: Exception, cfg: DictConfig, origins: Origins) -> Mistake:
    """A word of the command line that the config does not take."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    key, value = override.key_or_group, override.value()
    if isinstance(value, dict) and any(isinstance(item, Sweep) for item in value.values()):
        return Mistake(f"{key} holds an expression that is not in quotes", ("from", f"command line: {override.input_line}"),
                       hint="write {params.lr: 'uniform(0, 1)'}, or a word of its own after -m: 'params.lr=uniform(0, 1)'")
    if override.is_add() and _is_there(key, cfg):
        return Mistake(f"{key} is there already, and + only adds", ("from", f"command line: {override.input_line}"),
                       ("now", _now(key, cfg, origins)), hint=f"leave the + out: {str(override.input_line)[1:]}")
    if override.is_delete():
        return Mistake(f"{key} is not there, so it cannot be removed", ("from", f"command line: {override.input_line}"),
                       *_nearest_fact(key, cfg, origins))
    word = "" if override.is_add() or override.is_force_add() else str(override.input_line)
    return refused(key, cause, cfg, origins, f"command line: {override.input_line}", override.value(), word)


def _is_there(key: str, cfg: DictConfig) -> bool:
    """Whether a key has a value; not where the way to it leads through an interpolation that is no mapping, or none at all."""
    try:
        return OmegaConf.select(cfg, key, throw_on_missing=False) is not None
    except (OmegaConfBaseException, *BELOW_NO_MAPPING):
        return False


def refused(
    key: str, error: BaseException, cfg: DictConfig, origins: Origins, source: str, value: Any, word: str = ""
) -> Mistake:
    """`value` is what was given; `word` the word of the command line that only sets, empty for one that adds and for a file."""
    known = known_settings(cfg)
    is_open = key in _OPEN_MAPPINGS or (key in known and known[key].type_name.startswith("mapping"))
    if is_open and word and isinstance(value, dict):
        return Mistake(f"{key} does not hold all of these yet", ("from", source), hint=f"to add what is new: {shlex.quote(f'+{word}')}")
    if key in known and key != node_key(group_of(key)):
        return Mistake(f"{key} cannot be {shown(value)}", ("from", source), ("allowed", known[key].allowed), *known[key].meaning)
    typed = own_types(cfg)
    holder = next((name for name in sorted(typed, key=len, reverse=True) if key.startswith(f"{name}.")), None)
    if holder is not None:
        return not_in_schema(key, holder, typed[holder], known, source)
    if key in typed and isinstance(value, dict):
        unknown = [name for name, _ in leaves(value, key) if name not in known]
        if unknown:
            return not_in_schema(unknown[0], key, typed[key], known, source)
    parent = next((name for name in _OPEN_MAPPINGS if key.startswith(f"{name}.")), None)
    if parent is not None and key not in known:
        if word and not _is_there(key, cfg):
            return Mistake(f"{parent} has no {key.removeprefix(f'{parent}.')!r}", ("from", source), *_nearest_fact(key, cfg, origins),
                           hint=f"to add a new one: {shlex.quote(f'+{word}')}")
        because = ("because", str(error).splitlines()[0])
        return Mistake(f"{key} cannot be {shown(value)}", ("from", source), ("allowed", f"in a {known[parent].allowed}"), because)
    if any(other.startswith(f"{key}.") for other in known):
        return Mistake(f"{key} is a group of settings, not a value", ("from", source),
                       ("allowed", ", ".join(other for other in known if other.startswith(f"{key}."))))
    choice = f" {cfg_choice(cfg, key)}" if cfg_choice(cfg, key) else ""
    others = _choices_with(key)
    if word and any(OmegaConf.select(cfg, f"hydra_app.{name}") for name in ("script", "module")):
        return Mistake(f"{key} is not a setting", ("from", source), *_nearest_fact(key, cfg, origins),
                       hint=f"a word of the Hydra app stands behind --: -- {shlex.quote(word)}")
    return Mistake(f"{key} is not a setting" + (f" of{choice}" if others else ""), ("from", source), *_nearest_fact(key, cfg, origins),
                   *([("belongs to", ", ".join(others))] if others else []),
                   hint=f"`trainconf config{choice}` lists every setting" + (" of this choice" if choice else ""))


def cfg_choice(cfg: DictConfig, key: str) -> str:
    """The word that chose the group a key belongs to, such as `compute=local`; empty for a top-level key."""
    group = group_of(key)
    kind_key = GROUPS[group].kind_key if group else ""
    node = group_node(cfg, group) if kind_key else None
    return f"{group}={node.get(kind_key)}" if isinstance(node, DictConfig) and node.get(kind_key) else ""


def _choices_with(key: str) -> list[str]:
    """The shipped choices of a key's group that have this setting, such as `compute=docker`; none for a group that has one schema."""
    group = group_of(key)
    schemas = GROUPS[group].schemas if group else {}
    name = key.removeprefix(f"{node_key(group)}.")
    having = [f"{group}={kind}" for kind, node in schemas.items() if name in {field.name for field in fields(node)}]
    return having if len(schemas) > 1 else []


def _nearest_fact(key: str, cfg: DictConfig, origins: Origins) -> list[tuple[str, str]]:
    known = known_settings(cfg)
    present = [leaf for leaf, _ in leaves(OmegaConf.to_container(cfg, resolve=False)) if leaf]
    near = nearest(key, [*known, *(leaf for leaf in present if leaf not in known)])
    if not near:
        beside = [name for name in known if name.rpartition(".")[0] == key.rpartition(".")[0]]
        return [("allowed", ", ".join(beside))] if beside and "." in key else []
    if near == node_key(group_of(near)):
        return [("nearest", f"{near} (a config group: {group_of(near)}=CHOICE)")]
    allowed = f"{known[near].allowed}, " if near in known else ""
    return [("nearest", f"{near} ({allowed}now {_now(near, cfg, origins)})")]


def _now(key: str, cfg: DictConfig, origins: Origins) -> str:
    raw = OmegaConf.to_container(cfg, resolve=False)
    for part in key.split("."):
        raw = raw.get(part) if isinstance(raw, dict) else None
    first, _ = next(leaves(raw, key))  # a mapping is told with the origin of what it holds
    source = origins.of(first)
    return f"{shown(raw)} by default" if source == "default" else f"{shown(raw)} from {source}"
