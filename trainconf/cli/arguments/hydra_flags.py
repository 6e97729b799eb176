"""Hands Hydra's rarer flags (--cfg, --info, --hydra-help, --shell-completion) to `hydra.main`, over the same files and schemas."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from trainconf.cli.arguments.compose import split_places
from trainconf.control.compose import ComposeRequest
from trainconf.errors import ConfigError
from trainconf.paths import find_workspace
from trainconf.resolve.hydra_app import SEPARATOR
from trainconf.resolve.search import config_dirs


def run(argv: list[str]) -> int:
    """Let Hydra answer; the exit code. On Python 3.14 this needs hydra-core 1.4. Raises ConfigError."""
    if SEPARATOR in argv:
        raise ConfigError("a flag of Hydra's shows the config of trainconf, and words behind -- are of the app's",
                          hint="`trainconf config experiment=NAME -- WORDS` shows the app's config as params")
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from omegaconf.resolvers import oc

    from trainconf import plugins, schema
    from trainconf.composition.hydra import original
    from trainconf.composition.hydra.loader import register_resolver
    from trainconf.resolve import secrets

    schema.register()
    for name in plugins.offered():  # Hydra reads the store as it is now
        with suppress(ConfigError):  # one that is broken is not chosen, or Hydra says that it has no schema
            schema.register_at(f"schema/compute/{name}")
    register_resolver("secret", secrets.symbolic)
    register_resolver("oc.env", _without_credentials)
    places, argv = split_places(argv)
    request = ComposeRequest(**places)
    before, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["trainconf", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises then: else it prints a traceback for what is no mistake of its grammar
    try:
        with original.searching(config_dirs(find_workspace(os.getcwd()), request.config_dir)) as first:
            hydra.main(config_path=first, config_name=request.config_name, **original.VERSION_BASE)(_nothing)()
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        cause = f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
        first_line, _, rest = f"{error}{cause}".strip().expandtabs(4).partition("\n")
        more = [("Hydra says", rest.strip())] if rest.strip() else []
        raise ConfigError(first_line, ("from", f"command line: {' '.join(argv)}"), *more) from error
    except SystemExit as end:
        return 2 if end.code else 0  # Hydra has said why, and nothing but a user's mistake brings it there
    finally:
        sys.argv = before
        os.environ.pop("HYDRA_FULL_ERROR") if full_error is None else os.environ.update(HYDRA_FULL_ERROR=full_error)
        register_resolver("oc.env", oc.env)
    return 0


def _without_credentials(*arguments: str | None) -> str | None:
    """`${oc.env:NAME,DEFAULT}`, which answers with itself where a terminal or a log would show a credential."""
    from omegaconf.resolvers import oc

    from trainconf.resolve import secrets

    name = str(arguments[0]) if arguments else ""
    if name in os.environ and (secrets.looks_like_credential(name) or secrets.holds_credential(os.environ[name])):
        return f"${{oc.env:{name}}}"
    found: str | None = oc.env(*arguments)  # type: ignore[arg-type]
    return found


def _nothing(_: object) -> None:
    """Every flag that comes here answers by itself."""
