"""What the engine is asked for, proven inside real containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.launchers.docker.containers import FACTS, body, carry_out, make_job, prepare
from trainconf.distributed.layout import layout
from trainconf.engine import container, job_shell
from trainconf.engine.address import EngineFacts
from trainconf.engine.client import Engine
from trainconf.fast.records import replace
from trainconf.launchers.docker import request as container_request
from trainconf.spec import DistributedSpec

HOSTILE = "a b'\"$(x)%,:=\n日"
ROOT = Path(__file__).parents[4]


@pytest.fixture
def engine(docker_engine: str) -> Engine:
    return Engine(docker_engine)


def python(code: str) -> list[str]:
    return ["python", "-c", code]


@pytest.mark.docker
def test_a_path_means_the_same_inside_and_outside_whatever_its_name(engine: Engine, tmp_path: Path) -> None:
    root = tmp_path / HOSTILE
    data = tmp_path / f"data {HOSTILE}"
    data.mkdir(parents=True)
    (data / "x").write_text("seven")
    code = (
        "import os, trainconf\n"
        "print(open(os.environ['TRAINCONF_INPUT_D'] + '/x').read(), os.getcwd() == os.environ['TRAINCONF_RUN_DIR'] + '/code')\n"
        "open('outputs/made', 'w').write(trainconf.__file__)\n"
        "open(os.path.expanduser('~/kept'), 'w')\n"
        "try: open(os.environ['TRAINCONF_INPUT_D'] + '/y', 'w')\n"
        "except OSError as error: print(error.strerror)\n"
    )
    job = make_job(root, python(code), inputs={"d": str(data)})
    ended = carry_out(engine, job)
    assert (ended.code, ended.log) == (0, "seven True\nRead-only file system\n")
    assert Path(job.paths.outputs, "made").read_text() == "/mnt/trainconf/trainconf/__init__.py"
    assert Path(job.paths.workspace.home, "kept").exists()


@pytest.mark.docker
def test_an_input_above_the_run_directory_is_read_only_and_the_run_directory_is_not(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["sh", "-c", "echo x >outputs/x; echo y >../../y"], inputs={"all": str(tmp_path), "again": str(tmp_path)})
    ended = carry_out(engine, job)
    assert ended.code != 0
    assert "Read-only file system" in ended.log
    assert Path(job.paths.outputs, "x").exists()


@pytest.mark.docker
def test_no_variable_and_no_secret_is_in_what_the_engine_shows(engine: Engine, tmp_path: Path) -> None:
    code = "import os; print(repr(os.environ['TOKEN']), repr(os.environ['PLAIN']))"
    job = make_job(tmp_path, python(code), env={"PLAIN": "pl'ain\nvalue"})
    ended = carry_out(engine, job, variables={"TOKEN": "s3cret $(x) '\""})
    assert ended.log == repr("s3cret $(x) '\"") + " " + repr("pl'ain\nvalue") + "\n"
    shown = json.dumps(ended.inspected)
    assert "s3cret" not in shown
    assert "value" not in shown.replace("PLAIN", "")
    assert ended.inspected["Config"]["Env"][:2] == ["TINI_KILL_PROCESS_GROUP=1", "NVIDIA_VISIBLE_DEVICES=void"]


@pytest.mark.docker
def test_the_images_own_pythonpath_comes_behind_ours_and_a_given_one_replaces_it(engine: Engine, tmp_path: Path) -> None:
    show = ["sh", "-c", "echo $PYTHONPATH"]
    assert carry_out(engine, make_job(tmp_path, show)).log == "/mnt/trainconf\n"
    assert carry_out(engine, make_job(tmp_path, show, env={"PYTHONPATH": "/mine:/too"})).log == "/mnt/trainconf:/mine:/too\n"


@pytest.mark.docker
def test_nothing_of_the_submitters_environment_leaks_in(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "1")
    names = set(carry_out(engine, make_job(tmp_path, python("import os; print(*os.environ)"))).log.split())
    assert names >= {"HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "TRAINCONF_RUN_ID", "PYTHONUNBUFFERED"}
    assert not names & {"LEAKED", "TINI_KILL_PROCESS_GROUP"}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("compute", "command", "seen"),
    [
        ({"shm_size_gib": 0.25}, "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", "262144"),
        ({"ulimits": {"nofile": "77:99"}}, "ulimit -Sn; ulimit -Hn", "77\n99"),
        ({"ulimits": {"core": "-1"}}, "ulimit -c", "unlimited"),
        ({"user": "0:56"}, "id -u; id -g", "0\n56"),
        ({"network": "none"}, "ls /sys/class/net", "lo"),
        ({"arguments": {"cap_drop": ["ALL"]}}, "grep CapBnd /proc/self/status", "CapBnd:\t0000000000000000"),
        ({"arguments": {"tmpfs": {"/scratch": "size=1m"}}}, "df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2", "1024"),
        ({"arguments": {"extra_hosts": {"db": "10.0.0.5"}}}, "grep -w db /etc/hosts", "10.0.0.5\tdb"),
        ({"arguments": {"hostname": "worker"}}, "cat /etc/hostname", "worker"),
        ({"arguments": {"group_add": [4321]}}, "id -G | tr ' ' '\\n' | grep 4321", "4321"),
        ({"arguments": {"read_only": True}}, "touch /x 2>&1 | cut -d: -f3", " Read-only file system"),
        ({"arguments": {"oom_score_adj": 500}}, "cat /proc/self/oom_score_adj", "500"),
        ({"arguments": {"sysctls": {"net.core.somaxconn": 77}}}, "cat /proc/sys/net/core/somaxconn", "77"),
        ({"arguments": {"devices": ["/dev/zero:/dev/mine"]}}, "ls /dev/mine", "/dev/mine"),
        ({"arguments": {"entrypoint": ["env", "A=1"]}}, "echo $A", "1"),
        ({"arguments": {"dns": ["10.9.8.7"]}}, "grep nameserver /etc/resolv.conf", "nameserver 10.9.8.7"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_an_option_is_what_the_job_sees(engine: Engine, tmp_path: Path, compute: dict[str, Any], command: str, seen: str) -> None:
    job = make_job(tmp_path, ["sh", "-c", f"exec 2>&1; {command}"], compute=compute)
    assert carry_out(engine, job).log.rstrip("\n") == seen


@pytest.mark.docker
def test_a_user_who_may_not_write_the_log_is_told_by_a_code_and_nothing_runs(engine: Engine, open_tmp_path: Path) -> None:
    ended = carry_out(engine, make_job(open_tmp_path, ["sh", "-c", "touch /tmp/x"], compute={"user": "1234:56"}))
    assert (ended.code, ended.log, ended.usage) == (job_shell.NOT_STARTED, "", None)


@pytest.mark.docker
def test_volumes_and_mounts_are_added_to_ours(engine: Engine, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    arguments = {
        "volumes": {str(tmp_path / "one"): {"bind": "/one", "mode": "ro"}},
        "mounts": [{"target": "/two", "source": str(tmp_path / "two"), "type": "bind", "read_only": True}],
    }
    job = make_job(tmp_path / "work", ["sh", "-c", "cat /one/x /two/x; touch outputs/x"], compute={"arguments": arguments})
    assert carry_out(engine, job).log == "onetwo"
    assert Path(job.paths.outputs, "x").exists()


@pytest.mark.docker
def test_memory_and_cpus_are_limits_of_the_engine_without_swap_on_top(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"],
                   compute={"memory_gib": 0.5, "cpu_limit": 0.5})  # fmt: skip
    ended = carry_out(engine, job)
    assert str(2**29) in ended.log
    host = ended.inspected["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (2**29, 2**29, 5 * 10**8)


@pytest.mark.docker
def test_a_container_over_its_memory_is_known_to_the_engine_as_such(engine: Engine, tmp_path: Path) -> None:
    ended = carry_out(engine, make_job(tmp_path, python("x = b'x' * 2**28"), compute={"memory_gib": 0.0625}))
    assert (ended.code, ended.inspected["State"]["OOMKilled"]) == (137, True)


@pytest.mark.docker
def test_the_engine_keeps_no_log_and_no_health_and_takes_the_least_memory_we_allow(engine: Engine, tmp_path: Path) -> None:
    ended = carry_out(engine, make_job(tmp_path, ["true"], compute={"memory_gib": 0.006}))
    assert ended.inspected["HostConfig"]["LogConfig"]["Type"] == "none"
    assert ended.inspected["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    assert ended.inspected["HostConfig"]["Init"] is True


@pytest.mark.docker
def test_a_missing_source_is_an_error_and_not_a_folder_of_roots(engine: Engine, tmp_path: Path) -> None:
    from trainconf.engine.address import missing_source
    from trainconf.engine.client import EngineError

    gone = str(tmp_path / "go ne: x")
    with pytest.raises(EngineError) as error:
        carry_out(engine, make_job(tmp_path, ["true"], inputs={"d": gone}))
    assert missing_source(error.value) == gone
    assert not os.path.exists(gone)


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_another_user_submits_writes_files_of_theirs_with_their_groups(docker_engine: str, open_tmp_path: Path) -> None:
    wanted = ["sh", "-c", "id -u; id -g; id -G; whoami; touch outputs/x ~/y; echo $HOME"]
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.unit.launchers.docker.containers import *
body(make_job("/nowhere", ["true"]))  # imports what it needs, which the other user may not be able to read
os.setgroups([4321, {os.stat(docker_engine.removeprefix("unix://")).st_gid}]); os.setgid(1234); os.setuid(1234)
ended = carry_out(Engine({docker_engine!r}), make_job({str(open_tmp_path)!r}, {wanted!r}))
print(ended.code, ended.log)
"""
    os.chown(open_tmp_path, 1234, 1234)
    answer = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert answer.startswith("0 1234\n1234\n1234 ")
    assert "4321" in answer.split("\n")[2]
    made = [path for path in open_tmp_path.rglob("*") if path.name in ("x", "y", "std_log.txt", "usage_rank_0.txt")]
    assert len(made) == 4
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(1234, 1234)}


def test_a_rootless_engines_root_is_the_caller(tmp_path: Path) -> None:
    made = body(make_job(tmp_path, ["true"]), EngineFacts(api="1.41", is_rootless=True))
    assert made["User"] == "0:0"
    assert "GroupAdd" not in made["HostConfig"]
    assert body(make_job(tmp_path, ["true"]))["User"] == f"{os.getuid()}:{os.getgid()}"


@pytest.mark.parametrize(("asked", "name"), [("0:0", "root"), ("77:5", "77"), ("nobody", "nobody")])
def test_a_job_is_told_the_name_of_whom_it_runs_as(tmp_path: Path, asked: str, name: str) -> None:
    told = container_request.variables(make_job(tmp_path, ["true"], compute={"user": asked}))
    assert (told["USER"], told["LOGNAME"]) == (name, name)


@pytest.mark.parametrize(("asked", "umask"), [(None, "027"), ("0:0", "022")])
def test_what_another_user_writes_stays_readable_for_the_caller(tmp_path: Path, asked: str | None, umask: str) -> None:
    job = make_job(tmp_path, ["true"], compute={"user": asked})
    before = os.umask(0o027)
    try:
        assert container_request.umask(job) == umask
    finally:
        os.umask(before)


def test_every_engine_is_asked_for_the_machines_own_users(tmp_path: Path) -> None:
    assert body(make_job(tmp_path, ["true"]), EngineFacts(api="1.41", has_userns_remap=True))["HostConfig"]["UsernsMode"] == "host"


def test_leased_gpus_are_named_to_the_toolkit_or_by_cdi_and_a_run_without_gets_none(tmp_path: Path) -> None:
    made = container.with_gpus(body(make_job(tmp_path, ["true"], gpus=2)), ["3", "GPU-ab"])
    assert made["HostConfig"]["DeviceRequests"] == [{"Driver": "", "DeviceIDs": ["3", "GPU-ab"], "Capabilities": [["gpu"]]}]
    assert not any(text.startswith("NVIDIA_") for text in made["Env"])
    made = container.with_gpus(body(make_job(tmp_path, ["true"], gpus=1, compute={"gpu_request": "cdi"})), ["0"])
    assert made["HostConfig"]["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}]
    without = body(make_job(tmp_path, ["true"]))
    assert container.with_gpus(without, []) is without
    assert "NVIDIA_VISIBLE_DEVICES=void" in without["Env"]


@pytest.mark.docker
def test_the_engine_understands_a_request_for_gpus(engine: Engine, tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"], gpus=1)
    prepare(job)
    made = engine.post("/containers/create", body=container.with_gpus(body(job), ["0"]))["Id"]
    try:
        asked = engine.get(f"/containers/{made}/json")["HostConfig"]["DeviceRequests"]
    finally:
        engine.delete(f"/containers/{made}", {"force": True})
    assert [(one["DeviceIDs"], one["Capabilities"]) for one in asked] == [(["0"], [["gpu"]])]


def test_nodes_are_named_on_a_network_of_the_runs_own(tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"], node_count=2)
    places = layout(job.spec.distributed)
    bodies = [body(job, place=place) for place in places]
    name = f"trainconf-{job.run_id}"
    assert [one["Hostname"] for one in bodies] == ["node-0", "node-1"]
    assert [one["NetworkingConfig"]["EndpointsConfig"][name]["Aliases"] for one in bodies] == [["node-0"], ["node-1"]]
    assert {one["HostConfig"]["NetworkMode"] for one in bodies} == {name}
    assert [one["Labels"][container.LABEL_RANK] for one in bodies] == ["0", "1"]
    network = container_request.network(job)
    assert network is not None
    assert network["Name"] == name
    assert network["Labels"][container.LABEL_RUN_DIR] == job.paths.run_dir
    assert container_request.network(make_job(tmp_path, ["true"])) is None


def test_each_node_is_given_an_equal_part_of_the_gpus() -> None:
    assert [container.gpus_of_node(["a", "b", "c", "d"], node, 2) for node in range(2)] == [["a", "b"], ["c", "d"]]
    assert [container.gpus_of_node([], node, 2) for node in range(2)] == [[], []]


def test_the_container_of_a_node_starts_all_ranks_of_it(tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"], distributed=DistributedSpec(kind="pytorch", node_count=2, processes_per_node=2))
    made = container_request.body(job, layout(job.spec.distributed)[2:], ["true"], FACTS)
    assert made["Cmd"][4:] == [job.paths.log(2), job.paths.usage(2), "/sys/fs/cgroup", job.paths.ends(2), "2 3", "true"]
    assert made["Hostname"] == "node-1"


def test_mpirun_has_all_ranks_of_a_run_and_passes_the_signals_on_itself(tmp_path: Path) -> None:
    job = make_job(tmp_path, ["true"], distributed=DistributedSpec(kind="mpi", processes_per_node=2))
    asked = {"mpirun": "/opt/mpi/bin/mpirun", "mpirun_arguments": ["--tag-output", 1]}
    made = container_request.body(replace(job, distributed=asked), layout(job.spec.distributed), ["true"], FACTS)
    assert made["Cmd"][7:14] == [job.paths.ends(0), "0 1", "/opt/mpi/bin/mpirun", "--tag-output", "1", "-n", "2"]
    assert made["Cmd"][-1] == "true"
    assert not any(variable.startswith("TINI") for variable in made["Env"])


def test_a_request_is_json_and_the_same_every_time(tmp_path: Path) -> None:
    job = replace(make_job(tmp_path, ["true"]), env={"A": "1"})
    assert json.loads(json.dumps(body(job))) == body(job)
