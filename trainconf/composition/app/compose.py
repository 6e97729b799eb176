"""Composes the config of a Hydra app by Hydra, without running any of its code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf.composition import explain
from trainconf.composition.app import told
from trainconf.composition.app.as_words import AsWords
from trainconf.composition.app.loader import AppLoader, OpenSource, apart
from trainconf.composition.app.source import Registered, find_place, refuse_relative_imports, registered
from trainconf.composition.app.told import Word
from trainconf.composition.app.values import params_of
from trainconf.composition.hydra.alone import without_collector
from trainconf.composition.hydra.yaml_files import key_lines, read_yaml
from trainconf.composition.sweep.request import Words, read_words
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import is_inside
from trainconf.resolve.hydra_app import CHOICE, PARAMS, place_of
from trainconf.resolve.origins import Origins, leaves

_TOP = PARAMS.rstrip(".")
_REFUSALS = (HydraException, OmegaConfBaseException, ValueError, AssertionError, TypeError, AttributeError, KeyError, OSError)


class Found(NamedTuple):
    """An app's config as params. origins: by the dotted keys of params. words: what the app is started with."""

    params: dict[str, Any]
    origins: dict[str, str]
    words: list[str]
    notes: list[str]


class HydraApp:
    """An app, ready to be composed with words.

    source: the folder that travels. script: relative to it. node: the setting `hydra_app`. label: names a file in messages. origin: says
    where a setting stands. Raises ConfigError that says what to write.
    """

    def __init__(
        self, source: str, script: str, node: Mapping[str, Any], label: Callable[[str], str], origin: Callable[[str], str]
    ) -> None:
        path = os.path.join(source, script)
        self._source = source
        self._label = label
        self._node = node
        started_as = "module" if node.get("module") else "script"
        if started_as == "script":
            refuse_relative_imports(path, script, label(path))
        self._place = find_place(path, node.get("config_path"), node.get("config_name"), label(path), origin(f"hydra_app.{started_as}"))
        self._folder = os.path.dirname(path)
        self._dir = self._config_dir(origin("hydra_app.config_path"))
        self._registered: Registered | None = None
        self._opened = OpenSource("trainconf", "open://")
        self._made: AppLoader | None = None
        self._as_words: AsWords | None = None
        self._tree_of_files: Any = None  # without any word

    def _config_dir(self, origin: str) -> str | None:
        """The folder of the app's configs. Raises ConfigError for one that would not travel, or is not there."""
        path = self._place.config_path
        source = origin if self._node.get("config_path") is not None else self._label(self._place.script)
        if path is None or path.startswith("pkg://"):
            name = (path or "").removeprefix("pkg://")
            own = os.path.join(self._folder, *name.replace("/", ".").split("."))
            return own if name and os.path.isdir(own) else path
        folder = os.path.normpath(os.path.join(self._folder, path))
        if os.path.isabs(path) or not is_inside(os.path.realpath(folder), os.path.realpath(self._source)):
            raise ConfigError(
                f"the app's config_path {path!r} is outside the source directory, so it would not travel", ("from", source),
                ("folder", folder), ("source_directory", self._source),
                hint="set source_directory to a folder that holds both, and write the path relative to the script",
            )
        if not os.path.isdir(folder):
            raise ConfigError(f"the app's config_path {path!r} is no folder", ("from", source), ("path", folder),
                              hint="config_path is relative to the folder of the script, as in @hydra.main")
        return folder

    def compose(
        self, words: Sequence[Word], values: Mapping[str, Any] | None = None, source: Callable[[str, str], str] = lambda key, text: text,
        typed: Mapping[str, str] | None = None,
    ) -> Found:
        """The config that words ask for. `values` of its keys, and choices of its groups, come after them.

        A key need not be in the app's files. source: says where a value stands, by its key and the word that it becomes.
        typed: what the words of some values begin with, such as `+db@source`; such a key, and what it says of the files, must be right.
        Raises ConfigError with all mistakes.
        """
        with self._apart():
            self._loader()
            assert self._as_words is not None
            return self._composed([*words, *self._as_words.of_values(values or {}, words, source, typed or {})])

    def words_of_params(self, texts: Sequence[str], words: Sequence[Word]) -> list[str]:
        """Overrides of params, without `params.`, as words; `words` come before them. Raises ConfigError with all mistakes."""
        if not texts:
            return []
        with self._apart():
            self._loader()
            assert self._as_words is not None
            return self._as_words.of_texts(texts, words)

    def searched(self, words: Sequence[str]) -> Words:
        """What words say of which some vary. Raises ConfigError with all mistakes."""
        with self._apart():
            return read_words(words, self._loader())

    def choices(self, group: str) -> list[str]:
        """The choices of a group."""
        with self._apart():
            return self._loader().choices(group)

    def known_keys(self) -> list[str]:
        """The dotted keys of the app's config that hold a value, and its groups."""
        with self._apart():
            cfg = self._load([])
            tree = OmegaConf.to_container(cfg, resolve=False)
            found = [key for key, _ in leaves(tree) if key.partition(".")[0] != "hydra"] if isinstance(tree, dict) else []
            packaged = sorted(group for group in map(str, cfg.hydra.runtime.choices) if "@" in group and not group.startswith("hydra/"))
            return [*self._loader().all_groups(), *packaged, *found]

    @contextmanager
    def _apart(self) -> Iterator[None]:
        with without_collector(), apart(os.path.splitext(os.path.basename(self._place.script))[0], self._place.version_base):
            yield

    def _loader(self) -> AppLoader:
        if self._made is None:
            self._registered = registered(self._source)
            self._opened.paths |= self._registered.paths
            self._opened.groups |= self._registered.groups
            self._made = AppLoader(self._dir, self._opened, self._source, self._folder)
            self._as_words = AsWords(self._made, lambda words: self._merged(_last_of_each(words))[0], self._is_for_the_job)
        return self._made

    def _may_be_open(self, path: str) -> bool:
        """Whether a config that is no file may be one that the app's code, or what is not here, brings."""
        named = any(path == name or path.startswith(f"{name}/") for name in self._node.get("registered") or ())
        is_elsewhere = self._made is not None and bool(self._made.absent_sources)
        is_open = self._registered is not None and self._registered.is_open
        return named or is_open or is_elsewhere or path.startswith("hydra/") or (self._dir is None and "/" not in path)

    def _load(self, words: Sequence[Word]) -> DictConfig:
        return self._loader().load(self._place.config_name, [word.text for word in words], self._may_be_open)

    def _merged(self, words: Sequence[Word]) -> tuple[DictConfig, Sequence[Word], Sequence[Word]]:
        """The config, the words that took part, and those that are left to the job. Raises ConfigError with all mistakes."""
        self._refuse_unreadable(words)
        self._opened.loaded.clear()
        if self._registered is not None and self._registered.is_open:  # a key with a slash is no value's
            self._opened.groups |= {group for group in (word.key.partition("@")[0] for word in words) if "/" in group}
        try:
            return self._load(words), words, ()
        except _REFUSALS as error:
            return self._one_by_one(words, error)

    def _composed(self, words: Sequence[Word]) -> Found:
        words = _last_of_each(words)
        cfg, kept, left = self._merged(words)
        params, unknown = params_of(cfg)
        origins = self._origins(kept, params)
        for group, choice in sorted(cfg.hydra.runtime.choices.items(), key=lambda pair: str(pair[0])):
            if choice is not None and self._loader().repository.group_exists(str(group).partition("@")[0]):
                _set_choice(params, origins, str(group), choice, "the app's defaults list")
        for word in left:
            override = self._parsed(word)
            if self._is_choice(override) and isinstance(override.value(), str):
                _set_choice(params, origins, override.get_key_element().lstrip("+~"), override.value(), word.source)
        is_multirun = str(OmegaConf.select(cfg, "hydra.mode", throw_on_missing=False)).endswith("MULTIRUN")
        texts = [word.text for word in words] + (["hydra.mode=RUN"] if is_multirun else [])
        return Found(params, origins, texts, list(told.notes(self._loader(), words, left, unknown, is_multirun=is_multirun)))

    def _refuse_unreadable(self, words: Sequence[Word]) -> None:
        mistakes: list[Mistake] = []
        for word in words:
            if word.text.startswith("-"):
                mistakes.append(told.flag(word))
                continue
            try:
                override = self._loader().parse(word.text)
            except (HydraException, ValueError) as error:
                mistakes.append(told.unreadable(word, error))
            else:
                mistakes += [explain.sweep_without_m(override)] if override.is_sweep_override() else []
        if mistakes:
            raise ConfigError(mistakes)

    def _one_by_one(self, words: Sequence[Word], error: Exception) -> tuple[DictConfig, list[Word], list[Word]]:
        """Compose word by word, to know which are refused; the config, the words that took part, and those that are left to the job.

        Raises ConfigError with a mistake for each word that is refused.
        """
        try:
            cfg = self._load([])
        except _REFUSALS as of_files:
            raise ConfigError(told.refused_files(of_files, self._config_place())) from of_files
        kept: list[Word] = []
        left: list[Word] = []
        mistakes: list[Mistake] = []
        for word in sorted(words, key=lambda word: not self._is_choice(self._parsed(word))):  # choices come before values, as in Hydra
            try:
                cfg = self._load([*kept, word])
                kept.append(word)
            except _REFUSALS as refusal:
                if not self._is_for_the_job(word):
                    mistakes.append(told.refused_word(word, refusal, self._parsed(word), cfg, self._loader()))
                    continue
                left.append(word)
                forced = Word(f"++{word.text.lstrip('+~')}", word.source)
                try:
                    cfg = self._load([*kept, forced])
                    kept.append(forced)
                except _REFUSALS:
                    continue  # it removes or chooses what is not there yet
        if mistakes:
            raise ConfigError(mistakes)
        if not left:  # each word is taken after those before it, and all of them in the order of the command line are not
            raise ConfigError(told.refused_files(error, self._config_place())) from error
        return cfg, kept, left

    def _config_place(self) -> str:
        folder = self._dir or "the app's code"
        return f"{self._place.config_name} of {folder if folder is not self._dir or '://' in folder else self._label(folder)}"

    def _parsed(self, word: Word) -> Override:
        return self._loader().parse(word.text)

    def _is_choice(self, override: Override) -> bool:
        return bool(self._loader().repository.group_exists(str(override.key_or_group)))

    def _is_for_the_job(self, word: Word) -> bool:
        """Whether a word that is refused here may be right where the app's code has registered its configs."""
        override = self._parsed(word)
        if not self._opened.loaded or override.is_hydra_override() or self._registered is None:
            return False
        if self._is_choice(override):
            path = f"{override.key_or_group}/{override.value()}"
            return path in self._opened.paths or self._may_be_open(path)
        are_all_seen = self._registered.paths.issuperset(self._opened.loaded)
        return not are_all_seen or self._registered.names.issuperset(self._unknown_parts(word.key))

    def _unknown_parts(self, key: str) -> list[str]:
        """The parts of a dotted key, from the first one on that the app's files do not have."""
        if self._tree_of_files is None:
            self._tree_of_files = OmegaConf.to_container(self._load([]), resolve=False)
        node: Any = self._tree_of_files
        parts = key.split(".")
        for place, part in enumerate(parts):
            if not isinstance(node, dict) or part not in node:
                return parts[place:]
            node = node[part]
        return []

    # ------------------------------------------------------------ where values come from

    def _origins(self, words: Sequence[Word], params: Mapping[str, Any]) -> dict[str, str]:
        """Where each param was set: file and line, or word."""
        origins = Origins()
        for default in self._loader().defaults:
            path, package = self._file_of(str(default.config_path)), str(default.package or "").removeprefix("_global_")
            if path and package.partition(".")[0] != "hydra":
                lines = {key: line for key, line in key_lines(read_yaml(path)[1]).items() if package or key[0] != "hydra"}
                origins.add_file(self._label(path), f"{PARAMS}{package}".rstrip("."), lines)
        for word in words:
            override, key = self._parsed(word), f"{PARAMS}{word.key}"
            if self._is_choice(override) or override.is_hydra_override():
                continue
            if override.is_delete():
                origins.remove(key)
            else:
                origins.add_value(key, word.source, override.value())
        return origins.of_all(key for key, _ in leaves(dict(params), _TOP))

    def _file_of(self, config_path: str) -> str:
        """The file of a config; empty for one that is none."""
        for source in self._loader().sources:
            if source.is_config(config_path):
                return os.path.join(source.path, source._normalize_file_name(config_path)) if source.scheme() == "file" else ""
        return ""


def _last_of_each(words: Sequence[Word]) -> list[Word]:
    """The words without those that a later one of the same key and sign replaces."""
    last = {(word.text[: len(word.text) - len(word.text.lstrip("+~"))], word.key): place for place, word in enumerate(words)}
    return [word for place, word in enumerate(words) if place in last.values()]


def _set_choice(params: dict[str, Any], origins: dict[str, str], group: str, choice: Any, source: str) -> None:
    """`params.model_choice=resnet` for the choice of a group, where the app has no such key itself."""
    if group.partition("/")[0] == "hydra":
        return
    *parents, last = place_of(group).split(".")
    node: Any = params
    for part in parents:
        node = node.get(part) if isinstance(node, dict) else None
    if isinstance(node, dict) and f"{last}{CHOICE}" not in node:
        node[f"{last}{CHOICE}"] = explain.shown_choice(choice)
        origins[".".join((_TOP, *parents, f"{last}{CHOICE}"))] = source
