"""Overrides, files and layers in, one typed and fully resolved config out, with the origin of every value.

All mistakes are collected and raised together. Interpolations are resolved here, exactly once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

import yaml
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf import schema
from trainconf.composition import explain, overrides, values
from trainconf.composition.aliases import Aliases, kinds
from trainconf.composition.broken_defaults import BrokenDefaults
from trainconf.composition.hydra.alone import without_collector
from trainconf.composition.hydra.kept import AskedFiles, Begun, Kept, copied
from trainconf.composition.hydra.loader import ConfigLoader, is_hydras, register_resolver
from trainconf.composition.hydra.reads import Reads
from trainconf.composition.hydra.settings import ACCEPTED, SPACE, HydraSettings, lines_with_ours, take
from trainconf.composition.hydra.yaml_files import ON_DISK, ConfigFiles, File
from trainconf.composition.layers import Layer, Literals
from trainconf.composition.merge import merge, strip_defaults, type_node
from trainconf.composition.own.groups import OwnGroups
from trainconf.composition.patch import OPEN_KEYS
from trainconf.errors import ConfigError, Mistake
from trainconf.fast.plain import PLAIN, not_plain
from trainconf.paths import WorkspacePaths
from trainconf.resolve import secrets
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import DEFAULT, Origins, leaves
from trainconf.resolve.search import config_dirs, groups, label, show_as_known
from trainconf.resolve.settings import Setting, settings


def compose(
    texts: Sequence[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    layers: Sequence[Layer] = (), files: ConfigFiles = ON_DISK,
) -> Composed:
    """Compose and resolve the config that overrides and layers ask for.

    Later values win: config files, then `layers` in their order, then overrides. A layer sets values; a config group is chosen by an
    override, such as `compute=docker`.

    Raises ConfigError with every mistake: overrides that cannot be read, unknown groups, choices and keys, wrong types and ranges,
    values that are missing or do not resolve, secrets where they would be saved.
    """
    with without_collector():
        asked = files if files.kept is None else AskedFiles(files)
        loader = ConfigLoader(config_dirs(workspace, config_dir), config_name, asked)
        composition = Composition(loader, workspace, layers=layers, kept=files.kept)
        composition.read(texts)
        composition.run()
        return composition.finish()


class Composition:
    """One composition in progress: what Hydra needs, what came out so far, and the mistakes met on the way.

    overrides: read already. literals: the texts of values that came from a program. number: the trial's in its sweep.
    """

    def __init__(
        self, loader: ConfigLoader, workspace: WorkspacePaths, given: Sequence[Override] = (), *, layers: Sequence[Layer] = (),
        literals: Literals | None = None, number: int = 0, kept: Kept | None = None,
    ) -> None:
        self.loader = loader
        self.workspace = workspace
        self.overrides = list(given)
        self.layers = layers
        self.literals = literals or Literals()
        self.number = number
        self.kept = kept
        self.origins = Origins()
        self.reads = Reads()
        self.mistakes: list[Mistake] = []
        self.choices: dict[str, str] = {}
        self.files: list[File] = []  # that were merged
        self.aliases = Aliases({})
        self.own = OwnGroups(workspace, self.origins)
        self.cfg: DictConfig = OmegaConf.create()
        self._is_whole = True  # nothing was left out because of a mistake
        self._is_searched = False  # hydra.searchpath leads to further folders

    @property
    def dirs(self) -> list[str]:
        """The folders that are searched for config files."""
        return self.loader.dirs

    @property
    def texts(self) -> list[str]:
        """The overrides as they were typed."""
        return [overrides.text_of(override) for override in self.overrides]

    @cached_property
    def hydra(self) -> HydraSettings:
        """What Hydra's own settings mean for these overrides."""
        return HydraSettings(self.texts, self.loader.config_name, self.number)

    def read(self, texts: Sequence[str]) -> None:
        """Take overrides as they were typed."""
        self.overrides = overrides.read(texts, self.loader, self.mistakes)

    def run(self) -> None:
        """Compose; `cfg` is typed and holds unresolved interpolations afterwards. Raises ConfigError with all mistakes."""
        begun = self.kept.find(self) if self.kept is not None and not self.mistakes else None
        if begun is not None:
            self.__dict__.update(begun.copied())
            self.own = OwnGroups(self.workspace, self.origins)
        with self._recording():
            self._run(begun)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Record what resolvers read, answer `${hydra:...}`, and tell mistakes with the texts of a program."""
        try:
            with self.reads.recording({"hydra": self.hydra.answer(self.cfg)}):
                yield
        except ConfigError as error:
            self.literals.show_in(list(error.mistakes))
            show_as_known(error.mistakes, self.workspace)
            raise ConfigError(error.mistakes) from error

    def forked(self, everything: Sequence[Override], applied: Sequence[Override], number: int) -> Composition:
        """This composition after `run`, with the values of a trial, on which nothing read until now depends. Raises ConfigError."""
        made = object.__new__(Composition)
        made.__dict__.update({**self.__dict__, **copied(self), "overrides": list(everything), "mistakes": [], "number": number})
        made.hydra.words, made.hydra.number = made.texts, number
        with made._recording():
            made.apply(applied)
        return made

    def _run(self, begun: Begun | None) -> None:
        if begun is not None:
            defaults, place, repository = begun.defaults, begun.place, self.loader.plain_repository()
        else:
            repository = self.loader.caching_repository(self.overrides)
            defaults, place = self._defaults(repository), 0
        known = defaults.overrides.known_choices
        self._merge_files(defaults, place, repository)
        strip_defaults(self.cfg)
        if OmegaConf.get_type(self.cfg) is not schema.Config:
            raise ConfigError([*self.mistakes, explain.not_ours(self.loader.config_name, self.dirs, self.workspace)])
        self._type_groups()
        self.own.type_all(self.cfg, self.files, known, self.mistakes)
        for layer in self.layers:
            self.merge_layer(layer)
        OmegaConf.set_struct(self.cfg, True)
        self.apply(self.aliases.of_words(defaults.config_overrides, self.mistakes))
        if self.mistakes and not self._is_whole:
            raise ConfigError(self.mistakes)  # with a choice or an override missing, more complaints would mislead

    def _defaults(self, repository: Any) -> Any:
        """Which files take part, and what they choose. Raises ConfigError."""
        self._is_searched = len(repository.get_sources()) > len(self.dirs) + 1
        given = overrides.without_hydras(self.overrides, self.hydra, self.mistakes)
        given = overrides.without_unknown_choices(given, repository, self.mistakes)
        self._is_whole = not self.mistakes
        try:
            defaults = self.loader.defaults_list(given, repository)
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError, ValueError, AssertionError) as error:
            self.refuse_exposed()
            read = self.loader.read(repository)
            broken = BrokenDefaults(error, read, given, self.dirs, self.workspace, self.loader.config_name).mistake()
            raise ConfigError([*self.mistakes, broken]) from error
        except RecursionError as error:
            raise ConfigError("a defaults list includes itself without end", ("from", f"one of {' '.join(self.texts)}")) from error
        known = defaults.overrides.known_choices
        self.choices = {str(group): explain.shown_choice(choice) for group, choice in known.items() if group[0] not in "./"}
        self.hydra.choices = self.choices
        self.aliases = Aliases(kinds(defaults.defaults))
        return defaults

    def _merge_files(self, defaults: Any, place: int, repository: Any) -> None:
        """Merge the files of a defaults list, from one on."""
        of_edited = -1
        if self.kept is not None and place == 0 and not (self.mistakes or self.layers or self._is_searched or self.reads.has_read_outside):
            of_edited = self.kept.place_of(defaults.defaults, self.loader, repository)
        for number, default in enumerate(defaults.defaults[place:], place):
            if self.kept is not None and number == of_edited and not self.mistakes:
                self.kept.keep(self, defaults, number, self.loader.path_of(default, repository))
            try:
                loaded = self.loader.load(default, repository)
            except (HydraException, OmegaConfBaseException) as error:
                self.mistakes.append(Mistake(str(error).splitlines()[0], ("from", str(default.config_path))))
                continue
            homeless = self._note_files()
            if homeless is not None:
                self.mistakes.append(homeless)
                self._is_whole = False
                continue
            if isinstance(loaded.config, DictConfig) and "hydra" in loaded.config:
                take(loaded.config)  # `_note_files` has judged each setting of Hydra's
            self.aliases.of_file(loaded.config, self.origins, self.mistakes)
            merge(self.cfg, loaded.config, self.origins, self.mistakes)

    def _note_files(self) -> Mistake | None:
        """Note what the files just loaded set; a mistake for one whose group is no key of ours and that names no package."""
        homeless = None
        while self.loader.files:
            file = self.loader.files.pop()
            self.files.append(file)
            name = label(file.path, self.workspace)
            above = tuple(file.package.split(".")) if file.package.partition(".")[0] == "hydra" else ()  # conf/hydra/default.yaml
            lines = {(*above, *path): line for path, line in file.lines.items()}
            self.origins.add_file(name, "" if above else file.package, lines_with_ours(lines))
            chosen = [("hydra/" * (not is_hydras(default.group)) + default.group.lstrip("/"), default.line) for default in file.defaults
                      if is_hydras(default.group, file.config_path) and default.choices[0] not in ACCEPTED]
            given = [(".".join(path), line) for path, line in lines.items()
                     if path[0] == "hydra" and path[-1] and path[:3] != SPACE and (above or not file.package)]
            for key, line in chosen + given:
                self.hydra.judge(key, f"{name}:{line}", self.mistakes)
            of_group = os.path.dirname(file.config_path).replace("/", ".")
            if file.package and file.package == of_group and not above and self._is_no_setting(file.package):
                homeless = explain.no_package(name, min(file.lines.values(), default=1), file.package)
        return homeless

    def _is_no_setting(self, key: str) -> bool:
        return OmegaConf.get_type(self.cfg) is schema.Config and key.partition(".")[0] not in self.cfg

    def _type_groups(self) -> None:
        """Give a group's node its schema when its file forgot to name one."""
        for group in schema.GROUPS:
            node = values.group_node(self.cfg, group)
            if not isinstance(node, DictConfig) or node._is_none():
                if "/" not in group:
                    self.mistakes.append(explain.no_choice(group, self.texts, self.dirs, self._origin_of_group(group)))
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
        type_node(self.cfg, key, wanted, self.origins, self.mistakes)

    def merge_layer(self, layer: Layer) -> None:
        """Merge the values of a program, exactly as they are unless they are written as in a config file."""
        wrong = [Mistake(f"{key} cannot be {problem}", ("from", layer.source), ("allowed", PLAIN))
                 for key, problem in not_plain(layer.values, "")]
        if wrong:
            self.mistakes += wrong
            return
        for key, value in leaves(layer.values):
            self.origins.add_value(key, layer.source, value)
        given = dict(layer.values) if layer.is_config else self.literals.hide(layer.values)
        config = OmegaConf.create(given)
        self.aliases.of_file(config, self.origins, self.mistakes)
        merge(self.cfg, config, self.origins, self.mistakes)

    def apply(self, given: Sequence[Override]) -> None:
        """Set what overrides say, in order."""
        for override in given:
            if override.is_delete() and explain.is_setting(override.key_or_group, self.cfg):
                self.mistakes.append(explain.removed_setting(override))
                continue
            unknown = self._unknown_group(override)
            if unknown is not None:
                self.mistakes.append(unknown)
                continue
            try:
                self.loader.apply([override], self.cfg)
            except (ConfigCompositionException, OmegaConfBaseException, *explain.BELOW_NO_MAPPING) as error:
                self.mistakes.append(explain.refused_override(override, error, self.cfg, self.origins))
                continue
            if override.is_delete():
                self.origins.remove(override.key_or_group)
            else:
                self.origins.add_value(override.key_or_group, f"command line: {override.input_line}", override.value())

    def _unknown_group(self, override: Override) -> Mistake | None:
        """A mistake for a key that is nothing here, and near a config group."""
        is_one = "." not in override.key_or_group and override.key_or_group not in self.cfg
        return explain.unknown_group(override, self.cfg, self.choices, groups(self.dirs)) if is_one else None

    def finish(self) -> Composed:
        """Resolve the typed config into plain values and check them. Raises ConfigError with all mistakes, earlier ones included."""
        register_resolver("secret", secrets.symbolic)
        raw = cast(dict[str, Any], OmegaConf.to_container(self.cfg, resolve=False))
        nodes = {**values.group_types(self.cfg), **self.own.types}
        with self._recording():
            config = self.literals.show(values.resolve(self.cfg, self.origins, self.mistakes))
            self.refuse_exposed()
            self.mistakes += values.not_settings(config, nodes, self.origins)
            self.mistakes += self.wrong_values(config, settings(nodes))
            if self.mistakes:
                raise ConfigError(self.mistakes)
        found = self.origins.of_all(key for key, _ in leaves(config))
        reads = sorted(self.reads.env) if self.reads.is_repeatable and not self._is_searched else None
        derived = self.literals.show(written(raw))
        return Composed(
            config, found, self.choices, self.texts, reads, derived, [*self.hydra.notes, *self.aliases.notes], bound=self._bound(),
            config_name=self.loader.config_name, layers=self.layers,
        )  # fmt: skip

    def _bound(self) -> list[str] | None:
        """See `Composed.bound`."""
        if not self.reads.is_repeatable or self.loader.has_aliases:
            return None
        if "" in self.reads.keys:
            return [*OPEN_KEYS]  # the whole config was read
        first_parts = {key: key.partition("[")[0].partition(".")[0] for key in self.reads.keys}
        read = {values.present(self.cfg, key) for key, first in first_parts.items() if first in OPEN_KEYS}
        types = {"params": Any, "tags": str}
        return [*sorted(read), *(key for name, of in types.items() for key in values.typed_keys(self.cfg._get_node(name), name, of))]

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


def written(raw: dict[str, Any]) -> dict[str, Any]:
    """Of an unresolved config the leaves that refer to something, by dotted key."""
    return {key: value for key, value in leaves(raw) if "${" in secrets.REFERENCE.sub("", str(value))}
