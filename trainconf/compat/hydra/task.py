"""What a job of `hydra/launcher=trainconf` executes, in the job's Python: `python -m trainconf.compat.hydra.task FOLDER`.

Hydra, cloudpickle and the standard library. The app's function and config are in FOLDER, its return value goes there, too.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CALL, PLACES, RETURNED = "call.pkl", "places.json", "_returned.pkl"


def main(folder: str) -> int:
    """Run one job as Hydra's own launcher does; 1 when the app's function has raised."""
    import json

    from trainconf.job_api import Run

    gc.disable()  # what is imported and read until the app's function begins is kept: looking through it takes a tenth of a small job
    run = Run()
    with open(os.path.join(folder, PLACES), "rb") as stream:
        places = json.loads(stream.read().decode("utf-8"))
    script = os.path.abspath(places["main"]) if places.get("main") else ""
    _take_place(places)
    with open(os.path.join(folder, CALL), "rb") as stream:
        call = pickle.load(stream)
    if script:
        _stand_in_for_main(script, (getattr(call["task_function"], "__globals__", {}), call["targets"]))
    returned = _run(call, os.path.join(folder, str(run.params["hydra_job"]) + ".pkl"), run.id)
    error = returned._return_value if returned.status.name == "FAILED" else None
    if error is not None:
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__)
    if int(os.environ.get("RANK", "0")) == 0:
        _keep(returned, os.path.join(folder, run.id + RETURNED))
        if returned.status.name == "FAILED" and error is None:
            print(returned._return_value, file=sys.stderr)
    return int(returned.status.name == "FAILED")


def store_of(repo: Any) -> Any:
    """Hydra's store of configs, with these."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore()
    store.repo = repo
    return store


def _take_place(places: Any) -> None:
    """Work where the app was started, as Hydra's jobs do; import what lies in its source directory from the run's own copy of that."""
    from trainconf.compat import imports

    imports.take(places)
    if places["cwd"]:
        os.chdir(places["cwd"])


def _stand_in_for_main(script: str, known: tuple[dict[str, Any], ...]) -> None:
    """Let `__main__.NAME`, which a `_target_` of the app may name, be what is known by that name, or else its script has."""

    def attribute(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = next((names for names in known if name in names), None)
        return getattr(_imported(script), name) if found is None else found[name]

    vars(sys.modules["__main__"])["__getattr__"] = attribute


def _imported(script: str) -> Any:
    """The app's script as a module, as multiprocessing imports it."""
    name = "__mp_main__"
    if name not in sys.modules:
        from importlib.util import module_from_spec, spec_from_file_location

        import cloudpickle

        spec = spec_from_file_location(name, script)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        cloudpickle.register_pickle_by_value(sys.modules[name])  # what the job returns may be of a class of it
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _run(call: Any, path: str, run_id: str) -> Any:
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.singleton import Singleton
    from hydra.core.utils import configure_log, run_job, setup_globals
    from omegaconf import open_dict

    setup_globals()
    Singleton.set_state(call["singletons"])
    with open(path, "rb") as stream:
        config = pickle.load(stream)
    with open_dict(config):
        config.hydra.job.id = run_id
        config.hydra.runtime.cwd = os.getcwd()  # in a container another folder than where the app was started
    HydraConfig.instance().set_config(config)
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)  # as in the app's process: a job_logging without levels keeps these
    gc.freeze()
    gc.enable()
    return run_job(
        hydra_context=call["hydra_context"], task_function=call["task_function"], config=config, job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )  # fmt: skip


def _keep(returned: Any, path: str) -> None:
    """Write what the job returned.

    A value that cannot be pickled is told by its text, and fails the job as it would in Hydra. So is an exception that cannot be made
    anew, as many with an `__init__` of their own.
    """
    import cloudpickle

    from trainconf.job_api.files import write

    has_failed = returned.status.name == "FAILED"
    try:
        data = cloudpickle.dumps(returned)
        if has_failed:
            pickle.loads(data)
    except Exception as error:
        value = returned._return_value
        returned._return_value = (
            RuntimeError(f"{type(value).__name__}: {value}") if has_failed
            else TypeError(f"what the job returned cannot be pickled ({error}): {value!r}")
        )  # fmt: skip
        returned.status = type(returned.status).FAILED
        data = cloudpickle.dumps(returned)
    write(path, iter([data]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
