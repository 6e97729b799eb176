"""What the agents of a run have measured of their machines: trainconf.agent.monitor.sampler describes the samples.

    system.jsonl             of the run's machine, or of the first of several
    system_node_<n>.jsonl    of each further one
"""

from __future__ import annotations

from array import array

from trainconf import files
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.paths import RunPaths

    Columns = tuple["array[int]", "array[float]", "array[float]"]  # whole seconds since the first sample of the run, values, times

_NODE = "system_node_"


def files_of(paths: RunPaths) -> list[tuple[str, str]]:
    """Each file that there is, with what stands before the names that it has."""
    nodes = sorted(
        int(number) for name in files.names_in(paths.run_dir)
        if name.startswith(_NODE) and (number := name[len(_NODE) :].partition(".jsonl")[0]).isdigit()
    )  # fmt: skip
    return [(paths.system(), ""), *((paths.system(node), f"node_{node}/") for node in nodes)]


def columns(paths: RunPaths) -> dict[str, Columns]:
    """The measured values of a run by name, such as `cpu_percent`, `gpu_0/power_watts` or `node_1/memory_bytes`."""
    found: dict[str, Columns] = {}
    first: float | None = None
    for path, before in files_of(paths):
        for sample in files.read_lines(path):
            time = events.seconds(sample.get("time")) if isinstance(sample, dict) else None
            if time is None:
                continue
            first = time if first is None else first
            for name, value in _values(sample):
                steps, values, times = found.setdefault(before + name, (array("q"), array("d"), array("d")))
                steps.append(max(0, round(time - first)))
                values.append(value)
                times.append(time)
    return found


def _values(sample: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a sample, with those of each GPU."""
    gpus = sample.get("gpus")
    devices = [gpu for gpu in gpus if isinstance(gpu, dict)] if isinstance(gpus, list) else []
    for before, part in (("", sample), *((f"gpu_{gpu.get('id')}/", gpu) for gpu in devices)):
        for name, value in part.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield f"{before}{name}", float(value)
