"""Refuses a job of MPI processes that nothing could start, as far as that is known before anything runs; the rest the job finds out."""

from __future__ import annotations

import os

from trainconf.distributed import mpi
from trainconf.errors import ConfigError, Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from trainconf.launchers.protocol import Job
    from trainconf.process import Completed


def check_here(job: Job, env: Mapping[str, str]) -> None:
    """On this machine; `env` is the job's. Raises ConfigError, every mistake at once."""
    _refuse([*_contradictions(job), *_on_one_machine(job), *_mpirun(job, env)])


def check_slurm(job: Job, ask: Callable[..., Completed]) -> None:
    """In a Slurm job, whose srun is asked (`ask("srun", ...)`) only for a PMI by name. Raises ConfigError, every mistake at once."""
    _refuse([*_contradictions(job), *_pmi(job, ask)])


def _refuse(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise ConfigError(mistakes)


def _contradictions(job: Job) -> Iterator[Mistake]:
    """What only one launcher has, asked of the other one."""
    asked = job.distributed
    other = {mpi.SRUN: ("mpirun", "mpirun_arguments"), mpi.MPIRUN: ("pmi",)}.get(asked.get("launcher", "auto"), ())
    for name in other:
        if asked.get(name):
            launcher = asked["launcher"]
            yield Mistake(f"distributed.{name} is not for distributed.launcher={launcher}", hint="distributed.launcher=auto chooses")
    if asked.get("pmi") and (asked.get("mpirun") or asked.get("mpirun_arguments")):
        yield Mistake("distributed.pmi is srun's, and distributed.mpirun and mpirun_arguments are mpirun's", ("allowed", "those of one"))


def _on_one_machine(job: Job) -> Iterator[Mistake]:
    for name in ("launcher", "pmi"):
        value = job.distributed.get(name)
        if value == mpi.SRUN or (name == "pmi" and value):
            yield Mistake(f"distributed.{name}={value}, but compute=local asks no Slurm", ("allowed", "launcher auto or mpirun"),
                          hint="compute=slurm has srun start the processes")  # fmt: skip


def _mpirun(job: Job, env: Mapping[str, str]) -> Iterator[Mistake]:
    """There is none. An environment that is yet to be built may bring one."""
    from trainconf.agent.processes import ranks

    if job.spec.environment.kind == "venv" and not os.path.exists(job.python):
        return
    named = job.distributed.get("mpirun")
    for name in (named,) if named else mpi.PROGRAMS:
        try:
            ranks.find_program(name, env)
        except OSError as error:
            if named:
                yield Mistake(f"distributed.mpirun={named} cannot be used: {error.strerror}", ("PATH", env.get("PATH", "")))
        else:
            return
    if not named:
        yield Mistake("distributed=mpi, but no mpirun is on the job's PATH", ("PATH", env.get("PATH", "")), hint=mpi.NO_MPIRUN_HINT)


def _pmi(job: Job, ask: Callable[..., Completed]) -> Iterator[Mistake]:
    pmi = job.distributed.get("pmi")
    if not pmi:
        return
    answer = ask("srun", "--mpi=list")
    known = mpi.read_pmis(answer.last_lines())
    if answer.ok and known and pmi not in known:
        yield Mistake(f"distributed.pmi={pmi} is not what this Slurm has", ("allowed", ", ".join(known)), hint="null takes what fits")
