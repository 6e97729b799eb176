"""The argument list of a job, from its spec. Pure.

A script becomes `[python, script, *arguments, *params]`. A command stays as it is, followed by the same. A command that is one shell
string, `("sh", "-c", text)`, gets them as positional parameters: `"$@"` in the text stands for them, and no value is read as shell syntax.

    argument_style   params {lr: 0.1, optim: {name: sgd}, layers: [8, 4], amp: true, fast: false, seed: null}
    argparse         --lr 0.1 --optim.name sgd --layers 8 4 --amp            false and null are left out
    hydra            lr=0.1 optim.name=sgd layers=[8,4] amp=true fast=false seed=null
    none             nothing; the script reads TRAINCONF_PARAMS
"""

from __future__ import annotations

import math

from trainconf.errors import ConfigError, Mistake
from trainconf.fast.stdlib import json, re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.spec import RunSpec

_PLACEHOLDER = re.compile(r"\{inputs\.([^{}]+)\}")
# Names of params and keys of mappings. Hydra has no quotes for them, and reads some words as values.
_HYDRA_NAME = re.compile(r"(?ai)(?!(?:null|true|false|nan|inf)$)[a-z_][a-z0-9_-]*")


def argv(spec: RunSpec, python: str) -> list[str]:
    """What is executed. `python` is the interpreter of a script.

    `{inputs.<name>}` in an argument, in a command or in the value of a param becomes that input's path; other names stay.
    Raises ConfigError for names of params that Hydra's override grammar cannot express.
    """
    code = spec.code
    inputs = dict(code.inputs)
    if code.script:
        head = [python, f"./{code.script}" if code.script.startswith("-") else code.script]
    elif code.command[:2] == ("sh", "-c") and len(code.command) == 3:
        head = [*(_fill(word, inputs) for word in code.command), "sh"]  # the word after the text is $0
    else:
        head = [_fill(word, inputs) for word in code.command]
    return [*head, *(_fill(word, inputs) for word in code.arguments), *render_params(filled(spec.params, inputs), code.argument_style)]


def render_params(params: dict[str, Any], style: str) -> list[str]:
    """The params as arguments, in their order."""
    if style == "argparse":
        return [word for name, value in _leaves(params) for word in _argparse(name, value)]
    if style == "hydra":
        _refuse_unsupported_names(params)
        return [f"{name}={hydra_value(value)}" for name, value in _leaves(params)]
    return []


def _refuse_unsupported_names(params: dict[str, Any]) -> None:
    wrong = [name for name in _names(params) if not _HYDRA_NAME.fullmatch(name)]
    if wrong:
        raise ConfigError(
            Mistake(
                f"the param name {name!r} cannot be written in Hydra's override grammar",
                ("allowed", "letters, digits, _ and -, not beginning with a digit or -; not null, true, false, nan, inf"),
                hint="rename it, or use argument_style=none and read the file TRAINCONF_PARAMS",
            )
            for name in wrong
        )


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def hydra_value(value: Any) -> str:
    """A value in Hydra's override grammar; reading it back gives an equal value of the same type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _hydra_string(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra_value(item)}" for key, item in value.items()) + "}"
    return "[" + ",".join(map(hydra_value, value)) + "]"


def _hydra_string(text: str) -> str:
    """In single quotes, and with `${` escaped for OmegaConf.

    A backslash is an escape only in front of what it can escape: for Hydra a quote or the end, for OmegaConf `${`.
    """
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    body = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{body}'"


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


def _leaves(params: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not a (filled) mapping, with its dotted name."""
    for key, value in params.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _argparse(name: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{name}"]
    if isinstance(value, list):
        return [f"--{name}", *map(_word, value)]
    text = _word(value)
    # argparse reads a word that begins with a dash as an option, unless it looks like a number
    return [f"--{name}={text}"] if text.startswith("-") and isinstance(value, str) else [f"--{name}", text]


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _float(value)
    if type(value) is int:  # for which `json`, and `re` with it, need not be imported
        return str(value)
    return json.dumps(value)


def filled(value: Any, inputs: dict[str, str]) -> Any:
    """Params with the paths of the inputs that their texts name."""
    if isinstance(value, dict):
        return {key: filled(item, inputs) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, inputs) for item in value]
    return _fill(value, inputs) if isinstance(value, str) else value


def _fill(word: str, inputs: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: inputs.get(match[1], match[0]), word) if "{inputs." in word else word
