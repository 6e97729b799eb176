"""`wandb.sweep` and `wandb.agent`: trainconf searches. The first says with which words; the second calls the function once, as a trial."""

from __future__ import annotations

from trainconf.compat.tracking import record
from trainconf.compat.tracking.notes import note, say
from trainconf.compat.tracking.values import jsonable
from trainconf.compat.wandb.util import generate_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

METHODS = {"grid": "grid", "random": "random", "bayes": "bayes"}
# What stands for a distribution: expressions of docs/sweeps.md, of the keys of the original.
EXPRESSIONS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "uniform": ("uniform({},{})", ("min", "max")),
    "int_uniform": ("int(interval({},{}))", ("min", "max")),
    "log_uniform": ("loguniform({},{})", ("min", "max")),
    "log_uniform_values": ("log_interval({},{})", ("min", "max")),
    "normal": ("normal({},{})", ("mu", "sigma")),
    "q_uniform": ("quniform({},{},{})", ("min", "max", "q")),
    "q_normal": ("qnormal({},{},{})", ("mu", "sigma", "q")),
}
_sweeps: Dict[str, Dict[str, Any]] = {}


def sweep(sweep: Any = None, entity: Any = None, project: Any = None, **more: Any) -> str:
    """Say which command does this search. Returns an id for `agent`."""
    config = jsonable(sweep() if callable(sweep) else sweep or {})
    found = generate_id()
    _sweeps[found] = config if isinstance(config, dict) else {}
    told = "wandb.sweep: trainconf searches, each trial is a run of this script (docs/sweeps.md). This search in its words:\n  %s"
    note("sweep", told % " ".join(words(_sweeps[found])))
    return found


def agent(
    sweep_id: Any, function: Optional[Callable[[], Any]] = None, entity: Any = None, project: Any = None, count: Any = None, **more: Any
) -> None:
    """Call the function once: this run is one trial. What the run's params do not say is the first value of the search's space."""
    if function is None:
        note("agent", "wandb.agent without a function starts other programs; here `trainconf ... -m` does")
        return
    params = record.given(record.job())
    first = {name: _first(spec) for name, spec in _parameters(_sweeps.get(str(sweep_id), {})).items()}
    missing = sorted(name for name in first if name not in params)
    if missing:
        say("wandb.agent: this run is one trial; its params do not say %s, so the first value of the space is taken" % ", ".join(missing))
    record.of_trial.update({name: first[name] for name in missing})
    function()


def controller(*args: Any, **options: Any) -> Any:
    from trainconf.compat.tracking.notes import unanswered

    return unanswered("wandb.controller", "trainconf controls searches: docs/sweeps.md")


def words(config: Dict[str, Any]) -> List[str]:
    """The command for a search of the original, as far as there is an expression for each of its distributions."""
    metric = config.get("metric") or {}
    found = ["trainconf", "-m", "sweep=%s" % METHODS.get(str(config.get("method")), "random")]
    if metric.get("name"):
        goal = "maximize" if str(metric.get("goal"))[:3] == "max" else "minimize"
        found += ["metric.name=%s" % metric["name"], "metric.goal=%s" % goal]
    if config.get("run_cap"):
        found.append("sweep.max_total_runs=%s" % config["run_cap"])
    return found + ["'+params.%s=%s'" % (name, expression(spec)) for name, spec in _parameters(config).items()]


def expression(spec: Any) -> str:
    """One parameter's values in trainconf's grammar."""
    if not isinstance(spec, dict):
        return str(spec)
    if "values" in spec:
        return ",".join(map(_word, spec["values"]))
    if "value" in spec:
        return _word(spec["value"])
    is_whole = isinstance(spec.get("min"), int) and isinstance(spec.get("max"), int)
    kind = spec.get("distribution") or ("int_uniform" if is_whole else "uniform" if "min" in spec else "")
    form, keys = EXPRESSIONS.get(kind.replace("inv_", ""), ("?", ()))
    return form.format(*(spec.get(key) for key in keys))


def _word(value: Any) -> str:
    return {"True": "true", "False": "false", "None": "null"}.get(str(value), str(value))


def _parameters(config: Dict[str, Any], before: str = "") -> Dict[str, Any]:
    """Every parameter by its name; those of a nested one below it."""
    found: Dict[str, Any] = {}
    for name, spec in (config.get("parameters") or {}).items():
        if isinstance(spec, dict) and "parameters" in spec:
            found.update(_parameters(spec, before + name + "."))
        else:
            found[before + name] = spec
    return found


def _first(spec: Any) -> Any:
    if not isinstance(spec, dict):
        return spec
    for key in ("value", "min", "mu"):
        if key in spec:
            return spec[key]
    return (spec.get("values") or [None])[0]
