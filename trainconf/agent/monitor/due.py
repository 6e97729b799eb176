"""When the machine is sampled: a run that ends within a second costs nothing, not even an import."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.agent.monitor.sampler import Sampler
    from trainconf.agent.outcome import Usage
    from trainconf.agent.plan import Plan
    from trainconf.paths import RunPaths

FIRST_SECONDS = 1.0  # until the first sample of an attempt


class Monitor:
    """Samples one attempt after the other. `begin` when its ranks run, `tick` when `deadline` has passed, `end` when they have ended."""

    def __init__(self, paths: RunPaths, node: int = 0) -> None:
        self.deadline: float | None = None  # by the monotonic clock
        self._paths = paths
        self._node = node
        self._roots: list[int] = []
        self._gpus: list[str] = []
        self._interval_s = 0.0
        self._sampler: Sampler | None = None
        self._has_all = False  # ranks of the run: what they used in all is what was used here

    def begin(self, plan: Plan, ranks: Sequence[Mapping[str, Any]], leased: Sequence[str]) -> None:
        """Those of the ranks count that are on this machine. A scheduler's job sees its GPUs in its variables."""
        host = os.uname().nodename
        self._roots = [rank["pid"] for rank in ranks if "pid" in rank and rank.get("host", host) == host]
        self._has_all = len(self._roots) == len(ranks)
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "") if plan.batch is not None else ""
        self._gpus = [*leased] or [device.strip() for device in seen.split(",") if device.strip()]
        self._interval_s = plan.monitor_interval_seconds
        is_on = self._interval_s > 0 and bool(self._roots)
        self.deadline = time.monotonic() + min(FIRST_SECONDS, self._interval_s) if is_on else None

    def tick(self, now: float) -> None:
        """Begin to sample, in a thread, once that is due."""
        if self.deadline is not None and now >= self.deadline:
            from trainconf.agent.monitor.sampler import Sampler

            self.deadline = None
            self._sampler = Sampler(self._paths.system(self._node), self._roots, self._gpus, self._interval_s)
            self._sampler.start()

    def end(self, usage: Usage) -> None:
        """Stop, with a last sample of what the ranks have used."""
        self.deadline = None
        if self._sampler is not None:
            self._sampler.stop(usage.cpu_s if usage.is_known and self._has_all else None)
            self._sampler = None
