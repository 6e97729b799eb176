"""`submitit.JobEnvironment()` inside a job of trainconf: which job and rank this is, and what a signal means. Runs in the job's Python."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from submitit.core import job_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, ClassVar, Optional

LIMIT = "TRAINCONF_SUBMITIT_LIMIT_S"  # after so many seconds the function is told to checkpoint, or to give up
CHECKPOINT_WAIT_S = 60.0  # for rank 0 to have written what all ranks go on from
POLL_S = 0.05


class TrainconfJobEnvironment(job_environment.JobEnvironment):
    """The job's id is the run's; ranks are those of `distributed=pytorch`."""

    _env: ClassVar[dict[str, str]] = {
        "job_id": "TRAINCONF_RUN_ID", "num_tasks": "WORLD_SIZE", "node": "NODE_RANK", "global_rank": "RANK", "local_rank": "LOCAL_RANK",
    }  # fmt: skip

    @property
    def num_nodes(self) -> int:
        return self.num_tasks // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    @property
    def hostnames(self) -> list[str]:
        """Only the names that are known here: this machine's, and that of rank 0."""
        first = os.environ.get("MASTER_ADDR", self.hostname)
        return [self.hostname] if self.num_nodes == 1 else [first] + [self.hostname] * (self.node > 0)

    def _handle_signals(self, paths: Any, submission: Any) -> None:
        """SIGTERM: the run is cancelled, or its scheduler interrupts it and starts it again. The other one: the time limit comes."""
        handler = _Handler(self, paths, submission)
        signal.signal(signal.SIGTERM, handler.end)
        signal.signal(self._usr_sig(), handler.again)
        limit = os.environ.get(LIMIT)
        if limit:
            threading.Thread(target=_tell, args=(float(limit), self._usr_sig()), daemon=True).start()

    def _requeue(self, countdown: int) -> None:
        """Go on from the checkpoint in the place of this process: the run keeps its slot, its GPUs and its attempt."""
        print(f"Requeued job {self.job_id} ({countdown} remaining timeouts)", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os.environ["TRAINCONF_SUBMITIT_AGAIN"] = "1"
        os.execv(sys.executable, [sys.executable, "-u", "-m", "trainconf.compat.submitit.task", os.environ["SUBMITIT_FOLDER"]])


class _Handler(job_environment.SignalHandler):
    def __init__(self, env: Any, paths: Any, submission: Any) -> None:
        super().__init__(env, paths, submission)
        self._begun_from = _identity(paths.submitted_pickle)  # now: rank 0 may be told, and keep its checkpoint, before this rank is told

    def end(self, signum: int, frame: Optional[FrameType] = None) -> None:
        """Keep a checkpoint if the run goes on later, and end."""
        if not os.path.exists(os.path.join(os.environ["TRAINCONF_RUN_DIR"], "cancel.json")):
            self.checkpoint_and_exit(signum, frame)
        raise SystemExit(128 + signum)

    def again(self, signum: int, frame: Optional[FrameType] = None) -> None:
        """Rank 0 keeps a checkpoint; all ranks begin anew from it."""
        if self.env.global_rank == 0:
            self.checkpoint_and_try_requeue(signum, frame)
            return
        until = time.monotonic() + CHECKPOINT_WAIT_S
        while time.monotonic() < until:
            if _identity(self._job_paths.submitted_pickle) not in (self._begun_from, None):
                self.env._requeue(self._delayed._timeout_countdown - 1)
            time.sleep(POLL_S)
        self._logger.info("rank 0 has kept no checkpoint")


def _tell(seconds: float, sign: Any) -> None:
    """Tell this process by a signal that its time is up."""
    time.sleep(seconds)
    os.kill(os.getpid(), sign)


def _identity(path: Any) -> Any:
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns
