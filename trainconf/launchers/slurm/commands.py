"""The door to one Slurm cluster: its commands, in an environment that no other job has left its marks in.

Says what Slurm answered, and draws no conclusions. Words and options of Slurm 22.05 to 25.05.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from trainconf.process import Completed, Processes

ANSWER_SECONDS = 10.0
IDS_AT_ONCE = 1000
SUBMIT_SECONDS = 120.0  # sbatch tries for long while a controller is busy
KEPT = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"}  # which cluster, and who asks
# What belongs to the job or the rank this process may be in; a new job must not begin with it.
_LEFT_BY_A_JOB = re.compile(
    r"SLURM_.*|SLURMD_.*|SBATCH_.*|SALLOC_.*|SRUN_.*|SQUEUE_.*|SINFO_.*|SCONTROL_.*|SACCT_.*|SCANCEL_.*|"
    r"OMPI_.*|TRAINCONF_.*|"
    r"CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES|ROCR_VISIBLE_DEVICES|HIP_VISIBLE_DEVICES|ZE_AFFINITY_MASK|GPU_DEVICE_ORDINAL"
)
_FIELDS = ("id", "state", "nodes", "reason", "comment")


class Job:
    """What Slurm says of one job. `owner_word` names whose it is: its comment, or its name. The exit code is as Slurm prints it."""

    __slots__ = ("exit_code", "nodes", "owner_word", "reason", "state")

    def __init__(self, state: str, nodes: str = "", reason: str = "", owner_word: str = "", exit_code: str = "") -> None:
        self.state = state
        self.nodes = nodes
        self.reason = reason
        self.owner_word = owner_word
        self.exit_code = exit_code

    def to_list(self) -> list[str]:
        """For JSON; `Job(*list)` is it again."""
        return [self.state, self.nodes, self.reason, self.owner_word, self.exit_code]


def in_chunks(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many ids that a command line holds them: one word of it has at most 128 KiB (execve(2)), and Slurm answers long lists slowly."""
    return (job_ids[at : at + IDS_AT_ONCE] for at in range(0, len(job_ids), IDS_AT_ONCE))


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a job or a rank was told about itself."""
    from trainconf.distributed.inherited import without_place

    return {name: value for name, value in without_place(environ).items() if name in KEPT or not _LEFT_BY_A_JOB.fullmatch(name)}


class Controller:
    """One cluster: the one whose configuration is `conf`, empty for where Slurm itself looks for it."""

    def __init__(self, environ: Mapping[str, str], processes: Processes | None = None, conf: str = "") -> None:
        self.conf = conf
        self._env = {**clean(environ), **({"SLURM_CONF": conf} if conf else {})}
        self._processes = processes

    @property
    def path(self) -> str:
        """Where commands are looked for."""
        return self._env.get("PATH", "")

    @property
    def configuration(self) -> str:
        """The file that says which cluster it is; empty for where Slurm itself looks for it."""
        return self._env.get("SLURM_CONF", "")

    def call(
        self, *argv: str, input: bytes | None = None, env: Mapping[str, str] | None = None, timeout_s: float = ANSWER_SECONDS,
    ) -> Completed:  # fmt: skip
        """Run one of its commands; `env` comes on top."""
        if self._processes is None:
            from trainconf.process import processes

            self._processes = processes
        return self._processes.run(argv, input=input, env={**self._env, **(env or {})}, timeout_s=timeout_s)

    def queue(self, users: Iterable[int], patience_s: float = ANSWER_SECONDS) -> dict[str, Job] | None:
        """All jobs of these users that the controller remembers, by id, tasks of arrays one by one; None when it does not answer."""
        # by user: that, and not a list of ids, is what the controller filters by itself (squeue(1), PERFORMANCE)
        whose = f"--user={','.join(map(str, sorted(users)))}"
        done = self.call("squeue", "--noheader", "--all", "--array", "--states=all", whose, "--format=%i|%T|%N|%r|%k", timeout_s=patience_s)
        if not done.ok:
            return None
        found = {}
        for line in done.text().split("\n"):
            fields = line.split("|", len(_FIELDS) - 1)
            if len(fields) == len(_FIELDS):
                found[fields[0]] = Job(fields[1], fields[2], fields[3], fields[4])
        return found

    def exit_codes(self, job_ids: Sequence[str]) -> dict[str, str] | None:
        """The exit codes, as `code:signal`, of those jobs that the controller remembers; None when it does not answer."""
        found: dict[str, str] = {}
        for some in in_chunks(job_ids):
            jobs = f"--jobs={','.join(some)}"
            done = self.call("squeue", "--noheader", "--all", "--array", "--states=all", jobs, "--Format=JobArrayID:|,exit_code:|")
            if not done.ok and "nvalid job id" not in done.last_lines():
                return None
            for line in done.text().splitlines():
                job_id, _, status = line.rstrip("|").partition("|")
                if job_id in some and status.isdecimal():  # as wait(2) gives it
                    found[job_id] = f"{int(status) >> 8 & 255}:{int(status) & 127}"
        return found

    def accounted(self, job_ids: Sequence[str]) -> dict[str, Job] | None:
        """Jobs by the accounting; None when it does not answer, which none that is switched off is."""
        found: dict[str, Job] = {}
        for some in in_chunks(job_ids):
            done = self.call(
                "sacct", "--noheader", "--parsable2", "--allocations", "--starttime=now-30days", f"--jobs={','.join(some)}",
                "--format=JobID,State,NodeList,Reason,JobName,ExitCode", env={"SLURM_BITSTR_LEN": "0"},
            )  # fmt: skip
            if not done.ok:
                return {} if "storage is disabled" in done.last_lines() else None
            for row in (line.split("|") for line in done.text().split("\n")):
                if len(row) == 6:
                    found |= {job_id: Job(row[1], row[2], row[3], row[4], row[5]) for job_id in _tasks(row[0])}
        return found

    def find(self, job_name: str, comment: str) -> list[str] | None:
        """Ids of the jobs with this name and comment, ended ones included; None when nobody answers."""
        named = self.named(job_name)
        return None if named is None else sorted({job_id for job_id, found in named if found == comment})

    def named(self, job_name: str) -> list[tuple[str, str]] | None:
        """Id and comment of the jobs with this name, ended ones included; None when nobody answers."""
        done = self.call("squeue", "--noheader", "--all", "--states=all", f"--name={job_name}", "--format=%F|%k")
        if not done.ok:
            return None
        return [(job_id, comment) for job_id, _, comment in (line.partition("|") for line in done.text().split("\n")) if comment]


def _tasks(job_id: str) -> Iterator[str]:
    """A job's id; of tasks that never began, which Slurm prints as one, such as `7_[0-2,5%2]`, each."""
    array, _, numbers = job_id.partition("_[")
    if not numbers:
        yield job_id
        return
    for part in numbers.rstrip("]").partition("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            last, _, step = last.partition(":")
            yield from (f"{array}_{task}" for task in range(int(first), int(last or first) + 1, int(step or 1)))
