"""The search of a sweep job: space, sampling, objective, early termination and limits as settings of ours. Pure."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from trainconf.compat.azureml.v2.document import Document, Field
from trainconf.search.expressions import Choice, Expression, ExpressionError
from trainconf.search.grammar import FUNCTIONS
from trainconf.search.reading import AZURE_ARGUMENTS

Placed = list[tuple[tuple[str, ...], dict[str, Any]]]

OBJECTIVE = {"goal": Field(choices=("minimize", "maximize"), is_required=True), "primary_metric": Field(is_required=True)}
LIMITS = {
    "max_total_trials": Field("integer", minimum=1, is_required=True), "max_concurrent_trials": Field("integer", minimum=1),
    "timeout": Field("number", minimum=1), "trial_timeout": Field("number", minimum=1),
}
SAMPLING = {
    "type": Field(choices=("random", "grid", "bayesian"), is_required=True), "seed": Field("integer", minimum=0),
    "rule": Field(choices=("random", "sobol")), "logbase": Field("any"),
}
_PERIODIC = {"evaluation_interval": Field("integer", minimum=0), "delay_evaluation": Field("integer", minimum=0)}
POLICIES = {
    "bandit": {**_PERIODIC, "slack_factor": Field("number", minimum=0), "slack_amount": Field("number", minimum=0)},
    "median_stopping": _PERIODIC,
    "truncation_selection": {**_PERIODIC, "truncation_percentage": Field("integer", minimum=1, is_required=True)},
}
_OUR_POLICIES = {"bandit": "bandit", "median_stopping": "median", "truncation_selection": "truncation"}
_LOGARITHMIC = {"loguniform": ("min_value", "max_value"), "qloguniform": ("min_value", "max_value"), "lognormal": ("mu", "sigma"),
                "qlognormal": ("mu", "sigma")}


class Search(NamedTuple):
    """sampler, policy: choices of `sweep` and `sweep/policy`. params: what stands for each searched key in a run that is no trial.

    values: trees of values with the keys of the file that they are from.
    """

    sampler: str
    policy: str
    params: dict[str, Any]
    values: Placed


def read(document: Document) -> Search:
    """The search of a job of `type: sweep`; what is wrong is noted."""
    sampler, sampling = _sampling(document)
    policy, values = _policy(document)
    objective = document.read(("objective",), OBJECTIVE)
    limits = document.read(("limits",), LIMITS)
    for part in ("objective", "limits", "search_space"):
        if document.at(part) is None:
            document.wrong((), f"{part} is missing")
    params, space = _space(document, _logbase(document, sampling))
    values += space
    sweep = {"seed": sampling.get("seed"), "rule": sampling.get("rule") if sampler == "random" else None}
    values.append((("sampling_algorithm",), {"sweep": {key: value for key, value in sweep.items() if value is not None}}))
    if "primary_metric" in objective:
        values.append((("objective", "primary_metric"), {"metric": {"name": objective["primary_metric"]}}))
    if "goal" in objective:
        values.append((("objective", "goal"), {"metric": {"goal": objective["goal"]}}))
    return Search(sampler, policy, params, values + _limits(limits))


def _limits(limits: dict[str, Any]) -> Placed:
    """What the limits of a sweep are here; `trial_timeout` is the time limit of each run."""
    ours = {"max_total_trials": ("sweep", "max_total_runs"), "max_concurrent_trials": ("sweep", "max_concurrent_runs")}
    values: Placed = [(("limits", key), {part: {name: limits[key]}}) for key, (part, name) in ours.items() if key in limits]
    if "timeout" in limits:
        values.append((("limits", "timeout"), {"sweep": {"max_duration_minutes": limits["timeout"] / 60}}))
    if "trial_timeout" in limits:
        values.append((("limits", "trial_timeout"), {"max_run_duration_seconds": limits["trial_timeout"]}))
    return values


def _sampling(document: Document) -> tuple[str, dict[str, Any]]:
    keys = ("sampling_algorithm",)
    given = document.at(*keys)
    found: dict[str, Any]
    if given is None:
        found = {"type": "random"}
    elif isinstance(given, dict):
        found = document.read(keys, SAMPLING)
    elif str(given).lower() in SAMPLING["type"].choices:
        found = {"type": str(given).lower()}
    else:
        document.wrong(keys, f"sampling_algorithm is {given!r}", ("allowed", ", ".join(SAMPLING["type"].choices)))
        found = {}
    kind = found.get("type", "random")
    return ("bayes" if kind == "bayesian" else str(kind)), found


def _logbase(document: Document, sampling: dict[str, Any]) -> float:
    """What the logarithms of the space are multiplied with: ours are natural ones."""
    base = sampling.get("logbase", "e")
    if base == "e":
        return 1.0
    try:
        number = float(base)
    except (TypeError, ValueError):
        number = 0.0
    if number <= 0 or number == 1 or not math.isfinite(number):
        document.wrong(("sampling_algorithm", "logbase"), f"logbase is {base!r}", ("allowed", "e, or a number > 0 other than 1"))
        return 1.0
    return math.log(number)


def _policy(document: Document) -> tuple[str, Placed]:
    keys = ("early_termination",)
    given = document.at(*keys)
    if given is None:
        return "", []
    kind = str(given.get("type", "")).lower() if isinstance(given, dict) else ""
    if kind not in POLICIES:
        document.wrong(keys, f"early_termination has the type {kind!r}", ("allowed", ", ".join(POLICIES)))
        return "", []
    found = document.read(keys, {"type": Field(choices=(kind,)), **POLICIES[kind]})
    if kind == "bandit" and ("slack_factor" in found) == ("slack_amount" in found):
        document.wrong(keys, "a bandit has slack_factor or slack_amount, and not both")
    settings = {key: value for key, value in found.items() if key != "type"}
    settings["evaluation_interval"] = settings.get("evaluation_interval") or 1
    settings.setdefault("delay_evaluation", 0)  # the original's defaults
    return _OUR_POLICIES[kind], [((*keys, key), {"sweep": {"policy": {key: value}}}) for key, value in settings.items()]


def _space(document: Document, logbase: float) -> tuple[dict[str, Any], Placed]:
    space = document.at("search_space") or {}
    if not isinstance(space, dict):
        document.wrong(("search_space",), "search_space is no mapping", ("allowed", "the name of each param, with its expression"))
        return {}, []
    params: dict[str, Any] = {}
    values: Placed = []
    for name, spec in space.items():
        found = _expression(document, ("search_space", str(name)), spec, f"params.{name}", logbase)
        if found is not None:
            params[str(name)], written = found
            values.append((("search_space", str(name)), {"sweep": {"space": {f"params.{name}": written}}}))
    return params, values


def _expression(document: Document, keys: tuple[str, ...], spec: Any, key: str, logbase: float) -> tuple[Any, Any] | None:
    """A value that stands for all, and the expression as `sweep.space` has it; None where it is wrong."""
    kind = str(spec.get("type", "")).lower() if isinstance(spec, dict) else ""
    if kind not in AZURE_ARGUMENTS:
        document.wrong(keys, f"{'.'.join(keys)} has the type {kind!r}", ("allowed", ", ".join(AZURE_ARGUMENTS)))
        return None
    names = AZURE_ARGUMENTS[kind]
    before = len(document.mistakes)
    argument = Field("list" if kind == "choice" else "number", is_required=True)
    found = document.read(keys, {"type": Field(), **dict.fromkeys(names, argument)})
    if len(document.mistakes) > before:
        return None
    if kind == "choice":
        return _choice(document, keys, found["values"], key, logbase)
    arguments = [found[name] * logbase if name in _LOGARITHMIC.get(kind, ()) else found[name] for name in names]
    try:
        expression: Expression = FUNCTIONS[kind](*arguments)
    except ExpressionError as error:
        document.wrong(keys, error.about(key))
        return None
    return expression.at(0.5), f"{kind}({', '.join(map(repr, arguments))})"


def _choice(document: Document, keys: tuple[str, ...], options: list[Any], key: str, logbase: float) -> tuple[Any, Any] | None:
    """A choice. An option that is a mapping may hold expressions: keys that exist only with it."""
    if not options:
        document.wrong(keys, f"{'.'.join(keys)} has no values")
        return None
    if not any(isinstance(option, dict) for option in options):
        return Choice.of(options).at(0.0), options
    written = []
    for index, option in enumerate(options):
        plain, inner = option, {}
        if isinstance(option, dict):
            plain = {name: value for name, value in option.items() if not (isinstance(value, dict) and "type" in value)}
            for name in [name for name in option if name not in plain]:
                place = (*keys, "values", str(index), str(name))
                found = _expression(document, place, option[name], f"{key}.{name}", logbase)
                if found is not None:
                    inner[f"{key}.{name}"] = found[1]
        written.append({"value": plain, "space": inner} if inner else plain)
    return None, {"choice": written}  # nothing stands for all: the keys of another option would stay when one is chosen
