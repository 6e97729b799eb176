"""Config files read as YAML in OmegaConf's dialect, with the line of every key and of every entry of a defaults list."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import yaml

from trainconf.errors import ConfigError
from trainconf.resolve.origins import MISSING

try:
    from omegaconf._yaml import get_yaml_loader  # omegaconf 2.4
except ImportError:
    from omegaconf._utils import get_yaml_loader  # omegaconf 2.3


def _reader() -> Any:
    """OmegaConf's YAML dialect read by libyaml where PyYAML has it (five times faster), else as OmegaConf reads it."""
    dialect = get_yaml_loader()
    if not hasattr(yaml, "CSafeLoader") or issubclass(dialect, yaml.CSafeLoader):
        return dialect
    from yaml._yaml import CParser
    from yaml.constructor import SafeConstructor
    from yaml.resolver import Resolver

    class LibyamlReader(CParser, dialect):  # type: ignore[misc, valid-type]
        def __init__(self, stream: Any) -> None:
            CParser.__init__(self, stream)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return LibyamlReader


_HYDRAS_READER = get_yaml_loader()
_READER = _reader()
MAX_COPIED = 100_000  # values that the aliases of one file may stand for


class Default(NamedTuple):
    """One entry of a file's defaults list, as it is written: `key` is all before the colon, empty for a mere path; its line, from 1."""

    key: str
    choices: list[str]
    line: int

    @property
    def group(self) -> str:
        """The group, or the path, without keywords and package."""
        return (self.key or self.choices[0]).split(" ")[-1].partition("@")[0]

    @property
    def is_override(self) -> bool:
        return "override" in self.key.split(" ")[:-1]


_order = count()


@dataclass
class File:
    """One config file that was read: its path, the line of each of its keys, its defaults list, and the package it was put under."""

    path: str
    config_path: str
    lines: dict[tuple[str, ...], int]
    defaults: list[Default]
    package: str = ""
    order: int = field(default_factory=lambda: next(_order))


class ConfigFiles:
    """Config files as they are on disk. An editor gives its own, whose texts need not be saved.

    kept: what compositions of these files keep for the next one, a `Kept` of `hydra/kept.py`.
    """

    kept: Any = None

    def is_file(self, path: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(path)

    def is_folder(self, path: str) -> bool:
        """Whether there is such a folder."""
        return os.path.isdir(path)

    def read(self, path: str) -> tuple[str, Any, Any]:
        """See `read_yaml`."""
        return read_yaml(path)


ON_DISK = ConfigFiles()


def read_yaml(path: str, text: str | None = None) -> tuple[str, Any, Any]:
    """A YAML file's text, node tree and value. Raises ConfigError with the line where it cannot be read.

    text: stands for what the file holds.
    """
    try:
        if text is None:
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
        reader = (_HYDRAS_READER if "\t" in text else _READER)(text)  # libyaml takes tabs where PyYAML has none
        try:
            node = reader.get_single_node()
            _refuse_bomb(node, path)
            return text, node, reader.construct_document(node) if node is not None else None
        finally:
            reader.dispose()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("a config file cannot be read", ("from", path), ("because", str(error))) from error
    except ValueError as error:  # of a number with too many digits
        raise ConfigError("a config file holds a value that cannot be read", ("from", path), ("because", str(error))) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        if "recursive" in reason or "nesting depth" in reason:  # omegaconf 2.4 and libyaml of PyYAML 6.0.4 look for it; others run into it
            raise ConfigError("a config file is nested without end", ("from", path)) from error
        raise ConfigError("a config file is not YAML as Hydra reads it", ("from", f"{path}{line}"), ("because", reason)) from error
    except RecursionError as error:
        raise ConfigError("a config file is nested without end", ("from", path)) from error


def _refuse_bomb(node: Any, path: str) -> None:
    """Raise ConfigError for a file whose aliases stand for more values than memory is worth: nine lines can stand for a billion."""
    sizes: dict[int, int] = {}

    def size(of: Any) -> int:
        if not isinstance(of.value, list):
            return 1
        if id(of) not in sizes:
            sizes[id(of)] = 0  # within itself: told elsewhere
            items = (item for pair in of.value for item in (pair if isinstance(pair, tuple) else (pair,)))
            sizes[id(of)] = 1 + sum(map(size, items))
        return sizes[id(of)]

    written = 0 if node is None else node.end_mark.index - node.start_mark.index
    if node is not None and size(node) > written + MAX_COPIED:
        raise ConfigError("a config file's aliases stand for too many values", ("from", path),
                          ("allowed", f"{MAX_COPIED} more than it holds"))


def defaults_in(node: Any) -> list[Default]:
    """The defaults list of a file's node tree, with lines; what is no such list has none."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    listed = next((value for key, value in pairs if key.value == "defaults" and isinstance(value, yaml.SequenceNode)), None)
    found = []
    for item in listed.value if listed is not None else ():
        key, value = item.value[0] if isinstance(item, yaml.MappingNode) and item.value else (None, item)
        values = value.value if isinstance(value, yaml.SequenceNode) else [value]
        choices = [str(choice.value) for choice in values if isinstance(choice, yaml.ScalarNode)]
        found.append(Default(str(key.value) if key is not None else "", choices or [""], item.start_mark.line + 1))
    return found


def key_lines(node: Any, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """Line number, from 1, of every key below a YAML mapping node; a list is one value.

    A key that only holds further keys stands with an empty last part, so that it is not taken for the origin of what it does not set;
    one that is still to be given (`???`) with that as its last part.
    """
    lines: dict[tuple[str, ...], int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        path = (*prefix, str(key.value))
        if path != ("defaults",):
            holds_keys = isinstance(value, yaml.MappingNode)
            is_missing = isinstance(value, yaml.ScalarNode) and value.value == MISSING
            lines[(*path, "") if holds_keys else (*path, MISSING) if is_missing else path] = key.start_mark.line + 1
            lines.update(key_lines(value, path))
    return lines
