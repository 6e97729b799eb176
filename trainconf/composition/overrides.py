"""Overrides: each text is read once, by Hydra's grammar, and handed on as Hydra's `Override`, which keeps the text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Protocol

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException

from trainconf.composition import explain
from trainconf.composition.hydra.settings import ACCEPTED, HydraSettings, of_ours
from trainconf.errors import Mistake


class Parser(Protocol):
    """Reads one override: of our config, or of a Hydra app's."""

    def parse(self, text: str) -> Override: ...


def text_of(override: Override) -> str:
    """An override as it was typed; Hydra 1.4 keeps what its alias stands for apart."""
    return str(getattr(override, "original_input_line", None) or override.input_line)


def path_of(override: Override) -> str:
    """The dotted key that an override sets; of a group, how it is chosen: `compute`, `compute@params.other`."""
    return override.get_key_element().lstrip("+~")


def read(texts: Iterable[str], loader: Parser, mistakes: list[Mistake]) -> list[Override]:
    """The overrides of a single run. A text that is none, or that lists several values, is told in `mistakes` and left out."""
    found = []
    for text in texts:
        override = read_one(text, loader, mistakes)
        if override is not None and override.is_sweep_override():
            mistakes.append(explain.sweep_without_m(override))
        elif override is not None:
            found.append(override)
    return found


def read_one(text: str, loader: Parser, mistakes: list[Mistake]) -> Override | None:
    """One override, which may list values for a sweep. None for a text that is none, which is told in `mistakes`."""
    try:
        override = loader.parse(text)
    except OverrideParseException as error:
        mistakes.append(explain.wrong_expression(text, error) or explain.unreadable_override(text, explain.why_unreadable(text, error)))
        return None
    except HydraException as error:
        mistakes.append(Mistake(str(error).splitlines()[0], ("from", f"command line: {text[:200]}")))
        return None
    except ValueError:
        limit = sys.get_int_max_str_digits()
        mistakes.append(Mistake(f"no number may have more than {limit} digits", ("from", f"command line: {text[:200]}")))
        return None
    if not override.key_or_group:
        mistakes.append(explain.unreadable_override(text, "it names no key"))
        return None
    return override


def without_hydras(overrides: list[Override], hydra: HydraSettings, mistakes: list[Mistake]) -> list[Override]:
    """The overrides without those of Hydra's own settings: what has the same meaning here is one of ours, each other is told."""
    kept = []
    for override in overrides:
        if not override.is_hydra_override():
            kept.append(override)
        elif (ours := of_ours(override)) is not None:
            kept.append(ours)
        elif override.value() not in ACCEPTED:
            hydra.judge(override.key_or_group, f"command line: {override.input_line}", mistakes)
    return kept


def without_unknown_choices(overrides: list[Override], repository: Any, mistakes: list[Mistake]) -> list[Override]:
    """The overrides without those that choose what a group does not have, so that the rest can still be checked.

    Of several overrides of one group the last one chooses, as in Hydra; the others are not checked.
    """
    kept = []
    last = {override.get_key_element().lstrip("+"): override for override in overrides}
    for override in overrides:
        group, value = override.key_or_group, override.value()
        is_last = last[override.get_key_element().lstrip("+")] is override
        is_choice = is_last and repository.group_exists(group) and not override.is_delete() and not isinstance(value, dict)
        choices = (value if isinstance(value, list) else [value]) if is_choice else []
        unknown = [
            choice for choice in choices if type(choice) in (bool, float, type(None)) or not repository.config_exists(f"{group}/{choice}")
        ]
        if not unknown:
            kept.append(override)
        for choice in unknown:
            source = f"command line: {override.input_line}"
            options, beside = repository.get_group_options(group), list(map(explain.shown_choice, choices))
            mistakes.append(explain.choice_without_quotes(group, choice, options, source)
                            or explain.unknown_choice(group, explain.shown_choice(choice), options, source, beside))
    return kept
