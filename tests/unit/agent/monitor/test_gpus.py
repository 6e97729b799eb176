from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from trainconf.agent.monitor import gpus
from trainconf.agent.monitor.gpus import Gpus
from trainconf.agent.processes import tree

MIB = 1 << 20


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A machine with GPUs 0 and 1, and a MIG device of the latter that knows its memory only."""
    fake = ModuleType("pynvml")
    uuids = ["GPU-aaaa-1", "GPU-bbbb-2"]

    def utilization(device: str) -> SimpleNamespace:
        if device.startswith("MIG"):
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=70 + uuids.index(device))

    def by_uuid(name: str) -> str:
        if name != "MIG-cccc":
            raise NVMLError("Not Found")
        return name

    fake.__dict__.update(
        NVMLError=NVMLError, nvmlInit=lambda: None, nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetHandleByIndex=uuids.__getitem__,
        nvmlDeviceGetUUID=lambda device: device, nvmlDeviceGetHandleByUUID=by_uuid, nvmlDeviceGetUtilizationRates=utilization,
        nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=5 * MIB),
        nvmlDeviceGetPowerUsage=lambda device: utilization(device).gpu * 1000 + 50,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


@pytest.mark.usefixtures("nvml")
def test_nvml_tells_of_the_leased_devices_however_they_are_named() -> None:
    first = {"utilization_percent": 70, "memory_bytes": 5 * MIB, "power_watts": 70.0}
    second = {"utilization_percent": 71, "memory_bytes": 5 * MIB, "power_watts": 71.0}
    assert Gpus(["1"]).read() == [{"id": "1", **second}]
    assert Gpus(["GPU-aaaa-1", "GPU-bbbb"]).read() == [{"id": "GPU-aaaa-1", **first}, {"id": "GPU-bbbb", **second}]
    assert Gpus(["MIG-cccc", "GPU-none"]).read() == [{"id": "MIG-cccc", "memory_bytes": 5 * MIB}]


@pytest.fixture
def no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_pynvml", lambda: None)


def smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.usefixtures("no_nvml")
def test_nvidia_smi_is_asked_where_nvml_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(tmp_path, "echo '0, GPU-aaaa-1, 33, 1024, 61.50'; echo '1, GPU-bbbb-2, [N/A], 2, [Not Supported]'", monkeypatch)
    assert Gpus(["0"]).read() == [{"id": "0", "utilization_percent": 33.0, "memory_bytes": 1024 * MIB, "power_watts": 61.5}]
    assert Gpus(["GPU-bbbb"]).read() == [{"id": "GPU-bbbb", "memory_bytes": 2 * MIB}]
    assert len(tree.own) == 2  # whoever reaps them does not take them for a run's
    tree.own.clear()


@pytest.mark.usefixtures("no_nvml")
@pytest.mark.parametrize("script", ["echo nonsense", "exit 9", "sleep 60"])
def test_what_nvidia_smi_does_not_tell_costs_nothing_else(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "ANSWER_SECONDS", 0.2)
    smi(tmp_path, script, monkeypatch)
    assert Gpus(["0"]).read() == []
    tree.own.clear()


@pytest.mark.usefixtures("no_nvml")
def test_without_either_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Gpus(["0"]).read() == []
    assert "pip install 'trainconf[gpu]'" in capfd.readouterr().err
