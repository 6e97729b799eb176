"""The environment variables of a job, without those that depend on its rank, its attempt or its leases."""

from __future__ import annotations

import os
import sys

from trainconf.engine.job_shell import COMPAT_PATH, PACKAGE_PATH
from trainconf.launchers.job import import_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trainconf.launchers.protocol import Job


# Variables of the submitter's shell that describe *its* Python, or change what a Python imports.
OF_A_PYTHON = (
    "PYTHONCASEOK", "PYTHONEXECUTABLE", "PYTHONHOME", "PYTHONINSPECT", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONPLATLIBDIR",
    "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__",
)
OF_AN_ACTIVATION = ("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "CONDA_PROMPT_MODIFIER", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT")
# Variables that every job gets about its run.
OWN_NAMES = ("TRAINCONF_RUN_ID", "TRAINCONF_RUN_DIR", "TRAINCONF_EXPERIMENT", "TRAINCONF_PARAMS", "TRAINCONF_ATTEMPT")
OF_TOOLS = {"mlflow": {"MLFLOW_TRACKING_URI": "trainconf:"}}
RESUME_FROM = "TRAINCONF_RESUME_FROM"


def variables(job: Job, environ: Mapping[str, str]) -> dict[str, str]:
    """What every rank gets besides what it inherits from `environ`. The job's own variables win over ours, except over TRAINCONF_*."""
    folder = import_path.folder(environ, job.paths.workspace.state)
    path = [folder, *import_path.compat_folders(job.spec.code.compat, folder)]
    inherited = "" if "PYTHONPATH" in not_inherited(job) else environ.get("PYTHONPATH", "")
    path += filter(None, [job.env.get("PYTHONPATH", inherited)])
    return {
        "PYTHONUNBUFFERED": "1",
        **_no_user_site(job),
        **tool_variables(job.spec.code.compat),
        **job.env,
        "PYTHONPATH": os.pathsep.join(path),
        "TRAINCONF_RUN_ID": job.run_id,
        "TRAINCONF_RUN_DIR": job.paths.run_dir,
        "TRAINCONF_EXPERIMENT": job.experiment_name,
        "TRAINCONF_PARAMS": job.paths.params,
        **input_variables(job.spec.code.inputs),
    }


def not_inherited(job: Job) -> list[str]:
    """Variables of the submitter that a rank does not get: they would make software visible that is not in its environment."""
    spec = job.spec.environment
    if spec.kind == "venv":
        return sorted((*OF_A_PYTHON, *OF_AN_ACTIVATION))
    if spec.kind != "current":
        return []
    if spec.interpreter:  # another one than the shell has activated
        return sorted(OF_AN_ACTIVATION)
    return sorted(OF_A_PYTHON) if sys.flags.ignore_environment else []  # `python -E` does not see them either


def _no_user_site(job: Job) -> dict[str, str]:
    """A managed environment has all it needs; the submitting Python may run without its user site (`python -s`)."""
    spec = job.spec.environment
    is_without = spec.kind == "venv" or (spec.kind == "current" and not spec.interpreter and sys.flags.no_user_site)
    return {"PYTHONNOUSERSITE": "1"} if is_without else {}


def first_on_path(job: Job, environ: Mapping[str, str]) -> list[str]:
    """Folders in front of a rank's PATH, so that it starts the recorded `python` and `torchrun`. Raises StorageError."""
    if job.spec.environment.kind not in ("current", "venv"):
        return []
    return import_path.programs(environ, job.paths.workspace.state, job.python)


def compat_variables(compat: Iterable[str]) -> dict[str, str]:
    """What tells the shell in a container which folders come after trainconf's own on PYTHONPATH."""
    folders = import_path.compat_folders(compat, PACKAGE_PATH)
    return {COMPAT_PATH: ":".join(folders)} if folders else {}


def tool_variables(compat: Iterable[str]) -> dict[str, str]:
    """What has an installed tool record in the run. The job's own variables win over these."""
    return {name: value for tool in compat for name, value in OF_TOOLS.get(tool, {}).items()}


def input_variables(inputs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What tells a job where its inputs are. That of an input named resume_from, the outputs it goes on with, has a short name besides."""
    found = dict(inputs)
    resumed = {RESUME_FROM: found["resume_from"]} if "resume_from" in found else {}
    return {**{input_variable(name): path for name, path in found.items()}, **resumed}


def input_variable(name: str) -> str:
    """TRAINCONF_INPUT_<NAME>: upper case, and `_` for what a variable name cannot hold."""
    return "TRAINCONF_INPUT_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
