"""`hydra/sweeper=trainconf`: the multirun of a Hydra app of somebody's own, as a sweep of trainconf.

An app over trainconf's config is composed by trainconf, as `trainconf -m` does. Of any other app each trial is a run of the app's script,
which gets the values as overrides: `python app.py lr=0.01 db=mysql`. `hydra.sweeper.words` has what is for trainconf and not for the app.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.launch import sweep
from trainconf.cli.screen.printer import printer
from trainconf.composition.hydra.settings import OURS
from trainconf.composition.plain.words import written
from trainconf.control.compose import ComposeRequest
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import is_inside, packaged
from trainconf.resolve.settings import nearest
from trainconf.sweeps.trials import OF_APP

MEANT = {name: ".".join(ours) for (*above, name), ours in OURS.items() if above == ["hydra", "sweeper"]}  # by every sweeper
INSTEAD = {
    "sampler": "sweep=random or sweep=bayes, and sweep.seed", "study_name": "a sweep has an id",
    "storage": "trainconf keeps a sweep's history",
}  # fmt: skip
SEARCHES = ("search_space", "custom_search_space", "parametrization")  # of another sweeper: they would change what is searched
PARAMS = re.compile(r"\bparams\b")
OUR_GROUPS = {"compute", "distributed", "env", "experiment_name", "sweep"}


class App(NamedTuple):
    """A Hydra app as its sweeper sees it. choices: of its groups. words, params, detach, of_another: what `hydra.sweeper` has."""

    name: str
    config_name: str
    config_dir: str | None
    config: Mapping[str, Any]
    choices: Mapping[str, Any]
    words: Sequence[str]
    params: Mapping[str, Any]
    detach: Any = None
    of_another: Mapping[str, Any] = {}


def run(app: App, arguments: Sequence[str]) -> int:
    """Submit the sweep and follow it, or return when detached; its exit code. `arguments` are the app's overrides."""
    if app.detach not in (True, False, None):
        raise ConfigError(f"hydra.sweeper.detach cannot be {app.detach!r}", ("allowed", "true, false, null"))
    app = app._replace(words=[*app.words, *([] if app.detach is None else [f"submit.detach={str(app.detach).lower()}"])])
    if app.config.keys() >= OUR_GROUPS:
        return sweep.run(ComposeRequest([*app.words, *arguments], app.config_name, app.config_dir))
    return sweep.run(ComposeRequest(words_of(app, arguments), "config", packaged("conf")))


def words_of(app: App, arguments: Sequence[str]) -> list[str]:
    """The words of a sweep whose trials are runs of the app's own script. Raises ConfigError."""
    parser = OverridesParser.create()
    fixed, searched, mistakes = [], dict(app.params), []
    for text in arguments:
        override = parser.parse_override(text)
        if not override.is_sweep_override():
            fixed.append(text)
        elif (why := _why_no_param(override)):
            mistakes.append(Mistake(
                f"trainconf cannot search {override.get_key_element()}", ("from", f"command line: {text}"), ("because", why),
            ))
        else:
            searched[str(override.key_or_group)] = text.partition("=")[2]
    if not searched.keys() & app.choices.keys():  # else it may be a key of one choice alone
        mistakes += [_unknown(app, key) for key in searched if not _has(app.config, key)]
    if mistakes:
        raise ConfigError(mistakes)
    params = [f"+params.{key}={text if isinstance(text, str) else written(text)}" for key, text in searched.items()]
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", app.name)
    fixed.append(OF_APP)  # of a trial, whatever the app's files say
    style = "hydra" if params or any(PARAMS.search(word) for word in app.words) else "none"  # of one job there is nothing to pass
    own = ["experiment=adhoc", f"experiment_name={written(name)}", "env=current", f"argument_style={style}", f"arguments={written(fixed)}"]
    return [*own, *_program(), *_of_another(app.of_another), *app.words, *params]


def _has(config: Any, key: str) -> bool:
    """Whether a trial may be given `key=value`: Hydra refuses what the app's config lacks."""
    for part in key.split("."):
        if not isinstance(config, Mapping) or "[" in part:
            return True
        if part not in config:
            return False
        config = config[part]
    return True


def _unknown(app: App, key: str) -> Mistake:
    above, _, last = key.rpartition(".")
    found: Any = app.config
    for part in filter(None, above.split(".")):
        found = found.get(part) if isinstance(found, Mapping) else None
    near = nearest(last, [str(name) for name in found or () if name != "hydra"])
    where = "hydra.sweeper.params" if key in app.params else "command line"
    return Mistake(f"trainconf cannot search {key}: the app's config has no such key", ("from", where),
                   *([("nearest", f"{above}.{near}" if above else near)] if near else []))


def _of_another(options: Mapping[str, Any]) -> list[str]:
    """What the options of another sweeper mean here; the rest is told. Raises ConfigError for those that would change what is searched."""
    given = {name: value for name, value in options.items() if value is not None}
    if refused := [name for name in SEARCHES if given.get(name)]:
        raise ConfigError(Mistake(f"hydra.sweeper.{name} is of another sweeper, and says what is searched",
                                  hint="write the keys in hydra.sweeper.params, or as words: lr=0.1,0.2") for name in refused)
    told = [(f"hydra.sweeper.{name}", INSTEAD.get(name, "it is of another sweeper")) for name in given if name not in MEANT]
    if told:
        printer.info(f"note: {Mistake('settings of another sweeper have no effect here', *told).render()}")
    return [f"{MEANT[name]}={written(str(value))}" for name, value in given.items() if name in MEANT]


def _why_no_param(override: Override) -> str:
    """Why a key cannot be one of a trial's params; "" when it can."""
    key = str(override.key_or_group)
    if override.type is not OverrideType.CHANGE:
        return f"each trial gets `{key}=value`: the key must be in the app's config, as `{key}: ???` at least"
    if override.package is not None or "/" in key:
        return "each trial gets `key=value`, and a param has no `/` or `@` in its name: search the group by a key at the top of the config"
    return ""


def _program() -> list[str]:
    """What starts the app once more: its script, or its module."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    file, root = os.path.realpath(str(main.__file__)), os.path.realpath(find_and_name_workspace().root)
    if spec is None:
        return [f"script={written(os.path.relpath(file, root))}"]
    folder = file
    for _ in spec.name.split("."):  # python -m package.app, which Python has found in the folder where it was started
        folder = os.path.dirname(folder)
    path = [f"+env.variables.PYTHONPATH={written(os.path.relpath(folder, root))}"] if folder != root and is_inside(folder, root) else []
    return [f"command={written(['python', '-m', spec.name.removesuffix('.__main__')])}", *path]
