from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainconf.agent.monitor.usage import Machine

MIB = 1 << 20
TREE = """
import subprocess, sys, time
depth = int(sys.argv[1])
held = bytearray(b"x") * (30 << 20)
if depth:
    subprocess.Popen([sys.executable, "-c", open(sys.argv[2]).read(), str(depth - 1), sys.argv[2]])
else:
    while True: sum(range(10000))
print(flush=True)
time.sleep(100)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[int]:
    """The pid of a process with a child and a grandchild; each holds 30 MiB, and the last one works."""
    script = tmp_path / "tree.py"
    script.write_text(TREE)
    process = subprocess.Popen([sys.executable, "-c", TREE, "2", str(script)], start_new_session=True, stdout=subprocess.DEVNULL)
    yield process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_whole_tree_counts(tree: int) -> None:
    machine = Machine([tree])
    until = time.monotonic() + 300
    while True:
        found = machine.read()
        if (found.memory_bytes or 0) > 90 * MIB and (found.cpu_s or 0) > 0.5:
            break
        assert time.monotonic() < until, vars(found)
        time.sleep(0.05)
    assert found.bytes.keys() >= {"disk_read_bytes", "disk_write_bytes", "network_receive_bytes", "network_send_bytes"}
    later = machine.read()
    assert (later.cpu_s or 0) >= (found.cpu_s or 0)


def test_nothing_is_told_of_processes_that_are_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    process.wait()
    found = Machine([process.pid]).read()
    assert (found.cpu_s, found.memory_bytes) == (None, None)


CONTAINER = "0123456789abcdef" * 4


def written(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_a_container_is_measured_by_its_control_group_of_version_2(tmp_path: Path) -> None:
    group = f"system.slice/docker-{CONTAINER}.scope"
    written(tmp_path, {
        "proc/7/cgroup": f"0::/{group}\n",
        "proc/7/net/dev": "Inter-| Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 100 1 0 0 0 0 0 0 200 1\n",
        "cg/cgroup.controllers": "cpu memory io\n",
        f"cg/{group}/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        f"cg/{group}/memory.current": f"{50 * MIB}\n",
        f"cg/{group}/memory.stat": f"anon 1\ninactive_file {20 * MIB}\n",
        f"cg/{group}/io.stat": "8:0 rbytes=100 wbytes=5 rios=1\n8:16 rbytes=11 wbytes=0\n",
    })  # fmt: skip
    found = Machine([7, 7], str(tmp_path / "proc"), str(tmp_path / "cg")).read()
    assert (found.cpu_s, found.memory_bytes) == (2.5, 30 * MIB)
    assert found.bytes == {"disk_read_bytes": 111, "disk_write_bytes": 5, "network_receive_bytes": 100, "network_send_bytes": 200}


def test_a_container_is_measured_by_its_control_groups_of_version_1(tmp_path: Path) -> None:
    group = f"docker/{CONTAINER}"
    written(tmp_path, {
        "proc/7/cgroup": f"12:blkio:/{group}\n4:cpu,cpuacct:/{group}\n2:memory:/{group}\n0::/\n",
        f"cg/cpuacct/{group}/cpuacct.usage": "1500000000\n",
        f"cg/memory/{group}/memory.usage_in_bytes": f"{5 * MIB}\n",
        f"cg/memory/{group}/memory.stat": f"cache 3\ntotal_inactive_file {MIB}\n",
        f"cg/blkio/{group}/blkio.throttle.io_service_bytes": "8:0 Read 7\n8:0 Write 9\n8:0 Sync 16\nTotal 16\n",
    })  # fmt: skip
    found = Machine([7], str(tmp_path / "proc"), str(tmp_path / "cg")).read()
    assert (found.cpu_s, found.memory_bytes, found.bytes) == (1.5, 4 * MIB, {"disk_read_bytes": 7, "disk_write_bytes": 9})
