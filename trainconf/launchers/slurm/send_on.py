"""Sends the rest of a sweep, if there is room: `python -I -S .../trainconf/launchers/slurm/send_on.py SWEEP [EXIT_CODE]`.

A reader of the sweep's trials starts it in the background. A job of the sweep becomes it at its end, and it then ends with EXIT_CODE.
Standard library only. It tries once: the next reader, or the next job, tries again.
"""

from __future__ import annotations

import os
import sys


def send(folder: str, *, is_in_job: bool) -> None:
    """Send, or say on standard error why not."""
    from trainconf import files
    from trainconf.errors import TrainconfError
    from trainconf.launchers.slurm.arrays.chunks import ChunkSubmitter
    from trainconf.launchers.slurm.clusters import Clusters
    from trainconf.launchers.slurm.commands import Controller
    from trainconf.paths import RunPaths

    home = RunPaths(folder)
    if is_in_job:  # the job's own variables must not reach other jobs; `setup` changes known variables there again
        known = set(files.read_json(home.plan).get("environment") or os.environ)
        for name in set(os.environ) - known:
            del os.environ[name]
    try:
        submit = ChunkSubmitter(home, (lambda conf: Controller(os.environ, conf=conf)) if is_in_job else Clusters().controller)
        submit.from_a_job() if is_in_job else submit()
    except TrainconfError as error:
        print(f"the rest of sweep {home.run_id} is not sent from here\n\n{error.render()}", file=sys.stderr)


if __name__ == "__main__":
    import signal

    root = os.path.abspath(__file__)
    for _ in range(4):  # above the package
        root = os.path.dirname(root)
    sys.path.append(root)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        send(sys.argv[1], is_in_job=len(sys.argv) > 2)
    except OSError as error:
        print(f"the rest of the sweep is not sent from here: {error}", file=sys.stderr)
    finally:
        os._exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
