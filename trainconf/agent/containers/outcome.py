"""How a container ended, in a code and in words."""

from __future__ import annotations

from trainconf.agent.outcome import NOT_EXECUTABLE_CODE, NOT_FOUND_CODE, Outcome, killed_for_memory, signal_name
from trainconf.engine import job_shell
from trainconf.engine.client import EngineUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.agent.containers.container import ContainerEnd
    from trainconf.engine.client import EngineError

SIGKILL, SIGTERM = 9, 15
GIB = 2**30
NO_SHELL = 'exec: "sh": executable file not found'  # runc, and crun since 1.0


def of(end: ContainerEnd, body: Mapping[str, Any], argv: Sequence[str], address: str, oom_kills: int) -> Outcome:
    """As if nobody had asked for its end. `oom_kills`: how many processes the kernel of this machine killed for memory meanwhile."""
    if end.refusal is not None:
        return _refused(end.refusal, body["Image"], address)
    if end.was_removed:
        return Outcome("Failed", end.code, "its container was removed, and not by trainconf", may_retry=True)
    if end.code is None:
        return Outcome("Failed", None, "it was not begun")
    if end.code == job_shell.NOT_STARTED and not end.usage:
        return Outcome("Failed", end.code, _why_not_begun(body), may_retry=True)
    if end.code in (NOT_FOUND_CODE, NOT_EXECUTABLE_CODE) and not end.usage:
        return _no_shell(end.code, body)
    if job_shell.says(end.usage, job_shell.CANNOT_START):
        what = "was not found in the image" if end.code == NOT_FOUND_CODE else "is not executable"
        return Outcome("Failed", end.code, f"{argv[0]!r} {what}")
    reason = _reason(end, body, oom_kills)
    if reason:
        return Outcome("Failed", end.code, reason, may_retry=True)
    oom_kills = job_shell.read_oom_kills(end.usage)
    return Outcome("Completed", 0, note=killed_for_memory(oom_kills, _memory_allowed(body)) if oom_kills else "")


def untold(end: ContainerEnd, body: Mapping[str, Any]) -> Outcome:
    """Of one of several processes, when their container has ended by itself and nobody has written down how this one did."""
    if job_shell.says(end.usage, job_shell.NO_MPIRUN):
        reason = f"the image {body['Image']} has no mpirun that could start it, and neither has its environment: env=mpi installs one"
        return Outcome("Failed", end.code, reason)
    if job_shell.read_mpirun(end.usage) is not None:
        reason = f"mpirun ended with exit code {end.code}, by itself or by an MPI_Abort: the log of rank 0 has its words{_by_whom(end)}"
    else:
        reason = f"its container ended with exit code {end.code}, and how this process ended is not known{_by_whom(end)}"
    return Outcome("Failed", end.code or 1, reason, may_retry=True)


def _refused(refusal: EngineError, image: str, address: str) -> Outcome:
    from trainconf.engine import address as engine_address

    if isinstance(refusal, EngineUnreachable):
        reason = f"the container engine at {address} cannot be reached: {refusal.message}"
        return Outcome("Failed", job_shell.NOT_STARTED, reason, may_retry=True)
    if NO_SHELL in refusal.message:
        return _no_shell(NOT_FOUND_CODE, {"Image": image})
    if refusal.status == 404 and "image" in refusal.message.lower():
        return Outcome("Failed", job_shell.NOT_STARTED, f"the image {image} is not there any more: {refusal.message}")
    if (path := engine_address.missing_source(refusal)) is not None:
        told = engine_address.explain_missing_source(engine_address.EngineAddress(address, "the plan"), path).mistakes[0]
        return Outcome("Failed", job_shell.NOT_STARTED, f"{told.what} (engine at {address})" + (f"; {told.hint}" if told.hint else ""))
    code = NOT_EXECUTABLE_CODE if refusal.status == 0 else job_shell.NOT_STARTED
    return Outcome("Failed", code, f"the container could not be started: {refusal.message}")


def _no_shell(code: int, body: Mapping[str, Any]) -> Outcome:
    return Outcome("Failed", code, f"the image {body['Image']} has no `sh`, with which trainconf's containers begin")


def _why_not_begun(body: Mapping[str, Any]) -> str:
    return (
        f"the job was not begun: user {body.get('User') or 'of the image'} cannot write its log in the container, "
        "or its variables did not arrive whole"
    )


def _reason(end: ContainerEnd, body: Mapping[str, Any], oom_kills: int) -> str:
    """Empty for a job that ended well by itself."""
    assert end.code is not None
    number = end.code - 128
    if end.is_out_of_memory:
        return f"exit code {end.code}: the kernel ended a process of it that wanted more memory than {_memory_allowed(body)}"
    if end.was_stopped or (end.code == 0 and end.engine_was_away and (not end.usage or job_shell.says(end.usage, job_shell.GOT_SIGTERM))):
        return f"exit code {end.code}, but it was told to stop and not by trainconf{_by_whom(end)}"
    if end.code == 0:
        return ""
    if not 0 < number <= 64:
        return f"exit code {end.code}" + _by_whom(end)
    sure = ":" if not end.usage else ", as if"  # the shell that stays behind the job lived: a job that exits with that code looks the same
    reason = f"exit code {end.code}{sure} killed by {signal_name(number)}"
    if number == SIGKILL and oom_kills:
        return reason + "; the kernel's out-of-memory killer ended a process at that time"
    return reason + (", which trainconf did not send" if number in (SIGKILL, SIGTERM) else "") + _by_whom(end)


def _memory_allowed(body: Mapping[str, Any]) -> str:
    limit = body.get("HostConfig", {}).get("Memory")
    return f"its limit of {limit / GIB:.3g} GiB (compute.memory_gib)" if limit else "what the machine has"


def _by_whom(end: ContainerEnd) -> str:
    return "; its engine was away at that time, and one without live-restore ends its containers" if end.engine_was_away else ""
