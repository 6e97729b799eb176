"""Config to facts: a composed config becomes a RunSpec and what is wished around it. The only place that knows both."""

from __future__ import annotations

import os

from trainconf import environments, plugins
from trainconf.errors import ConfigError, Mistake
from trainconf.fast.patterns import surely_has_one_group
from trainconf.fast.records import replace
from trainconf.fast.stdlib import re
from trainconf.paths import WorkspacePaths, is_inside
from trainconf.resolve import hydra_app, processes
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import no_experiment, show_as_known
from trainconf.spec import CodeSpec, ComputeSpec, EnvironmentSpec, RunSpec, canonical

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_INPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_INPUT_REFERENCE = re.compile(r"\{inputs\.([^}]*)\}")


def is_run_name(name: str) -> bool:
    """Whether a name may be that of a folder below `runs/`: of an experiment, or of a run."""
    return 0 < len(name) <= 200 and name[0].isalnum() and _NAME_CHARACTERS.issuperset(name)


class Resolved:
    """What will run (`spec`, whose snapshot is still empty) and the wishes around it, as the config states them."""

    __slots__ = ("composed", "config", "source_directory", "spec")

    def __init__(self, spec: RunSpec, source_directory: str, composed: Composed) -> None:
        self.spec = spec
        self.source_directory = source_directory
        self.composed = composed
        self.config = composed.typed

    def with_params(self, composed: Composed) -> Resolved:
        """The same with other params, from a composition that differs in nothing else but a Hydra app's words."""
        code = self.spec.code
        if hydra_app.program_of(composed.config):
            code = replace(code, arguments=hydra_app.arguments(composed.config["hydra_app"]))
        return Resolved(replace(self.spec, code=code, params_json=canonical(composed.config["params"])), self.source_directory, composed)

    @property
    def experiment_name(self) -> str:
        return self.config.experiment_name

    def choice(self, group: str) -> str:
        """The chosen answer of a config group, such as `minimal` for `env`."""
        return self.composed.choices.get(group, "")

    @property
    def env_name(self) -> str:
        """The choice of `env`; of `bare`, which has only what is added to it, the name that it was given."""
        choice = self.choice("env")
        return self.config.env.name if choice == "bare" else choice


def resolve(
    composed: Composed, workspace: WorkspacePaths, *, cwd: str | None = None, source: str | None = None,
    software: EnvironmentSpec | None = None,
) -> Resolved:
    """Check what only the whole config can tell, look at the files it names, and make the spec.

    Paths are relative to the workspace; those given on the command line to `cwd`. `source` stands for a source directory that
    is not looked at any more, because the code was recorded before; `software` for an environment that must not be
    looked at. Raises ConfigError with every mistake.
    """
    work = _Resolver(composed, workspace, cwd or os.getcwd())
    known = source is not None
    source = work.source_directory() if source is None else source
    code = work.code(source, look=not known)
    environment = work.environment() if software is None else software
    work.labels()
    work.target()
    distributed = processes.distributed(composed, work.mistakes)
    if work.mistakes:
        raise ConfigError(work.mistakes)
    spec = RunSpec(code, canonical(work.config.params), environment, compute_spec(composed), distributed)
    return Resolved(spec, source, composed)


def resolve_beside(base: Resolved, composed: Composed, workspace: WorkspacePaths) -> Resolved:
    """Resolve a trial of a sweep. Where it differs from `base` in params alone, nothing else is looked at again. Raises ConfigError."""
    if _but_for_params(composed.config) == _but_for_params(base.composed.config):  # what composing has shared is compared by identity
        return base.with_params(composed)
    return resolve(composed, workspace)


def _but_for_params(config: dict[str, Any]) -> dict[str, Any]:
    of_app = {"hydra_app": {**config["hydra_app"], "words": None}} if hydra_app.program_of(config) else {}
    return {**config, "params": None, **of_app}


def compute_spec(composed: Composed) -> ComputeSpec:
    """The part of the spec that is the place and its resources."""
    config = composed.typed
    compute, options = config.compute, composed.compute_options
    if options is None:
        from trainconf.resolve.settings import compute_options

        options = compute_options(config.tree["compute"])
    return ComputeSpec(
        target=compute.target, cpus=compute.cpus, gpus=compute.gpus, max_run_duration_seconds=config.max_run_duration_seconds,
        grace_seconds=float(config.grace_seconds), options=options,
    )


def check_names(composed: Composed, workspace: WorkspacePaths) -> None:
    """Check the names that a recorded config gives to files and variables: it may come from anybody. Raises ConfigError."""
    work = _Resolver(composed, workspace, workspace.root)
    work.labels()
    work.input_names()
    if work.mistakes:
        raise ConfigError(work.mistakes)


def app_script(composed: Composed, workspace: WorkspacePaths, cwd: str | None = None) -> tuple[str, str]:
    """The source directory of a config that names a Hydra app, and the file in it that has the app. Raises ConfigError."""
    work = _Resolver(composed, workspace, cwd or os.getcwd())
    source = work.source_directory()
    script = "" if work.mistakes else work.app_file(source)
    if work.mistakes:
        raise ConfigError(work.mistakes)
    return source, script


def environment(composed: Composed, workspace: WorkspacePaths, mistakes: list[Mistake]) -> EnvironmentSpec:
    """The part of the spec that is the software; what is wrong with the recipe is added to `mistakes`, with its origin."""
    before, spec = len(mistakes), EnvironmentSpec()
    try:
        launcher = plugins.load(composed.config["compute"]["target"])
    except ConfigError as error:
        mistakes += error.mistakes
    else:
        spec = environments.read_recipe(
            composed.config["env"], workspace.root, mistakes, as_image=launcher.needs_image, from_file=launcher.takes_image_file,
        )
        mistakes += _without_gpu(composed, spec)
    for mistake in mistakes[before:]:
        composed.locate(mistake)
    show_as_known(mistakes[before:], workspace)
    return spec


def _without_gpu(composed: Composed, spec: EnvironmentSpec) -> Iterator[Mistake]:
    """A mistake where `env.torch_backend=auto` saw no GPU here, such as on a login node, and the job asks for one."""
    is_cpu = composed.config["env"].get("torch_backend") == "auto" and "--torch-backend cpu" in spec.requirements
    if is_cpu and composed.typed.compute.has_gpus:
        yield Mistake(
            "this machine has no driver of NVIDIA, so auto takes PyTorch without CUDA, and the job asks for GPUs",
            ("from", "env.torch_backend"),
            hint="name the build for the machine of the job, such as env.torch_backend=cuda12, the newest for a driver of CUDA 12",
        )


_NO_EXAMPLES = "`trainconf train.py` runs a script of yours; `trainconf init --examples` puts the shipped examples here"


class _Resolver:
    def __init__(self, composed: Composed, workspace: WorkspacePaths, cwd: str) -> None:
        self.composed = composed
        self.config = composed.typed
        self.workspace = workspace
        self.cwd = cwd
        self.mistakes: list[Mistake] = []

    def wrong(self, key: str, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        self.mistakes.append(Mistake(what, ("from", self.composed.origin(key)), *facts, hint=hint))

    def path(self, key: str, value: str) -> str:
        """A path as the one who wrote it meant it: from the shell's folder, or from the workspace."""
        typed = self.composed.origin(key).startswith("command line")
        return os.path.normpath(os.path.join(self.cwd if typed else self.workspace.root, os.path.expanduser(value)))

    def source_directory(self) -> str:
        source = self.path("source_directory", self.config.source_directory)
        origin = self.composed.origin("source_directory")
        is_named = any(word.lstrip("+").startswith("experiment=") for word in self.composed.overrides)
        if not os.path.isdir(source) and origin.startswith("shipped ") and not is_named:
            self.mistakes.append(no_experiment(self.workspace, self.cwd))
        elif not os.path.isdir(source):
            state = "is not a folder" if os.path.exists(source) else "does not exist"
            shipped = source.startswith(os.path.join(self.workspace.root, "projects", ""))
            self.wrong("source_directory", f"source_directory {state}", ("path", source), hint=_NO_EXAMPLES if shipped else "")
        elif os.path.realpath(source) == os.sep:
            self.wrong("source_directory", "the whole file system would be recorded as the code", hint="change into the project's folder")
        return source

    def code(self, source: str, *, look: bool) -> CodeSpec:
        script, command = self.config.script, self.config.command
        arguments = self._words("arguments", self.config.arguments)
        if hydra_app.program_of(self.config.tree):
            return self._hydra_app(source, look=look)
        argv: tuple[str, ...] = ()
        if script is not None and command is not None:
            self.wrong("command", "script and command are both given, and a run has one of them",
                       ("script", f"{script} from {self.composed.origin('script')}"),
                       ("command", f"{command} from {self.composed.origin('command')}"), hint="take one away: script=null or command=null")
        elif script is None and command is None:
            self.wrong("script", "there is nothing to run", ("allowed", "script=<a Python file>, or command=[program,argument,...]"))
        elif command is not None:
            argv = self._command(command)
        style = self.config.argument_style
        if not self.config.params and style != "none" and self.composed.origin("argument_style") != "default":
            self.wrong("argument_style", f"argument_style={style} is asked for, and there are no params to pass",
                       hint="add one with +params.name=value, or set argument_style=none")
        inside = script if script is not None and command is None else ""
        if script is not None and command is None and look and os.path.isdir(source):
            inside = self.script(inside, source)
        inputs = self._inputs(arguments)
        return CodeSpec(script=inside, command=argv, arguments=arguments, argument_style=style, inputs=inputs, compat=self._compat())

    def _hydra_app(self, source: str, *, look: bool) -> CodeSpec:
        """The code of a Hydra app, which takes its params by the words that set them."""
        app = self.config.tree["hydra_app"]
        is_style_given = self.composed.origin("argument_style") != "default"
        for key in [key for key in ("script", "command", "arguments") if self.config.tree[key]] + ["argument_style"] * is_style_given:
            self.wrong(key, f"{key} and hydra_app are both given, and an app has its own", hint=f"leave {key} out; what the app gets "
                       "follows -- on the command line, or stands in hydra_app.words")  # fmt: skip
        words = self._words("hydra_app.words", [*hydra_app.arguments(app)])
        script = self.app_file(source) if look and os.path.isdir(source) else str(app["script"])
        code = CodeSpec(script=script, arguments=words, argument_style="none", inputs=self._inputs(words),
                        compat=(*self._compat(), hydra_app.COMPAT))
        return replace(code, script="", command=("python", "-m", str(app["module"]))) if app.get("module") else code

    def app_file(self, source: str) -> str:
        """The file of a Hydra app inside the source directory."""
        if not self.config.tree["hydra_app"].get("module"):
            return self.script(str(self.config.tree["hydra_app"]["script"]), source, "hydra_app.script")
        for what, hint in hydra_app.wrong_in_module(self.config.tree, source):
            self.wrong("hydra_app.module", what, ("source_directory", source), hint=hint)
        return hydra_app.module_file(self.config.tree, source)

    def _compat(self) -> tuple[str, ...]:
        names: list[str] = getattr(self.config, "compat", None) or []  # a config that was recorded before has none
        if names:
            known = plugins.compat_names()
            for name in names:
                if name not in known:
                    self.wrong("compat", f"compat names {name!r}, whose imports trainconf does not offer", ("allowed", ", ".join(known)))
        return tuple(dict.fromkeys(names))

    def _command(self, command: Any) -> tuple[str, ...]:
        if isinstance(command, str) and command.strip():
            return ("sh", "-c", command)
        if isinstance(command, list) and command:
            return self._words("command", command)
        self.wrong("command", f"command cannot be {command!r}", ("allowed", "a list such as [python,-m,pkg], or a text for `sh -c`"))
        return ()

    def _words(self, key: str, values: list[Any]) -> tuple[str, ...]:
        wrong = [value for value in values if isinstance(value, (dict, list)) or value is None]
        if wrong:
            self.wrong(key, f"{key} holds {wrong[0]!r}, which is not one word", ("allowed", "texts, numbers, true and false"))
        if any("\0" in str(value) for value in values):
            self.wrong(key, f"{key} holds a NUL character, which no program can be given")
        return tuple(str(value) for value in values)

    def script(self, script: str, source: str, key: str = "script") -> str:
        """The script's path inside the source directory."""
        path = os.path.normpath(os.path.join(source, script))
        if not os.path.exists(path) and self.composed.origin(key).startswith("command line"):
            path = self.path(key, script)
        real, root = os.path.realpath(path), os.path.realpath(source)
        if not os.path.isfile(path):
            state = "is not a file" if os.path.exists(path) else "does not exist"
            near = [name for name in sorted(os.listdir(source)) if name.endswith(".py")][:8]
            self.wrong(key, f"the script {script!r} {state}", ("path", path), *([("there are", ", ".join(near))] if near else []))
        elif not is_inside(path, source) or not is_inside(real, root):
            self.wrong(key, f"the script {script!r} is outside the source directory, so it would not travel",
                       ("script", real), ("source_directory", root), hint="move it, or set source_directory to a folder that holds it")
        return os.path.relpath(path, source)

    def input_names(self) -> None:
        for name in self.config.inputs:
            if not _INPUT_NAME.fullmatch(name):
                self.wrong(f"inputs.{name}", f"{name!r} cannot name an input", ("allowed", "letters, digits and _, not a digit first"))

    def _inputs(self, arguments: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        self.input_names()
        found = []
        for name, value in self.config.inputs.items():
            key = f"inputs.{name}"
            path = self.path(key, str(value))
            if _INPUT_NAME.fullmatch(name) and not os.path.exists(path):
                self.wrong(key, f"the input {name} does not exist", ("path", path))
            root = self.workspace.root
            found.append((name, os.path.relpath(path, root) if is_inside(path, root) else path))
        for name in self.config.unhashed_inputs:
            if name not in self.config.inputs:
                self.wrong("unhashed_inputs", f"unhashed_inputs names {name!r}, which is no input",
                           ("allowed", ", ".join(self.config.inputs) or "there are no inputs"))
        self._param_references(self.config.params)
        unknown = {name for word in arguments if "{inputs." in word for name in _INPUT_REFERENCE.findall(word)} - set(self.config.inputs)
        for name in sorted(unknown):
            known = ", ".join(self.config.inputs) or "there are no inputs"
            self.wrong("arguments", f"{{inputs.{name}}} names no input", ("allowed", known))
        return tuple(sorted(found))

    def _param_references(self, params: dict[str, Any]) -> None:
        if "{inputs." not in str(params):
            return
        from trainconf.resolve.origins import leaves

        for key, value in leaves(params, "params"):
            for text in value if isinstance(value, list) else [value]:
                for name in _INPUT_REFERENCE.findall(text) if isinstance(text, str) else ():
                    if name not in self.config.inputs:
                        known = ", ".join(self.config.inputs) or "there are no inputs"
                        self.wrong(key, f"{{inputs.{name}}} in {key} names no input", ("allowed", known))

    def environment(self) -> EnvironmentSpec:
        return environment(self.composed, self.workspace, self.mistakes)

    def target(self) -> None:
        """A shipped target has settings of its own, which another choice of `compute` does not bring."""
        target = self.config.compute.target
        if self.composed.origin("compute.target") == "default":
            return
        from dataclasses import fields

        from trainconf.schema import group_schema

        node = group_schema("compute", {"target": target})
        if node is not None and {field.name for field in fields(node)} != set(self.composed.config["compute"]):
            chosen = self.composed.choices.get("compute", "another choice")
            self.wrong("compute.target", f"compute.target={target} does not go with compute={chosen}, which has other settings",
                       hint=f"choose it with compute={target}")

    def labels(self) -> None:
        if not is_run_name(name := self.config.experiment_name):
            self.wrong("experiment_name", f"experiment_name cannot be {name!r}",
                       ("allowed", "a letter or digit, then letters, digits, `_`, `-`, `.`; at most 200"))
        unsure = {f"stdout_metrics.{name}": text for name, text in self.config.stdout_metrics.items() if not surely_has_one_group(text)}
        for key, pattern in unsure.items():
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                self.wrong(key, f"{key} is not a regular expression", ("because", str(error)))
                continue
            if groups != 1:
                self.wrong(key, f"{key} has {groups} groups", ("allowed", "exactly one (...), around the number"))
