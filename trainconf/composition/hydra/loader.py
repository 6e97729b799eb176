"""Hydra's own composition without what a launcher does not need: its `hydra/*` groups, the plugin scan, the slow YAML reader.

The defaults list, the merge and the override grammar are Hydra's; only the reader of files and the order of calls are ours, so
the result is the same as `hydra.compose` gives (a property test holds us to it). Works with hydra-core 1.3.8 and 1.4.
This module knows nothing of trainconf's settings.
"""

from __future__ import annotations

import copy
import os
import traceback
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
from trainconf.composition.hydra.yaml_files import ON_DISK, ConfigFiles, Default, File, defaults_in, key_lines
from trainconf.errors import ConfigError
from trainconf.resolve.search import has_foreign_plugins


class FileSource(FileConfigSource):
    """Reads config files with libyaml and remembers the line of every key."""

    def __init__(self, provider: str, path: str, files: ConfigFiles = ON_DISK) -> None:
        super().__init__(provider, path)
        self.read: dict[str, File] = {}
        self._files = files

    def is_config(self, config_path: str) -> bool:
        return self._files.is_file(self.path_of(config_path))

    def is_group(self, config_path: str) -> bool:
        return self._files.is_folder(os.path.realpath(os.path.join(self.path, config_path)))

    def path_of(self, config_path: str) -> str:
        """Where a config would be in this folder."""
        return os.path.normpath(os.path.join(self.path, self._normalize_file_name(config_path)))

    def load_config(self, config_path: str) -> ConfigResult:
        path = self.path_of(config_path)
        text, node, value = self._files.read(path)
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
            config = OmegaConf.create(_without_hydras_groups(value or {}, defaults, config_path))
        except RecursionError as error:
            raise ConfigError("a config file is nested without end", ("from", path)) from error
        except OmegaConfBaseException as error:
            line = lines.get(tuple(str(error.full_key or "").split(".")), "")
            raise ConfigError(
                "a config file holds what a config cannot", ("from", f"{path}:{line}".rstrip(":")), ("because", str(error).splitlines()[0])
            ) from error
        self.read[config_path] = File(path, config_path, lines, defaults)
        return ConfigResult(config=config, path=f"file://{self.path}", provider=self.provider, header=header)


def _without_hydras_groups(value: dict[Any, Any], defaults: list[Default], config_path: str) -> dict[Any, Any]:
    """The config without the entries of its defaults list that choose how Hydra itself behaves."""
    listed = value.get("defaults")
    if not isinstance(listed, list) or len(listed) != len(defaults):
        return value
    kept = [item for item, default in zip(listed, defaults, strict=True) if not is_hydras(default.group, config_path)]
    return value if len(kept) == len(listed) else {**value, "defaults": kept}


def is_hydras(group: str, config_path: str = "") -> bool:
    """Whether a config group is one of Hydra's own; `config_path` is the file that names it, for a group within that file's folder."""
    return group.lstrip("/").startswith("hydra/") or (config_path.startswith("hydra/") and group[:1] not in "/_")


class Repository(ConfigRepository):
    """Hydra's repository over sources made directly; the plugin registry is asked only for a scheme it alone knows."""

    def __init__(self, config_search_path: Any, files: ConfigFiles = ON_DISK) -> None:
        self._files = files
        super().__init__(config_search_path)

    def __deepcopy__(self, memo: Any) -> Repository:
        """A copy whose sources can be changed, which is what Hydra wants; copying all they hold takes a tenth of a composition."""
        made = copy.copy(self)
        made.sources = [copy.copy(source) for source in self.sources]
        for source in made.sources:
            if isinstance(source, FileSource):
                source.read = dict(source.read)
        return made

    def initialize_sources(self, config_search_path: Any) -> None:
        known: dict[str, Any] = {"file": FileSource, "structured": StructuredConfigSource, "pkg": ImportlibResourcesConfigSource}
        read = {source.path: source.read for source in getattr(self, "sources", ()) if isinstance(source, FileSource)}
        self.sources = []
        for element in config_search_path.get_path():
            scheme = self._get_scheme(element.path)
            if scheme not in known:
                from hydra._internal.sources_registry import SourcesRegistry

                hydras_plugins()
                known[scheme] = SourcesRegistry.instance().resolve(scheme)
            source = known[scheme](element.provider, element.path, *([self._files] if scheme == "file" else []))
            if isinstance(source, FileSource):
                source.read = read.get(source.path, {})  # the config that names the search path was read to know it
            self.sources.append(source)

    def get_schema_source(self) -> ConfigSource:
        """None has a schema: Hydra 1.3 would hold each file to what this process, a Hydra app maybe, has registered by its name."""
        source = StructuredConfigSource("schema", "structured://")
        source.store = store_of({})
        return source

    def load_config(self, config_path: str) -> ConfigResult | None:
        if schema.register_at(config_path):
            for source in self.sources:
                if isinstance(source, StructuredConfigSource):
                    source.store = ConfigStore.instance()  # else a copy, of before
        try:
            return super().load_config(config_path)
        except ValueError as error:  # a defaults list that is none
            files = [source for source in self.sources if isinstance(source, FileSource) and source.is_config(config_path)]
            place = files[0].path_of(config_path) if files else f"{config_path}.yaml"  # of an installed package
            raise ConfigError(str(error).splitlines()[0], ("from", place)) from error


class ConfigLoader(ConfigLoaderImpl):
    """Composes one config: the file `config_name` and what it leads to. `files` tells, in the order of merging, which files took part."""

    def __init__(self, dirs: list[str], config_name: str = "config", files: ConfigFiles = ON_DISK) -> None:
        self.dirs = dirs
        self.config_name = config_name
        self.config_files = files
        self.config_search_path = _search_path(dirs)
        self.repository = Repository(self.config_search_path, files)
        self._active_repository = None  # 1.4 looks at it
        self.files: list[File] = []
        self._parser = OverridesParser.create(config_loader=self)  # `glob` lists the choices of a group
        setup_globals()
        if HYDRA_VERSION.startswith("1.3"):
            hydra_version.setbase("1.3")  # 1.4 has one behaviour and warns when a base is named

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

    def plain_repository(self) -> CachingConfigRepository:
        """A repository for one composition that has no `hydra.searchpath`."""
        return CachingConfigRepository(self.repository)

    def caching_repository(self, overrides: list[Override]) -> CachingConfigRepository:
        """A repository for one composition, with `hydra.searchpath` applied."""
        repository = self.plain_repository()
        self._process_config_searchpath(self.config_name, overrides, repository)
        return repository

    def path_of(self, default: Any, repository: CachingConfigRepository) -> str:
        """The file of an entry of the defaults list; empty for what is no file."""
        source = next((source for source in repository.get_sources() if source.is_config(default.config_path)), None)
        return source.path_of(default.config_path) if isinstance(source, FileSource) else ""

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


def store_of(repo: dict[str, Any]) -> ConfigStore:
    """A store of configs beside the one that Hydra has for the whole process, which `ConfigStore()` always is."""
    store = object.__new__(ConfigStore)
    store.repo = repo
    return store


def register_resolver(name: str, function: Any) -> None:
    """Make `${name:...}` known to OmegaConf; 2.4 renamed the call and warns about the old one."""
    register = getattr(OmegaConf, "register_resolver", None)
    if register is None or not HYDRA_VERSION.startswith("1.4"):
        register = OmegaConf.register_new_resolver
    register(name, function, replace=True)


def hydras_plugins() -> Any:
    """Hydra's registry of plug-ins, which imports all of them. Raises ConfigError that names one that cannot be imported."""
    from hydra.core.plugins import Plugins

    try:
        return Plugins.instance()
    except Exception as error:  # of somebody's module: it may raise anything
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "hydra_plugins" in frame.filename]
        place = [("from", f"{frames[0].filename}:{frames[0].lineno}")] if frames else []
        raise ConfigError(
            f"a plug-in of Hydra's cannot be imported: {type(error).__name__}: {error}", *place,
            hint="every Hydra app of this environment imports it: uninstall its package, or mend it",
        ) from error


def _search_path(dirs: list[str]) -> ConfigSearchPathImpl:
    path = ConfigSearchPathImpl()
    for number, folder in enumerate(dirs):
        path.append("main" if number == 0 else f"trainconf-{number}", f"file://{folder}")
    if has_foreign_plugins():
        from hydra.plugins.search_path_plugin import SearchPathPlugin

        for plugin in hydras_plugins().discover(SearchPathPlugin):
            cast(SearchPathPlugin, plugin()).manipulate_search_path(path)
    path.append("schema", "structured://")
    return path
