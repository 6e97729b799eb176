"""The environment variables of a job, but for those only its rank, its attempt or its leases decide."""

from __future__ import annotations

import os
import sys

from trainconf.launchers.job import import_path as jobpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.launchers.protocol import Job


# What the submitter's shell says about *its* Python, and what changes what a Python imports.
OF_A_PYTHON = (
    "PYTHONCASEOK", "PYTHONEXECUTABLE", "PYTHONHOME", "PYTHONINSPECT", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONPLATLIBDIR",
    "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__",
)
OF_AN_ACTIVATION = ("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "CONDA_PROMPT_MODIFIER", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT")
# What every job is told of its run, whatever else it is told.
OWN_NAMES = ("TRAINCONF_RUN_ID", "TRAINCONF_RUN_DIR", "TRAINCONF_EXPERIMENT", "TRAINCONF_PARAMS", "TRAINCONF_ATTEMPT")


def variables(job: Job, environ: Mapping[str, str]) -> dict[str, str]:
    """What every rank gets on top of what it inherits from `environ`. What the job asked for wins over our own, save TRAINCONF_*."""
    path = [jobpath.folder(environ, job.paths.workspace.state)]
    inherited = "" if "PYTHONPATH" in not_inherited(job) else environ.get("PYTHONPATH", "")
    path += filter(None, [job.env.get("PYTHONPATH", inherited)])
    return {
        "PYTHONUNBUFFERED": "1",
        **_no_user_site(job),
        **job.env,
        "PYTHONPATH": os.pathsep.join(path),
        "TRAINCONF_RUN_ID": job.run_id,
        "TRAINCONF_RUN_DIR": job.paths.run_dir,
        "TRAINCONF_EXPERIMENT": job.experiment_name,
        "TRAINCONF_PARAMS": job.paths.params,
        **{input_variable(name): path for name, path in job.spec.code.inputs},
    }


def not_inherited(job: Job) -> list[str]:
    """Variables of the submitter that a rank does not get: they would put software in its sight that is not in its environment."""
    spec = job.spec.environment
    if spec.kind == "venv":
        return sorted((*OF_A_PYTHON, *OF_AN_ACTIVATION))
    if spec.kind != "current":
        return []
    if spec.interpreter:  # another one than the shell has activated
        return sorted(OF_AN_ACTIVATION)
    return sorted(OF_A_PYTHON) if sys.flags.ignore_environment else []  # `python -E` does not see them either


def _no_user_site(job: Job) -> dict[str, str]:
    """A managed environment has all it needs; the submitting Python may have been told to do without (`python -s`)."""
    spec = job.spec.environment
    is_without = spec.kind == "venv" or (spec.kind == "current" and not spec.interpreter and sys.flags.no_user_site)
    return {"PYTHONNOUSERSITE": "1"} if is_without else {}


def first_on_path(job: Job, environ: Mapping[str, str]) -> list[str]:
    """Folders in front of a rank's PATH, so that a `python` or `torchrun` that it starts is the recorded one. Raises StorageError."""
    if job.spec.environment.kind not in ("current", "venv"):
        return []
    return jobpath.programs(environ, job.paths.workspace.state, job.python)


def input_variable(name: str) -> str:
    """TRAINCONF_INPUT_<NAME>: upper case, and `_` for what a variable name cannot hold."""
    return "TRAINCONF_INPUT_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
