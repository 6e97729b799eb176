"""`RunConfiguration`: how a script is run, as a value that several submissions may share."""

from __future__ import annotations

import os
import shlex

from trainconf.errors import Mistake, UserError
from trainconf.sdk.distributed import DistributedConfiguration, MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from trainconf.sdk.docker import DockerConfiguration
from trainconf.sdk.place import caller
from trainconf.sdk.settings.arguments import Arguments, unknown_attribute
from trainconf.sdk.settings.checked import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

FRAMEWORKS = ("Python", "PyTorch", "TensorFlow")
# By communicator: the section that counts.
COMMUNICATORS = {
    "None": "", "OpenMpi": "mpi", "IntelMpi": "mpi", "Mpi": "mpi", "Nccl": "pytorch", "Gloo": "pytorch", "ParameterServer": "tensorflow",
}  # fmt: skip
SECTIONS = {"docker": DockerConfiguration, "mpi": MpiConfiguration, "pytorch": PyTorchConfiguration, "tensorflow": TensorflowConfiguration}


class HistoryConfiguration(Settings):
    """What a run keeps: everything, always. The values of the original are accepted where they say that."""

    _names = ("output_collection", "snapshot_project", "directories_to_watch")
    output_collection: bool
    snapshot_project: bool
    directories_to_watch: list[str]

    def __init__(
        self, output_collection: bool = True, snapshot_project: bool = True, directories_to_watch: Sequence[str] = ("logs",)
    ) -> None:
        self._set(output_collection=output_collection, snapshot_project=snapshot_project, directories_to_watch=list(directories_to_watch))

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        for name in ("output_collection", "snapshot_project"):
            if values[name] is not True:
                arguments.refuse(name, values[name], "True: a run always keeps its code and its outputs")


class RunConfiguration:
    """How a script is run. Each value knows the line that set it; what was not set is as in the config files.

    script, arguments, command, target (a compute target's name), node_count, max_run_duration_seconds, environment_variables,
    environment; the sections docker, mpi, pytorch, tensorflow and history; framework and communicator, which say which of the three
    distributed sections counts; distributed: a PyTorchConfiguration, MpiConfiguration or TensorflowConfiguration instead.

        >>> from trainconf import RunConfiguration
        >>> config = RunConfiguration()
        >>> config.target = "slurm"
        >>> config.environment_variables["SEED"] = "1"
    """

    _names = (
        "script", "arguments", "command", "target", "framework", "communicator", "node_count", "max_run_duration_seconds",
        "environment_variables", "environment", "distributed", "history", *SECTIONS,
    )  # fmt: skip
    script: str | None
    arguments: list[Any]
    command: str | list[str] | None
    target: str | None
    framework: str
    communicator: str
    node_count: int
    max_run_duration_seconds: float | None
    environment_variables: dict[str, str]
    environment: Any
    distributed: DistributedConfiguration | None
    history: HistoryConfiguration
    docker: DockerConfiguration
    mpi: MpiConfiguration
    pytorch: PyTorchConfiguration
    tensorflow: TensorflowConfiguration

    def __init__(
        self, script: str | None = None, arguments: Sequence[Any] | str | None = None, framework: str | None = None,
        communicator: str | None = None, conda_dependencies: Any = None, command: str | Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.__dict__.update(_values={}, _places={}, _pristine={}, _base=None, _place=caller())
        given = {"script": script, "arguments": arguments, "framework": framework, "communicator": communicator, "command": command}
        self._take({name: value for name, value in given.items() if value is not None})
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies

    def save(self, path: str | os.PathLike[str] = ".", name: str | None = None) -> str:
        """Write it to `<path>/.azureml/<name>.runconfig`, in the names of Azure ML's SDK v1; the path of the file. Raises UserError."""
        from trainconf.sdk import saved

        file = saved.path_of(*_file_of("RunConfiguration.save", path, name))
        saved.write(file, {key: found[0] for key in self._names if (found := self._found(key)) is not None})
        return file

    @classmethod
    def load(cls, path: str | os.PathLike[str] = ".", name: str | None = None) -> RunConfiguration:
        """Read what `save`, or Azure ML's SDK v1, has written; the file may lack `.runconfig`. Its values come from that file.

        What has no meaning here, such as a `vm_size`, is passed over. Raises UserError with every mistake.
        """
        from trainconf.sdk import saved

        file = saved.path_of(*_file_of("RunConfiguration.load", path, name))
        given = saved.read(file)
        found = cls()
        arguments = Arguments("RunConfiguration", file)
        sections = {key: given.pop(key) for key in (*SECTIONS, "history") if key in given}
        if "environment" in given:
            given["environment"] = saved.environment_of(given["environment"], file)
        for key, values in sections.items():
            try:
                given[key] = {**SECTIONS, "history": HistoryConfiguration}[key](**{**found._default(key)._values, **values})
            except UserError as error:
                arguments.mistakes += [Mistake(each.what, ("from", file), *each.facts[1:], hint=each.hint) for each in error.mistakes]
        found._take(given, arguments)
        return found

    @classmethod
    def delete(cls, path: str | os.PathLike[str] = ".", name: str | None = None) -> None:
        """Remove the file. Raises UserError when there is none."""
        from trainconf.sdk import saved

        file = saved.path_of(*_file_of("RunConfiguration.delete", path, name))
        try:
            os.unlink(file)
        except OSError as error:
            raise UserError("the run configuration cannot be removed", ("path", file), ("because", str(error.strerror))) from error

    @classmethod
    def _over(cls, base: RunConfiguration) -> RunConfiguration:
        """One that has the values of another, as long as it is given no others."""
        found = cls()
        found.__dict__["_base"] = base
        return found

    def _take(self, values: dict[str, Any], arguments: Arguments | None = None, names: Mapping[str, str] | None = None) -> None:
        """Check values and set them, all or none. Raises UserError. `names` are those by which messages call them, where others."""
        arguments = arguments or Arguments(type(self).__name__)
        checked = {name: _checked(name, value, arguments, (names or {}).get(name, name)) for name, value in values.items()}
        arguments.check()
        self._values.update(checked)
        self._places.update(dict.fromkeys(checked, arguments.place))

    def _found(self, name: str) -> tuple[Any, str] | None:
        """A value that was set, here or in what lies below, and its place."""
        if name in self._values:
            return self._values[name], self._places[name]
        if name in self._pristine:
            value, before = self._pristine[name]
            return (value, getattr(value, "_place", self._place)) if _state(value) != before else None
        return None if self._base is None else self._base._found(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._names:
            raise AttributeError(f"RunConfiguration has no setting {name!r}")
        if name in self._values:
            return self._values[name]
        if self._base is not None:
            return getattr(self._base, name)
        if name not in self._pristine:
            value = self._default(name)
            if value is None or isinstance(value, (str, int)):
                return value
            self._pristine[name] = value, _state(value)
        return self._pristine[name][0]

    def _default(self, name: str) -> Any:
        """What a setting is that nobody has set; a mutable one counts once it was changed."""
        if name in SECTIONS:
            return SECTIONS[name]()
        if name == "history":
            return HistoryConfiguration()
        if name == "environment":
            from trainconf.sdk.environments.environment import Environment

            return Environment("default-environment")
        simple: dict[str, Any] = {
            "arguments": [], "environment_variables": {}, "framework": "Python", "communicator": "None", "node_count": 1, "target": "local",
        }  # fmt: skip
        return simple.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise unknown_attribute("RunConfiguration", name, self._names)
        self._take({name: value})

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]

    def __repr__(self) -> str:
        given = {name: found[0] for name in self._names if (found := self._found(name)) is not None}
        return f"RunConfiguration({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _file_of(call: str, path: Any, name: Any) -> tuple[str, str]:
    """The folder and the name of a saved one. Raises UserError."""
    arguments = Arguments(call)
    folder = arguments.path("path", path, optional=False)
    arguments.text("name", name, "the name of a run configuration, such as 'gpu'", optional=False)
    if isinstance(name, str) and ("/" in name or name.startswith(".")):
        arguments.refuse("name", name, "a name without slashes")
    arguments.check()
    return os.path.abspath(str(folder)), str(name)


def _state(value: Any) -> Any:
    """What tells whether a mutable value was changed."""
    if hasattr(type(value), "_snapshot"):
        return value._snapshot()  # an environment, whose sections are changed in place
    return value.copy() if isinstance(value, (dict, list)) else dict(value._values) if isinstance(value, Settings) else value._layer()


def _checked(name: str, value: Any, arguments: Arguments, called: str) -> Any:
    """A value in the form that is kept; what is wrong with it is noted, under the name by which it was `called`."""
    if name == "script":
        return arguments.path(called, value)
    if name in ("arguments", "command"):
        return _words(name, value, arguments)
    if name == "target":
        found = value if isinstance(value, str) or value is None else getattr(value, "name", value)
        return arguments.text(called, found, "the name of a compute target, such as 'docker' or 'slurm/gpu', or an object with a name")
    if name == "framework":
        return arguments.choice(called, value, FRAMEWORKS)
    if name == "communicator":
        return arguments.choice(called, "None" if value is None else value, COMMUNICATORS)
    if name == "node_count":
        return arguments.whole(called, value, minimum=1)
    if name == "max_run_duration_seconds":
        return arguments.seconds(called, value)
    if name == "environment_variables":
        return arguments.texts(called, value)
    if name == "environment":
        if value is not None and not isinstance(value, str) and not callable(getattr(value, "_layer", None)):
            arguments.refuse(called, value, "an Environment, or the name of one, such as 'sklearn'")
        return value
    wanted: dict[str, Any] = {**SECTIONS, "history": HistoryConfiguration, "distributed": DistributedConfiguration}
    if not isinstance(value, wanted[name]) and not (name == "distributed" and value is None):
        kinds = "PyTorchConfiguration, MpiConfiguration or TensorflowConfiguration"
        arguments.refuse(called, value, kinds if name == "distributed" else f"a {wanted[name].__name__}")
    return value


def _words(name: str, value: Any, arguments: Arguments) -> Any:
    if value is None:
        return [] if name == "arguments" else None
    if isinstance(value, str) and name == "command":
        return arguments.text(name, value)
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as error:
            arguments.refuse(name, value, f"words as a shell reads them ({error}), or a list, such as ['--lr', 0.1]")
            return None
    if not isinstance(value, (list, tuple)) or (name == "command" and not value):
        arguments.refuse(name, value, "a list, such as ['--lr', 0.1], or a text")
        return None
    return list(value)
