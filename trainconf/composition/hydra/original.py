"""Hydra's own machinery over the same folders: for its rarer flags, and for the tests that compare us with it.

This module knows nothing of trainconf's settings but that they are in the ConfigStore.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import __version__ as HYDRA_VERSION
from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from trainconf.composition.hydra.loader import hydras_plugins

# 1.4 has one behaviour, and warns when a base is named
VERSION_BASE: dict[str, Any] = {"version_base": "1.3"} if HYDRA_VERSION.startswith("1.3") else {}


class FurtherFolders(SearchPathPlugin):
    """Adds folders behind Hydra's one config folder, where `hydra.searchpath` would be too late: it is read from the primary config."""

    folders: Sequence[str] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for number, folder in enumerate(self.folders, start=1):
            search_path.append(f"trainconf-{number}", f"file://{folder}")


@contextmanager
def searching(dirs: Sequence[str]) -> Iterator[str]:
    """Make Hydra search all these folders, in this order; yields the first, which is the one to name to Hydra."""
    hydras_plugins().register(FurtherFolders)
    first, *FurtherFolders.folders = dirs
    try:
        yield first
    finally:
        FurtherFolders.folders = ()


def compose_by_hydra(dirs: Sequence[str], config_name: str, overrides: list[str]) -> DictConfig:
    """What `hydra.compose` makes of the words. Raises whatever Hydra raises."""
    GlobalHydra.instance().clear()
    with searching(dirs) as first, initialize_config_dir(first, **VERSION_BASE):
        return compose(config_name, overrides)
