"""Hydra's own loader of configs, for an app that is not run: what only its code registers is left open, where Hydra would refuse it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from typing import Any

from hydra import __version__ as HYDRA_VERSION
from hydra import version as hydra_version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime, setup_globals
from hydra.errors import MissingConfigException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from trainconf.composition.app.source import UNSPECIFIED
from trainconf.composition.hydra.expressions import register
from trainconf.composition.hydra.loader import hydras_plugins, store_of

_OF_HYDRA = ("hydra", "_dummy_empty_config_.yaml")  # what of the ConfigStore is Hydra's own
_PER_APP = (GlobalHydra, HydraConfig, JobRuntime, hydra_version.VersionBase)


@contextmanager
def apart(job_name: str, version_base: Any) -> Iterator[None]:
    """Let Hydra be as in a process of the app's: no state of ours reaches the app's composition, and none of it stays.

    version_base: as `hydra.main` was given it, for Hydra 1.3.
    """
    import hydra.conf  # noqa: F401  # registers Hydra's own configs

    instances, resolvers = Singleton._instances, BaseContainer._resolvers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the app's own, which the job says
        hydras_plugins()
        store = store_of({name: node for name, node in ConfigStore.instance().repo.items() if name in _OF_HYDRA})
        Singleton._instances = {kind: one for kind, one in instances.items() if kind not in (*_PER_APP, ConfigStore)}
        Singleton._instances[ConfigStore] = store  # type: ignore[assignment]
        BaseContainer._resolvers = {name: found for name, found in resolvers.items() if name.startswith("oc.")}
        try:
            setup_globals()
            if HYDRA_VERSION.startswith("1.3"):
                hydra_version.setbase("1.1" if version_base is UNSPECIFIED else version_base)
            JobRuntime.instance().set("name", job_name)
            yield
        finally:
            Singleton._instances, BaseContainer._resolvers = instances, resolvers


class OpenSource(ConfigSource):
    """Has an empty config for each path that is left open."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self.paths: set[str] = set()
        self.groups: set[str] = set()  # which hold what has no name here
        self.loaded: list[str] = []

    def __deepcopy__(self, memo: object) -> OpenSource:
        return self  # Hydra copies its sources for each composition

    @staticmethod
    def scheme() -> str:
        return "open"

    def available(self) -> bool:
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        path = config_path.removesuffix(".yaml")
        if path not in self.loaded:
            self.loaded.append(path)
        return ConfigResult(config=OmegaConf.create(), path="open://", provider=self.provider, header={"package": None})

    def is_config(self, config_path: str) -> bool:
        return config_path.removesuffix(".yaml") in self.paths

    def is_group(self, config_path: str) -> bool:
        return config_path in self.groups or any(path.startswith(f"{config_path.rstrip('/')}/") for path in self.paths)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        start = f"{config_path}/" if config_path else ""
        return sorted({path[len(start):].partition("/")[0] for path in self.paths if path.startswith(start)})


class Repository(ConfigRepository):
    """Hydra's own, with one source more. `at`: the folder that relative folders of `hydra.searchpath` begin at, which is the job's own."""

    def __init__(self, search_path: Any, opened: OpenSource, at: str, script_folder: str) -> None:
        self._opened = opened
        self._at = at
        self._script_folder = script_folder
        super().__init__(search_path)

    def initialize_sources(self, config_search_path: Any) -> None:
        super().initialize_sources(config_search_path)
        for number, source in enumerate(self.sources):
            if source.scheme() == "file":  # whatever class: Hydra loads its own plug-ins apart from the import system
                source.path = os.path.normpath(os.path.join(self._at, source.path))
            elif source.scheme() == "pkg" and source.provider != "hydra" and (folder := self._own_package(source.path)):
                self.sources[number] = FileConfigSource(source.provider, f"file://{folder}")
        self.sources.insert(len(self.sources) - 1, self._opened)

    def _own_package(self, name: str) -> str:
        """The folder of a package of the app's own, which the job can import and this process cannot."""
        folder = os.path.join(self._script_folder, *name.replace("/", ".").split("."))
        is_installed = bool(name) and PathFinder.find_spec(name.partition(".")[0], [*filter(None, sys.path)]) is not None
        return folder if os.path.isdir(folder) and not is_installed else ""


class AppLoader(ConfigLoaderImpl):
    """Composes the app's config as Hydra does. `defaults` are the files of the last composition, in the order of merging.

    config_dir: a folder, `pkg://...`, or None for an app without configs of its own. opened: what is left open. To be used `apart`.
    """

    def __init__(self, config_dir: str | None, opened: OpenSource, at: str, script_folder: str) -> None:
        search_path = create_config_search_path(config_dir)
        super().__init__(search_path)
        self.opened = opened
        self.repository = Repository(search_path, opened, at, script_folder)
        self.defaults: Sequence[Any] = ()
        self.sources: Sequence[ConfigSource] = self.repository.get_sources()
        self._parser: OverridesParser | None = None

    def parse(self, text: str) -> Override:
        """One override, which may be searched. Raises HydraException, ValueError."""
        if self._parser is None:
            self._parser = register(OverridesParser.create(config_loader=self))
        return self._parser.parse_overrides([text])[0]

    def load(self, config_name: str | None, words: Sequence[str], may_be_open: Callable[[str], bool]) -> DictConfig:
        """The composed config, `hydra` included. Raises HydraException and what else Hydra raises."""
        while True:
            try:
                # a variable that Hydra shall copy may be one of the job's alone
                return self.load_configuration(config_name, [*words, "hydra.job.env_copy=[]"], RunMode.RUN, from_shell=False)
            except MissingConfigException as error:
                path = str(error.missing_cfg_file or "").removesuffix(".yaml")
                if not path or path in self.opened.paths or not may_be_open(path):
                    raise
                self.opened.paths.add(path)

    def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> DictConfig:
        self.defaults, self.sources = defaults, repo.get_sources()
        return super()._compose_config_from_defaults_list(defaults, repo)

    @property
    def absent_sources(self) -> list[str]:
        """Search paths that are not here."""
        return [f"{source.scheme()}://{source.path}" for source in self.sources if not source.available()]

    def choices(self, group: str) -> list[str]:
        """The choices of a group, which may be named with a package: `db@source`."""
        name = group.partition("@")[0]
        return self.get_group_options(name) if self.repository.group_exists(name) else []

    def all_groups(self) -> list[str]:
        """The app's groups, nested ones with their path; without Hydra's own."""
        found: list[str] = []
        below = [""]
        while below:
            parent = below.pop()
            for name in self.list_groups(parent):
                group = f"{parent}/{name}" if parent else name
                if group != "hydra" and group not in found:
                    found.append(group)
                    below.append(group)
        return sorted(found)
