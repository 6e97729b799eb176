"""Runs the commands of one Slurm cluster, in an environment without the traces of any other job.

Returns what Slurm answered and draws no conclusions. Options and output are those of Slurm 22.05 to 25.05.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from trainconf.distributed.inherited import without_place
from trainconf.errors import ConfigError
from trainconf.fast.records import Record
from trainconf.process import Completed, Processes, processes

ANSWER_SECONDS = 10.0
IDS_AT_ONCE = 1000
SUBMIT_SECONDS = 120.0  # sbatch tries for long while a controller is busy
UNKNOWN_ID = "nvalid job id"
KEPT = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"}  # the cluster, and the user's token
# What belongs to the job or the rank this process may be in; a new job must not begin with it.
_LEFT_BY_A_JOB = re.compile(
    r"SLURM_.*|SLURMD_.*|SBATCH_.*|SALLOC_.*|SRUN_.*|SQUEUE_.*|SINFO_.*|SCONTROL_.*|SACCT_.*|SCANCEL_.*|"
    r"OMPI_.*|TRAINCONF_.*|"
    r"CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES|ROCR_VISIBLE_DEVICES|HIP_VISIBLE_DEVICES|ZE_AFFINITY_MASK|GPU_DEVICE_ORDINAL"
)


class Job(Record):
    """What Slurm says of one job."""

    state: str
    nodes: str = ""
    reason: str = ""
    owner_word: str = ""  # names the run it belongs to: the job's comment, or its name
    exit_code: str = ""  # `code:signal`, as sacct prints it


def in_chunks(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Splits ids so that each part fits one word of a command line, at most 128 KiB (execve(2)). Slurm answers long lists slowly."""
    return (job_ids[at : at + IDS_AT_ONCE] for at in range(0, len(job_ids), IDS_AT_ONCE))


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that a job or a rank gets about itself."""
    return {name: value for name, value in without_place(environ).items() if name in KEPT or not _LEFT_BY_A_JOB.fullmatch(name)}


def no_sbatch() -> ConfigError:
    return ConfigError("compute=slurm needs Slurm's client commands, and sbatch was not found on PATH",
                       hint="submit from a login node of the cluster; `trainconf doctor` tells what works here")


class Controller:
    """One cluster: the one whose configuration is `conf`, or that Slurm finds by itself where `conf` is empty."""

    def __init__(self, environ: Mapping[str, str], runner: Processes | None = None, conf: str = "") -> None:
        self.conf = conf
        self._env = {**clean(environ), **({"SLURM_CONF": conf} if conf else {})}
        self._processes = runner or processes

    @property
    def path(self) -> str:
        """The PATH on which commands are looked up."""
        return self._env.get("PATH", "")

    @property
    def configuration(self) -> str:
        """The file that says which cluster it is; empty where Slurm looks for it by itself."""
        return self._env.get("SLURM_CONF", "")

    def call(
        self, *argv: str, input: bytes | None = None, env: Mapping[str, str] | None = None, timeout_s: float = ANSWER_SECONDS,
    ) -> Completed:
        """Run a command; `env` comes on top of the environment."""
        return self._processes.run(argv, input=input, env={**self._env, **(env or {})}, timeout_s=timeout_s)

    def squeue(
        self, columns: str, *options: str, job_ids: Sequence[str] | None = None, timeout_s: float = ANSWER_SECONDS,
    ) -> list[list[str]] | None:
        """The jobs that the controller remembers, ended ones included, as rows of `columns`, such as `%i|%T` or `JobID:|,exit_code:|`.

        Of `job_ids` when given: an id that Slurm does not know has no row. None when the controller does not answer.
        """
        rows = []
        width = columns.count("|")
        layout = f"--format={columns}" if columns.startswith("%") else f"--Format={columns}"
        for ids in [None] if job_ids is None else in_chunks(job_ids):
            chosen = () if ids is None else (f"--jobs={','.join(ids)}",)
            done = self.call("squeue", "--noheader", "--all", "--states=all", *options, *chosen, layout, timeout_s=timeout_s)
            if not done.ok and UNKNOWN_ID not in done.last_lines():
                return None
            rows += [line.replace("(null)", "").split("|", width) for line in done.text().split("\n") if line.count("|") >= width and line]
        return rows

    def queue(self, users: Iterable[int], patience_s: float = ANSWER_SECONDS) -> dict[str, Job] | None:
        """All jobs of these users by id, tasks of arrays one by one; None when the controller does not answer."""
        # by user: that, and not a list of ids, is what the controller filters by itself (squeue(1), PERFORMANCE)
        whose = f"--user={','.join(map(str, sorted(users)))}"
        rows = self.squeue("%i|%T|%N|%r|%k", "--array", whose, timeout_s=patience_s)
        return None if rows is None else {job_id: Job(*facts) for job_id, *facts in rows}

    def exit_codes(self, job_ids: Sequence[str]) -> dict[str, str] | None:
        """The exit codes, as `code:signal`, of those jobs that the controller remembers; None when it does not answer."""
        rows = self.squeue("JobArrayID:|,exit_code:|", "--array", job_ids=job_ids)
        if rows is None:
            return None
        codes = {job_id: int(status) for job_id, status, _ in rows if status.isdecimal()}  # as wait(2) gives it
        return {job_id: f"{codes[job_id] >> 8 & 255}:{codes[job_id] & 127}" for job_id in job_ids if job_id in codes}

    def accounted(self, job_ids: Sequence[str]) -> dict[str, Job] | None:
        """Jobs by the accounting, none where it is switched off; None when it does not answer."""
        found: dict[str, Job] = {}
        for some in in_chunks(job_ids):
            done = self.call(
                "sacct", "--noheader", "--parsable2", "--allocations", "--starttime=now-30days", f"--jobs={','.join(some)}",
                "--format=JobID,State,NodeList,Reason,JobName,ExitCode", env={"SLURM_BITSTR_LEN": "0"},
            )
            if not done.ok:
                return {} if "storage is disabled" in done.last_lines() else None
            for row in (line.split("|") for line in done.text().split("\n")):
                if len(row) == 6:
                    found |= {job_id: Job(*row[1:]) for job_id in _tasks(row[0])}
        return found

    def find(self, job_name: str, comment: str) -> list[str] | None:
        """Ids of the jobs with this name and comment, ended ones included; None when nobody answers."""
        named = self.named(job_name)
        return None if named is None else sorted({job_id for job_id, found in named if found == comment})

    def named(self, job_name: str) -> list[tuple[str, str]] | None:
        """Id and comment of the jobs with this name, ended ones included; None when nobody answers."""
        rows = self.squeue("%F|%k", f"--name={job_name}")
        return None if rows is None else [(job_id, comment) for job_id, comment in rows if comment]


def _tasks(job_id: str) -> Iterator[str]:
    """A job's id; for array tasks that never began, which Slurm prints as one, such as `7_[0-2,5%2]`, the id of each."""
    array, _, numbers = job_id.partition("_[")
    if not numbers:
        yield job_id
        return
    for part in numbers.rstrip("]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            last, _, step = last.partition(":")
            yield from (f"{array}_{task}" for task in range(int(first), int(last or first) + 1, int(step or 1)))
