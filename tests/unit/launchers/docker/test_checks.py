"""What is refused before any engine is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.launchers.docker.containers import FACTS, body, make_job
from trainconf.engine.address import EngineFacts
from trainconf.errors import ConfigError
from trainconf.fast.records import replace
from trainconf.launchers.protocol import Job
from trainconf.spec import DistributedSpec


def told(job: Job, facts: EngineFacts = FACTS) -> dict[str, dict[str, str]]:
    """The mistakes of a job, by sentence."""
    with pytest.raises(ConfigError) as error:
        body(job, facts)
    return {mistake.what: dict(mistake.facts) | ({"hint": mistake.hint} if mistake.hint else {}) for mistake in error.value.mistakes}


def test_limits_that_the_engine_cannot_keep_are_refused_and_what_it_cannot_count_is_not_recorded(tmp_path: Path) -> None:
    rootless = EngineFacts(api="1.41", is_rootless=True, cgroup_driver="none")
    found = told(make_job(tmp_path, ["true"], compute={"memory_gib": 1, "cpu_limit": 1}), rootless)
    assert list(found) == [f"compute.{name}=1 is a limit that this engine cannot keep" for name in ("memory_gib", "cpu_limit")]
    assert "/sys/fs/cgroup" not in body(make_job(tmp_path, ["true"]), rootless)["Cmd"]
    assert "/sys/fs/cgroup" in body(make_job(tmp_path, ["true"]))["Cmd"]


def test_what_mpi_and_gpus_cannot_be_on_several_nodes_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"], distributed=DistributedSpec(kind="mpi", node_count=2), gpus=3)
    found = told(replace(job, distributed={"launcher": "srun"}))
    assert [words.split(",")[0] for words in found] == [
        "distributed.node_count=2", "distributed.launcher=srun", "compute.gpus=3 cannot be shared out to 2 nodes",
    ]  # fmt: skip


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    compute = {
        "memory_gib": 0.001, "cpu_limit": 64, "user": "me:", "network": "host",
        "ulimits": {"nofiles": "1", "nofile": "9:1", "memlock": "much"},
        "arguments": {"mem_limit": "1g", "cap_ad": ["X"], "pids_limit": "many"},
    }  # fmt: skip
    found = told(make_job(tmp_path, ["true"], compute=compute, node_count=2, env={"a.b": "1"}, secrets={"c-d": ""}))
    assert list(found) == [
        "compute.memory_gib=0.001 is less than an engine accepts",
        "compute.cpu_limit=64 is not what the engine accepts",
        "compute.ulimits.nofiles is not a limit a container has",
        "compute.ulimits.nofile=9:1 is not a limit",
        "compute.ulimits.memlock=much is not a limit",
        "compute.user=me: is not a user",
        "compute.network=host, but 2 nodes find each other on a network of the run's own",
        "env.variables has 'a.b', which the shell in a container cannot hand on",
        "env.variables has 'c-d', which the shell in a container cannot hand on",
        "compute.arguments.mem_limit is not for you to set",
        "compute.arguments.cap_ad is not an argument of the docker SDK's containers.run",
        "compute.arguments.pids_limit is refused by the docker SDK",
    ]
    assert found["compute.arguments.mem_limit is not for you to set"]["instead"] == "compute.memory_gib"
    assert found["compute.arguments.cap_ad is not an argument of the docker SDK's containers.run"]["nearest"] == "cap_add"
    assert "expected int" in found["compute.arguments.pids_limit is refused by the docker SDK"]["because"]


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/", "/bin"), ("/usr", "/usr/bin"), ("/usr/lib/x", "/usr/lib"), ("/etc", "/etc"), ("/tmp", "/tmp"), ("/dev", "/dev/shm"),
        ("/mnt", "/mnt/trainconf"), ("/proc/1", "/proc"), ("/run", "/run"), ("/tmp/x", ""), ("/dev/shm/x", ""), ("/home/me", ""),
        ("/usr/share/dict", ""), ("/library", ""), ("/mnt/data", ""), ("/opt/data", ""),
    ],
)  # fmt: skip
def test_what_would_hide_the_images_own_files_is_refused(tmp_path: Path, path: str, hidden: str) -> None:
    job = make_job(tmp_path, ["true"], inputs={"d": path})
    if hidden:
        assert list(told(job)) == [f"inputs.d is mounted at its own path, and would hide {hidden} of the image"]
    else:
        assert any(mount["Target"] == path for mount in body(job)["HostConfig"]["Mounts"])


def test_a_workspace_where_the_image_has_its_files_is_refused() -> None:
    assert "the workspace is /etc/ws: move it" in str(told(make_job("/etc/ws", ["true"])))


def test_a_name_that_is_not_utf_8_is_refused_because_the_engine_cannot_read_it(tmp_path: Path) -> None:
    assert list(told(make_job(f"{tmp_path}/\udcff", ["true"]))) == [
        f"{what} has a name that is not UTF-8, and a container engine takes nothing else" for what in ("the run directory", "HOME")
    ]
