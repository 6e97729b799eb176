"""`ScriptRunConfig`: a script, where it runs, in what, with what; what `Experiment.submit` takes."""

from __future__ import annotations

import os

from trainconf.errors import UserError
from trainconf.sdk.run_configuration import RunConfiguration
from trainconf.sdk.settings.arguments import Arguments, absolute, unknown_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

    from trainconf.sdk.distributed import DistributedConfiguration
    from trainconf.sdk.docker import DockerConfiguration
    from trainconf.sdk.workspace import Workspace

# Values that its `run_config` keeps: name here, name there.
SHARED = {
    "script": "script", "arguments": "arguments", "command": "command", "compute_target": "target", "environment": "environment",
    "distributed_job_config": "distributed", "max_run_duration_seconds": "max_run_duration_seconds", "docker_runtime_config": "docker",
}  # fmt: skip
STYLES = ("argparse", "hydra", "none")


class ScriptRunConfig:
    """A script and how it is run. What is not given is as in the config files.

    source_directory: folder of the code, relative to the current one; it is recorded and becomes the job's working directory.
    script: Python file in it. arguments: passed to the script; a list or a text. command: run instead of a script: a list is executed
    as it stands, a text by `sh -c`. run_config: values that several submissions share; what is given here wins over it.
    compute_target: "local", "docker", "slurm", "slurm/gpu", any choice of conf/compute, or an object with a name.
    environment: an Environment, or a choice of conf/env by name; by default the one of the config files, `minimal` as shipped.
    distributed_job_config: PyTorchConfiguration, MpiConfiguration or TensorflowConfiguration.
    resume_from: a folder, or a run, whose outputs then are meant; the script gets `--resume-from <path>`.
    max_run_duration_seconds: then the run is ended. docker_runtime_config: a DockerConfiguration.
    params: hyperparameters, any tree of values; passed as the argument_style says: argparse (`--lr 0.1`), hydra (`lr=0.1`) or none.
    inputs: name to path of data that the job reads. metric: name of the number the run is judged by, or (name, "minimize").
    overrides: words of the command line, such as "compute.mem_gib=8"; they win over everything else. tags: texts by name.

    Raises UserError with every mistake, and its line.

        >>> from trainconf import ScriptRunConfig
        >>> config = ScriptRunConfig(".", "train.py", ["--lr", 0.1], compute_target="slurm", max_run_duration_seconds=3600)
        >>> config.run_config.target
        'slurm'
    """

    _names = (
        "source_directory", *SHARED, "run_config", "resume_from", "params", "argument_style", "inputs", "metric", "overrides", "tags",
        "display_name",
    )  # fmt: skip
    _run_configuration: ClassVar[type[RunConfiguration]] = RunConfiguration
    source_directory: str | None
    run_config: RunConfiguration
    script: str | None
    arguments: list[Any]
    command: str | list[str] | None
    compute_target: str | None
    environment: Any
    distributed_job_config: DistributedConfiguration | None
    max_run_duration_seconds: float | None
    docker_runtime_config: DockerConfiguration
    resume_from: Any
    params: dict[str, Any]
    argument_style: str | None
    inputs: dict[str, str]
    metric: Any
    overrides: list[str]
    tags: dict[str, str]
    display_name: str | None

    def __init__(
        self, source_directory: str | os.PathLike[str], script: str | os.PathLike[str] | None = None,
        arguments: Sequence[Any] | str | None = None, command: str | Sequence[str] | None = None,
        run_config: RunConfiguration | None = None, compute_target: Any = None, environment: Any = None,
        distributed_job_config: DistributedConfiguration | None = None, resume_from: Any = None,
        max_run_duration_seconds: float | None = None, docker_runtime_config: DockerConfiguration | None = None, *,
        params: Mapping[str, Any] | None = None, inputs: Mapping[str, str | os.PathLike[str]] | None = None, metric: Any = None,
        overrides: Sequence[str] = (), tags: Mapping[str, object] | None = None, display_name: str | None = None,
        argument_style: str | None = None,
    ) -> None:  # fmt: skip
        given = dict(locals())
        if source_directory is None:
            given["source_directory"] = ""  # only `from_experiment` may leave it out
        self._begin("adhoc", given)

    @classmethod
    def from_experiment(
        cls, name: str, *overrides: str, run_config: RunConfiguration | None = None, arguments: Sequence[Any] | str | None = None,
        compute_target: Any = None, environment: Any = None, distributed_job_config: DistributedConfiguration | None = None,
        resume_from: Any = None, max_run_duration_seconds: float | None = None, docker_runtime_config: DockerConfiguration | None = None,
        params: Mapping[str, Any] | None = None, inputs: Mapping[str, str | os.PathLike[str]] | None = None, metric: Any = None,
        tags: Mapping[str, object] | None = None, display_name: str | None = None,
    ) -> ScriptRunConfig:  # fmt: skip
        """The experiment of a file `conf/experiment/<name>.yaml`, with words of the command line on top: "params.lr=0.3".

        >>> from trainconf import ScriptRunConfig
        >>> config = ScriptRunConfig.from_experiment("digits", "params.lr=0.3", compute_target="docker")
        """
        found = cls.__new__(cls)
        given = {key: value for key, value in locals().items() if key not in ("cls", "name", "found")}
        arguments_of_name = Arguments("ScriptRunConfig.from_experiment")
        arguments_of_name.text("name", name, "the name of an experiment, such as 'digits'", optional=False)
        arguments_of_name.check()
        found._begin(name, given)
        return found

    def _begin(self, experiment: str, given: dict[str, Any]) -> None:
        """Take what a constructor was given, all or nothing."""
        arguments = Arguments(type(self).__name__)
        given = {name: value for name, value in given.items() if name in self._names and value is not None}
        base = given.pop("run_config", None)
        if base is not None and not isinstance(base, RunConfiguration):
            arguments.refuse("run_config", base, "a RunConfiguration")
            base = None
        run_config = self._run_configuration() if base is None else self._run_configuration._over(base)
        empty: dict[str, Any] = {"_values": {}, "_places": {}, "_place": arguments.place, "_experiment": experiment}
        self.__dict__.update(empty, _folder=absolute("."), run_config=run_config)
        if given.get("script") is not None and given.get("command") is not None:
            arguments.wrong("ScriptRunConfig: script and command are both given, and a run has one of them", hint="leave one of them out")
        self._take(given, arguments)

    def _take(self, values: dict[str, Any], arguments: Arguments) -> None:
        """Check values and set them, all or none. Raises UserError."""
        own = {name: self._checked(name, value, arguments) for name, value in values.items() if name not in SHARED}
        try:
            shared = {SHARED[name]: value for name, value in values.items() if name in SHARED}
            for name, other in (("script", "command"), ("command", "script")):
                if values.get(name) is not None and self.run_config._base is not None and self.run_config._base._found(other) is not None:
                    shared.setdefault(other, None)  # what is given here wins: a run has one of them
            given = Arguments(arguments.call, arguments.place)
            self.run_config._take(shared, given, {there: here for here, there in SHARED.items()})
        except UserError as error:
            arguments.mistakes.extend(error.mistakes)
        arguments.check()
        self._values.update(own)
        self._places.update(dict.fromkeys(own, arguments.place))

    def _checked(self, name: str, value: Any, arguments: Arguments) -> Any:
        """One of the values that `run_config` does not keep, in the form that is kept."""
        if name == "source_directory":
            found = arguments.path(name, value, optional=False)
            return None if found is None else os.path.normpath(os.path.join(self._folder, os.path.expanduser(found)))
        if name == "inputs":
            return self._inputs(value, arguments)
        if name == "params":
            if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
                arguments.refuse(name, value, 'a dict, such as {"lr": 0.1}')
                return {}
            return dict(value)
        if name == "tags":
            return arguments.texts(name, value)
        if name == "metric":
            return _metric(value, arguments)
        if name == "argument_style":
            return arguments.choice(name, value, STYLES)
        if name == "overrides":
            if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) and word for word in value):
                arguments.refuse(name, value, 'a list of words, such as ["compute.mem_gib=8"]')
                return []
            return list(value)
        if name == "resume_from":
            return self._path(name, value if isinstance(value, (str, os.PathLike)) else getattr(value, "outputs", value), arguments)
        return arguments.text(name, value)

    def _inputs(self, value: Any, arguments: Arguments) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            arguments.refuse("inputs", value, 'a dict of paths, such as {"data": "../data"}')
            return {}
        found = {key: self._path(f"inputs[{key!r}]", path, arguments) for key, path in value.items()}
        return {key: path for key, path in found.items() if path is not None}

    def _path(self, name: str, value: Any, arguments: Arguments) -> str | None:
        found = arguments.path(name, value, optional=False)
        return None if found is None else os.path.normpath(os.path.join(self._folder, os.path.expanduser(found)))

    def __getattr__(self, name: str) -> Any:
        if name in SHARED:
            return getattr(self.run_config, SHARED[name])
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"ScriptRunConfig has no setting {name!r}")
        if name not in self._values and name in ("params", "inputs", "tags", "overrides"):
            self._values[name] = [] if name == "overrides" else {}
            self._places[name] = self._place
        return self._values.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise unknown_attribute("ScriptRunConfig", name, self._names)
        arguments = Arguments("ScriptRunConfig")
        if name == "run_config":
            if not isinstance(value, RunConfiguration):
                arguments.refuse(name, value, "a RunConfiguration")
            arguments.check()
            self.__dict__["run_config"] = value
            return
        self._take({name: value}, arguments)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]

    def explain(self, workspace: Workspace | None = None) -> str:
        """Which line set what, and what wins. With a workspace: every setting, config files included.

        >>> from trainconf import ScriptRunConfig
        >>> print(ScriptRunConfig(".", "train.py", compute_target="docker", overrides=["compute.memory_gib=4"]).explain())
        ... # doctest: +ELLIPSIS
        later wins: config files, the lines of the program, overrides
        experiment = adhoc  <- <doctest ...
        compute = docker  <- <doctest ...
        script = train.py  <- <doctest ...
        source_directory = ...
        compute.memory_gib=4  <- overrides of <doctest ...
        """
        from trainconf.sdk.submission.request import explained, explained_in

        return explained(self) if workspace is None else explained_in(self, workspace)

    def __str__(self) -> str:
        return self.explain()

    def __repr__(self) -> str:
        given = {**self._values, **{name: found[0] for name in SHARED if (found := self.run_config._found(SHARED[name])) is not None}}
        given = {name: given[name] for name in self._names if given.get(name)}
        return f"ScriptRunConfig({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _metric(value: Any, arguments: Arguments) -> dict[str, str]:
    """{"name": ..., "goal": ...} of a name, (name, goal), or such a dict."""
    if isinstance(value, str):
        value = {"name": value}
    elif isinstance(value, (list, tuple)) and len(value) == 2:
        value = {"name": value[0], "goal": value[1]}
    if not isinstance(value, dict) or not value.get("name") or not isinstance(value["name"], str) or set(value) - {"name", "goal"}:
        arguments.refuse("metric", value, 'a name, such as "val_accuracy", or ("val_loss", "minimize")')
        return {}
    found = {"name": value["name"]}
    if "goal" in value:
        goal = arguments.choice("the goal of metric", value["goal"], ("maximize", "minimize"))
        found["goal"] = goal or "maximize"
    return found
