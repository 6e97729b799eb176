"""Submits what a script of the original submits: names of the cloud become ours, datasets become inputs of the run."""

from __future__ import annotations

import os
import re
import shlex
from typing import Any

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.compute import choice_of
from trainconf.compat.azureml.configs.run_config import RunConfiguration, ScriptRunConfig
from trainconf.compat.azureml.data.inputs import DatasetConsumptionConfig, values_of
from trainconf.compat.azureml.data.outputs import OutputFileDatasetConfig
from trainconf.compat.azureml.data.references import MARK, DataReference, DataReferenceConfiguration
from trainconf.compat.azureml.exceptions import ExperimentExecutionException, UserErrorException, told_as
from trainconf.compat.azureml.runs.run import wrapped
from trainconf.compat.azureml.said import once
from trainconf.sdk.environments import Environment, PythonSection
from trainconf.sdk.script_run_config import ScriptRunConfig as OurConfig

# What the original's older images told each process, by ours.
OLDER_NAMES = "AZ_BATCHAI_PYTORCH_INIT_METHOD=tcp://$MASTER_ADDR:$MASTER_PORT AZ_BATCHAI_TASK_INDEX=$RANK"
COMPAT = "compat=[azureml]"
VARIABLE = re.compile(r"\$(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)")


def submit(experiment: Any, config: Any, tags: Any = None, parent: Any = None, **kwargs: Any) -> Any:
    """Submit a run or a sweep; the original's run of it. Raises ExperimentExecutionException."""
    config = _submittable(config)
    with told_as(ExperimentExecutionException):
        script = script_of(config)
        outputs = prepared(script, experiment.workspace) if script is not None else []
        texts = {str(key): str(value) for key, value in (tags or {}).items()}
        ours = experiment._ours.submit(config, tags=texts or None, **({} if parent is None else {"parent": parent}))
    run = wrapped(ours, experiment)
    for output in outputs:
        output.submitted(run)
    return run


def _submittable(config: Any) -> Any:
    if isinstance(config, RunConfiguration):
        return ScriptRunConfig(".", run_config=config)
    if isinstance(config, OurConfig) or callable(getattr(config, "_submit", None)):
        return config
    raise UserErrorException(f"submit takes a ScriptRunConfig, an estimator or a HyperDriveConfig, not {config!r}")


def script_of(config: Any) -> Any:
    """The ScriptRunConfig of what is submitted: itself, or that of a sweep."""
    if isinstance(config, OurConfig):
        return config
    for name in ("run_config", "estimator", "_run_config", "_config"):
        found = getattr(config, name, None)
        if isinstance(found, OurConfig):
            return found
    return None


def prepared(config: Any, workspace: Any) -> list[OutputFileDatasetConfig]:
    """Put what is ours into a config, once: targets, inputs, a command for what only a shell can do. The outputs of the run."""
    run = config.run_config
    if COMPAT not in config.overrides:
        config.overrides = [*config.overrides, COMPAT]
    _map_target(run, workspace)
    _leave_out_packages(run)
    arguments, place = run._found("arguments") or ([], config._place)
    arguments = [_argument(each, run, workspace) for each in arguments]
    for name, each in _data(run, workspace).items():
        _add_input(config, name, each)
    outputs = [each for each in arguments if isinstance(each, OutputFileDatasetConfig)]
    script = run._found("script")
    has_variables = any(isinstance(each, str) and VARIABLE.search(each) for each in arguments)
    if script is not None and script[0] is not None and (outputs or has_variables):
        command, arguments = _command(str(script[0]), arguments)
        run._values.update(script=None, command=command)
        run._places.update(script=script[1], command=script[1])
    if arguments:
        run._values["arguments"] = arguments
        run._places.setdefault("arguments", place)
    return outputs


def _map_target(run: Any, workspace: Any) -> None:
    found = run._found("target")
    if found is not None and found[0] not in (None, "local"):
        target, place = found
        run._values["target"], run._places["target"] = choice_of(workspace, str(target)), place


def _leave_out_packages(run: Any) -> None:
    """The original installs nothing where the user manages the packages, whatever packages the environment names; ours refuses both."""
    environment, place = run._found("environment") or (None, "")
    if not isinstance(environment, Environment) or not environment.python.user_managed_dependencies:
        return
    packages = environment.python.conda_dependencies
    if [*packages.pip_packages, *packages.conda_packages]:
        bare = environment.clone(environment.name)
        bare.python = PythonSection(True, environment.python.interpreter_path)
        run._values["environment"], run._places["environment"] = bare, place
        once(f"the packages of the environment {environment.name} are not installed: its dependencies are user-managed")


def _argument(argument: Any, run: Any, workspace: Any) -> Any:
    """A text with the name of a data reference becomes that reference."""
    if isinstance(argument, str) and argument.startswith(MARK):
        name = argument[len(MARK) :]
        known = getattr(run, "data_references", {})
        if name not in known:
            there = ", ".join(known) or "none"
            raise UserErrorException(f"the argument {argument} names no data reference; run_config.data_references has {there}")
        return _reference(known[name], name, workspace)
    if callable(getattr(argument, "to_config", None)) and not isinstance(argument, DataReference):
        raise not_here(f"{type(argument).__name__} as an argument", "give a dataset, a path in a datastore, or an OutputFileDatasetConfig")
    return argument


def _reference(given: Any, name: str, workspace: Any) -> Any:
    return given.on(workspace, name) if isinstance(given, DataReferenceConfiguration) else given


def _data(run: Any, workspace: Any) -> dict[str, Any]:
    """What the run configuration itself names as data."""
    named = {**getattr(run, "data", {}), **getattr(run, "data_references", {})}
    return {name: _reference(each, name, workspace) for name, each in named.items()}


def _add_input(config: Any, name: str, given: Any) -> None:
    """An input that is no argument."""
    if isinstance(given, DatasetConsumptionConfig):
        values = values_of(given.name or name, given.dataset, given.mode)
    elif callable(getattr(given, "_bind", None)):
        values = given._bind()[1]
    else:
        raise UserErrorException(f"the input {name} cannot be {given!r}; give dataset.as_named_input({name!r}), or a data reference")
    config.inputs = {**config.inputs, **values.get("inputs", {})}
    variables = values.get("env", {}).get("variables", {})
    if variables:
        config.run_config.environment_variables = {**(config.run_config.environment_variables or {}), **variables}


def _command(script: str, arguments: list[Any]) -> tuple[str, list[Any]]:
    """A shell command that makes the folders of outputs and expands variables in arguments; the arguments that it then gets."""
    folders = [each.path for each in arguments if isinstance(each, OutputFileDatasetConfig)]
    kept, words = [], []
    for each in arguments:
        if isinstance(each, str) and VARIABLE.search(each):
            words.append('"' + re.sub(r'(["\\`])', r"\\\1", each) + '"')
        else:
            kept.append(each)
            words.append(f'"$a{len(kept)}"')
    lines = [f"mkdir -p {' '.join(map(shlex.quote, folders))}"] if folders else []
    lines += [f"a{number + 1}=$1; shift" for number in range(len(kept))]
    lines += [OLDER_NAMES] if any("$AZ_BATCHAI_" in word or "${AZ_BATCHAI_" in word for word in words) else []
    python = '"$(command -v python || command -v python3)"'
    lines.append(f'exec {python} {shlex.quote(os.path.normpath(script))} {" ".join(words)} "$@"')
    return "\n".join(lines), kept
