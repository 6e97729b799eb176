"""A Hydra app as a job: which words it is started with, and how words for it are told from ours. Loads no Hydra."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

SEPARATOR = "--"
PARAMS = "params."
CHOICE = "_choice"  # params.model_choice is the choice of the app's group `model`
FIXED = ("hydra.run.dir=outputs",)  # what the app writes is the run's
COMPAT = "hydra"  # trainconf/compat/hydra/path compares in the job what the app composes there


def split(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """The words before `--`, and those behind it, which are the app's."""
    texts = list(texts)
    place = texts.index(SEPARATOR) if SEPARATOR in texts else len(texts)
    return texts[:place], texts[place + 1:]


def joined(own: Sequence[str], words: Sequence[str]) -> list[str]:
    """What `split` has split."""
    return [*own, *([SEPARATOR, *words] if words else [])]


def script_of(config: Mapping[str, Any]) -> str:
    """The script of the app that a config names; empty where it names none. A config that was recorded before has no such key."""
    node = config.get("hydra_app")
    return str(node.get("script") or "") if isinstance(node, dict) else ""


def arguments(app: Mapping[str, Any]) -> tuple[str, ...]:
    """What the script of `hydra_app` is started with."""
    given = [f"--{name.replace('_', '-')}={app[name]}" for name in ("config_path", "config_name") if app.get(name) is not None]
    return (*given, *map(str, app["words"]), *FIXED)


def own_key(key: str) -> str:
    """The app's key that a param stands for: that of `params.optimizer.lr` is `optimizer.lr`; empty for a key that is no param."""
    return key[len(PARAMS):] if key.startswith(PARAMS) else ""


def split_params(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """The overrides that are no param's, and those of params as words of the app: `+params.lr=1` is `+lr=1`."""
    others: list[str] = []
    words: list[str] = []
    for text in texts:
        sign, bare = signed(text)
        if bare.startswith(PARAMS):
            words.append(sign + bare[len(PARAMS):])
        else:
            others.append(text)
    return others, words


def as_params(texts: Iterable[str]) -> list[str]:
    """Overrides in which the app's words are overrides of params: `-- model/head=a,b` is `params.model.head=a,b`."""
    own, words = split(texts)
    return [*own, *map(_as_param, words)]


def _as_param(word: str) -> str:
    sign, bare = signed(word)
    key, equals, value = bare.partition("=")
    return f"{sign}{PARAMS}{place_of(key)}{equals}{value}"


def place_of(key: str) -> str:
    """The dotted key at which what a word gives stands: `model.encoder` for `model/encoder`, `teacher` for `model@teacher`."""
    group, _, package = key.partition("@")
    return package.removeprefix("_global_").lstrip(".") or group.replace("/", ".")


def signed(text: str) -> tuple[str, str]:
    """The `+`, `++` or `~` of an override, and the rest of it."""
    bare = text.lstrip("+~")
    return text[: len(text) - len(bare)], bare
