"""The environment variables of a job, but for those only its rank, its attempt or its leases decide."""

from __future__ import annotations

import os

from trainconf.launchers import jobpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.launchers.base import Job


# What every job is told of its run, whatever else it is told.
OWN_NAMES = ("TRAINCONF_RUN_ID", "TRAINCONF_RUN_DIR", "TRAINCONF_EXPERIMENT", "TRAINCONF_PARAMS", "TRAINCONF_ATTEMPT")


def variables(job: Job, environ: Mapping[str, str]) -> dict[str, str]:
    """What every rank gets on top of what it inherits from `environ`. What the job asked for wins over our own, save TRAINCONF_*."""
    path = [jobpath.folder(environ, job.paths.workspace.state)]
    inherited = job.env.get("PYTHONPATH", environ.get("PYTHONPATH", ""))
    path += [inherited] if inherited else []
    return {
        "PYTHONUNBUFFERED": "1",
        **_programs(job, environ),
        **job.env,
        "PYTHONPATH": os.pathsep.join(path),
        "TRAINCONF_RUN_ID": job.run_id,
        "TRAINCONF_RUN_DIR": job.paths.run_dir,
        "TRAINCONF_EXPERIMENT": job.experiment_name,
        "TRAINCONF_PARAMS": job.paths.params,
        **{input_variable(name): path for name, path in job.spec.code.inputs},
    }


def _programs(job: Job, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment's own programs come first: `command: [python, ...]` is its Python. The current Python is as its owner has it."""
    if job.spec.environment.kind != "venv":
        return {}
    from trainconf.agent import ranks

    return {"PATH": os.pathsep.join([os.path.dirname(job.python), environ.get("PATH", ranks.DEFAULT_PATH)])}


def input_variable(name: str) -> str:
    """TRAINCONF_INPUT_<NAME>: upper case, and `_` for what a variable name cannot hold."""
    return "TRAINCONF_INPUT_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
