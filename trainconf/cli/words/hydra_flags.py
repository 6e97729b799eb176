"""Hands Hydra's rarer flags (--cfg, --info, --hydra-help, --shell-completion) to `hydra.main`, over the same files and schemas."""

from __future__ import annotations

import os
import sys

from trainconf.cli.words.composing import split_config_dir
from trainconf.errors import ConfigError
from trainconf.paths import find_workspace
from trainconf.resolve.search import config_dirs


def run(words: list[str]) -> int:
    """Let Hydra answer; the exit code. On Python 3.14 this needs hydra-core 1.4. Raises ConfigError."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from trainconf import schema
    from trainconf.composition import hydra_compose as stock
    from trainconf.composition.fast_compose import register_resolver
    from trainconf.resolve import secrets

    schema.register()
    register_resolver("secret", secrets.symbolic)
    config_dir, words = split_config_dir(words)
    before = sys.argv
    sys.argv = ["trainconf", *words]
    try:
        with stock.searching(config_dirs(find_workspace(os.getcwd()), config_dir)) as first:
            hydra.main(config_path=first, config_name="config", **stock.VERSION_BASE)(_nothing)()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(str(error).splitlines()[0], ("from", f"command line: {' '.join(words)}")) from error
    except SystemExit as end:
        return 2 if end.code else 0  # Hydra has said why, and nothing but a user's mistake brings it there
    finally:
        sys.argv = before
    return 0


def _nothing(_: object) -> None:
    """Every flag that comes here answers by itself."""
