"""Submits the jobs of a Hydra multirun as one sweep, waits for them, and gives Hydra what they returned."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, setup_globals
from omegaconf import OmegaConf, open_dict

from trainconf.compat import calls, imports
from trainconf.compat.hydra import options
from trainconf.compat.hydra.task import CALL, PLACES, RETURNED, store_of
from trainconf.composition.layers import Layer
from trainconf.control import runs
from trainconf.control.compose import ComposeRequest
from trainconf.control.sweeps.following import follow
from trainconf.control.sweeps.points import of_points
from trainconf.errors import UserError
from trainconf.fast.plain import made_plain
from trainconf.paths import RunPaths, find_workspace, packaged
from trainconf.resolve.hydra_app import place_of, signed

log = logging.getLogger(__name__)
_OF_MAIN = re.compile(rb"__main__\.([A-Za-z_]\w*)")
FOR_ALL = {  # of every app
    "argument_style": "none", "submit": {"detach": True, "reuse": False},
}


def launch(launcher: Any, job_overrides: Sequence[Sequence[str]], first: int, singletons: Any) -> list[JobReturn]:
    """What each job returned, in their order. `first` is the number of the first job. `singletons` are Hydra's, for the jobs.

    A job that has ended without returning fails with a RuntimeError that says why. An interruption cancels all jobs. Raises UserError
    kinds, LaunchError.
    """
    config = launcher.config
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    _make(sweep_dir, config.hydra.sweep.get("mode"))
    workspace = find_workspace(os.getcwd())
    source = _source()
    folder = calls.keep(sweep_dir, lambda made: _write(made, launcher, job_overrides, first, str(sweep_dir), source, singletons))
    choices, values, notes = options.read(launcher.kind, dict(launcher.options), folder)
    for note in notes:
        log.info(note)
    if choices[0].startswith("compute=docker"):
        values["compute"].setdefault("arguments", {})["volumes"] = {str(sweep_dir): {"bind": str(sweep_dir), "mode": "rw"}}
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", str(config.hydra.job.name))
    tree = {"experiment_name": name, "source_directory": os.path.relpath(source, workspace.root), **FOR_ALL, **values}
    request = ComposeRequest(["experiment=adhoc", *choices], config_dir=packaged("conf"), layers=[Layer("hydra.launcher", tree)])
    sweep = of_points(request, [_point(overrides, first + index) for index, overrides in enumerate(job_overrides)], workspace)
    sweep.start()
    log.info(f"trainconf launches {len(job_overrides)} jobs as {sweep.sweep_id}; sweep output dir: {sweep_dir}")
    for index, overrides in enumerate(job_overrides):
        log.info(f"\t#{first + index} : {' '.join(filter_overrides(overrides))}")
    try:
        for _ in follow(sweep):
            pass
    except BaseException:
        sweep.cancel(force=False)
        raise
    return [_returned(folder, trial.paths, overrides) for trial, overrides in zip(sweep.trials, job_overrides, strict=True)]


def _make(sweep_dir: Path, mode: Any) -> None:
    sweep_dir.mkdir(parents=True, exist_ok=True)
    if mode is not None:
        os.chmod(sweep_dir, int(str(mode), 8))
    here = Path.cwd()
    if sweep_dir != here and sweep_dir not in here.parents and not (sweep_dir / ".trainconfignore").exists():
        (sweep_dir / ".trainconfignore").write_text("# written by trainconf: outputs are no source code\n*\n")


def _source() -> str:
    """The folder whose copy the jobs import from: where the app was started, or its script's folder when that lies elsewhere.

    By `python -m cProfile app.py` the script is cProfile.
    """
    here = os.path.realpath(os.getcwd())
    script = getattr(sys.modules["__main__"], "__file__", None)
    folder = os.path.dirname(os.path.realpath(script)) if script else here
    is_inside = (folder + os.sep).startswith(here + os.sep)
    is_installed = "site-packages" in folder or imports.is_of_python(folder)
    return here if is_inside or is_installed or not os.access(script or "", os.R_OK) else folder


def _main(source: str) -> str:
    """The app's script, relative to the source directory; empty where it is not in that."""
    script = os.path.realpath(getattr(sys.modules["__main__"], "__file__", None) or "")
    return os.path.relpath(script, source) if script.startswith(os.path.realpath(source) + os.sep) and script.endswith(".py") else ""


def _write(
    folder: Path, launcher: Any, job_overrides: Sequence[Sequence[str]], first: int, sweep_dir: str, source: str, singletons: Any
) -> None:
    """Write what the jobs need."""
    if find_spec("cloudpickle") is None:
        raise UserError("hydra/launcher=trainconf needs cloudpickle", hint="pip install 'trainconf[hydra]'")
    named: set[bytes] = set()
    for index, overrides in enumerate(job_overrides):  # composed now: what is edited before a job starts changes nothing
        composed = launcher.composed(overrides)
        with open_dict(composed):
            composed.hydra.job.num = first + index
            composed.hydra.sweep.dir = sweep_dir  # the jobs may work elsewhere
        data = _pickled(composed)
        named.update(_OF_MAIN.findall(data))
        (folder / f"{first + index}.pkl").write_bytes(data)
    call = {"hydra_context": launcher.hydra_context, "task_function": launcher.task_function, "singletons": singletons,
            "targets": _targets(sorted(name.decode() for name in named))}
    (folder / CALL).write_bytes(_pickled(call))
    compute = str(launcher.options["compute"])
    places = {**imports.of(source), "cwd": "" if compute.startswith("docker") else os.getcwd(), "main": _main(source)}
    (folder / PLACES).write_text(json.dumps(places))


def _targets(names: Sequence[str]) -> dict[str, Any]:
    """What the app's script has by the names of a `_target_`, for the pickle of its function: then a class is the one that function knows.

    What cannot be pickled is left to the job, which imports the script for it.
    """
    main = vars(sys.modules["__main__"])
    return {name: main[name] for name in names if name in main and _is_picklable(main[name])}


def _is_picklable(value: Any) -> bool:
    try:
        _pickled(value)
    except Exception:  # what a class of the app's raises
        return False
    return True


def _pickled(call: Any) -> bytes:
    """A call as bytes. The job has plugins of its own; the typed options of other launchers and sweepers need a package it may lack."""
    import cloudpickle

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, Plugins):
                return Plugins.instance, ()
            if isinstance(obj, ConfigStore):
                return store_of, (_without_plugins(obj.repo),)
            return super().reducer_override(obj)

    stream = io.BytesIO()
    Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(call)
    return stream.getvalue()


def _without_plugins(repo: dict[str, Any]) -> dict[str, Any]:
    """A store without the nodes of plugins, which may lie deep: `hydra/sweeper/sampler/tpe`."""
    return {name: _without_plugins(node) if isinstance(node, dict) else node for name, node in repo.items() if not _is_of_a_plugin(node)}


def _is_of_a_plugin(node: Any) -> bool:
    """Whether a node of the store has a class that only an installed plugin has."""
    kind = OmegaConf.get_type(getattr(node, "node", None)) if OmegaConf.is_config(getattr(node, "node", None)) else dict
    return kind is not None and kind.__module__.startswith("hydra_plugins.")


def _point(overrides: Sequence[str], number: int) -> dict[str, Any]:
    """The params of a job: its number, and the value or choice of each override, so that history can be asked for them."""
    found: dict[str, Any] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = place_of(signed(override.get_key_element())[1])
        if key.startswith("hydra.") or override.is_delete():
            continue
        value = OmegaConf.to_container(OmegaConf.create({"value": override.value()}))["value"]  # type: ignore[index,call-overload]
        found[key] = made_plain(value)  # `nan` and `inf` are no JSON
    parents = {key.rpartition(".")[0] for key in found}
    named = {f"params.{key}_choice" if key in parents else f"params.{key}": value for key, value in found.items()}
    return {**named, "params.hydra_job": number}


def _returned(folder: str, paths: RunPaths | None, overrides: Sequence[str]) -> JobReturn:
    """What a job returned."""
    assert paths is not None
    try:
        with open(os.path.join(folder, paths.run_id + RETURNED), "rb") as stream:
            found = pickle.load(stream)
    except FileNotFoundError:
        state = runs.state(paths)
        why = f"has ended without returning: {state.status}{f', {state.reason}' if state.reason else ''}"
    except Exception as error:  # what a class of the app's raises when it is made anew
        why = f"has returned what cannot be read here: {type(error).__name__}: {error}"
    else:
        assert isinstance(found, JobReturn)
        return found
    told = RuntimeError(f"run {paths.run_id} {why}; `trainconf logs {paths.run_id}` shows what it printed")
    return JobReturn(overrides=list(overrides), status=JobStatus.FAILED, _return_value=told)
