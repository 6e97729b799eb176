"""How every benchmark measures and judges: whole processes, rows interleaved round by round, medians, ratios within each round, limits."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = str(Path(__file__).parents[1])


def environment() -> dict[str, str]:
    """The caller's variables. This checkout is importable, and byte code is kept as for an installed package."""
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


def median_ratio(own: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(own, floor, strict=True))


class Limit(NamedTuple):
    """The most that a figure may be: in its own unit, or as a ratio to the row `to`."""

    name: str
    at_most: float
    to: str = ""


class Report:
    """Prints figures beside their limits, and knows which limits were missed or never measured."""

    def __init__(self, *limits: Limit) -> None:
        self.limits = limits
        self.missed: list[Limit] = []
        self.measured: set[Limit] = set()

    def rows(self, seen: Mapping[str, Sequence[float]], to: str) -> None:
        """A line for each row: its median, and the median of its ratios to the row `to`. Then ratios to other rows, where limited."""
        width = max(map(len, seen))
        for name, times in seen.items():
            ratio = median_ratio(times, seen[to])
            print(f"{name:<{width}}  {statistics.median(times) * 1000:8.1f} ms  {ratio:6.2f}x{self._judged(name, ratio, to)}")
        for limit in self.limits:
            if limit.name in seen and limit.to in seen and limit.to != to:
                ratio = median_ratio(seen[limit.name], seen[limit.to])
                print(f"{limit.name} / {limit.to}: {ratio:.2f}x{self._judged(limit.name, ratio, limit.to)}")

    def figure(self, name: str, value: float, unit: str, more: str = "") -> None:
        """A line for one figure. A unit of `x` is a ratio."""
        print(f"{name}: {value:.4g} {unit}{self._judged(name, value)}{f'; {more}' if more else ''}")

    def _judged(self, name: str, value: float, to: str = "") -> str:
        for limit in self.limits:
            if (limit.name, limit.to) == (name, to):
                self.measured.add(limit)
                if value > limit.at_most:
                    self.missed.append(limit)
                return f"  at most {limit.at_most:g}{'   MISSED' if value > limit.at_most else ''}"
        return ""

    def code(self, *, check: bool) -> int:
        """The exit code: 1 when limits are checked and one was missed or not measured, which is told."""
        unmeasured = [limit for limit in self.limits if limit not in self.measured]
        for words, limits in (("missed", self.missed), ("not measured", unmeasured)):
            for limit in limits if check else ():
                print(f"{words}: {limit.name}{f' / {limit.to}' if limit.to else ''}, at most {limit.at_most:g}")
        return int(check and bool(self.missed or unmeasured))


def parser(description: str | None, rounds: int | None = None) -> argparse.ArgumentParser:
    """A parser with the arguments of every benchmark."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--check", action="store_true", help="end with code 1 when a figure is above its limit")
    if rounds is not None:
        made.add_argument("--rounds", type=int, default=rounds)
    return made
