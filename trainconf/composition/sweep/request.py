"""The overrides of a sweep, each read once: what is fixed, what varies and how, and the composer of the trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from trainconf.composition import explain, overrides
from trainconf.composition.cache import Asked
from trainconf.composition.hydra.expressions import expression_of, read_zip
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.layers import Layer
from trainconf.composition.plain.trials import SweepRequest
from trainconf.composition.plain.words import of_space, written
from trainconf.composition.sweep.grid import Axis, Grid, listed
from trainconf.composition.sweep.trial import TrialComposer
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import config_dirs
from trainconf.search.expressions import Choice, Expression, ExpressionError
from trainconf.search.wrong import explained


class Words(NamedTuple):
    """Overrides, each read once. axes: by key. specs, zips: see SweepRequest. is_grid: whether every key that varies lists its values."""

    axes: dict[str, Axis]
    specs: dict[str, Any]
    zips: dict[str, Any]
    is_grid: bool

    @property
    def fixed(self) -> set[str]:
        """The keys that have one value."""
        return {axis.path for axis in self.axes.values()} - set(self.specs)


def read_sweep(
    texts: Sequence[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    layers: Sequence[Layer] = (),
) -> SweepRequest:
    """Read the overrides and compose the base. A later override of the same key replaces an earlier one. Raises ConfigError."""
    words = read_words(texts, ConfigLoader(config_dirs(workspace, config_dir), config_name))
    first = [axis.first for axis in words.axes.values()]
    made: list[TrialComposer] = []

    def base(given: Sequence[Layer]) -> Composed:
        made.append(TrialComposer(first, workspace, config_dir=config_dir, config_name=config_name, layers=given))
        return made[0].base

    asked = [overrides.text_of(override) for override in first]
    drawn = {path: spec for path, spec in words.specs.items() if isinstance(spec, str)}
    try:
        Asked(asked, workspace, config_dir=config_dir, config_name=config_name, layers=layers).made(base)
    except ConfigError as error:  # nobody has typed the value that stands for all of them
        raise ConfigError(of_space(error.mistakes, drawn, lambda key: f"command line: {key}={drawn[key]}")) from error
    grid = Grid(list(words.axes.values()), made[0]) if words.is_grid else None
    return SweepRequest(made[0], words.specs, words.zips, words.fixed, grid)


def read_words(texts: Sequence[str], loader: overrides.Parser) -> Words:
    """Read overrides that may vary; nothing is composed. Raises ConfigError with all mistakes."""
    axes: dict[str, Axis] = {}
    specs: dict[str, Any] = {}
    zips: dict[str, Any] = {}
    is_grid = True
    mistakes: list[Mistake] = []
    for text in texts:
        try:
            name, columns = read_zip(text)
            if name:
                zips[name], is_grid = columns, False
                continue
            override = overrides.read_one(text, loader, mistakes)
            if override is None:
                continue
            expression = expression_of(override)
            key = override.get_key_element()
            specs.pop(overrides.path_of(override), None)
            axes[key] = _axis(text, override, expression, loader)
            if expression is not None and (not isinstance(expression, Choice) or len(expression.options) > 1 or expression.doubled_count):
                specs[overrides.path_of(override)] = _spec(text, expression)
                is_grid = is_grid and isinstance(expression, Choice)
        except ExpressionError as error:
            mistakes.append(explain.about_expression(text, explained(text.partition("=")[2]) or error))
        except (HydraException, ValueError, ArithmeticError) as error:
            mistakes.append(explain.unreadable_override(text, explain.why_unreadable(text, error)))
    if mistakes:
        raise ConfigError(mistakes)
    return Words(axes, specs, zips, is_grid)


def _axis(text: str, override: Override, expression: Expression | None, loader: overrides.Parser) -> Axis:
    """The override's values; of a distribution its median, which stands for all."""
    if expression is None:
        return Axis(override, loader)
    if isinstance(expression, Choice):
        return Axis(override, loader, listed(text, override))
    return Axis(loader.parse(f"{override.get_key_element()}={written(expression.at(0.5))}"), loader)


def _spec(text: str, expression: Expression) -> Any:
    """An expression as `sweep.space` has it: its text, or the values that a `glob` stands for here."""
    value = text.partition("=")[2]
    return expression.values() if "glob(" in value else value
