"""Hydra's own composition without what a launcher does not need: its `hydra/*` groups, the plugin scan, the slow YAML reader.

The defaults list, the merge and the override grammar are Hydra's; only the reader of files and the order of calls are ours, so
the result is the same as `hydra.compose` gives (a property test holds us to it). Works with hydra-core 1.3.8 and 1.4.
This module knows nothing of trainconf's settings.
"""

from __future__ import annotations

import os
from typing import Any, cast

from hydra import __version__ as HYDRA_VERSION
from hydra import version as hydra_version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import setup_globals
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf import schema
from trainconf.composition.hydra.yaml_files import Default, File, defaults_in, key_lines, read_yaml
from trainconf.errors import ConfigError
from trainconf.resolve.search import has_foreign_plugins

if HYDRA_VERSION.startswith("1.3"):
    hydra_version.setbase("1.3")  # 1.4 has one behaviour and warns when a base is named


class FileSource(FileConfigSource):
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


class Repository(ConfigRepository):
    """Hydra's repository over sources made directly; the plugin registry is asked only for a scheme it alone knows."""

    def initialize_sources(self, config_search_path: Any) -> None:
        known: dict[str, Any] = {"file": FileSource, "structured": StructuredConfigSource, "pkg": ImportlibResourcesConfigSource}
        read = {source.path: source.read for source in getattr(self, "sources", ()) if isinstance(source, FileSource)}
        self.sources = []
        for element in config_search_path.get_path():
            scheme = self._get_scheme(element.path)
            if scheme not in known:
                from hydra._internal.sources_registry import SourcesRegistry
                from hydra.core.plugins import Plugins

                Plugins.instance()
                known[scheme] = SourcesRegistry.instance().resolve(scheme)
            source = known[scheme](element.provider, element.path)
            if isinstance(source, FileSource):
                source.read = read.get(source.path, {})  # the config that names the search path was read to know it
            self.sources.append(source)

    def load_config(self, config_path: str) -> ConfigResult | None:
        if schema.register_at(config_path):
            for source in self.sources:
                if isinstance(source, StructuredConfigSource):
                    source.store = ConfigStore.instance()  # else a copy, of before
        try:
            return super().load_config(config_path)
        except ValueError as error:  # a defaults list that is none
            raise ConfigError(str(error).splitlines()[0], ("from", f"{config_path}.yaml")) from error


class ConfigLoader(ConfigLoaderImpl):
    """Composes one config: the file `config_name` and what it leads to. `files` tells, in the order of merging, which files took part."""

    def __init__(self, dirs: list[str], config_name: str = "config") -> None:
        self.dirs = dirs
        self.config_name = config_name
        self.config_search_path = _search_path(dirs)
        self.repository = Repository(self.config_search_path)
        self._active_repository = None  # 1.4 looks at it
        self.files: list[File] = []
        self._parser = OverridesParser.create(config_loader=self)  # `glob` lists the choices of a group
        setup_globals()

    @property
    def has_aliases(self) -> bool:
        """Whether words stand for other words, as `hydra.aliases` of Hydra 1.4 says."""
        return hasattr(self, "get_override_aliases") and bool(self.get_override_aliases(self.config_name).targets)

    def parse(self, text: str) -> Override:
        """One override by Hydra's grammar. Raises OverrideParseException, HydraException, ValueError for a number of too many digits."""
        expanded = self.get_override_aliases(self.config_name).expand(text) if hasattr(self, "get_override_aliases") else text  # 1.4
        if "(" in expanded:
            from trainconf.composition.hydra.expressions import register

            register(self._parser)  # the functions of a search, which a single run has no use for
        override = self._parser.parse_overrides([expanded])[0]
        if expanded != text:
            override.original_input_line = text  # type: ignore[attr-defined]  # 1.4
        return override

    def caching_repository(self, overrides: list[Override]) -> CachingConfigRepository:
        """A repository for one composition, with `hydra.searchpath` applied."""
        repository = CachingConfigRepository(self.repository)
        self._process_config_searchpath(self.config_name, overrides, repository)
        return repository

    def defaults_list(self, overrides: list[Override], repository: CachingConfigRepository) -> Any:
        """Which files take part, by Hydra's rules. Raises ConfigCompositionException, MissingConfigException."""
        return create_defaults_list(
            repo=repository, config_name=self.config_name, overrides_list=overrides, prepend_hydra=False, skip_missing=False
        )

    def _load_single_config(self, default: Any, repo: Any) -> ConfigResult:
        result = super()._load_single_config(default, repo)
        for source in repo.get_sources():
            if isinstance(source, FileSource) and default.config_path in source.read and source.is_config(default.config_path):
                read = source.read[default.config_path]
                package = default.package if default.package is not None else result.header["package"]
                package = "" if package in (None, "_global_") else str(package)
                self.files.append(File(read.path, read.config_path, read.lines, read.defaults, package))
                break
        return result

    def read(self, repository: Any) -> list[File]:
        """Every file that was read for this composition, the last one first."""
        found = [file for source in repository.get_sources() if isinstance(source, FileSource) for file in source.read.values()]
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
