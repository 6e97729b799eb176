"""Makes a recorded or frozen run ready to submit again: its own config and code, with other values where overrides say so."""

from __future__ import annotations

import os
from typing import Any

from trainconf import environments
from trainconf.composition.cache import compose
from trainconf.composition.layers import read_layers
from trainconf.composition.machine import is_in_spec, of_machine
from trainconf.errors import ConfigError, EnvironmentRecipeError, FrozenFileError, Mistake, RunNotFoundError
from trainconf.fast.records import replace
from trainconf.fast.stdlib import json
from trainconf.files import read_json
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import Reporter
from trainconf.resolve.composed import Composed
from trainconf.resolve.hydra_app import program_of, split, split_params
from trainconf.resolve.origins import leaves
from trainconf.resolve.resolver import Resolved, check_names, environment, resolve
from trainconf.resolve.search import config_dirs, groups
from trainconf.snapshot import SnapshotStore
from trainconf.spec import EnvironmentSpec, RunSpec
from trainconf.submission.app_again import recomposed
from trainconf.submission.code import find_code
from trainconf.submission.frozen import Frozen

CHOSEN_ANEW = {"compute": "compute", "sweep": "sweep", "sweep/policy": "sweep.policy"}  # groups around a run: what of a config they are


def from_run(
    paths: RunPaths, overrides: list[str], workspace: WorkspacePaths, reporter: Reporter
) -> tuple[Resolved, dict[str, Any]]:
    """A run's own config with `overrides` on top, its own snapshot, and what git said then.

    `compute=`, `sweep=` and `sweep/policy=` choose anew: they are around the run. The software stays as recorded, unless an override of
    `env` changes it or the new target needs it in another form; whether to detach is decided anew. Raises RunNotFoundError for a damaged
    record, ConfigError.
    """
    from trainconf.composition.hydra.light import import_lightly

    import_lightly()
    from trainconf.composition.change import change, kept, made_anew

    found, git = recorded(paths)
    spec, source, then, derived = found.spec, found.source_directory, found.composed, found.composed.derived
    overrides, words, of_params = _of_app(then, overrides)
    then.config = {key: value for key, value in then.config.items() if key != "submit"}
    # as they were found: a path of the command line was relative to its shell
    then.config["inputs"] = {name: os.path.join(workspace.root, path) for name, path in spec.code.inputs}
    then.origins = origins = {key: origin for key, origin in then.origins.items() if not key.startswith("submit.")}
    if chosen := [word for word in overrides if word.partition("=")[0] in CHOSEN_ANEW]:
        then = _chosen_anew(then, chosen, workspace)
        overrides = [word for word in overrides if word not in chosen]
    base = composed = change(then, [], workspace)
    if overrides or chosen or words or of_params:
        composed = change(then, overrides, workspace)
        if derived is None:
            reporter.info("note: an older trainconf recorded this run: values that were made of others keep what they were")
        for key in kept(derived or {}, made_anew(derived or {}, overrides, origins), base.config, composed.config):
            reporter.info(f"note: {key} keeps its value of then, though it was made of {json.dumps((derived or {})[key])}")
        if words or of_params:
            find_code(spec.code.snapshot, source, git, workspace, paths.spec)
            composed = recomposed(composed, words, of_params, spec.code.snapshot, source, workspace)
            for note in composed.notes:
                reporter.info(f"note: {note}")
        resolved = _changed(base, composed, [*chosen, *overrides, *of_params, *words], spec, source, workspace)
    else:
        resolved = Resolved(spec, source, composed)
    composed.derived = _derived(then, base, composed)
    return rebind_here(resolved, workspace, reporter), git


def _of_app(then: Composed, overrides: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The overrides, the words for the Hydra app of a recorded run, and its params without `params.`. Raises ConfigError."""
    own, words = split(overrides)
    if program_of(then.config):
        own, of_params = split_params(own)
        return own, words, of_params
    if words:
        raise ConfigError("what follows -- is for a Hydra app, and this run has none", ("from", f"command line: -- {' '.join(words)}"))
    return own, [], []


def _chosen_anew(then: Composed, words: list[str], workspace: WorkspacePaths) -> Composed:
    """A recorded config with other choices of groups around the run, each as the run's experiment has it today. Raises ConfigError."""
    experiment = then.choices.get("experiment")
    own = [f"experiment={experiment}"] if experiment in groups(config_dirs(workspace)).get("experiment", ()) else []
    today = compose([*own, *words], workspace, config_name=then.config_name)
    parts = dict.fromkeys(CHOSEN_ANEW[word.partition("=")[0]] for word in words)
    config, origins = {**then.config}, dict(then.origins)
    for part in parts:
        group, _, inner = part.partition(".")
        node = today.config[group]
        config[group] = {**config.get(group, {}), inner: node[inner]} if inner else node
        origins = {key: origin for key, origin in origins.items() if not f"{key}.".startswith(f"{part}.")}
        origins |= {key: origin for key, origin in today.origins.items() if f"{key}.".startswith(f"{part}.")}
    derived = then.derived and {
        key: value for key, value in then.derived.items() if not any(f"{key}.".startswith(f"{part}.") for part in parts)
    }
    chosen = {word.partition("=")[0] for word in words}
    choices = {**then.choices, **{group: choice for group, choice in today.choices.items() if group in chosen}}
    return Composed(
        config, origins, choices, [*then.overrides, *words], derived=derived, config_name=then.config_name, folder=then.folder,
        layers=then.layers,
    )  # fmt: skip


def recorded(paths: RunPaths) -> tuple[Resolved, dict[str, Any]]:
    """What a run was submitted as, with its snapshot, and what git said then. Raises RunNotFoundError for a damaged record."""
    _refuse_process(paths)
    try:
        record = _checked(read_json(paths.record))
        spec = RunSpec.from_dict(read_json(paths.spec), paths.spec)
        source, config = record["source_directory"], dict(record["config"])
        layers = read_layers(record.get("layers", []))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunNotFoundError(
            "the run's record is damaged, so it cannot be run again", ("path", paths.run_dir), ("because", str(error))
        ) from error
    derived = record.get("derived")
    then = Composed(
        config, record.get("origins", {}), record.get("choices", {}), record.get("overrides", []),
        derived=derived if isinstance(derived, dict) else None, config_name=record.get("config_name", "config"),
        folder=record.get("folder") or paths.workspace.root, layers=layers,
    )  # fmt: skip
    try:
        git = read_json(paths.git)
    except (OSError, ValueError):
        git = {}
    return Resolved(spec, source, then), git if isinstance(git, dict) else {}


def _refuse_process(paths: RunPaths) -> None:
    """Raise RunNotFoundError for a run that a process was: nothing of it was submitted."""
    try:
        record = read_json(paths.record)
        kind, parent = record.get("type"), record.get("parent")
    except (OSError, ValueError, AttributeError):
        return  # damaged, as the caller says
    if kind not in ("child", "interactive") or os.path.lexists(paths.spec):
        return
    what = f"{paths.run_id} was a process that trainconf did not start, so there is nothing to run again"
    hint = f"`trainconf rerun {parent}` runs what it belongs to" if isinstance(parent, str) else "start its program again"
    raise RunNotFoundError(what, ("path", paths.run_dir), hint=hint)


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """The content of run.json, when what is read of it has its type. Raises TypeError, LookupError."""
    for key in ("origins", "choices"):
        if not isinstance(record.get(key, {}), dict):
            raise TypeError(f"{key} is no mapping")
    overrides = record.get("overrides", [])
    if not isinstance(overrides, list):
        raise TypeError("overrides is no list")
    texts = (record["source_directory"], record.get("config_name", ""), record.get("folder", ""))
    for text in (*texts, *overrides, *record.get("origins", {}).values()):
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")
    return record


def from_frozen(file: Frozen, overrides: list[str], workspace: WorkspacePaths, reporter: Reporter) -> Resolved:
    """What a frozen file describes, on this machine, with the facts that this machine has about itself.

    `overrides` may change what is not part of its spec. Raises FrozenFileError, ConfigError.
    """
    from trainconf.composition.hydra.light import import_lightly

    import_lightly()
    from trainconf.composition.change import change

    frozen = file.resolved
    machine = of_machine(frozen.composed.config, workspace)
    try:
        base = change(frozen.composed, [], workspace, machine=machine)
        composed = change(frozen.composed, overrides, workspace, machine=machine) if overrides else base
    except ConfigError as error:
        raise FrozenFileError(_in_file(mistake, file.path) for mistake in error.mistakes) from error
    if touched := _touched(base, composed, overrides):
        raise FrozenFileError(
            Mistake(f"{key} is part of what was frozen", ("from", word), ("in", file.path),
                    hint=f"another value makes another frozen file: `trainconf freeze -o FILE ... {key}=VALUE`")
            for key, word in touched
        )  # fmt: skip
    composed.derived = _derived(frozen.composed, base, composed)
    return rebind_here(Resolved(frozen.spec, frozen.source_directory, composed), workspace, reporter)


def _derived(then: Composed, base: Composed, composed: Composed) -> dict[str, Any] | None:
    """How the values are written that are made of others: as then, but for those that overrides have changed."""
    if then.derived is None:
        return None
    changed = _changes(base, composed)
    return {**{key: value for key, value in then.derived.items() if key not in changed}, **(composed.derived or {})}


def _in_file(mistake: Mistake, path: str) -> Mistake:
    """A mistake in a config that was read from a frozen file, unless the command line or this machine is to blame."""
    source = dict(mistake.facts).get("from", "")
    if source.startswith(("command line", "conf/local.yaml", "conf/trainconf/local.yaml")):
        return mistake
    return Mistake(mistake.what, ("from", path), *(fact for fact in mistake.facts if fact[0] != "from"), hint=mistake.hint)


def _touched(base: Composed, changed: Composed, overrides: list[str]) -> list[tuple[str, str]]:
    """The settings of the spec that overrides have changed, each with the override that did."""
    before, after = dict(leaves(base.config)), dict(leaves(changed.config))
    found = []
    for key in dict.fromkeys([*before, *after]):
        if (key in before, before.get(key)) == (key in after, after.get(key)) or not is_in_spec(key, base.config):
            continue
        origin = changed.origin(key)
        removing = next((word for word in overrides if f"{key}.".startswith(f"{word.lstrip('~+').partition('=')[0]}.")), overrides[-1])
        found.append((key, origin if origin.startswith("command line") else f"command line: {removing}"))
    return [(key, word) for key, word in found if not any(other.startswith(f"{key}.") for other, _ in found)]  # not a mapping emptied


def _changes(base: Composed, composed: Composed) -> set[str]:
    """The dotted keys at which two configs differ."""
    before, after = dict(leaves(base.config)), dict(leaves(composed.config))
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _changed(
    base: Composed, composed: Composed, overrides: list[str], spec: RunSpec, source: str, workspace: WorkspacePaths
) -> Resolved:  # fmt: skip
    """A recorded config in which some values were replaced, checked like any other. Raises ConfigError."""
    touched = {key.lstrip("+~").partition("=")[0].partition(".")[0] for key in (*overrides, *_changes(base, composed))}
    if touched & {"source_directory", "snapshot"}:
        raise ConfigError(Mistake("a rerun keeps the code of its run", ("from", f"command line: {' '.join(overrides)}"),
                                  hint="submit anew for other code: `trainconf experiment=...`"))
    fresh = resolve(composed, workspace, source=source)
    if "script" in touched:
        _check_script(composed, spec.code.snapshot, workspace)
    same = dict(spec.code.inputs).items() & dict(fresh.spec.code.inputs).items()
    digests = tuple((name, digest) for name, digest in spec.code.input_digests if name in dict(same))
    code = replace(fresh.spec.code, snapshot=spec.code.snapshot, input_digests=digests)
    is_other = "env" in touched or ("compute" in touched and fresh.spec.environment.kind != spec.environment.kind)
    environment = fresh.spec.environment if is_other else spec.environment
    return Resolved(replace(fresh.spec, code=code, environment=environment), source, composed)


def _check_script(composed: Composed, snapshot_id: str, workspace: WorkspacePaths) -> None:
    """The script must be a file of the recorded code, as far as that is here already. Raises ConfigError."""
    script, store = composed.typed.script, SnapshotStore(workspace.snapshots)
    if script is None or not store.exists(snapshot_id):
        return
    files = [entry.path for entry in store.show(snapshot_id) if entry.kind != "folder"]
    if script not in files:
        near = [name for name in files if name.endswith(".py")][:8]
        raise ConfigError(f"the script {script!r} is not in the run's code", ("from", composed.origin("script")),
                          *([("there are", ", ".join(near))] if near else []))


def rebind_here(resolved: Resolved, workspace: WorkspacePaths, reporter: Reporter) -> Resolved:
    """A recorded spec on this machine: with its inputs, and in the software that is really here.

    A managed environment is rebuilt from its recipe and stays what it was. A user-managed one is whatever this Python has, and an image
    that is used as it is what its name now stands for, unless the engine still has the one of then: differences are reported, and the new
    run's spec says what it really ran in. Raises ConfigError.
    """
    check_names(resolved.composed, workspace)
    mistakes = [
        Mistake(f"the input {name} does not exist", ("path", path), hint="put it there, or submit anew with another path")
        for name, relative in resolved.spec.code.inputs if not os.path.exists(path := os.path.join(workspace.root, relative))
    ]
    before = resolved.spec.environment
    if before.kind == "current":
        now = environment(resolved.composed, workspace, mistakes)
    else:
        now = _image_now(before, workspace, mistakes, reporter)
    if mistakes:
        raise ConfigError(mistakes)
    for what in _drift(before, now):
        reporter.info(f"note: the environment is not as it was: {what}")
    spec = replace(resolved.spec, environment=replace(now, variables=before.variables))
    return Resolved(spec, resolved.source_directory, resolved.composed)


def _image_now(
    before: EnvironmentSpec, workspace: WorkspacePaths, mistakes: list[Mistake], reporter: Reporter
) -> EnvironmentSpec:
    """An image that is used as it is: by its id while the engine has it, else by its name, with the id that has now.

    A file is what it is now; one that is gone is added to `mistakes`.
    """
    if environments.is_file(before):
        from trainconf.environments.image.file import image_now

        try:
            return image_now(before, workspace.root)
        except EnvironmentRecipeError as error:
            mistakes.extend(error.mistakes)
            return before
    if not before.image:
        return before
    from trainconf.environments.image.find import id_of

    if id_of(before.software_id) == before.software_id:
        return before
    now = replace(before, software_id=id_of(before.image))
    if not now.software_id:
        reporter.info(f"note: image {before.image} is not here; the one that is pulled by this name may not be {before.software_id}")
    return now


def _drift(before: EnvironmentSpec, now: EnvironmentSpec) -> list[str]:
    found = []
    if before.image:
        moved = now.software_id not in ("", before.software_id)
        return [f"image {before.image} was {before.software_id}, and is {now.software_id}"] if moved else []
    if before.python != now.python:
        found.append(f"Python {before.python} then, {now.python} now")
    if before.software_id != now.software_id:
        found.append(f"other packages are installed ({json.dumps(before.software_id[:12])} then, {json.dumps(now.software_id[:12])} now)")
    return found
