"""A job of Azure ML v2 as a request of ours: choices of groups as overrides, values as layers whose origins are lines of the file.

What a placeholder of the command names is a param, so `params.lr=0.1` behind the file changes the command, and a sweep searches it.
"""

from __future__ import annotations

import os
import re
from typing import Any

from trainconf.compat.azureml.v2 import command, data, fields, software, targets
from trainconf.compat.azureml.v2.document import Document
from trainconf.compat.azureml.v2.names import Names
from trainconf.compat.azureml.v2.resources import read_distribution, read_resources
from trainconf.compat.azureml.v2.search import Search
from trainconf.compat.azureml.v2.search import read as read_search
from trainconf.composition.layers import escaped
from trainconf.control.compose import ComposeRequest
from trainconf.errors import ConfigError, Mistake
from trainconf.sdk.submission.layers import PlacedValues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.composition.layers import Layer
    from trainconf.paths import WorkspacePaths

GROUPS = ("compute", "env", "distributed", "sweep", "sweep/policy")
_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


class Job:
    """choices: of groups, with the place that chose each. values: with their places, written as in a config file.

    notes: what is to be told, once. title: one line that says what the job is.
    """

    def __init__(self, title: str, description: str = "") -> None:
        self.title = title
        self.description = description
        self.choices: dict[str, tuple[str, str]] = {}
        self.values = PlacedValues()
        self.notes: list[str] = []
        self.is_sweep = False

    def layers(self) -> list[Layer]:
        """The values, one layer for each line of the file."""
        return [layer._replace(is_config=True) for layer in self.values.layers()]

    def request(self, overrides: Sequence[str] = ()) -> ComposeRequest:
        """The request to compose: the job's own choices, its values, and the overrides behind them."""
        given = {text.partition("=")[0] for text in overrides}
        own = [f"{group}={choice}" for group, (choice, _) in self.choices.items() if group not in given]
        return ComposeRequest(["experiment=adhoc", *own, *overrides], layers=self.layers())


def read(path: str, overrides: Sequence[str], workspace: WorkspacePaths) -> Job:
    """The job of a file, as it is with the overrides behind it. Raises ConfigError with all mistakes."""
    return _Reader(Document(path), overrides, workspace).job()


class _Reader:
    def __init__(self, document: Document, overrides: Sequence[str], workspace: WorkspacePaths) -> None:
        self.document = document
        self.names = Names(workspace)
        self.workspace = workspace
        self.given = {text.partition("=")[0].lstrip("+"): text.partition("=")[2] for text in overrides}
        self.kind = _kind(document)
        self.trial: tuple[str, ...] = ("trial",) if self.kind == "sweep" else ()

    def job(self) -> Job:
        document = self.document
        top = document.read((), fields.SWEEP_JOB if self.trial else fields.COMMAND_JOB)
        inner = document.read(self.trial, fields.TRIAL) if self.trial else top
        job = Job(f"{document.name}, a {self.kind} job of Azure ML v2", str(top.get("description", "")))
        self._labels(job, top)
        search = read_search(document) if self.trial else None
        self._code(job, inner)
        self._software(job, inner)
        names = self._data(job, search)
        self._variables(job, inner, names)
        self._command(job, inner, names)
        if search is not None:
            self._search(job, search)
        elif "timeout" in (limits := document.read(("limits",), fields.COMMAND_LIMITS) if "limits" in top else {}):
            self._put(job, ("limits", "timeout"), {"max_run_duration_seconds": limits["timeout"]})
        if document.mistakes:
            raise ConfigError(document.mistakes)
        job.notes += document.notes
        return job

    def _put(self, job: Job, keys: tuple[str, ...], tree: dict[str, Any]) -> None:
        """Values as they are."""
        job.values.put(self.document.place(*keys), as_config(tree))

    def _choose(self, job: Job, group: str, choice: str, keys: tuple[str, ...]) -> bool:
        """Choose, unless the command line does; whether values below the group are still the job's to say."""
        if group in self.given:
            return False
        job.choices[group] = (choice, self.document.place(*keys))
        return True

    def _labels(self, job: Job, top: dict[str, Any]) -> None:
        folder = os.path.basename(os.path.dirname(self.document.path))
        name = _NAME.sub("_", str(top.get("experiment_name") or folder)).lstrip("_.-") or "adhoc"
        self._put(job, ("experiment_name",), {"experiment_name": name})
        job.values.put(self.document.place("type"), {"compat": ["azureml", "mlflow"]})  # what scripts of v2 jobs log by
        if "display_name" in top:
            self._put(job, ("display_name",), {"display_name": top["display_name"]})
        for key, value in (top.get("tags") or {}).items():
            if isinstance(value, (dict, list)):
                self.document.wrong(("tags", str(key)), f"tags.{key} is no text")
            else:
                self._put(job, ("tags", str(key)), {"tags": {str(key): "" if value is None else str(value)}})

    def _code(self, job: Job, inner: dict[str, Any]) -> None:
        document, keys = self.document, (*self.trial, "code")
        code = inner.get("code")
        if code is None:
            document.notes.append(f"{document.place()}: the job has no `code`, so the folder of the file itself is recorded")
        elif re.match(r"azureml:|git\+|https?:", code):
            document.wrong(keys, f"the code {code} is not on this machine", hint="clone or download it, and write the path of its folder")
            return
        folder = document.local(code or ".")
        if not os.path.isdir(folder):
            document.wrong(keys, "the folder of the code does not exist", ("path", folder))
        self._put(job, keys, {"source_directory": software.relative(folder, self.workspace)})

    def _software(self, job: Job, inner: dict[str, Any]) -> None:
        """Environment, compute target and processes, which depend on each other: an image needs a container."""
        document, keys = self.document, (*self.trial, "environment")
        found = software.read(document, keys, self.workspace) if "env" not in self.given and "environment" in inner else None
        if found is not None and self._choose(job, "env", found.choice, keys):
            for place, tree in found.values:
                self._put(job, place, {"env": tree})
            if found.note:
                document.notes.append(f"{document.place(*keys)}: {found.note}")
        before = len(document.mistakes)
        target = self.given.get("compute") or targets.choice(document, self.names.targets, self.workspace)
        if found is not None and found.needs_container and "compute" not in self.given and target == "local":
            target = "docker"
            document.notes.append(f"{document.place(*keys)}: the environment is an image, so the job runs in a container: compute=docker")
        self._choose(job, "compute", target, ("compute",))
        kind = targets.kind(target, self.workspace) if len(document.mistakes) == before else ""
        place = (*self.trial, "resources") if self.trial and document.at(*self.trial, "resources") is not None else ("resources",)
        count, settings = read_resources(document, place, kind)
        for path, tree in settings:
            self._put(job, path, tree)
        choice, processes = read_distribution(document, (*self.trial, "distribution"), count)
        if self._choose(job, "distributed", choice, (*self.trial, "distribution")):
            for path, tree in processes or ([((*place, "instance_count"), {"node_count": count})] if count > 1 else []):
                self._put(job, path, {"distributed": tree})

    def _data(self, job: Job, search: Search | None) -> dict[str, command.Value]:
        """Inputs, outputs and what is searched; what the placeholders of the command stand for."""
        inputs = data.read_inputs(self.document, self.given, self.names, self.workspace)
        for name, path in inputs.paths.items():
            self._put(job, ("inputs", name), {"inputs": {name: path}})
        for name, value in inputs.params.items():
            self._put(job, ("inputs", name), {"params": {name: value}})
        names = dict(inputs.names)
        for name, value in search.params.items() if search is not None else ():
            if name in inputs.params or name in inputs.paths:
                self.document.wrong(("search_space", name), f"{name} is an input, and is searched")
            self._put(job, ("search_space", name), {"params": {name: value}})
            is_tree = value is None  # its options are mappings
            names[f"search_space.{name}"] = command.Value("${params." + name + "}", is_tree=is_tree)
            if not is_tree:
                variable = {"env": {"variables": {f"AZUREML_PARAMETER_{name}": "${params." + name + "}"}}}
                job.values.put(self.document.place("search_space", name), variable)
        return names

    def _variables(self, job: Job, inner: dict[str, Any], names: dict[str, command.Value]) -> None:
        keys = (*self.trial, "environment_variables")
        values = {name: value for name, value in names.items() if not value.is_word}
        for name, value in (inner.get("environment_variables") or {}).items():
            if isinstance(value, (dict, list)):
                self.document.wrong((*keys, str(name)), f"the variable {name} is no text")
                continue
            read = command.read("" if value is None else str(value), values)
            for unknown in read.unknown:
                what = f"the variable {name} names {unknown}, which is no value"
                self.document.wrong((*keys, str(name)), what, ("allowed", ", ".join(values) or "nothing"))
            job.values.put(self.document.place(*keys, str(name)), {"env": {"variables": {str(name): read.text}}})

    def _command(self, job: Job, inner: dict[str, Any], names: dict[str, command.Value]) -> None:
        keys = (*self.trial, "command")
        lines, outputs = data.read_outputs(self.document)
        known = {**names, **outputs}
        if "command" not in inner:
            return
        read = command.read(inner["command"], known)
        for unknown in dict.fromkeys(read.unknown):
            what = f"the command names {unknown}, which the job does not have"
            self.document.wrong(keys, what, ("allowed", ", ".join(known) or "nothing"))
        if not read.text and not read.unknown:
            self.document.wrong(keys, "the command is empty")
        text = "\n".join([*map(escaped, lines), read.text])
        job.values.put(self.document.place(*keys), {"command": ["bash", "-c", text] if read.is_bash else text, "argument_style": "none"})

    def _search(self, job: Job, search: Search) -> None:
        job.is_sweep = True
        is_ours = self._choose(job, "sweep", search.sampler, ("sampling_algorithm",))
        if search.policy:
            is_policy_ours = self._choose(job, "sweep/policy", search.policy, ("early_termination",))
        for keys, tree in search.values:
            if keys[0] == "early_termination" and not is_policy_ours:
                continue
            if keys[0] == "sampling_algorithm" and not is_ours:
                continue
            self._put(job, keys, tree)


def _kind(document: Document) -> str:
    """`command` or `sweep`. Raises ConfigError for any other kind of file, with what to do."""
    schema = str(document.values.get("$schema", "")).rpartition("/")[2].partition(".")[0].lower()
    kind = str(document.values.get("type") or "").lower()
    for refused, hint in fields.REFUSED.items():
        if refused.replace("_", "") in (schema.removesuffix("job").replace("_", ""), kind.replace("_", "")) or (
            refused in ("component", "automl") and refused in (schema + kind)
        ):
            raise ConfigError(Mistake(
                f"{document.name} is a job of kind {refused}, which trainconf does not run", ("from", document.place("type")),
                ("allowed", "jobs of `type: command` and `type: sweep`"), hint=hint,
            ))
    if not kind:
        kind = "sweep" if schema.startswith("sweep") or ("trial" in document.values) else "command"
    if kind not in ("command", "sweep"):
        raise ConfigError(Mistake(
            f"{document.name} has the type {kind!r}", ("from", document.place("type")), ("allowed", "command, sweep"),
        ))
    return kind


def as_config(value: Any) -> Any:
    """Values as a config file has them: `${` in a text is no interpolation."""
    if isinstance(value, dict):
        return {key: as_config(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_config(item) for item in value]
    return escaped(value) if isinstance(value, str) else value
