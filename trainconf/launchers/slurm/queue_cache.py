"""Keeps what Slurm last said of the jobs of a workspace: one question for all of them, shared by everybody who asks, and seldom.

The answer lies in `.trainconf/cache/slurm-<cluster>.json`, so a thousand watchers make no more calls than one. A question is one call,
squeue; a second one for the exit codes of jobs that are over; and one, sacct, for what squeue has forgotten. The pause between questions
grows from FIRST_PAUSE_S to LAST_PAUSE_S while nothing changes, and while nobody answers. The first question waits FIRST_PATIENCE_S for an
answer, later ones longer: a controller that is slow is heard, one that hangs holds nobody up. A run's lock shows at once that its agent is
gone. Slurm is then asked sooner, a few times, because the job is most likely over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping

from trainconf import files
from trainconf.fast.records import replace
from trainconf.launchers.slurm.commands import ANSWER_SECONDS, Controller, Job
from trainconf.launchers.slurm.job_states import NOBODY_KNOWS, is_over, needs_exit_code
from trainconf.paths import WorkspacePaths
from trainconf.spec import sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST_PAUSE_S = 5.0
LAST_PAUSE_S = 60.0
GROWTH = 1.5
LOST_PAUSE_S = 0.5  # when the agent of a job is gone that Slurm called running; doubled each time
UNKNOWN_PAUSE_S = 1.0  # when a job is asked about that nobody has asked about before
FIRST_PATIENCE_S = 2.0  # for squeue to answer; doubled each time it does not, up to ANSWER_SECONDS
FORGOTTEN_S = 30.0  # how long a job must be unknown to Slurm before that is believed
NO_ACCOUNTING_S = 300.0  # before accounting that is off, or does not answer, is asked again


class QueueCache:
    """The answers of one cluster for one workspace, as of `asked`: `jobs` by id, `missing_since` those not known, `silent_since`."""

    def __init__(self, controller: Controller, workspace: WorkspacePaths, now: Callable[[], float] = time.time) -> None:
        self._controller = controller
        name = sha256_hex(controller.conf)[:12] if controller.conf else "default"
        self._path = os.path.join(workspace.cache, f"slurm-{name}.json")
        self.now = now
        self.jobs: dict[str, Job] = {}
        self.missing_since: dict[str, float] = {}
        self.silent_since: float | None = None
        self.asked = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._patience_s = FIRST_PATIENCE_S
        self._no_accounting_until = 0.0
        self._lost_since: dict[str, float] = {}

    def refresh(self, job_ids: Iterable[str], users: Iterable[int], *, lost: Iterable[str] = (), at_once: bool = False) -> None:
        """Ask, unless somebody has lately. `lost`: jobs whose agent is gone; `at_once`: for a caller that has just changed something."""
        ids = set(job_ids)
        self._lost_since = dict.fromkeys(lost, self.now()) | self._lost_since
        if not at_once and not self._is_due(ids):
            return
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with files.FileLock(f"{self._path}.lock"):
                self._read()
                if at_once or self._is_due(ids):
                    self._ask(ids, users)
                    self._write()
        except OSError:  # somebody else's workspace, or a full disk: ask for ourselves alone
            self._ask(ids, users)

    def _is_due(self, ids: set[str]) -> bool:
        """Whether what is known is too old, or not about all of them."""
        is_new = bool(ids - self.jobs.keys() - self.missing_since.keys() or self._without_exit_code(ids)) and self.silent_since is None
        pause_s = UNKNOWN_PAUSE_S if is_new else self._pause_s
        if self._lost_since and self.silent_since is None:
            pause_s = min(pause_s, max(LOST_PAUSE_S, self.asked - max(self._lost_since.values())))
        return not 0 <= self.now() - self.asked < pause_s

    def _ask(self, ids: set[str], users: Iterable[int]) -> None:
        self.asked = now = self.now()
        found = self._controller.queue(users, self._patience_s)
        if found is None:
            self.asked = self.now()  # or the pause would be over by the time that a hanging question is
            self._patience_s = min(ANSWER_SECONDS, self._patience_s * 2)
            self.silent_since = self.silent_since or now
            self._pause_s = min(LAST_PAUSE_S, self._pause_s * GROWTH)
            return
        before = {job_id: job.state for job_id, job in self.jobs.items()}
        over = {job_id: job for job_id, job in self.jobs.items() if job_id in ids and is_over(job) and job_id not in found}
        self.silent_since = None
        self.jobs = {job_id: job for job_id, job in found.items() if job.owner_word.startswith("trainconf ")} | over
        self._add_canceled_arrays(ids, found)
        self._add_exit_codes(ids, now)
        self._add_forgotten(ids, now)
        open_ids = {job_id for job_id, job in self.jobs.items() if not is_over(job)} | self.missing_since.keys()
        self._lost_since = {job_id: since for job_id, since in self._lost_since.items() if job_id in open_ids}
        changed = before != {job_id: job.state for job_id, job in self.jobs.items()}
        self._pause_s = FIRST_PAUSE_S if changed else min(LAST_PAUSE_S, self._pause_s * GROWTH)

    def _add_canceled_arrays(self, ids: set[str], found: Mapping[str, Job]) -> None:
        """Slurm keeps one line, that of their array, for tasks that were canceled together before they began."""
        for job_id in ids - self.jobs.keys():
            array = found.get(job_id.partition("_")[0]) if "_" in job_id else None
            if array is not None and is_over(array):
                self.jobs[job_id] = Job(array.state, owner_word=array.owner_word)

    def _without_exit_code(self, ids: set[str]) -> list[str]:
        return sorted(job_id for job_id in ids if job_id in self.jobs and needs_exit_code(self.jobs[job_id]))

    def _add_exit_codes(self, ids: set[str], now: float) -> None:
        """Of those that are asked about and are over: from the controller, or else from the accounting."""
        wanted = self._without_exit_code(ids)
        codes = self._controller.exit_codes(wanted) if wanted else {}
        if codes is None:
            return
        left = [job_id for job_id in wanted if job_id not in codes]
        if left and now >= self._no_accounting_until:
            accounted = self._controller.accounted(left)
            if accounted is None:
                self._no_accounting_until = now + NO_ACCOUNTING_S
            else:
                codes |= {job_id: accounted[job_id].exit_code if job_id in accounted else NOBODY_KNOWS for job_id in left}
        for job_id, code in codes.items():
            self.jobs[job_id] = replace(self.jobs[job_id], exit_code=code)

    def _add_forgotten(self, ids: set[str], now: float) -> None:
        """Adds jobs that squeue does not know any more: the accounting may, a few seconds late."""
        forgotten = sorted(ids - self.jobs.keys())
        if forgotten and now >= self._no_accounting_until:
            accounted = self._controller.accounted(forgotten)
            self._no_accounting_until = now + NO_ACCOUNTING_S if accounted is None else 0.0
            for job_id, job in (accounted or {}).items():
                if is_over(job):
                    self.jobs[job_id] = replace(job, owner_word=f"trainconf {job.owner_word}")
        if now >= self._no_accounting_until:
            self._add_taken_out(now)
        # also those that others have asked about
        missing = self.missing_since | {job_id: self.missing_since.get(job_id, now) for job_id in forgotten}
        self.missing_since = {job_id: since for job_id, since in missing.items() if job_id not in self.jobs}

    def _add_taken_out(self, now: float) -> None:
        """Adds tasks canceled before they began: neither Slurm nor the accounting keeps anything of them but their array."""
        arrays = {job_id.partition("_")[0]: job for job_id, job in self.jobs.items() if "_" in job_id}
        for job_id, since in self.missing_since.items():
            array = arrays.get(job_id.partition("_")[0]) if "_" in job_id else None
            if array is not None and now - since >= FORGOTTEN_S:
                self.jobs[job_id] = Job("CANCELLED", owner_word=array.owner_word)

    def _read(self) -> None:
        try:
            kept: Mapping[str, Any] = files.read_json(self._path)
            jobs = {job_id: Job(*facts) for job_id, facts in kept["jobs"].items()}
            asked, pause_s, silent = float(kept["asked"]), float(kept["pause_s"]), kept["silent_since"]
            no_accounting_until = float(kept["no_accounting_until"])
            lost = {str(job_id): float(since) for job_id, since in kept["lost"].items()}
            missing = {str(job_id): float(since) for job_id, since in kept["missing"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return  # a cache: without it there is only one question more
        self._lost_since |= lost  # seen by others before
        if asked > self.asked:
            self.jobs, self.missing_since, self.asked, self._pause_s, self.silent_since = jobs, missing, asked, pause_s, silent
            self._no_accounting_until = no_accounting_until

    def _write(self) -> None:
        kept = {
            "asked": self.asked, "pause_s": self._pause_s, "silent_since": self.silent_since, "missing": self.missing_since,
            "no_accounting_until": self._no_accounting_until, "lost": self._lost_since,
            "jobs": {job_id: list(vars(job).values()) for job_id, job in self.jobs.items()},
        }
        files.write_atomic(self._path, files.dumps(kept), durable=False)
