"""Refuses what no target can carry out, as far as that is known before anything runs; the rest the job finds out."""

from __future__ import annotations

import os

from trainconf.distributed import mpi
from trainconf.errors import ConfigError, Mistake
from trainconf.fast.patterns import surely_has_one_group
from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from trainconf.launchers.protocol import Job
    from trainconf.process import Completed


_MODULES = ("torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch", "deepspeed")
_BEFORE_A_COMMAND = frozenset({"exec", "env", "time", "nohup", "then", "do", "else", "!", "{", "(", "&&", "||", ";", "|", "&"})


def check(job: Job, argv: list[str]) -> None:
    """What every target refuses; `argv` is the job's. Raises ConfigError, every mistake at once."""
    _refuse([*_no_arguments(argv), *_broken_patterns(job.stdout_metrics), *_ranks_that_start_ranks(job, argv)])


def check_mpi_here(job: Job, env: Mapping[str, str]) -> None:
    """MPI processes on this machine; `env` is the job's. Raises ConfigError, every mistake at once."""
    _refuse([*_contradictions(job), *_on_one_machine(job), *_mpirun(job, env)])


def check_mpi_in_slurm(job: Job, call: Callable[..., Completed]) -> None:
    """MPI processes in a Slurm job. Only a PMI by name needs `call("srun", ...)`. Raises ConfigError, every mistake at once."""
    _refuse([*_contradictions(job), *_pmi(job, call)])


def _refuse(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise ConfigError(mistakes)


def _no_arguments(argv: Iterable[str]) -> Iterator[Mistake]:
    for word in argv:
        if "\0" in word:
            yield Mistake(f"the argument {word!r} holds a NUL character, which no process can be given",
                          hint="use argument_style=none and read the file TRAINCONF_PARAMS")


def _broken_patterns(patterns: Mapping[str, str]) -> Iterator[Mistake]:
    for name, pattern in patterns.items():
        if surely_has_one_group(pattern):
            continue
        try:
            re.compile(pattern).groups  # noqa: B018  (`fast.stdlib` compiles what is used)
        except (re.error, RecursionError, OverflowError) as error:
            yield Mistake(f"stdout_metrics.{name} is not a regular expression: {error}", ("pattern", pattern))


def _ranks_that_start_ranks(job: Job, argv: list[str]) -> Iterator[Mistake]:
    """A launcher that starts the processes of its node, beside others of the node that do the same: each group would believe to be all."""
    per_node = job.spec.distributed.processes_per_node
    found = _launcher_of_a_node(argv) if per_node > 1 else None
    if found:
        kind = job.spec.distributed.kind
        yield Mistake(
            f"{found} starts the processes of its node, and distributed={kind} starts {found} {per_node} times on each node",
            ("allowed", f"one of the two: the script without {found}, or {found} once on each node"),
            hint="distributed=none starts it once on each node, and sets NODE_RANK, MASTER_ADDR and MASTER_PORT where there are several",
        )


def _launcher_of_a_node(argv: list[str]) -> str | None:
    """The launcher that is started, by its name; in a shell string where a command begins."""
    if argv[:2] != ["sh", "-c"]:
        return _launcher_in(argv)
    import contextlib
    import shlex

    words: list[str] = []
    for line in argv[2].replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        with contextlib.suppress(ValueError):  # a quote that is closed on another line: not where a command begins
            words += [*lexer, ";"]
    starts = (place for place, before in enumerate([";", *words]) if before in _BEFORE_A_COMMAND or _is_assignment(before))
    return next(filter(None, (_launcher_in(words[place:]) for place in starts)), None)


def _is_assignment(word: str) -> bool:
    name, sign, _ = word.partition("=")
    return bool(sign) and name.isidentifier()


def _launcher_in(words: list[str]) -> str | None:
    first, *others = [os.path.basename(word) for word in words[:3]] or [""]
    if first == "accelerate" and others[:1] == ["launch"]:
        return "accelerate launch"
    if first.startswith("python") and others[:1] == ["-m"]:
        return next((module for module in others[1:] if module in _MODULES), None)
    return first if first in ("torchrun", "deepspeed") else None


def _contradictions(job: Job) -> Iterator[Mistake]:
    """Settings of mpirun and of srun at once."""
    wanted = job.distributed
    other = {mpi.SRUN: ("mpirun", "mpirun_arguments"), mpi.MPIRUN: ("pmi",)}.get(wanted.get("launcher", "auto"), ())
    for name in other:
        if wanted.get(name):
            launcher = wanted["launcher"]
            yield Mistake(f"distributed.{name} is not for distributed.launcher={launcher}", hint="distributed.launcher=auto chooses")
    if wanted.get("pmi") and (wanted.get("mpirun") or wanted.get("mpirun_arguments")):
        yield Mistake("distributed.pmi is srun's, and distributed.mpirun and mpirun_arguments are mpirun's", ("allowed", "those of one"))


def _on_one_machine(job: Job) -> Iterator[Mistake]:
    for name in ("launcher", "pmi"):
        value = job.distributed.get(name)
        if value == mpi.SRUN or (name == "pmi" and value):
            yield Mistake(f"distributed.{name}={value}, but compute=local has no Slurm", ("allowed", "launcher auto or mpirun"),
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


def _pmi(job: Job, call: Callable[..., Completed]) -> Iterator[Mistake]:
    pmi = job.distributed.get("pmi")
    if not pmi:
        return
    listed = call("srun", "--mpi=list")
    known = mpi.read_pmis(listed.last_lines())
    if listed.ok and known and pmi not in known:
        yield Mistake(f"distributed.pmi={pmi} is not what this Slurm has", ("allowed", ", ".join(known)), hint="null takes what fits")
