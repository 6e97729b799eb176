"""How a search chooses its points: by chance, every combination, or by what the others were worth."""

from __future__ import annotations

import re

from trainconf.sdk.hyperdrive.expressions import ParameterExpression
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.settings.checked import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

NAME = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")
MAX_SEED = 2**32 - 1


class ParameterSampling(Settings):
    """Base of the three: a space of parameters, each with an expression.

    The keys are the names of the script's arguments, with or without dashes before them: a trial gets `--name value`.
    """

    _names: ClassVar[tuple[str, ...]] = ("parameter_space", "properties", "seed")
    _kind = ""
    parameter_space: dict[str, ParameterExpression]
    properties: dict[str, Any]
    seed: int | None

    def __init__(self, parameter_space: Mapping[str, ParameterExpression], properties: Any = None, seed: int | None = None) -> None:
        self._set(parameter_space=parameter_space, properties=properties, seed=seed)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        given = values["parameter_space"]
        if not isinstance(given, dict) or not given:
            arguments.refuse("parameter_space", given, 'a dict, such as {"--lr": uniform(0.001, 0.1)}')
            given = {}
        names: dict[str, str] = {}
        for key, expression in given.items():
            name = name_of(key) if isinstance(key, str) else ""
            if not NAME.fullmatch(name):
                arguments.refuse("a key of parameter_space", key, "the name of an argument, such as '--learning-rate'")
            elif name in names:
                arguments.wrong(f"parameter_space has {name} twice", ("keys", f"{names[name]}, {key}"), hint="keep one of them")
            names[name] = str(key)
            if not isinstance(expression, ParameterExpression):
                arguments.refuse(f"parameter_space[{key!r}]", expression, "an expression, such as choice(1, 2) or uniform(0, 1)")
            else:
                self._check_expression(arguments, str(key), expression)
        values["parameter_space"] = dict(given)
        if values["properties"]:
            arguments.refuse("properties", values["properties"], "None: a sampling has no others here")
        values["properties"] = {}
        seed = arguments.whole("seed", values.get("seed"), optional=True)
        if seed is not None and seed > MAX_SEED:
            arguments.refuse("seed", seed, f"0 to {MAX_SEED}")

    def _check_expression(self, arguments: Arguments, key: str, expression: ParameterExpression) -> None:
        """Note an expression that this sampling cannot use."""

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        """The choice of `sweep` as an override, and its values."""
        space = {f"params.{name_of(key)}": expression._spec for key, expression in self.parameter_space.items()}
        sweep: dict[str, Any] = {"space": space}
        if self._values.get("seed") is not None:
            sweep["seed"] = self.seed
        return [f"sweep={self._kind}"], {"sweep": sweep}


def name_of(key: str) -> str:
    """The name of an argument, without its dashes."""
    return key.lstrip("-").removeprefix("params.")


class RandomParameterSampling(ParameterSampling):
    """Points by chance. seed: decides all that is drawn; by default one is drawn and recorded. rule: `random` or `sobol`.

    >>> from trainconf import RandomParameterSampling, choice, uniform
    >>> sampling = RandomParameterSampling({"--lr": uniform(0.001, 0.1), "--layers": choice(1, 2)}, seed=7)
    """

    _names = (*ParameterSampling._names, "rule")
    _kind = "random"
    rule: str

    def __init__(
        self, parameter_space: Mapping[str, ParameterExpression], properties: Any = None, seed: int | None = None, rule: str = "random"
    ) -> None:
        self._set(parameter_space=parameter_space, properties=properties, seed=seed, rule=rule)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        super()._checked(arguments, values)
        values["rule"] = arguments.choice("rule", values["rule"], ("random", "sobol"))

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        words, tree = super()._layer()
        tree["sweep"]["rule"] = self.rule
        return words, tree


class GridParameterSampling(ParameterSampling):
    """Every combination of the values of `choice` expressions, in their order; of a larger grid as many as `max_total_runs`."""

    _names = ("parameter_space", "properties")
    _kind = "grid"

    def __init__(self, parameter_space: Mapping[str, ParameterExpression], properties: Any = None) -> None:
        self._set(parameter_space=parameter_space, properties=properties)

    def _check_expression(self, arguments: Arguments, key: str, expression: ParameterExpression) -> None:
        if not expression.is_choice:
            arguments.refuse(f"parameter_space[{key!r}]", expression, "choice: a grid needs values to list",
                             hint="RandomParameterSampling takes every expression")

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        words, tree = super()._layer()
        tree["sweep"]["allow_partial"] = True
        return words, tree


class BayesianParameterSampling(ParameterSampling):
    """Each point by what the ones before were worth. Needs `pip install 'trainconf[sweeps]'`.

    sampler: `tpe` takes every space; `gp`, which needs `trainconf[gp]`, is the best on up to 100 trials of numbers; `cmaes` suits many
    numbers. It learns from trials that have ended, so `max_concurrent_runs` should be well below `max_total_runs`.
    """

    _names = (*ParameterSampling._names, "sampler")
    _kind = "bayes"
    sampler: str

    def __init__(
        self, parameter_space: Mapping[str, ParameterExpression], properties: Any = None, seed: int | None = None, sampler: str = "tpe"
    ) -> None:
        self._set(parameter_space=parameter_space, properties=properties, seed=seed, sampler=sampler)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        super()._checked(arguments, values)
        values["sampler"] = arguments.choice("sampler", values["sampler"], ("tpe", "gp", "cmaes"))

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        words, tree = super()._layer()
        tree["sweep"]["sampler"] = self.sampler
        return words, tree
