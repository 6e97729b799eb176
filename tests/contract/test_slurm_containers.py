"""Image files on a real cluster. No container runtime is in Debian 12 or in CI: there a stand-in takes its place, which makes no container.

It records its arguments and becomes the command behind them, so what is proven is the way of a job through Slurm and the runtime's command
line: arguments, variables, logs, signals, ends. What a container sees is proven where a runtime is found, by the last tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Shell, wait_for
from tests.contract.slurm_runs import slurm
from tests.testbed.cluster import Cluster
from trainconf.testing.runs import is_running, unique_sleep

# apptainer exec OPTIONS IMAGE COMMAND...: each option has a value.
STAND_IN_APPTAINER = """\
#!/bin/sh
[ "$1" = exec ] || exit 99
printf '%s\\n' "$@" >"$RECORD"
shift
while :; do case $1 in --bind|--pwd) shift 2;; *) break;; esac; done
shift
exec "$@"
"""
# srun as pyxis extends it: the real srun, without the options of the plug-in.
STAND_IN_SRUN = """\
#!/bin/bash
words=()
while [ $# -gt 0 ]; do
  case $1 in --) break;; --container-*|--no-container-*) echo "$1" >>"$RECORD";; *) words+=("$1");; esac
  shift
done
exec REAL "${words[@]}" "$@"
"""
SCRIPT = """\
import json, os, signal, subprocess, sys, time
seen = {name: os.environ.get(name) for name in ("A", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH", "TRAINCONF_RUN_ID", "RANK", "S")}
print(json.dumps([sys.argv[1:], os.getcwd(), seen]), flush=True)
if len(sys.argv) > 1 and sys.argv[1] == "--stay":
    signal.signal(signal.SIGTERM, lambda *_: print("SIGTERM", flush=True))
    subprocess.Popen(sys.argv[2].split(), start_new_session=True)
    while True:
        time.sleep(0.1)
sys.exit(7)
"""
TESTBED_ROOTS = sorted(Path("/var/lib/trainconf-testbed/images").glob("base-*.tar"))
IN_IMAGE = ["experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "env.docker.image=image.sqsh"]


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    """A workspace with an image file, and the stand-ins first on PATH; its runs go to the cluster."""
    programs = shell.home / "programs"
    programs.mkdir()
    real = shutil.which("srun", path=shell.env["PATH"])
    assert real is not None
    for name, text in (("apptainer", STAND_IN_APPTAINER), ("srun", STAND_IN_SRUN.replace("REAL", real))):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    shell.env |= {"SLURM_CONF": slurm_cluster.conf, "PATH": f"{programs}:{shell.env['PATH']}", "RECORD": str(shell.home / "record")}
    shell.write("train.py", SCRIPT)
    shell.write("image.sqsh", "not looked at")
    yield shell
    for run_dir in shell.root.glob("runs/*/*"):
        slurm("scancel", "--quiet", f"--name={run_dir.name}")


def told(run_dir: Path, rank: int = 0) -> list[Any]:
    log = run_dir / "logs" / (f"std_log_rank_{rank}.txt" if rank else "std_log.txt")
    found: list[Any] = json.loads(log.read_text().splitlines()[0])
    return found


def event(shell: Shell, run_id: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(shell("show", run_id, "--json").out)["events"][-1]
    return found


@pytest.mark.slurm
@pytest.mark.parametrize("runtime", ["apptainer", "pyxis"])
def test_a_job_goes_through_a_stand_in_as_it_would_without_one(space: Shell, runtime: str) -> None:
    variables = ['+env.variables.A="it is $HOME"', "+env.variables.S='${secret:TOKEN}'"]
    words = [*IN_IMAGE, f"compute.container={runtime}", "+params.lr=0.1", *variables]
    host = {"VIRTUAL_ENV": "/machine", "LD_LIBRARY_PATH": "/machine/lib", "TOKEN": "hush"}
    answer = space(*words, env=host)
    assert answer.code == 7, answer.err
    (run_dir,) = space.run_dirs()
    argv, cwd, seen = told(run_dir)
    assert (argv, cwd) == (["--lr", "0.1"], str(run_dir / "code"))
    assert seen == {
        "A": "it is $HOME", "LD_LIBRARY_PATH": None, "VIRTUAL_ENV": None, "PYTHONPATH": "/mnt/trainconf", "TRAINCONF_RUN_ID": run_dir.name,
        "RANK": None, "S": "hush",
    }  # fmt: skip
    assert str(space.root / "image.sqsh") in (space.home / "record").read_text()
    assert "hush" not in (space.home / "record").read_text()
    end = event(space, run_dir.name)
    assert (end["state"], end["exit_code"]) == ("Failed", 7)
    assert isinstance(end["resources"], dict)
    assert (end["resources"]["cpu_s"] is None) is (runtime == "pyxis"), "of a step nobody knows what it used"


@pytest.mark.slurm
@pytest.mark.parametrize("runtime", ["apptainer", "pyxis"])
def test_a_canceled_job_is_told_once_and_killed_after_its_grace_on_every_node(space: Shell, runtime: str) -> None:
    left = unique_sleep()
    words = [*IN_IMAGE, f"compute.container={runtime}", f"arguments=[--stay,'{left}']", "distributed.node_count=2", "grace_seconds=1"]
    run_id = space(*words, "submit.detach=true").out.strip()
    (run_dir,) = space.run_dirs()
    logs = [run_dir / "logs" / name for name in ("std_log.txt", "std_log_rank_1.txt")]
    wait_for(lambda: is_running(left) and all(log.exists() and "--stay" in log.read_text() for log in logs))
    assert space("cancel", run_id).code == 0
    assert space("wait", run_id).code == 130
    end = event(space, run_id)
    assert (end["state"], end["exit_code"]) == ("Canceled", 137)
    assert [log.read_text().count("SIGTERM\n") for log in logs] == [1, 1]
    wait_for(lambda: not is_running(left))


@pytest.mark.slurm
def test_a_node_without_the_runtime_is_named_with_the_program(space: Shell) -> None:
    (space.home / "programs" / "apptainer").unlink()
    answer = space(*IN_IMAGE, "compute.container=apptainer")
    assert answer.code == 127
    assert "program 'apptainer' was not found on PATH" in answer.err
    assert " of node" in answer.err


@pytest.mark.slurm
def test_an_unpacked_image_is_warned_of_and_never_reused_and_a_file_is(space: Shell) -> None:
    space.write("train.py", "print('ran')\n")
    (space.root / "unpacked" / "bin").mkdir(parents=True)
    for image, count in (("unpacked", 2), ("image.sqsh", 1)):
        words = [*IN_IMAGE[:-1], f"env.docker.image={image}", "compute.container=apptainer", f"experiment_name=of_{count}"]
        first, second = space(*words), space(*words, "submit.reuse=true")
        assert (first.code, second.code) == (0, 0), first.err + second.err
        assert ("no run in it counts as the same as another" in first.err) is (image == "unpacked")
        assert len(list(space.root.glob(f"runs/of_{count}/*"))) == count


def cannot_run(name: str) -> bool:
    return shutil.which(name) is None or not TESTBED_ROOTS


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the testbed's Debian image."""
    folder = tmp_path_factory.mktemp("image")
    subprocess.run(["tar", "-C", str(folder), "-xf", str(TESTBED_ROOTS[-1])], check=True)
    return folder


REAL = """import os
from trainconf import Run

data = os.environ["TRAINCONF_INPUT_DATA"]
Run.get_context().log("size", os.path.getsize(data))
with open("outputs/made", "w") as stream:
    stream.write("x")
print(bool(os.statvfs(data).f_flag & os.ST_RDONLY), os.path.exists(os.path.dirname(data) + "/Makefile"), os.path.isdir("/etc/apt"))
"""


def in_a_container(shell: Shell, *words: str) -> None:
    """A run that uses what a job may rely on."""
    shell.write("train.py", REAL)
    data = ROOT / "README.md"  # not below /tmp, which a container may share with its machine
    answer = shell("experiment=adhoc", "script=train.py", "env=current", "compute=slurm", f"+inputs.data={data}", *words)
    assert answer.code == 0, answer.err
    (run_dir,) = shell.run_dirs()
    assert (run_dir / "outputs" / "made").read_text() == "x"
    assert json.loads(shell("show", run_dir.name, "--json").out)["metrics"] == {"size": data.stat().st_size}
    assert "True False True" in answer.out, "the input is read-only, what lies beside it is not there, and the image is"


@pytest.mark.slurm
@pytest.mark.parametrize("program", ["apptainer", "singularity"])
def test_a_real_container_of_a_folder(shell: Shell, slurm_cluster: Cluster, program: str, request: pytest.FixtureRequest) -> None:
    if cannot_run(program):
        pytest.skip(f"{program} is not on PATH")
    shell.env["SLURM_CONF"] = slurm_cluster.conf
    in_a_container(shell, f"env.docker.image={request.getfixturevalue('unpacked')}", f"compute.container={program}")


def test_a_real_container_of_pyxis(shell: Shell, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    asked = subprocess.run(["sh", "-c", "srun --help"], capture_output=True, text=True, check=False)
    if "--container-image" not in asked.stdout or not TESTBED_ROOTS or shutil.which("mksquashfs") is None:
        pytest.skip("the cluster that Slurm finds by itself has no pyxis, or there is nothing to make an image of")
    image = tmp_path / "image.sqsh"
    subprocess.run(["mksquashfs", str(request.getfixturevalue("unpacked")), str(image), "-quiet", "-no-progress"], check=True)
    if "SLURM_CONF" in os.environ:
        shell.env["SLURM_CONF"] = os.environ["SLURM_CONF"]
    in_a_container(shell, f"env.docker.image={image}", "compute.container=pyxis")
