"""What no partition asked for can give: where a cluster does not enforce its limits at submission, such a job would wait for ever.

Asked only for a job that wants more than one CPU of one node for as long as it may; every partition gives that.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from trainconf.launchers.slurm.commands import Controller

_PARTITIONS = ("sinfo", "--noheader", "--all", "--exact", "--format=%P|%l|%s|%D|%c")  # a line for each kind of node of each


class Partition:
    """What a partition can give one job. None is no limit, and what Slurm prints otherwise than expected."""

    __slots__ = ("cpus", "max_nodes", "minutes", "nodes")

    def __init__(self) -> None:
        self.minutes: float | None = None
        self.max_nodes: float | None = None
        self.nodes: float | None = 0
        self.cpus: float | None = 0


def check(controller: Controller, batch: Mapping[str, Any]) -> None:
    """Raises ConfigError: more time, nodes or CPUs than any partition it may run in has."""
    asked = {name: str(value) for name, value in batch["options"].items()}
    if "time" not in asked and asked.get("nodes") == asked.get("cpus-per-task") == "1":
        return
    done = controller.call(*_PARTITIONS)
    there_are = partitions(done.text()) if done.ok else {}
    names = asked["partition"].split(",") if "partition" in asked else [name for name in there_are if name.endswith("*")]
    wanted = [found for name, found in there_are.items() if name.rstrip("*") in {name.rstrip("*") for name in names}]
    reasons = list(_reasons(asked, ",".join(names).rstrip("*"), wanted)) if wanted else []
    if reasons:
        from trainconf.launchers.slurm.refusal import never

        raise never(controller, batch, reasons)


def _reasons(asked: Mapping[str, str], name: str, wanted: list[Partition]) -> Iterator[tuple[str, str]]:
    """Sentences, each with the word for what there is."""
    nodes = int(asked["nodes"])
    # a quality of service may lift a partition's limits, but not add to its machines (sacctmgr(1), Flags)
    if "qos" not in asked and "time" in asked and _all_less((it.minutes for it in wanted), int(asked["time"])):
        yield f"compute.time_minutes={asked['time']} is over the time limit of partition {name}", "time limit"
    if "qos" not in asked and _all_less((it.max_nodes for it in wanted), nodes):
        yield f"{nodes} nodes are over the limit of partition {name} for one job", "partition's nodes"
    elif _all_less((it.nodes for it in wanted), nodes):
        yield f"{nodes} nodes are more than partition {name} has", "partition's nodes"
    if _all_less((it.cpus for it in wanted), int(asked["cpus-per-task"])):
        yield f"{asked['cpus-per-task']} CPUs on each node (compute.cpus_per_task) are more than any node of partition {name} has", "CPU"


def _all_less(limits: Iterable[float | None], number: int) -> bool:
    return all(limit is not None and limit < number for limit in limits)


def partitions(text: str) -> dict[str, Partition]:
    """By name, a default's with a `*`, from the lines of sinfo."""
    found: dict[str, Partition] = {}
    for name, limit, size, nodes, cpus in (line.split("|") for line in text.splitlines() if line.count("|") == 4):
        it = found.setdefault(name, Partition())
        it.minutes, it.max_nodes = minutes(limit), _number(size.rpartition("-")[2])
        count, each = _number(nodes), _number(cpus)
        it.nodes = None if it.nodes is None or count is None else it.nodes + count
        it.cpus = None if it.cpus is None or each is None else max(it.cpus, each)
    return found


def _number(text: str) -> float | None:
    return float(text) if text.isdecimal() else None


def minutes(text: str) -> float | None:
    """A time limit as sinfo prints it, [days-][[hours:]minutes:]seconds; None for none."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text)
    if match is None:
        return None
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60
