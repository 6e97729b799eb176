"""The GPUs of this machine. Ids are opaque strings: indices, UUIDs and MIG ids stay as they are."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from trainconf.process import Processes

    class DeviceLister(Protocol):
        """Lists the devices that a run may be given. Tests replace it."""

        def devices(self) -> list[str]:
            """Their ids, in the order in which they are leased; empty when there are none."""


PROC_DRIVER = "/proc/driver/nvidia/gpus"


class NvidiaDevices:
    """Those of the submitter's CUDA_VISIBLE_DEVICES where it is set (empty means none), else those of the driver."""

    def __init__(self, environ: Mapping[str, str], processes: Processes, proc_driver: str = PROC_DRIVER) -> None:
        self._environ = environ
        self._processes = processes
        self._proc_driver = proc_driver

    def devices(self) -> list[str]:
        """Indices where the driver lists the boards, else UUIDs of `nvidia-smi -L`."""
        visible = self._environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            return _visible(visible)
        try:
            return [str(index) for index in range(len(os.listdir(self._proc_driver)))]
        except OSError:
            return self._listed_by_tool()

    def _listed_by_tool(self) -> list[str]:
        """`GPU 0: NVIDIA H100 (UUID: GPU-…)`, one line a board; the lines of MIG devices are indented."""
        answer = self._processes.run(["nvidia-smi", "-L"], timeout_s=30)
        if not answer.ok:
            return []
        boards = [line for line in answer.text().splitlines() if line.startswith("GPU ") and "UUID: " in line]
        return [line.rpartition("UUID: ")[2].rstrip(")") for line in boards]


def _visible(text: str) -> list[str]:
    """CUDA stops reading at the first invalid id; -1 is the usual way to write one."""
    found: list[str] = []
    for word in (part.strip() for part in text.split(",")):
        if not word or word == "-1":
            break
        found.append(word)
    return found
