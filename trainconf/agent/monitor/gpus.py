"""Use of GPUs: by NVML where nvidia-ml-py is installed (the extra `gpu`), else by nvidia-smi. A driver may take seconds to answer.

Devices are named as CUDA_VISIBLE_DEVICES names them: by number, by UUID or the beginning of one, or as a MIG device.
"""

from __future__ import annotations

import os
import sys

from trainconf.agent.log import say
from trainconf.agent.processes import tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Reading = dict[str, Any]

FIELDS = {"utilization.gpu": "utilization_percent", "memory.used": "memory_bytes", "power.draw": "power_watts"}
ANSWER_SECONDS = 20.0  # nvidia-smi is asked no more when it has not answered by then
MIB = 1 << 20


class Gpus:
    """Reads some devices, each time by what has answered first."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = [*ids]
        self._read: Callable[[], list[Reading]] | None = _by_nvml(self._ids) or _by_nvidia_smi(self._ids)
        if self._read is None:
            say("the GPUs are not sampled: neither nvidia-ml-py (`pip install 'trainconf[gpu]'`) nor nvidia-smi can be used")

    def read(self) -> list[Reading]:
        """What is known of each device, by its id; nothing of one that does not answer."""
        if self._read is None:
            return []
        try:
            return self._read()
        except (OSError, ValueError) as error:
            say(f"the GPUs are sampled no more: {error}")
            self._read = None
            return []


def _by_nvml(ids: Sequence[str]) -> Callable[[], list[Reading]] | None:
    nvml = _pynvml()
    if nvml is None:
        return None
    try:
        nvml.nvmlInit()
        devices = [(name, device) for name in ids if (device := _handle(nvml, name)) is not None]
    except nvml.NVMLError as error:
        say(f"NVML cannot be used: {error}")
        return None

    def read_one(name: str, device: Any) -> Reading:
        asked: dict[str, Callable[[], float]] = {
            "utilization_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(device).gpu,
            "memory_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(device).used,
            "power_watts": lambda: round(nvml.nvmlDeviceGetPowerUsage(device) / 1000, 1),
        }
        found: Reading = {"id": name}
        for key, ask in asked.items():
            try:
                found[key] = ask()
            except nvml.NVMLError:
                continue  # this device, or a part of it, does not tell
        return found

    return (lambda: [found for name, device in devices if len(found := read_one(name, device)) > 1]) if devices else None


def _pynvml() -> Any:
    """nvidia-ml-py of the environment that trainconf is installed in: the agent itself starts without its packages."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    folders = [os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "lib", version, "site-packages"), beside]
    sys.path += folders
    try:
        import pynvml
    except ImportError:
        return None
    finally:
        for folder in folders:
            sys.path.remove(folder)
    return pynvml


def _handle(nvml: Any, name: str) -> Any:
    try:
        if name.isdigit():
            return nvml.nvmlDeviceGetHandleByIndex(int(name))
        for index in range(nvml.nvmlDeviceGetCount()):
            device = nvml.nvmlDeviceGetHandleByIndex(index)
            if _text(nvml.nvmlDeviceGetUUID(device)).startswith(name):
                return device
        return nvml.nvmlDeviceGetHandleByUUID(name)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _by_nvidia_smi(ids: Sequence[str]) -> Callable[[], list[Reading]] | None:
    from trainconf.agent.processes.ranks import find_program

    try:
        program = find_program("nvidia-smi", os.environ)
    except OSError:
        return None
    argv = ["nvidia-smi", f"--query-gpu=index,uuid,{','.join(FIELDS)}", "--format=csv,noheader,nounits"]

    def read() -> list[Reading]:
        found = []
        for line in _output(program, argv).splitlines():
            index, uuid, *values = [word.strip() for word in line.split(",")]
            name = next((each for each in ids if each == index or (not each.isdigit() and uuid.startswith(each))), None)
            if name is not None:
                numbers = {key: _number(key, value) for key, value in zip(FIELDS.values(), values, strict=False) if _is_number(value)}
                found.append({"id": name, **numbers})
        return [each for each in found if len(each) > 1]

    return read


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _number(key: str, text: str) -> float:
    return int(float(text) * MIB) if key == "memory_bytes" else float(text)


def _output(program: str, argv: list[str]) -> str:
    """What a program prints. Raises OSError, also when it does not answer in time."""
    from select import select
    from time import monotonic

    from trainconf.fast.spawn import spawn

    ours, theirs = os.pipe()
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        pid = spawn(program, argv, os.environ, (nothing, theirs, nothing))
        tree.own.add(pid)
    finally:
        os.close(theirs)
        os.close(nothing)
    text, until = b"", monotonic() + ANSWER_SECONDS
    try:
        while select([ours], [], [], max(0.0, until - monotonic()))[0]:
            data = os.read(ours, 65536)
            if not data:
                return text.decode("utf-8", "replace")
            text += data
    finally:
        os.close(ours)
    tree.send([pid], 9)
    raise TimeoutError(f"nvidia-smi did not answer within {ANSWER_SECONDS:g} s")
