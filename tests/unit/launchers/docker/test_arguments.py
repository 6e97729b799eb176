"""`compute.arguments` against the docker SDK itself: what it would send is what we send."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docker.models import containers
from docker.types import ContainerConfig

from trainconf.launchers.docker import arguments as container_arguments
from trainconf.launchers.docker.arguments import OWNED, convert, merge

ROOT = Path(__file__).parents[4]
API = "1.41"
ARGUMENTS: dict[str, Any] = {
    "blkio_weight": 300, "cap_add": ["SYS_PTRACE"], "cap_drop": ["ALL"], "cgroup_parent": "/x", "cgroupns": "host", "cpu_period": 100000,
    "cpu_quota": 50000, "cpu_shares": 512, "cpuset_cpus": "0-1", "cpuset_mems": "0", "device_cgroup_rules": ["c 1:3 mr"],
    "device_read_bps": [{"Path": "/dev/sda", "Rate": 1000}], "devices": ["/dev/zero:/dev/mine:r"], "dns": ["10.0.0.1"], "dns_opt": ["a"],
    "dns_search": ["x.example"], "domainname": "d", "entrypoint": "/bin/env A=1", "extra_hosts": {"db": "10.0.0.5"},
    "group_add": [44, "video"], "healthcheck": {"test": ["CMD", "true"]}, "hostname": "h", "ipc_mode": "host", "labels": {"a": "b"},
    "links": {"a": "b"}, "mac_address": "02:42:ac:11:00:02", "mem_reservation": "64m", "mem_swappiness": 10, "memswap_limit": "1g",
    "oom_kill_disable": True, "oom_score_adj": 500,
    "pid_mode": "host", "pids_limit": 100, "ports": {"80/tcp": 8080, "53/udp": None}, "privileged": True, "publish_all_ports": True,
    "read_only": True, "runtime": "runc", "security_opt": ["no-new-privileges"], "storage_opt": {"size": "10G"}, "sysctls": {"net.x": 1},
    "tmpfs": {"/scratch": "size=1m"}, "uts_mode": "host", "volumes": {"named": {"bind": "/data", "mode": "ro"}}, "volumes_from": ["c"],
}  # fmt: skip


def of_the_sdk(name: str, value: Any) -> dict[str, Any]:
    """The parts of a request that one argument makes, when the SDK itself is given it."""

    def made(**arguments: Any) -> dict[str, Any]:
        kwargs = containers._create_container_args({"image": "i", "command": None, "version": API, **arguments})
        return dict(ContainerConfig(API, **kwargs))

    before, after = made(), made(**{name: value})
    host = {key: part for key, part in after.pop("HostConfig").items() if before["HostConfig"].get(key) != part}
    return {key: part for key, part in after.items() if key != "HostConfig" and before[key] != part} | {"HostConfig": host}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_becomes_what_the_sdk_makes_of_it(name: str) -> None:
    made, mistakes = convert({name: ARGUMENTS[name]}, API)
    assert mistakes == []
    expected = of_the_sdk(name, ARGUMENTS[name])
    expected.pop("Volumes", None)  # a place in the image for what is mounted there anyway
    assert made == expected


@pytest.mark.parametrize(
    ("name", "value"), [("healthcheck", {"test": ["CMD", "true"]}), ("mounts", [{"target": "/x", "source": "/tmp", "type": "bind"}])]
)
def test_what_the_sdk_makes_is_plain_data_that_a_plan_can_copy_and_save(name: str, value: Any) -> None:
    made, mistakes = convert({name: value}, API)
    assert mistakes == []
    assert dataclasses.asdict(Holder(made)) == {"request": made}


@dataclasses.dataclass
class Holder:
    request: dict[str, Any]


def test_every_argument_of_the_sdk_is_taken_or_has_a_setting_instead() -> None:
    windows_or_gone = {"cpu_count", "cpu_percent", "isolation", "init_path", "kernel_memory", "lxc_conf", "volume_driver"}
    like_others = {
        "blkio_weight_device", "cpu_rt_period", "cpu_rt_runtime", "device_read_iops", "device_write_bps", "device_write_iops", "mounts",
    }  # fmt: skip
    known = {*containers.RUN_CREATE_KWARGS, *containers.RUN_HOST_CONFIG_KWARGS}
    assert known - set(ARGUMENTS) - set(OWNED) == windows_or_gone | like_others


@pytest.mark.parametrize("name", OWNED)
def test_what_we_decide_is_refused_with_the_setting_to_use(name: str) -> None:
    _, (mistake,) = convert({name: "x"}, API)
    assert mistake.what == f"compute.arguments.{name} is not for you to set"
    assert dict(mistake.facts)["instead"] == OWNED[name]


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("cap_ad", "cap_add"), ("shm-size", "shm_size, which is compute.shm_size_gib here"), ("--ipc", ""),
        ("security-opt", "security_opt"), ("zzz", ""),
    ],
)  # fmt: skip
def test_an_unknown_argument_is_answered_with_the_nearest(typed: str, near: str) -> None:
    _, (mistake,) = convert({typed: 1}, API)
    assert dict(mistake.facts).get("nearest", "") == near
    assert bool(mistake.hint) == (not near)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("pids_limit", "many", "expected int"), ("security_opt", "x", "expected list"), ("sysctls", ["x"], "expected dict"),
        ("mem_reservation", "lots", "lots"), ("uts_mode", "mine", "mine"), ("mounts", [{"target": "/x"}], "source"),
        ("mounts", [{"target": "/x", "source": "/tmp", "type": "odd"}], "odd"), ("volumes", {"/tmp": {"mode": "ro"}}, "bind"),
        ("devices", 3, "int"), ("ports", "80", "str"), ("volumes", 3, "int"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_in_the_sdks_own_words(name: str, value: Any, words: str) -> None:
    made, (mistake,) = convert({name: value}, API)
    assert mistake.what == f"compute.arguments.{name} is refused by the docker SDK"
    assert words in dict(mistake.facts)["because"]
    assert made == {"HostConfig": {}}


def test_a_hostname_is_a_nodes_own_when_there_are_several() -> None:
    assert convert({"hostname": "h"}, API, node_count=1)[1] == []
    (mistake,) = convert({"hostname": "h"}, API, node_count=2)[1]
    assert mistake.what == "compute.arguments.hostname is not for you to set"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("volumes", ["/no/such:/x"]), ("volumes", {"./here": {"bind": "/x"}}), ("volumes", ["~/x:/x:ro"]),
        ("mounts", [{"target": "/x", "source": "/no/such", "type": "bind"}]),
        ("mounts", [{"target": "/x", "source": "here", "type": "bind"}]),
    ],
)  # fmt: skip
def test_a_source_that_is_missing_or_relative_is_refused_before_the_engine_makes_it(name: str, value: Any) -> None:
    _, (mistake,) = convert({name: value}, API)
    assert mistake.what.startswith(f"compute.arguments.{name} mounts ")


def test_wishes_are_added_to_ours_and_never_over_our_labels() -> None:
    host = {"Mounts": [1], "GroupAdd": ["4"], "Memory": 5, "MemorySwap": 5}
    ours = {"Labels": {"trainconf.run_id": "r"}, "User": "1:1", "HostConfig": host}
    further = {"Labels": {"mine": "x", "trainconf.run_id": "forged"}, "HostConfig": {"Mounts": [2], "GroupAdd": ["5"], "MemorySwap": 9}}
    assert merge(ours, further) == {
        "Labels": {"mine": "x", "trainconf.run_id": "r"}, "User": "1:1",
        "HostConfig": {"Mounts": [1, 2], "GroupAdd": ["4", "5"], "Memory": 5, "MemorySwap": 9},
    }  # fmt: skip


def test_the_sdk_is_not_imported_without_arguments_and_named_where_it_is_missing() -> None:
    code = (
        "import sys\nfrom trainconf.launchers.docker import arguments as a\n"
        "assert a.convert({}, '1.41') == ({}, []) and 'docker' not in sys.modules\n"
        "sys.modules['docker'] = None\n"
        "print(a.convert({'cap_add': ['X']}, '1.41')[1][0].render())"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert answer.startswith("compute.arguments needs the docker SDK, which is not installed\n")
    assert answer.endswith("hint: pip install 'trainconf[docker]'\n")
    assert container_arguments.__file__ is not None
