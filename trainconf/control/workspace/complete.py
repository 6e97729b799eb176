"""What may stand where somebody types: ids, experiments, params and metrics that there are, config groups and their choices.

Everything is read from the index as it is and from folders' names. Nothing is brought up to date, and no Hydra is loaded: an answer while
somebody types takes a few hundredths of a second.
"""

from __future__ import annotations

import os

from trainconf.history.index.index import Index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.paths import WorkspacePaths

MOST = 200  # that a shell is told
COMPUTED = ("run", "duration", "age")
FUNCTIONS = ("last(", "min(", "max(", "mean(")
_NAME = "._"  # what a name has besides letters and digits


def ids(workspace: WorkspacePaths, prefix: str) -> list[str]:
    """Ids of runs and sweeps that begin so, the newest first, and `last`."""
    with Index(workspace) as index:
        return [*(["last"] if "last".startswith(prefix) else []), *index.ids(prefix, MOST)]


def experiments(workspace: WorkspacePaths) -> list[str]:
    """The experiments that have runs."""
    try:
        return sorted(name for name in os.listdir(workspace.runs) if not name.startswith("."))
    except OSError:
        return []


def expressions(workspace: WorkspacePaths, text: str) -> list[str]:
    """An expression of --where whose last name is completed in every way there is."""
    start = len(text)
    while start and (text[start - 1].isalnum() or text[start - 1] in _NAME):
        start -= 1
    before, name = text[:start], text[start:]
    if before.count('"') % 2 or before.count("'") % 2:
        return []  # within a text
    with Index(workspace) as index:
        names = [*index.names(), *COMPUTED, *FUNCTIONS]
    return [before + spelled for each in names if (spelled := _spelled(each)).startswith(name)][:MOST]


def overrides(workspace: WorkspacePaths, word: str) -> list[str]:
    """`key=value` words that begin so: config groups with their choices, params that runs have had, else every setting there is."""
    from trainconf.resolve.search import config_dirs, groups

    key, equals, value = word.partition("=")
    found = groups(config_dirs(workspace, with_plugins=False))
    if equals:
        listed, comma, last = value.rpartition(",")  # of a sweep
        return [f"{key}={listed}{comma}{choice}" for choice in found.get(key, []) if choice.startswith(last)]
    with Index(workspace) as index:
        params = [name for name in index.names() if name.startswith("params.")] if "params.".startswith(key[:7]) and key else []
    known = [f"{each}=" for each in (*found, *params) if each.startswith(key)][:MOST]
    return known or [f"{each}=" for each in settings() if each.startswith(key)]


def app_words(workspace: WorkspacePaths, own: list[str], word: str) -> list[str]:
    """Words for the Hydra app that the overrides `own` name: its groups with their choices, and the keys of its config. Loads Hydra."""
    from trainconf.composition.cache import compose
    from trainconf.resolve.hydra_app import program_of

    composed = compose(own, workspace)
    if not program_of(composed.config):
        return []
    from trainconf.composition.app.apply import AppOf

    key, equals, value = word.partition("=")
    sign = key[: len(key) - len(key.lstrip("+~"))]
    app = AppOf(composed, workspace).app
    if equals:
        listed, comma, last = value.rpartition(",")  # of a sweep
        return [f"{key}={listed}{comma}{choice}" for choice in app.choices(key.lstrip("+~")) if choice.startswith(last)]
    return [f"{sign}{each}=" for each in app.known_keys() if each.startswith(key.lstrip("+~"))][:MOST]


def overrides_of(workspace: WorkspacePaths, run: str) -> list[str]:
    """The overrides that a recorded run was composed from, without its app's words."""
    from trainconf.control.runs import find
    from trainconf.history.record import read_mapping
    from trainconf.resolve.hydra_app import split

    return split(map(str, read_mapping(find(workspace, run).record).get("overrides") or ()))[0]


def settings() -> list[str]:
    """Every key of the config that has a schema: `compute.max_requeues`. Takes longer, for it loads the schemas."""
    from trainconf import schema

    found = dict.fromkeys(_keys(schema.Config, ""))
    for group, known in schema.GROUPS.items():
        for kind in known.schemas:
            found.update(dict.fromkeys(_keys(known.schemas[kind], group.replace("/", ".") + ".")))
    return list(found)


def _keys(kind: Any, before: str) -> Iterator[str]:
    from dataclasses import fields, is_dataclass

    for field in fields(kind):
        if is_dataclass(field.default_factory):
            yield from _keys(field.default_factory, f"{before}{field.name}.")
        else:
            yield f"{before}{field.name}"


def _spelled(name: str) -> str:
    """A name as an expression has it: what is no identifier stands in brackets."""
    group, dot, rest = name.partition(".")
    if not dot or all(part.isidentifier() for part in rest.split(".")):
        return name
    quote = "'" if '"' in rest else '"'
    return f"{group}[{quote}{rest}{quote}]"
