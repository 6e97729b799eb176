"""A Hydra app as a job: which words it is started with, and how words for it are told from ours. Loads no Hydra."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def program_of(config: Mapping[str, Any]) -> str:
    """The script or the module of the app that a config names; empty where it names none, as one that was recorded before."""
    node = config.get("hydra_app")
    return str(node.get("script") or node.get("module") or "") if isinstance(node, dict) else ""


def module_file(config: Mapping[str, Any], source: str) -> str:
    """The file that `python -m MODULE` runs, relative to the folder of the code; empty where that has none.

    Python looks in the folder itself and then in PYTHONPATH, of which the parts count that are relative to it.
    """
    paths = str(config["env"]["variables"].get("PYTHONPATH", "")).split(os.pathsep)
    name = os.path.join(*str(config["hydra_app"]["module"]).split("."))
    for root in ("", *(path for path in paths if path and not os.path.isabs(path))):
        for end in (".py", os.path.join("", "__main__.py")):
            if os.path.isfile(os.path.join(source, root, name + end)):
                return os.path.normpath(os.path.join(root, name + end))
    return ""


def wrong_in_module(config: Mapping[str, Any], source: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the module of an app, and what to write."""
    module = str(config["hydra_app"]["module"])
    if config["hydra_app"]["script"]:
        yield "hydra_app.script and hydra_app.module are both given, and an app is started in one way", "take one away"
    if not module_file(config, source):
        first = module.partition(".")[0]
        near = next((name for name in sorted(os.listdir(source)) if os.path.exists(os.path.join(source, name, first))), "")
        where = f"`env: {{variables: {{PYTHONPATH: {near}}}}}` has Python look in {near}/"
        yield f"there is no module {module} in the source directory", where if near else "source_directory is the folder of the package"


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
