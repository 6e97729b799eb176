"""Params of a run as words of its app: of a value of the app's config, or of the choice of the group that lands at that key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from trainconf.composition.app.loader import AppLoader
from trainconf.composition.app.told import Word
from trainconf.composition.plain.words import written
from trainconf.resolve.hydra_app import place_of, signed

Words = Sequence[Word]


class AsWords:
    """Makes words for one app.

    merged: the config that words give, or ConfigError. is_for_the_job: whether a word that is refused here may be right in the job.
    """

    def __init__(self, loader: AppLoader, merged: Callable[[Words], DictConfig], is_for_the_job: Callable[[Word], bool]) -> None:
        self._loader = loader
        self._merged = merged
        self._is_for_the_job = is_for_the_job
        self._known: dict[tuple[str, ...], DictConfig] = {}

    def of_values(
        self, values: Mapping[str, Any], words: Words, source: Callable[[str, str], str], typed: Mapping[str, str]
    ) -> list[Word]:
        """A word that gives each key its value, whether the app's files have it or not. `words` come before them.

        source: says where a value stands, by its key and word. typed: what some words begin with, by key. Raises ConfigError.
        """
        found: list[Word] = []
        for key, value in values.items():
            text = f"{typed.get(key) or self._begin(key, value, words, [*words, *found])}={written(value)}"
            found.append(Word(text, source(key, text)))
        return found

    def of_texts(self, texts: Sequence[str], words: Words) -> list[str]:
        """Overrides of params, without `params.`, as words. `words` come before them. Raises ConfigError."""
        found: list[str] = []
        for text in texts:
            group = self._group_of_text(text, [*words, *(Word(word, word) for word in found)])
            rest = signed(text)[1]
            found.append(f"{group}{rest[len(rest.partition('=')[0]):]}" if group else text)
        return found

    def _group_of_text(self, text: str, words: Words) -> str:
        _, rest = signed(text)
        key = rest.partition("=")[0]
        try:
            override = self._loader.parse(text)
        except (HydraException, ValueError):
            return ""  # it is told with all others
        if override.is_delete():
            group = min(_chosen_at(self._config(words), key), key=_is_packaged, default="")
            return f"~{group}" if group else ""
        if override.is_sweep_override():
            return self._group(key, next(override.sweep_string_iterator()), words) if override.is_discrete_sweep() else ""
        return self._group(key, override.value(), words)

    def _config(self, words: Words) -> DictConfig:
        texts = tuple(word.text for word in words)
        if texts not in self._known:
            self._known[texts] = self._merged(words)
        return self._known[texts]

    def _group(self, key: str, value: Any, words: Words) -> str:
        """The group that has the choice `value`: `model/encoder`, `db@source`, or `+db` where no defaults list has it. Empty for none."""
        if not isinstance(value, str) and not (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
            return ""
        cfg = self._config(words)
        if found := _chosen_at(cfg, key):
            named = [group for group in found if value in self._loader.choices(group)]
            return min(named or found, key=_is_packaged)
        group = key.replace(".", "/")
        node = OmegaConf.select(cfg, key, throw_on_missing=False)
        is_open = node is None or isinstance(node, DictConfig) or group == key  # Hydra gives no value to a group's own name
        return f"+{group}" if is_open and self._loader.repository.group_exists(group) else ""

    def _begin(self, key: str, value: Any, words: Words, before: Words) -> str:
        """What the word of a value begins with. before: `words` and those of the values before it, which may have chosen other files."""
        group = self._group(key, value, words) or self._group(key, value, before)
        name = group.lstrip("+") or key
        same = next((signed(word.text)[0] for word in words if word.key == name), None)
        return f"{same}{name}" if same is not None else group or f"{self._sign(key, words, before)}{key}"

    def _sign(self, key: str, words: Words, before: Words) -> str:
        parent, _, name = key.rpartition(".")
        for given in (words, before):
            cfg = self._config(given)
            node = OmegaConf.select(cfg, parent, throw_on_missing=False) if parent else cfg
            if isinstance(node, DictConfig) and name in set(node):
                return ""
        return "++" if self._is_for_the_job(Word(f"{key}=0", "")) else "+"


def _chosen_at(cfg: DictConfig, key: str) -> list[str]:
    return [group for group in map(str, cfg.hydra.runtime.choices) if place_of(group) == key]


def _is_packaged(group: str) -> bool:
    return "@" in group
