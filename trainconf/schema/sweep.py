"""sweep=grid, and what every sweep has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from trainconf.schema.fields import setting


# Annotations are evaluated by OmegaConf, which reads `Optional[X]` on every line it supports and Python 3.10 to 3.14.
@dataclass
class ControllerJob:
    """The job of sweep.controller=job. What is null is as in compute; one CPU, and none of the trials' other settings."""

    partition: Optional[str] = setting(None, "partition; default: compute.partition")
    account: Optional[str] = setting(None, "account that is charged; default: compute.account")
    qos: Optional[str] = setting(None, "quality of service; default: compute.qos")
    mem_gib: float = setting(1.0, "GiB of memory; sampler=gp, which loads PyTorch, takes half of that", above=0)
    time_minutes: Optional[int] = setting(None, "time limit in minutes, after which it goes on; default: compute.time_minutes", minimum=1)
    signal_seconds: int = setting(60, "seconds before that limit at which it puts itself back into the queue", minimum=1)
    sbatch: dict[str, Any] = setting(dict, "any other option of sbatch by its long name, as in `reservation: search`")


@dataclass
class Sweep:
    """What every sweep has."""

    kind: str = setting("grid", "set by the choice of `sweep`", choices=("grid",))
    space: dict[str, Any] = setting(dict, "key: expression, list of values, or {type: uniform, min_value: 0, max_value: 1}; as words of -m")
    zip: dict[str, Any] = setting(dict, "name: {key: [values], key: [values]}; these keys change together")
    exclude: list[Any] = setting(list, "points that are left out: {key: value, ...}, or a comparison such as `params.a * params.b > 64`")
    first: list[Any] = setting(list, "points that come before all others: {key: value, ...}")
    resume_from: list[str] = setting(list, "up to 5 sweeps of the same metric: bayes learns from them, policies compare with them")
    resume_child_runs: list[str] = setting(list, "runs: the first trials have their values, and find their outputs")
    resume_param: Optional[str] = setting(None, "a param that has the path of those outputs, as resume-from does in --resume-from PATH")
    repeats: int = setting(1, "trials of each point; its value is their mean", minimum=1)
    repeat_key: Optional[str] = setting(None, "a key that is 0, 1, 2, ... in the trials of a point, such as params.seed")
    repeat_values: list[Any] = setting(list, "what that key is instead of 0, 1, 2, ...: as many values as there are repeats")
    max_concurrent_runs: Optional[int] = setting(None, "trials at a time; default: as many as the machine has slots for", minimum=1)
    max_failed_runs: Optional[int] = setting(None, "so many failed trials end the sweep", minimum=1)
    max_duration_minutes: Optional[float] = setting(None, "minutes; then running trials are cancelled and none is started", above=0)
    target: Optional[float] = setting(None, "a value of the metric that is good enough: no further trial starts")
    value: str = setting("best", "what a trial is worth: the best or the last value it logged", choices=("best", "last"))
    seed: Optional[int] = setting(None, "of everything that is drawn; default: one by chance, which is recorded", minimum=0)
    controller: str = setting(
        "here", "what controls a search: this command; or, so that it returns at once, a process of its own, or a Slurm job",
        choices=("here", "detached", "job"),
    )
    controller_job: ControllerJob = setting(ControllerJob, "the job of sweep.controller=job")
    policy: Any = setting(None, "when a trial is stopped early; chosen by sweep/policy=...")


@dataclass
class GridSweep(Sweep):
    """sweep=grid: every combination of the values."""

    max_total_runs: int = setting(10_000, "a larger grid is refused", minimum=1)
    allow_partial: bool = setting(False, "of a larger grid the first max_total_runs trials run; else it is refused")
    shuffle: bool = setting(False, "in an order of the seed, instead of the last key changing fastest")
