"""Messages about the config of a Hydra app: Hydra's refusals with what is near, and what only the job will know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from trainconf.composition import explain
from trainconf.composition.app.loader import AppLoader
from trainconf.errors import Mistake
from trainconf.resolve.origins import leaves
from trainconf.resolve.settings import nearest

_OURS = {  # words of Hydra's own that would take from a run what is its own
    "hydra.run.dir": "what the app writes is in ./outputs of the run", "hydra.mode": "`trainconf -m` runs a sweep",
    "hydra.sweep.dir": "trainconf makes the runs' folders", "hydra.sweep.subdir": "trainconf makes the runs' folders",
    "hydra/launcher": "choose where it runs by compute=...", "hydra/sweeper": "choose how to search by sweep=...",
}  # fmt: skip
_FLAGS = {
    "-m": "write -m before the words: trainconf -m ... -- ...", "--multirun": "write -m before the words: trainconf -m ... -- ...",
    "--config-name": "write hydra_app.config_name=NAME", "-cn": "write hydra_app.config_name=NAME",
    "--config-path": "write hydra_app.config_path=DIR", "-cp": "write hydra_app.config_path=DIR",
    "--config-dir": "name further folders in hydra.searchpath", "-cd": "name further folders in hydra.searchpath",
}  # fmt: skip


class Word(NamedTuple):
    """A word for the app, and where it stands."""

    text: str
    source: str

    @property
    def key(self) -> str:
        """What it sets or chooses, without its sign."""
        return self.text.lstrip("+~").partition("=")[0]


def flag(word: Word) -> Mistake:
    """A flag of Hydra's among the words."""
    hint = _FLAGS.get(word.text.partition("=")[0], "what follows -- are overrides of the app's config")
    return Mistake(f"{word.text} is a flag, and no word of the app's config", ("from", word.source), hint=hint)


def unreadable(word: Word, error: Exception) -> Mistake:
    """A word that Hydra's grammar cannot read."""
    said = explain.unreadable_override(word.text, explain.why_unreadable(word.text, error))
    facts = [("from", word.source), *(fact for fact in said.facts if fact[0] != "from")]
    return Mistake(said.what, *facts, hint=said.hint.partition(" a verb comes first")[0].rstrip(";") if "; a verb" in said.hint else "")


def refused_files(error: Exception, place: str) -> Mistake:
    """The app's config without any word."""
    first, *more = reason(error)
    is_missing = "could not find" in first.lower() or "could not load" in first.lower()
    hint = "where a package registers it when the app imports that: hydra_app.registered=[NAME]" if is_missing else ""
    return Mistake(f"the app's config cannot be composed: {first}", ("from", place), *([("Hydra says", "\n".join(more))] if more else []),
                   hint=hint)


def refused_word(word: Word, error: Exception, override: Override, cfg: DictConfig, loader: AppLoader) -> Mistake:
    """A word that Hydra does not take, with the nearest choice or key."""
    key, choice = str(override.key_or_group), override.value()
    said = ("Hydra says", "\n".join(reason(error)))
    options = loader.get_group_options(key) if loader.repository.group_exists(key) else []
    if options and isinstance(choice, str) and choice not in options:
        near = nearest(choice, options)
        facts = [*([("nearest", f"{key}={near}")] if near else []), ("allowed", ", ".join(options))]
        return Mistake(f"{choice!r} is not a choice of the app's {key}", ("from", word.source), *facts)
    known = keys_of(cfg, loader, with_hydra=key.startswith("hydra"))
    near = "" if key in known else nearest(key, known)
    what = f"the app does not take {word.text}" if key in known else f"{key} is not in the app's config"
    return Mistake(what, ("from", word.source), *([("nearest", near)] if near else []), said)


def keys_of(cfg: DictConfig, loader: AppLoader, *, with_hydra: bool = False) -> list[str]:
    """The dotted keys of an app's config, and its groups."""
    tree = OmegaConf.to_container(cfg, resolve=False)
    found: dict[str, None] = {}
    for path, _ in leaves(tree if isinstance(tree, dict) else {}):
        parts = path.split(".")
        found.update(dict.fromkeys(".".join(parts[:count]) for count in range(1, len(parts) + 1)))
    return [key for key in (*found, *loader.all_groups()) if with_hydra or key.replace("/", ".").partition(".")[0] != "hydra"]


def reason(error: Exception) -> list[str]:
    """Hydra's words, and those of OmegaConf below them; without the search path, which ours says better."""
    texts = [str(error), *([str(error.__cause__)] if error.__cause__ is not None else [])]
    lines = [line.strip() for text in texts for line in text.partition("Config search path:")[0].partition("Search path:")[0].splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type=", "reference_type=", "Set the environment"))]
    return kept or [type(error).__name__]


def notes(
    loader: AppLoader, words: Sequence[Word], left: Sequence[Word], unknown: Sequence[str], *, is_multirun: bool
) -> Iterator[str]:
    """What only the job will know, and which settings have no effect: one note each."""
    loaded = loader.opened.loaded
    facts: list[tuple[str, Any]] = [
        ("ConfigStore", [path for path in loaded if not path.startswith("hydra/")]),
        ("not installed here", [path for path in loaded if path.startswith("hydra/")] + loader.absent_sources),
        ("resolvers", unknown), ("words", [word.text for word in left]),
    ]  # fmt: skip
    if any(found for _, found in facts):
        shown = [(label, ", ".join(found)) for label, found in facts if found]
        yield Mistake("some of the app's config is known in the job alone, and stays as it is written", *shown).render()
    ignored = [(word.text, _OURS[word.key]) for word in words if word.key in _OURS]
    ignored += [("hydra.mode=MULTIRUN of its files", _OURS["hydra.mode"])] if is_multirun else []
    if ignored:
        yield Mistake("settings of Hydra's own have no effect on a run", *ignored).render()
