"""Builds the environment of one run, in its job, before the agent begins: `python -I .../trainconf/submission/build_in_job.py RUN_DIR`.

A lock on the shared disk lets one job build at a time; the others wait and use what it made. Exit code 2 with the installer's last lines on
standard error, which is the job's log, when it cannot be built.
"""

from __future__ import annotations

import os
import sys


def build(run_dir: str) -> int:
    """Make it, unless it is there, and record what it holds; the exit code."""
    from trainconf import environments, files
    from trainconf.errors import TrainconfError
    from trainconf.history import events, record
    from trainconf.paths import RunPaths
    from trainconf.reporter import Lines
    from trainconf.spec import RunSpec

    paths = RunPaths(os.path.abspath(run_dir))
    workspace = paths.workspace
    try:
        spec = RunSpec.from_dict(files.read_json(paths.spec), paths.spec).environment
        name = str(record.read_mapping(paths.record)["config"]["env"]["name"])
        request = environments.EnvironmentRequest(spec, workspace, name, Lines(_say))
        if environments.ensure_later(request) is not None:
            events.append(paths, "Preparing", reason=f"the environment is built on {os.uname().nodename}")
        made = environments.ensure(request)
        files.write_atomic(paths.environment_lock, made.lock_text, durable=False)
    except TrainconfError as error:
        _say(error.render())
        return error.exit_code
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.exit(build(sys.argv[1]))
