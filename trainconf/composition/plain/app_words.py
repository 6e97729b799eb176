"""Words for the Hydra app that a config names, told from overrides of ours. Loads no Hydra."""

from __future__ import annotations

from contextlib import suppress

from trainconf.errors import ConfigError
from trainconf.resolve.hydra_app import program_of, split_params

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from trainconf.resolve.composed import Composed

    Found = TypeVar("Found")


def beside_params(
    overrides: list[str], compose: Callable[[list[str]], Found], base: Callable[[Found], Composed]
) -> tuple[Found, list[str]]:
    """What `compose` makes of the overrides, and those that are for the Hydra app that its `base` names, without `params.`.

    The app alone knows whether it has the key of `params.lr=0.1`. Raises ConfigError.
    """
    try:
        return compose(overrides), []
    except ConfigError:
        own, of_app = split_params(overrides)
        found = None
        with suppress(ConfigError):  # the first mistakes are told
            found = compose(own) if of_app else None
        if found is None or not program_of(base(found).config):
            raise
        return found, of_app


def is_of_app(composed: Composed, words: Sequence[str]) -> bool:
    """Whether a config names a Hydra app. Raises ConfigError when there are words for one, and it names none."""
    is_named = bool(program_of(composed.config))
    if words and not is_named:
        raise ConfigError("what follows -- is for a Hydra app, and none is named", ("from", f"command line: -- {' '.join(words)}"),
                          hint="hydra_app.script=FILE names the file that has @hydra.main")
    return is_named
