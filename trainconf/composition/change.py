"""A recorded config with other values: the record is a layer over today's schemas, and overrides are applied to it.

Values that were made of others are recorded as they were written. Those whose answer depends on the config alone are made again; what
read an environment variable or a clock keeps its recorded value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from trainconf import schema
from trainconf.composition.aliases import Aliases
from trainconf.composition.compose import Composition
from trainconf.composition.explain import BELOW_NO_MAPPING
from trainconf.composition.hydra.alone import without_collector
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.layers import Layer
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import DEFAULT, leaves
from trainconf.resolve.search import config_dirs, label

_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")
_OF_THE_CONFIG = {"oc.select", "oc.decode", "oc.create", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "secret"}


def change(then: Composed, texts: list[str], workspace: WorkspacePaths, *, machine: Mapping[str, Any] | None = None) -> Composed:
    """A recorded config under today's schemas, with values replaced; a setting that it does not know yet has its default.

    `machine`: what this machine says about settings that the record leaves open, by dotted key.
    Groups stay as they were chosen: choosing means composing anew. Raises ConfigError, also for a config that is damaged.
    """
    with without_collector():
        return _changed(then, texts, workspace, machine)


def _changed(then: Composed, texts: list[str], workspace: WorkspacePaths, machine: Mapping[str, Any] | None) -> Composed:
    composition = _recorded(then, workspace)
    composition.read(texts)
    groups = [override for override in composition.overrides if composition.loader.repository.group_exists(override.key_or_group)]
    for key, value in (machine or {}).items():
        _set_by_machine(composition, key, value)
    try:
        for key, value in made_anew(then.derived or {}, texts, then.origins).items() if texts else ():
            OmegaConf.update(composition.cfg, key, value, merge=False)
    except (OmegaConfBaseException, *BELOW_NO_MAPPING) as error:
        raise _damaged(str(error).splitlines()[0]) from error
    given = [override for override in composition.overrides if override not in groups]
    composition.apply(composition.aliases.of_words(given, composition.mistakes))
    if groups:
        composition.literals.show_in(composition.mistakes)
        raise ConfigError([*composition.mistakes, *(
            Mistake(f"{override.key_or_group} was chosen when the run was submitted", ("from", f"command line: {override.input_line}"),
                    hint="other values can be given here; another choice is a new submission") for override in groups
        )])  # fmt: skip
    changed = composition.finish()
    changed.choices, changed.overrides = then.choices, [*then.overrides, *texts]
    changed.config_name, changed.folder, changed.layers = then.config_name, then.folder, then.layers
    return changed


def _recorded(then: Composed, workspace: WorkspacePaths) -> Composition:
    """A composition that has come as far as the record. Raises ConfigError."""
    composition = Composition(ConfigLoader(config_dirs(workspace)), workspace)
    composition.cfg = _schemas(then.config)
    composition.merge_layer(Layer("the record", schema.without_retired(then.config)))
    if composition.mistakes:
        raise _damaged(composition.mistakes[0].what)
    nodes = schema.group_nodes(then.config)
    composition.aliases = Aliases({"compute": str(nodes["compute"].get("target")), "distributed": str(nodes["distributed"].get("kind"))})
    for group, choice in then.choices.items():
        composition.cfg = composition.own.type_recorded(composition.cfg, group, choice, composition.loader)
    OmegaConf.set_struct(composition.cfg, True)
    composition.origins.replace({key: origin for key, origin in then.origins.items() if origin != DEFAULT})
    return composition


def _schemas(config: dict[str, Any]) -> DictConfig:
    """The schemas of the groups that a plain config has chosen. Raises ConfigError."""
    cfg = OmegaConf.structured(schema.Config)
    try:
        for group, node in schema.group_nodes(config).items():
            wanted, key = schema.group_schema(group, node), f"{schema.node_key(group)}.{schema.GROUPS[group].kind_key}"
            if wanted is None and group != "compute":  # whose launcher may be one that is not installed here
                raise LookupError(f"{key} cannot be {node.get(schema.GROUPS[group].kind_key)!r}")
            OmegaConf.update(cfg, schema.node_key(group), OmegaConf.structured(wanted) if wanted is not None else {}, merge=False)
    except (OmegaConfBaseException, LookupError, AttributeError, TypeError) as error:
        raise _damaged(str(error).splitlines()[0]) from error
    return cast(DictConfig, cfg)


def _damaged(because: str) -> ConfigError:
    return ConfigError("the recorded config is damaged, or was edited", ("because", because))


def _set_by_machine(composition: Composition, key: str, value: Any) -> None:
    """Set a value of `conf/local.yaml`; settings of another choice than this config's are passed over."""
    source = label(os.path.join(composition.workspace.conf, "local.yaml"), composition.workspace)
    try:
        OmegaConf.update(composition.cfg, key, value)
    except (ConfigKeyError, ConfigAttributeError):
        return
    except (OmegaConfBaseException, *BELOW_NO_MAPPING) as error:
        because = ("because", str(error).splitlines()[0])
        composition.mistakes.append(Mistake(f"{key} cannot be {value!r}", ("from", source), because))
        return
    composition.origins.add_recorded(key, source)


def made_anew(derived: dict[str, Any], texts: list[str], origins: dict[str, str]) -> dict[str, Any]:
    """Those that are made again: they depend on the config alone, and no override says otherwise."""
    keys = [word.lstrip("+~").partition("=")[0] for word in texts]
    return {
        key: value for key, value in derived.items()
        if _depends_on_config(value) and not any(_overlap(key, other) for other in keys) and not _typed_elsewhere(key, origins)
    }


def kept(derived: dict[str, Any], anew: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Keys that kept their value although something their text names has changed."""
    old, new = dict(leaves(before)), dict(leaves(after))
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    names = {key.rpartition(".")[2] for key in changed}
    return [key for key, value in derived.items() if key not in anew and key not in changed and names & set(re.findall(r"\w+", str(value)))]


def _depends_on_config(value: Any) -> bool:
    return set(_RESOLVER.findall(str(value))) <= _OF_THE_CONFIG


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _typed_elsewhere(key: str, origins: dict[str, str]) -> bool:
    """Whether it is a path of a command line, which began at the folder of its shell."""
    return key.startswith("inputs.") and origins.get(key, "").startswith("command line")
