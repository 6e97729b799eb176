"""What processes use of a machine: by /proc for the tree below some processes, by their control groups for containers.

Control groups of both versions are read where the kernel shows them (cgroup-v2.rst and cgroup-v1/ in the kernel's documentation).
"""

from __future__ import annotations

import os
import time

from trainconf.fast.records import Record
from trainconf.history.left_processes import read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LOOK_AGAIN = 6  # samples after which every process of the machine is looked at: a number may have been given to another process
CONTAINER_ID_LENGTH = 64


class Counters(Record):
    """What was used until `at`, by the monotonic clock. None, and what is missing in `bytes`: it cannot be told."""

    at: float
    cpu_s: float | None
    memory_bytes: int | None
    bytes: Mapping[str, int]
    age_s: float  # since the first of the processes began


class Machine:
    """What the processes `roots` and all that descend from them use."""

    def __init__(self, roots: Sequence[int], proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> None:
        self._roots = [*roots]
        self._proc = proc
        self._groups = [group for group in _groups(self._roots, proc, cgroups) if group.is_there]
        self._tree = None if self._groups else Tree(self._roots, proc)
        self._began_at = min((at for pid in roots if (at := _began_at(pid)) is not None), default=time.monotonic())

    def read(self) -> Counters:
        """What was used until now."""
        at = time.monotonic()
        parts = [group.read() for group in self._groups] if self._tree is None else [self._tree.read()]
        used = [cpu_s for cpu_s, _, _ in parts if cpu_s is not None]
        memory = [size for _, size, _ in parts if size is not None]
        found: dict[str, int] = {}
        for _, _, each in parts:
            for name, size in each.items():
                found[name] = found.get(name, 0) + size
        age_s = at - self._began_at
        return Counters(at, sum(used) if used else None, sum(memory) if memory else None, {**found, **self.network()}, age_s)

    def network(self) -> dict[str, int]:
        """Bytes over the network interfaces that the first process sees: those of its container, or of the machine, `lo` excepted."""
        for pid in [*self._roots, "self"] if self._tree is not None else self._roots:
            text = _read(f"{self._proc}/{pid}/net/dev")
            if text:
                rows = [line.partition(":") for line in text.splitlines() if ":" in line]
                numbers = [values.split() for name, _, values in rows if name.strip() != "lo"]
                return {
                    "network_receive_bytes": sum(int(row[0]) for row in numbers),
                    "network_send_bytes": sum(int(row[8]) for row in numbers),
                }  # fmt: skip
        return {}


class Tree:
    """The processes below some, found anew each time. Of those that are not among them only new ones are looked at."""

    def __init__(self, roots: Sequence[int], proc: str) -> None:
        self._roots = set(roots)
        self._proc = proc
        self._others: set[int] = set()
        self._samples = 0

    def read(self) -> tuple[float | None, int | None, dict[str, int]]:
        """CPU seconds, memory, and bytes of the disk. Seconds and bytes of processes that have ended are with those that awaited them."""
        if self._samples % LOOK_AGAIN == 0:
            self._others = set()
        self._samples += 1
        stats: dict[int, list[bytes]] = {}
        for name in os.listdir(self._proc):
            if name.isdigit() and (pid := int(name)) not in self._others and (fields := read_stat(pid)) is not None:
                stats[pid] = fields
        mine = self._descendants(stats)
        self._others |= stats.keys() - mine
        if not mine:
            return None, None, {}
        ticks = sum(sum(map(int, stats[pid][11:15])) for pid in mine)  # proc(5): utime, stime, cutime, cstime
        resident = sum(int(stats[pid][21]) for pid in mine)
        found: dict[str, int] = {}
        for pid in mine:
            for name, size in _disk(_read(f"{self._proc}/{pid}/io")):
                found[name] = found.get(name, 0) + size
        return ticks / TICKS_PER_S, resident * PAGE_BYTES, found

    def _descendants(self, stats: Mapping[int, Sequence[bytes]]) -> set[int]:
        """Those of a session of the roots, and all below."""
        mine = {pid for pid, fields in stats.items() if pid in self._roots or int(fields[3]) in self._roots}
        children: dict[int, list[int]] = {}
        for pid, fields in stats.items():
            children.setdefault(int(fields[1]), []).append(pid)
        left = [*mine]
        while left:
            new = [pid for pid in children.get(left.pop(), ()) if pid not in mine]
            mine.update(new)
            left += new
        return mine


class Group:
    """A control group: of version 2 one folder, of version 1 one for each controller."""

    def __init__(self, unified: str = "", cpu: str = "", memory: str = "", disk: str = "") -> None:
        self._unified = unified
        self._cpu, self._memory, self._disk = cpu, memory, disk

    @property
    def is_there(self) -> bool:
        return self._cpu_s() is not None

    def read(self) -> tuple[float | None, int | None, dict[str, int]]:
        """CPU seconds, memory without the page cache that could be given up, and bytes of the disk."""
        if self._unified:
            size, cache = _read(f"{self._unified}/memory.current"), _value(_read(f"{self._unified}/memory.stat"), "inactive_file")
            words = [word.partition("=") for word in _read(f"{self._unified}/io.stat").split()]
        else:
            size = _read(f"{self._memory}/memory.usage_in_bytes")
            cache = _value(_read(f"{self._memory}/memory.stat"), "total_inactive_file")
            lines = [line.split() for line in _read(f"{self._disk}/blkio.throttle.io_service_bytes").splitlines()]
            words = [({"Read": "rbytes", "Write": "wbytes"}.get(line[1], ""), "=", line[2]) for line in lines if len(line) == 3]
        disk: dict[str, int] = {}
        for name, _, value in words:
            if name in ("rbytes", "wbytes"):
                full = "disk_read_bytes" if name == "rbytes" else "disk_write_bytes"
                disk[full] = disk.get(full, 0) + int(value)
        return self._cpu_s(), max(0, int(size) - (cache or 0)) if size.strip() else None, disk

    def _cpu_s(self) -> float | None:
        if self._unified:
            used = _value(_read(f"{self._unified}/cpu.stat"), "usage_usec")
            return None if used is None else used / 1e6
        text = _read(f"{self._cpu}/cpuacct.usage").strip()
        return int(text) / 1e9 if text else None


def _groups(roots: Sequence[int], proc: str, cgroups: str) -> list[Group]:
    """The control group of each container among the first processes; a process of the machine itself has none of its own."""
    found: dict[str, Group] = {}
    for pid in roots:
        lines = [line.split(":", 2) for line in _read(f"{proc}/{pid}/cgroup").splitlines() if line.count(":") >= 2]
        by_controller = {name: path for _, names, path in lines for name in names.split(",")}
        paths = {path for path in by_controller.values() if any(map(_is_container, path.replace("-", "/").replace(".", "/").split("/")))}
        if not paths:
            return []
        unified = by_controller.get("", "")
        if os.path.exists(f"{cgroups}/cgroup.controllers"):
            found[unified] = Group(unified=f"{cgroups}{unified}")
        else:
            at = {name: f"{cgroups}/{name}{by_controller.get(name, '')}" for name in ("cpuacct", "memory", "blkio")}
            found[by_controller.get("cpuacct", unified)] = Group(cpu=at["cpuacct"], memory=at["memory"], disk=at["blkio"])
    return [*found.values()]


def _is_container(word: str) -> bool:
    return len(word) == CONTAINER_ID_LENGTH and all(c in "0123456789abcdef" for c in word)


def _disk(text: str) -> Iterator[tuple[str, int]]:
    """Of /proc/PID/io: what was read from and written to disks."""
    for name, full in (("read_bytes:", "disk_read_bytes"), ("\nwrite_bytes:", "disk_write_bytes")):
        _, is_there, rest = text.partition(name)
        if is_there:
            yield full, int(rest.split(None, 1)[0])


def _value(text: str, name: str) -> int | None:
    """A number in a file of `name number` lines."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return None


def _began_at(pid: int) -> float | None:
    """When a process began, by the monotonic clock."""
    fields = read_stat(pid)
    return None if fields is None else int(fields[19]) / TICKS_PER_S - (time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic())


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read().decode("ascii", "replace")
    except OSError:
        return ""
