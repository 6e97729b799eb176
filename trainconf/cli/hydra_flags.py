"""Hands Hydra's rarer flags (--cfg, --info, --hydra-help, --shell-completion) to `hydra.main`, over the same files and schemas."""

from __future__ import annotations

import os
import sys

from trainconf.paths import find_workspace
from trainconf.resolve.search import config_dirs


def run(words: list[str]) -> int:
    """Let Hydra answer; the exit code. On Python 3.14 this needs hydra-core 1.4."""
    import hydra
    from hydra.core.config_store import ConfigStore

    from trainconf import schema

    schema.register()
    ConfigStore.instance()
    first, *rest = config_dirs(find_workspace(os.getcwd()))
    version = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}
    search = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in rest)}]"] if rest else []
    before = sys.argv
    sys.argv = ["trainconf", *words, *search]
    try:
        hydra.main(config_path=first, config_name="config", **version)(_nothing)()
    finally:
        sys.argv = before
    return 0


def _nothing(_: object) -> None:
    """Every flag that comes here answers by itself."""
