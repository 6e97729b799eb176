"""What a job of submitit executes, in the job's Python: `python -m trainconf.compat.submitit.task FOLDER`.

Standard library and submitit. The call is the file `<index>.pkl` of the folder that the run's params name, until a checkpoint replaces it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

PLACES = "places.json"
IS_LATER = "TRAINCONF_SUBMITIT_AGAIN"  # this process goes on from a checkpoint, in the place of one that was told


def main(folder: str) -> None:
    """Carry the call out and keep its result beside it. Raises what the call raises, once that is kept."""
    from submitit.core import submission
    from submitit.core.utils import JobPaths

    os.environ["SUBMITIT_EXECUTOR"] = "trainconf"
    rank = int(os.environ.get("RANK", "0"))
    paths = JobPaths(folder, job_id=os.environ["TRAINCONF_RUN_ID"], task_id=rank)
    paths.folder.mkdir(parents=True, exist_ok=True)
    _import_as_the_submitter()
    _offer(paths)
    submission.process_job(folder)


def _import_as_the_submitter() -> None:
    """Import what lies in the source directory from the run's own copy, as the script that submitted this imported it."""
    import json

    from trainconf.compat import imports
    from trainconf.job_api import Run

    with suppress(FileNotFoundError), open(os.path.join(Run().params["calls"], PLACES), "rb") as stream:
        imports.take(json.loads(stream.read().decode("utf-8")))  # runs of earlier versions have no such file


def _offer(paths) -> None:  # type: ignore[no-untyped-def]
    """Put the call where submitit looks for it. Of several ranks, and of attempts, the first one does."""
    for left in (paths.result_pickle, paths.submitted_pickle):
        with suppress(FileNotFoundError):  # of a process that was killed while it wrote
            if left is paths.result_pickle or paths.task_id == 0:
                os.unlink(f"{left}.save_tmp")
    if IS_LATER not in os.environ:
        with suppress(FileNotFoundError):  # of an earlier attempt, which failed
            os.unlink(paths.result_pickle)
    if os.path.exists(paths.submitted_pickle):
        return
    from trainconf.job_api import Run
    from trainconf.job_api.files import beside

    params = Run().params
    call = os.path.join(params["calls"], f"{params.get('index', 0)}.pkl")
    made = beside(str(paths.submitted_pickle))  # ranks on other machines may have this process id
    try:
        os.link(call, made)  # a checkpoint replaces the file, it never writes into it
    except OSError:
        import shutil

        shutil.copyfile(call, made)
    try:
        os.link(made, paths.submitted_pickle)  # where another rank was first, its own is as good
    except FileExistsError:
        pass
    finally:
        os.unlink(made)


if __name__ == "__main__":
    main(sys.argv[1])
