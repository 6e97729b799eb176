"""Samples of what a run uses of one machine, a JSON line each, written by a thread.

    {"time", "host", "cpu_percent", "memory_bytes", "disk_read_bytes_per_s", "disk_write_bytes_per_s", "network_receive_bytes_per_s",
     "network_send_bytes_per_s", "gpus": [{"id", "utilization_percent", "memory_bytes", "power_watts"}]}

What cannot be measured is left out. Rates are those since the sample before. The thread never delays the agent, which goes on when the disk
or a driver does not answer.
"""

from __future__ import annotations

import _thread
import os
import time

from trainconf import files
from trainconf.agent.log import say
from trainconf.agent.monitor.usage import Counters, Machine
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.agent.monitor.gpus import Gpus

GROWTH = 2  # the first samples come soon, each after so many times the pause before, until the interval is reached
FIRST_PAUSE_SECONDS = 2.0
RATES = {
    "disk_read_bytes": "disk_read_bytes_per_s", "disk_write_bytes": "disk_write_bytes_per_s",
    "network_receive_bytes": "network_receive_bytes_per_s", "network_send_bytes": "network_send_bytes_per_s",
}  # fmt: skip
MIN_SECONDS = 0.05  # a rate over less says nothing


class Sampler:
    """Samples until it is stopped. `roots` are the first processes of the ranks, `gpus` the devices as CUDA_VISIBLE_DEVICES names them."""

    def __init__(self, path: str, roots: Sequence[int], gpus: Sequence[str], interval_s: float) -> None:
        self._path = path
        self._machine = Machine(roots)
        self._gpu_ids = gpus
        self._gpus: Gpus | None = None
        self._interval_s = interval_s
        self._wanted = _thread.allocate_lock()  # held until it shall stop
        self._lock = _thread.allocate_lock()  # of all below
        self._before: Counters | None = None
        self._is_stopped = False
        self._said = False

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._wanted.acquire()
        _thread.start_new_thread(self._run, ())

    def stop(self, cpu_s: float | None) -> None:
        """Write the last sample and no more. Never waits for a thread that hangs."""
        self._wanted.release()
        if not self._lock.acquire(timeout=MIN_SECONDS):
            return
        try:
            self._is_stopped = True
            if cpu_s is not None and self._before is not None:
                self._write(self._last(cpu_s))
        finally:
            self._lock.release()

    def _run(self) -> None:
        try:
            if self._gpu_ids:
                from trainconf.agent.monitor.gpus import Gpus

                self._gpus = Gpus(self._gpu_ids)
            pause_s = min(FIRST_PAUSE_SECONDS, self._interval_s)
            while True:
                self._sample()
                if self._wanted.acquire(timeout=pause_s):
                    return
                pause_s = min(pause_s * GROWTH, self._interval_s)
        except Exception as error:  # no run fails because it could not be looked at
            say(f"what the run uses of the machine is sampled no more: {type(error).__name__}: {error}")

    def _sample(self) -> None:
        devices = self._gpus.read() if self._gpus is not None else []
        with self._lock:
            if self._is_stopped:
                return
            now = self._machine.read()
            if now.cpu_s is None and now.memory_bytes is None:
                return  # the processes have ended, or are those of another user
            sample = {**self._facts(now), **({"gpus": devices} if devices else {})}
            self._before = now
            if len(sample) > 2:  # the time and the host
                self._write(sample)

    def _facts(self, now: Counters) -> dict[str, Any]:
        sample: dict[str, Any] = {"time": events.now(), "host": os.uname().nodename}
        before = self._before
        seconds = now.at - before.at if before is not None else now.age_s
        if seconds < MIN_SECONDS:
            return sample
        if now.cpu_s is not None:
            used = now.cpu_s - (before.cpu_s or 0.0 if before is not None else 0.0)
            sample["cpu_percent"] = round(100 * max(0.0, used) / seconds, 1)
        if now.memory_bytes is not None:
            sample["memory_bytes"] = now.memory_bytes
        for name, rate in RATES.items():
            value, value_before = now.bytes.get(name), before.bytes.get(name) if before is not None else None
            if value is not None and value_before is not None:
                sample[rate] = round(max(0, value - value_before) / seconds)
        return sample

    def _last(self, cpu_s: float) -> dict[str, Any]:
        """The processes are gone: what they used of the CPU in all is known, and what they had of memory is not."""
        assert self._before is not None
        network = self._machine.network()
        return self._facts(Counters(time.monotonic(), cpu_s if self._before.cpu_s is not None else None, None, network, 0.0))

    def _write(self, sample: dict[str, Any]) -> None:
        try:
            files.append_line(self._path, sample)
        except OSError as error:
            if not self._said:
                self._said = True
                say(f"a sample of the machine could not be written: {error}")
