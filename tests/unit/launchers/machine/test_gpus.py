"""GPU ids: as they were given, as the driver lists them, and none where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trainconf.launchers.machine.gpus import NvidiaDevices
from trainconf.process import Completed, Processes

LISTING = b"""GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 1g.5gb      Device  0: (UUID: MIG-1f3a)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-aaa)
"""


class FakeTool(Processes):
    """An nvidia-smi with this answer."""

    def __init__(self, returncode: int = 0, stdout: bytes = b"", *, found: bool = True) -> None:
        self.calls: list[Sequence[str]] = []
        self._answer = returncode, stdout, found

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        self.calls.append(argv)
        code, stdout, found = self._answer
        return Completed(argv, code, stdout, b"", found=found)


@pytest.mark.parametrize(
    ("visible", "ids"),
    [("", []), ("0", ["0"]), ("4,7", ["4", "7"]), ("GPU-aaa, MIG-GPU-b/1/0", ["GPU-aaa", "MIG-GPU-b/1/0"]), ("-1", []), ("0,-1,1", ["0"])],
)
def test_an_outer_cuda_visible_devices_is_kept_as_it_was_given(visible: str, ids: list[str]) -> None:
    tool = FakeTool(stdout=LISTING)
    assert NvidiaDevices({"CUDA_VISIBLE_DEVICES": visible}, tool).devices() == ids
    assert tool.calls == []


def test_without_one_the_driver_tells(tmp_path: Path) -> None:
    for board in ("0000:07:00.0", "0000:0f:00.0"):
        (tmp_path / board).mkdir()
    tool = FakeTool(stdout=LISTING)
    assert NvidiaDevices({}, tool, str(tmp_path)).devices() == ["0", "1"]
    assert tool.calls == []


def test_else_nvidia_smi_does(tmp_path: Path) -> None:
    found = NvidiaDevices({}, FakeTool(stdout=LISTING), str(tmp_path / "none")).devices()
    assert found == ["GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f", "GPU-aaa"]


@pytest.mark.parametrize("tool", [FakeTool(127, found=False), FakeTool(9, b"NVIDIA-SMI has failed")])
def test_a_machine_without_gpus_has_none(tool: FakeTool, tmp_path: Path) -> None:
    assert NvidiaDevices({}, tool, str(tmp_path / "none")).devices() == []
