"""Hydra's own composition without what a launcher does not need: its `hydra/*` groups, the plugin scan, the slow YAML reader.

The defaults list, the merge and the override grammar are Hydra's; only the reader of files and the order of calls are ours, so
the result is the same as `hydra.compose` gives (a property test holds us to it). Works with hydra-core 1.3.8 and 1.4.
This module knows nothing of trainconf's settings.
"""

from __future__ import annotations

import os
from itertools import count
from typing import Any, cast

import yaml
from hydra import __version__ as HYDRA_VERSION
from hydra import version as hydra_version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf import schema
from trainconf.errors import ConfigError
from trainconf.resolve.origins import MISSING
from trainconf.resolve.search import has_foreign_plugins

try:
    from omegaconf._yaml import get_yaml_loader  # omegaconf 2.4
except ImportError:
    from omegaconf._utils import get_yaml_loader  # omegaconf 2.3

if HYDRA_VERSION.startswith("1.3"):
    hydra_version.setbase("1.3")  # 1.4 has one behaviour and warns when a base is named


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


class Default:
    """One entry of a file's defaults list, as it is written: `key` is all before the colon, empty for a mere path; its line, from 1."""

    __slots__ = ("choices", "key", "line")

    def __init__(self, key: str, choices: list[str], line: int) -> None:
        self.key = key
        self.choices = choices
        self.line = line

    @property
    def group(self) -> str:
        """The group, or the path, without keywords and package."""
        return (self.key or self.choices[0]).split(" ")[-1].partition("@")[0]

    @property
    def is_override(self) -> bool:
        return "override" in self.key.split(" ")[:-1]


_order = count()


class File:
    """One config file that was read: its path, the line of each of its keys, its defaults list, and the package it was put under."""

    __slots__ = ("config_path", "defaults", "lines", "order", "package", "path")

    def __init__(
        self, path: str, config_path: str, lines: dict[tuple[str, ...], int], defaults: list[Default], package: str = "",
    ) -> None:
        self.path = path
        self.config_path = config_path
        self.lines = lines
        self.defaults = defaults
        self.package = package
        self.order = next(_order)


class LeanFileSource(FileConfigSource):
    """Reads config files with libyaml and remembers the line of every key."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self.read: dict[str, File] = {}

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._normalize_file_name(config_path)
        path = os.path.normpath(os.path.join(self.path, name))
        text, node, value = read_yaml(path)
        if value is not None and not isinstance(value, dict):
            raise ConfigError("a config file holds no mapping", ("from", f"{path}:{node.start_mark.line + 1}"), ("allowed", "key: value"))
        try:
            header = ConfigSource._get_header_dict(text[:512])
        except ValueError as error:
            raise ConfigError("a config file's header cannot be read", ("from", f"{path}:1"), ("because", str(error).splitlines()[0]),
                              ("allowed", "# @package _global_, or the name of a package")) from error
        lines: dict[tuple[str, ...], int] = {}
        try:
            lines = key_lines(node)
            defaults = defaults_in(node)
            config = OmegaConf.create(_without_hydras_groups(value or {}, defaults))
        except RecursionError as error:
            raise ConfigError("a config file is nested without end", ("from", path)) from error
        except OmegaConfBaseException as error:
            line = lines.get(tuple(str(error.full_key or "").split(".")), "")
            raise ConfigError(
                "a config file holds what a config cannot", ("from", f"{path}:{line}".rstrip(":")), ("because", str(error).splitlines()[0])
            ) from error
        self.read[config_path] = File(path, config_path, lines, defaults)
        return ConfigResult(config=config, path=f"file://{self.path}", provider=self.provider, header=header)


def read_yaml(path: str) -> tuple[str, Any, Any]:
    """A YAML file's text, node tree and value. Raises ConfigError with the line where it cannot be read."""
    try:
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
        raise ConfigError("a config file cannot be read", ("path", path), ("because", str(error))) from error
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


def _without_hydras_groups(value: dict[Any, Any], defaults: list[Default]) -> dict[Any, Any]:
    """The config without the entries of its defaults list that choose how Hydra itself behaves."""
    listed = value.get("defaults")
    if not isinstance(listed, list) or len(listed) != len(defaults):
        return value
    kept = [item for item, default in zip(listed, defaults, strict=True) if not is_hydras(default.group)]
    return value if len(kept) == len(listed) else {**value, "defaults": kept}


def is_hydras(group: str) -> bool:
    """Whether a config group is one of Hydra's own."""
    return group.lstrip("/").startswith("hydra/")


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


class LeanRepository(ConfigRepository):
    """Hydra's repository over sources made directly; the plugin registry is asked only for a scheme it alone knows."""

    def initialize_sources(self, config_search_path: Any) -> None:
        known: dict[str, Any] = {"file": LeanFileSource, "structured": StructuredConfigSource, "pkg": ImportlibResourcesConfigSource}
        self.sources = []
        for element in config_search_path.get_path():
            scheme = self._get_scheme(element.path)
            if scheme not in known:
                from hydra._internal.sources_registry import SourcesRegistry
                from hydra.core.plugins import Plugins

                Plugins.instance()
                known[scheme] = SourcesRegistry.instance().resolve(scheme)
            self.sources.append(known[scheme](element.provider, element.path))


    def load_config(self, config_path: str) -> ConfigResult | None:
        schema.register_offered(config_path)
        try:
            return super().load_config(config_path)
        except ValueError as error:  # a defaults list that is none
            raise ConfigError(str(error).splitlines()[0], ("from", f"{config_path}.yaml")) from error


class LeanLoader(ConfigLoaderImpl):
    """Composes one config. `files` tells, in the order of merging, which files took part."""

    def __init__(self, dirs: list[str]) -> None:
        self.config_search_path = _search_path(dirs)
        self.repository = LeanRepository(self.config_search_path)
        self._active_repository = None  # 1.4 looks at it
        self.files: list[File] = []
        setup_globals()

    def parse(self, config_name: str, overrides: list[str]) -> list[Override]:
        """The overrides by Hydra's grammar; 1.4 also knows aliases. Raises OverrideParseException."""
        if hasattr(ConfigLoaderImpl, "parse_overrides"):
            return list(getattr(self, "parse_overrides")(config_name, overrides))  # noqa: B009 (1.3 has no such method)
        return OverridesParser.create().parse_overrides(overrides=overrides)

    def parse_sweep(self, config_name: str, word: str) -> Override:
        """One override, which may list values, also by `glob` over a group's choices. Raises OverrideParseException, HydraException."""
        if hasattr(self, "get_override_aliases"):  # 1.4
            word = self.get_override_aliases(config_name).expand(word)
        return OverridesParser.create(config_loader=self).parse_overrides(overrides=[word])[0]

    def caching_repository(self, config_name: str, parsed: list[Override]) -> CachingConfigRepository:
        """A repository for one composition, with `hydra.searchpath` applied."""
        repository = CachingConfigRepository(self.repository)
        self._process_config_searchpath(config_name, parsed, repository)
        return repository

    def defaults_list(self, config_name: str, parsed: list[Override], repository: CachingConfigRepository) -> Any:
        """Which files take part, by Hydra's rules. Raises ConfigCompositionException, MissingConfigException."""
        return create_defaults_list(
            repo=repository, config_name=config_name, overrides_list=parsed, prepend_hydra=False, skip_missing=False
        )

    def _load_single_config(self, default: Any, repo: Any) -> ConfigResult:
        result = super()._load_single_config(default, repo)
        for source in repo.get_sources():
            if isinstance(source, LeanFileSource) and default.config_path in source.read and source.is_config(default.config_path):
                read = source.read[default.config_path]
                package = default.package if default.package is not None else result.header["package"]
                package = "" if package in (None, "_global_") else str(package)
                self.files.append(File(read.path, read.config_path, read.lines, read.defaults, package))
                break
        return result

    def read(self, repository: Any) -> list[File]:
        """Every file that was read for this composition, the last one first."""
        found = [file for source in repository.get_sources() if isinstance(source, LeanFileSource) for file in source.read.values()]
        return sorted(found, key=lambda file: file.order, reverse=True)

    def load(self, default: Any, repository: CachingConfigRepository) -> ConfigResult:
        """One file of the defaults list, under its package."""
        return self._load_single_config(default, repository)

    def apply(self, overrides: list[Override], cfg: DictConfig) -> None:
        """Set the values of overrides in `cfg`, in order. Raises ConfigCompositionException."""
        ConfigLoaderImpl._apply_overrides_to_config(overrides, cfg)


def register_resolver(name: str, function: Any) -> None:
    """Make `${name:...}` known to OmegaConf; 2.4 renamed the call and warns about the old one."""
    register = getattr(OmegaConf, "register_resolver", None)
    if register is None or not HYDRA_VERSION.startswith("1.4"):
        register = OmegaConf.register_new_resolver
    register(name, function, replace=True)


def _search_path(dirs: list[str]) -> ConfigSearchPathImpl:
    path = ConfigSearchPathImpl()
    for number, folder in enumerate(dirs):
        path.append("main" if number == 0 else f"trainconf-{number}", f"file://{folder}")
    if has_foreign_plugins():
        from hydra.core.plugins import Plugins
        from hydra.plugins.search_path_plugin import SearchPathPlugin

        for plugin in Plugins.instance().discover(SearchPathPlugin):
            cast(SearchPathPlugin, plugin()).manipulate_search_path(path)
    path.append("schema", "structured://")
    return path
