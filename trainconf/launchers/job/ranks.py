"""The ranks of a job: the program of each, its place, and its variables. Pure."""

from __future__ import annotations

from trainconf.errors import ConfigError, Mistake
from trainconf.launchers.protocol import Job, RankPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trainconf.distributed.layout import RankLayout


def rank_plans(job: Job, argv: list[str], environ: Mapping[str, str]) -> list[RankPlan]:
    """In the order of the ranks; `argv` is the program of each, `environ` what it inherits.

    Raises ConfigError as `layout` does, and for a variable of the job that a rank cannot have as the job has it.
    """
    from trainconf.distributed.layout import layout

    places = layout(job.spec.distributed)
    mistakes = list(_taken_names(job, places[0]))
    if mistakes:
        raise ConfigError(mistakes)
    return [
        RankPlan(
            place.rank, argv, variables(job, place, environ), place.is_service,
            {"type": place.task, "index": place.task_index} if place.task else None, place.gpu_share,
        )
        for place in places
    ]  # fmt: skip


def variables(job: Job, place: RankLayout, environ: Mapping[str, str]) -> dict[str, str]:
    """What only this rank gets. The job's own variables win; so do inherited ones over our defaults."""
    from trainconf.distributed import layout

    spec = job.spec.distributed
    wanted, defaults = {}, {}
    if place.local_world_size > 1:
        defaults["OMP_NUM_THREADS"] = str(max(1, _cpus(job) // place.local_world_size))  # or each would start a thread on every CPU
    interface = job.distributed.get("interface")
    if spec.kind == "pytorch":
        wanted["TRAINCONF_COMMUNICATION_BACKEND"] = spec.communication_backend
        if interface is not None:
            wanted |= {"GLOO_SOCKET_IFNAME": interface, "NCCL_SOCKET_IFNAME": f"={interface}"}
        elif spec.node_count == 1:
            defaults["GLOO_SOCKET_IFNAME"] = "lo"  # or gloo looks up the machine's own name, which may have no address
    wanted |= {name: value for name, value in defaults.items() if name not in environ}
    return layout.variables(spec, place) | {name: value for name, value in wanted.items() if name not in {*job.env, *job.secrets}}


def _taken_names(job: Job, place: RankLayout) -> Iterator[Mistake]:
    """Variables of the job that it would not get: those that hold a process's place, and our TRAINCONF_*."""
    from trainconf.distributed import layout
    from trainconf.engine.job_shell import COMPAT_PATH
    from trainconf.launchers.job.env import OWN_NAMES, input_variables

    spec = job.spec.distributed
    places = {*layout.variables(spec, place), *(["TF_CONFIG"] if spec.kind == "tensorflow" else [])}
    own = {*OWN_NAMES, COMPAT_PATH, *input_variables(job.spec.code.inputs)}
    for name in sorted({*job.env, *job.secrets} & (places | own)):
        if name in own:
            yield Mistake(f"env.variables.{name} would be overwritten: trainconf tells the job about its run by this name",
                          hint="take another name")  # fmt: skip
        else:
            yield Mistake(f"env.variables.{name} would be the same in every process, and it tells a process its place among the others",
                          ("from", f"distributed={spec.kind}"), hint="leave it out: each process gets its own")  # fmt: skip


def _cpus(job: Job) -> int:
    """CPUs the job is given on each node."""
    return int(job.compute.get("cpus_per_task") or job.spec.compute.cpus)
