"""Overrides and files in, one typed and fully resolved config out, with the origin of every value.

Every mistake is collected, then raised at once. Interpolations are resolved here, exactly once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import yaml
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from trainconf import schema
from trainconf.composition import explain, values
from trainconf.composition.broken_defaults import BrokenDefaults
from trainconf.composition.change import made_anew, written
from trainconf.composition.hydra.loader import LeanLoader, is_hydras, register_resolver
from trainconf.composition.hydra.reads import Reads
from trainconf.composition.hydra.settings import OWN, HydraSettings
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve import secrets
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import DEFAULT, Origins, leaves
from trainconf.resolve.search import config_dirs, label
from trainconf.resolve.settings import Setting, settings


class Composition:
    """One composition in progress: what Hydra needs, what came out so far, and the mistakes met on the way."""

    def __init__(
        self, overrides: list[str], workspace: WorkspacePaths, config_dir: str | None, config_name: str, number: int = 0
    ) -> None:
        schema.register()
        self.words = overrides
        self.workspace = workspace
        self.config_name = config_name
        self.dirs = config_dirs(workspace, config_dir)
        self.loader = LeanLoader(self.dirs)
        self.origins = Origins()
        self.reads = Reads()
        self.hydra = HydraSettings(overrides, config_name, number)
        self.mistakes: list[Mistake] = []
        self.whole = True
        self.searched = False
        self.choices: dict[str, str] = {}
        self.cfg: DictConfig = OmegaConf.create()

    def run(self) -> None:
        """Compose; `cfg` is typed and holds unresolved interpolations afterwards. Raises ConfigError with all mistakes."""
        with self.recording():
            self._run()

    def recording(self) -> AbstractContextManager[None]:
        """Record what resolvers read, and answer `${hydra:...}`."""
        return self.reads.recording({"hydra": self.hydra.answer(self.cfg)})

    def _run(self) -> None:
        parsed = self.parse()
        repository = self.loader.caching_repository(self.config_name, parsed)
        self.searched = len(repository.get_sources()) > len(self.dirs) + 1
        parsed = self._without_hydras(parsed)
        parsed = explain.drop_unknown_choices(parsed, repository, self.mistakes)
        self.whole = not self.mistakes
        try:
            defaults = self.loader.defaults_list(self.config_name, parsed, repository)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError, ValueError, AssertionError) as error:
            self.refuse_exposed()
            broken = BrokenDefaults(error, self.loader.read(repository), parsed, self.dirs, self.workspace, self.config_name).told()
            raise ConfigError([*self.mistakes, broken]) from error
        except RecursionError as error:
            raise ConfigError("a defaults list includes itself without end", ("from", f"one of {' '.join(self.words)}")) from error
        known = defaults.overrides.known_choices
        self.choices = {str(group): explain.shown_choice(choice) for group, choice in known.items() if group[0] not in "./"}
        self.hydra.choices = self.choices
        self._merge(defaults.defaults, repository)
        if OmegaConf.get_type(self.cfg) is not schema.Config:
            raise ConfigError([*self.mistakes, explain.not_ours(self.config_name, self.dirs, self.workspace)])
        self._type_groups()
        OmegaConf.set_struct(self.cfg, True)
        self.apply(defaults.config_overrides)
        if self.mistakes and not self.whole:
            raise ConfigError(self.mistakes)  # with a choice or a word missing, more complaints would mislead

    def parse(self) -> list[Override]:
        parsed: list[Override] = []
        for word in self.words:
            try:
                override = self.loader.parse(self.config_name, [word])[0]
            except OverrideParseException as error:
                self.mistakes.append(explain.unreadable_word(word, explain.why_unreadable(word, error)))
                continue
            except HydraException as error:
                self.mistakes.append(Mistake(str(error).splitlines()[0], ("from", f"command line: {word[:200]}")))
                continue
            except ValueError:
                limit = sys.get_int_max_str_digits()
                self.mistakes.append(Mistake(f"no number may have more than {limit} digits", ("from", f"command line: {word[:200]}")))
                continue
            if not override.key_or_group:
                self.mistakes.append(explain.unreadable_word(word, "it names no key"))
            elif override.is_sweep_override():
                self.mistakes.append(explain.sweep_without_m(override))
            else:
                parsed.append(override)
        return parsed

    def _without_hydras(self, parsed: list[Override]) -> list[Override]:
        """The words without those about Hydra itself; each is told."""
        for override in parsed:
            if override.is_hydra_override() and override.value() != OWN:
                self.hydra.told(override.key_or_group, f"command line: {override.input_line}", self.mistakes)
        return [override for override in parsed if not override.is_hydra_override()]

    def _merge(self, defaults: list[Any], repository: Any) -> None:
        for default in defaults:
            try:
                loaded = self.loader.load(default, repository)
            except (HydraException, OmegaConfBaseException) as error:
                self.mistakes.append(Mistake(str(error).splitlines()[0], ("from", str(default.config_path))))
                continue
            homeless = self._note_files()
            if homeless is not None:
                self.mistakes.append(homeless)
                self.whole = False
                continue
            if isinstance(loaded.config, DictConfig) and "hydra" in loaded.config:
                loaded.config.pop("hydra")  # each of its settings is told by `_note_file`
            explain.merge(self.cfg, loaded.config, self.origins, self.mistakes)
        explain.strip_defaults(self.cfg)

    def _note_files(self) -> Mistake | None:
        """Note what the files just loaded set; a mistake for one whose group is no key of ours and that names no package."""
        homeless = None
        while self.loader.files:
            file = self.loader.files.pop()
            name = label(file.path, self.workspace)
            self.origins.add_file(name, file.package, file.lines)
            chosen = [(default.group.lstrip("/"), default.line) for default in file.defaults
                      if is_hydras(default.group) and default.choices != [OWN]]
            given = [(".".join(path), line) for path, line in file.lines.items() if path[0] == "hydra" and path[-1] and not file.package]
            for key, line in chosen + given:
                self.hydra.told(key, f"{name}:{line}", self.mistakes)
            if file.package and file.package == os.path.dirname(file.config_path).replace("/", ".") and self._is_no_setting(file.package):
                homeless = explain.no_package(name, min(file.lines.values(), default=1), file.package)
        return homeless

    def _is_no_setting(self, key: str) -> bool:
        return OmegaConf.get_type(self.cfg) is schema.Config and key.partition(".")[0] not in self.cfg

    def _type_groups(self) -> None:
        """Give a group's node its schema when its file forgot to name one."""
        for group in schema.GROUPS:
            node = explain.group_node(self.cfg, group)
            if not isinstance(node, DictConfig) or node._is_none():
                if "/" not in group:
                    self.mistakes.append(explain.no_choice(group, self.words, self.dirs, self._origin_of_group(group)))
            elif OmegaConf.get_type(node) is dict:
                self._type_group(group, node)

    def _origin_of_group(self, name: str) -> str:
        origin = self.origins.of(name)
        return "the defaults list" if origin == DEFAULT else origin

    def _type_group(self, group: str, node: DictConfig) -> None:
        key, known = schema.node_key(group), schema.GROUPS[group]
        wanted = schema.group_schema(group, node)
        if wanted is None:
            self.mistakes.append(Mistake(
                f"{group}={self.choices.get(group)} does not say its {known.kind_key}", ("from", self.origins.of_part(key)),
                ("allowed", f"a defaults list that starts with a shipped choice, such as {known.example}"),
            ))
            return
        OmegaConf.update(self.cfg, key, OmegaConf.structured(wanted), merge=False)
        given = OmegaConf.create()
        OmegaConf.update(given, key, node)
        explain.merge(self.cfg, given, self.origins, self.mistakes)

    def adopt_origins(self, recorded: dict[str, str]) -> None:
        """Start from origins that were recorded with a run."""
        for key, origin in recorded.items():
            if origin != DEFAULT:
                self.origins.add_recorded(key, origin)

    def set_here(self, key: str, value: Any) -> None:
        """A value of `conf/local.yaml`; settings of another choice than this config's are passed over."""
        source = label(os.path.join(self.workspace.conf, "local.yaml"), self.workspace)
        try:
            OmegaConf.update(self.cfg, key, value)
        except (ConfigKeyError, ConfigAttributeError):
            return
        except (OmegaConfBaseException, *explain.BELOW_AN_INTERPOLATION) as error:
            self.mistakes.append(Mistake(f"{key} cannot be {value!r}", ("from", source), ("because", str(error).splitlines()[0])))
            return
        self.origins.add_recorded(key, source)

    def apply(self, overrides: list[Override]) -> None:
        for override in overrides:
            if override.is_delete() and explain.is_setting(override.key_or_group, self.cfg):
                self.mistakes.append(explain.removed_setting(override))
                continue
            try:
                self.loader.apply([override], self.cfg)
            except (ConfigCompositionException, OmegaConfBaseException, *explain.BELOW_AN_INTERPOLATION) as error:
                self.mistakes.append(explain.refused_word(override, error, self.cfg, self.origins))
                continue
            if override.is_delete():
                self.origins.remove(override.key_or_group)
            else:
                self.origins.add_word(override.key_or_group, str(override.input_line), override.value())

    def finish(self, choices: dict[str, str], overrides: list[str]) -> Composed:
        """Resolve the typed config into plain values and check them. Raises ConfigError with all mistakes, earlier ones included."""
        register_resolver("secret", secrets.symbolic)
        raw = cast(dict[str, Any], OmegaConf.to_container(self.cfg, resolve=False))
        nodes = explain.group_types(self.cfg)
        mistakes = list(self.mistakes)
        with self.recording():
            config = values.resolve(self.cfg, self.origins, mistakes)
        self.refuse_exposed()
        mistakes += values.not_settings(config, nodes, self.origins)
        mistakes += self.wrong_values(config, settings(nodes))
        if mistakes:
            raise ConfigError(mistakes)
        found = self.origins.of_all(key for key, _ in leaves(config))
        reads = sorted(self.reads.env) if self.reads.is_repeatable and not self.searched else None
        return Composed(config, found, choices, overrides, reads, written(raw), self.hydra.notes)

    def wrong_values(self, config: dict[str, Any], known: dict[str, Setting]) -> list[Mistake]:
        """A mistake for every value that is out of range, and every secret that would be saved."""
        variables = config.get("env", {}).get("variables")
        return [
            *values.out_of_range(config, known, self.origins), *secrets.misplaced(leaves(config), self.origins.of),
            *secrets.literal(variables if isinstance(variables, dict) else {}, self.origins.of),
        ]

    def refuse_exposed(self) -> None:
        """Raise ConfigError if a credential was read as a value; what else is wrong is not told, for it may show that value."""
        exposed = secrets.exposed(self.reads.env, os.environ, self._origin_of_read)
        if exposed:
            raise ConfigError(exposed)

    def _origin_of_read(self, key: str, name: str) -> str:
        if key:
            return self.origins.of_part(key)
        read = ((file, default) for file in self.loader.read(self.loader.repository) for default in file.defaults)
        asking = [(file, default) for file, default in read if any("${" in choice for choice in default.choices)]
        exact = [(file, default) for file, default in asking if any(name in choice for choice in default.choices)] or asking
        return next((f"{label(file.path, self.workspace)}:{default.line}" for file, default in exact), "a defaults list")


def compose(
    overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config", number: int = 0,
) -> Composed:
    """Compose and resolve the config that `overrides` ask for. `number` is the trial's in its sweep.

    Raises ConfigError with every mistake: words that cannot be read, unknown groups, choices and keys, wrong types and ranges,
    values that are missing or do not resolve, secrets where they would be saved.
    """
    collecting = gc.isenabled()
    gc.disable()  # a composition makes thousands of nodes that all live to its end: 10 of 60 ms
    try:
        composition = Composition(overrides, workspace, config_dir, config_name, number)
        composition.run()
        return composition.finish(composition.choices, overrides)
    finally:
        if collecting:
            gc.enable()


def change(then: Composed, overrides: list[str], workspace: WorkspacePaths, *, machine: Mapping[str, Any] | None = None) -> Composed:
    """A recorded config under today's schemas, with values replaced; a setting that it does not know yet has its default.

    `machine`: what this machine says about settings that the record leaves open, by dotted key.
    Groups stay as they were chosen: choosing means composing anew. Raises ConfigError, also for a config that is damaged.
    """
    composition = Composition(overrides, workspace, None, "config")
    parsed = composition.parse()
    groups = [o for o in parsed if composition.loader.repository.group_exists(o.key_or_group)]
    composition.mistakes += [
        Mistake(f"{o.key_or_group} was chosen when the run was submitted", ("from", f"command line: {o.input_line}"),
                hint="other values can be given here; another choice is a new submission") for o in groups
    ]
    composition.cfg = _typed(then.config)
    OmegaConf.set_struct(composition.cfg, True)
    composition.adopt_origins(then.origins)
    for key, value in (machine or {}).items():
        composition.set_here(key, value)
    try:
        for key, value in made_anew(then.derived or {}, overrides, then.origins).items() if overrides else ():
            OmegaConf.update(composition.cfg, key, value, merge=False)
    except (OmegaConfBaseException, *explain.BELOW_AN_INTERPOLATION) as error:
        raise ConfigError("the recorded config is damaged, or was edited", ("because", str(error).splitlines()[0])) from error
    composition.apply([o for o in parsed if o not in groups])
    if groups:
        raise ConfigError(composition.mistakes)
    return composition.finish(then.choices, [*then.overrides, *overrides])


def _typed(config: dict[str, Any]) -> DictConfig:
    """A plain config under its schemas again. Raises ConfigError."""
    cfg = OmegaConf.structured(schema.Config)
    try:
        for group, node in schema.group_nodes(config).items():
            wanted, key = schema.group_schema(group, node), f"{schema.node_key(group)}.{schema.GROUPS[group].kind_key}"
            if wanted is None and group != "compute":  # whose launcher may be one that is not installed here
                raise LookupError(f"{key} cannot be {node.get(schema.GROUPS[group].kind_key)!r}")
            OmegaConf.update(cfg, schema.node_key(group), OmegaConf.structured(wanted) if wanted is not None else {}, merge=False)
        cfg.merge_with(_escaped(schema.without_retired(config)))
    except (OmegaConfBaseException, LookupError, AttributeError, TypeError) as error:
        raise ConfigError("the recorded config is damaged, or was edited", ("because", str(error).splitlines()[0])) from error
    return cast(DictConfig, cfg)


def _escaped(value: Any) -> Any:
    """Resolved text as OmegaConf must be given it, so that a literal `${...}` in it, such as a secret's name, is not resolved again."""
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, str) and "${" in value and not secrets.REFERENCE.search(value):
        return value.replace("${", "\\${")
    return value
