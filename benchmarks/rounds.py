"""Timing as every benchmark here does it: whole processes, rows interleaved round by round, medians, ratios within each round."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def environment() -> dict[str, str]:
    """The caller's variables, with this checkout importable and byte code kept, as it is for an installed package."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": ROOT}


def timed(argv: Sequence[str], cwd: str) -> float:
    """Wall seconds of a process, from its start to its end. Raises CalledProcessError when it fails."""
    env = environment()
    begin = time.perf_counter()
    subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=env)
    return time.perf_counter() - begin


def interleaved(rows: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every row in every round, after one round that is thrown away."""
    seen: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(rounds + 1):
        for name, measure in rows.items():
            seconds = measure()
            if number:
                seen[name].append(seconds)
    return seen


def report(seen: Mapping[str, Sequence[float]], limit: str, targets: Mapping[str, float]) -> None:
    """One line a row: median, and the median of the per-round ratios to the row `limit`, beside the largest ratio it may have."""
    width = max(map(len, seen))
    for name, times in seen.items():
        ratio = statistics.median(own / floor for own, floor in zip(times, seen[limit], strict=True))
        target = f"  at most {targets[name]:g}x" if name in targets else ""
        print(f"{name:<{width}}  {statistics.median(times) * 1000:8.1f} ms  {ratio:6.2f}x{target}")
