"""The commands around an image file on a cluster's nodes: pure functions, and the shell text in a real shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import trainconf
from tests.unit.launchers.slurm.stand_in import Answering
from trainconf.errors import ConfigError
from trainconf.fast.records import replace
from trainconf.launchers.protocol import Job
from trainconf.launchers.slurm import containers as slurm_containers
from trainconf.launchers.slurm.commands import Controller
from trainconf.spec import DistributedSpec, EnvironmentSpec
from trainconf.testing.runs import make_job

PACKAGE = os.path.dirname(os.path.abspath(trainconf.__file__))


def job(root: str = "/data/w", image: str = "/images/torch.sqsh", *, inputs: dict[str, str] | None = None, **wishes: Any) -> Job:
    """A job in an image; its run directory is ROOT/runs/exp/r."""
    made = make_job(root, ["python", "-V"], inputs=inputs, **wishes)
    spec = replace(made.spec, environment=EnvironmentSpec(kind="image", image=image))
    return replace(made, spec=spec, paths=type(made.paths)(f"{root}/runs/exp/r"), image=image)


def controller(path: str = "", srun_help: str = "") -> Controller:
    return Controller({"PATH": path}, Answering(srun_help))


def refused(made: Job, path: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        slurm_containers.check(made, controller(path))
    return caught.value.render()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a program `apptainer` and a program `singularity`."""
    for name in ("apptainer", "singularity"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_apptainer_stands_before_the_command_with_the_runs_paths_where_they_are() -> None:
    made = job(inputs={"data": "/data/in put"})
    words = slurm_containers.command(made, "apptainer", ["python", "train.py", "--lr", "0.1"])
    run = "/data/w/runs/exp/r"
    assert words[:17] == [
        "apptainer", "exec", "--bind", f"{PACKAGE}:/mnt/trainconf/trainconf:ro", "--bind", "/data/in put:/data/in put:ro",
        "--bind", f"{run}:{run}:ro", "--bind", f"{run}/code:{run}/code", "--bind", f"{run}/metrics:{run}/metrics",
        "--pwd", f"{run}/code", "/images/torch.sqsh", "sh", "-c",
    ]  # fmt: skip
    assert words[18:] == ["sh", "--", "python", "train.py", "--lr", "0.1"]


def test_pyxis_makes_a_step_on_the_node_of_the_agent_that_starts_it() -> None:
    made = job(inputs={"data": "/data/in"}, compute={"cpus_per_task": 6})
    words = slurm_containers.command(made, "pyxis", ["true"])
    assert words[:4] == ["sh", "-c", 'exec srun --nodelist="$SLURMD_NODENAME" "$@"', "sh"]
    assert {"--overlap", "--nodes=1", "--ntasks=1", "--cpus-per-task=6", "--mem=0", "--mpi=none"} <= set(words)
    assert "--container-image=/images/torch.sqsh" in words
    run = "/data/w/runs/exp/r"
    written = ",".join(f"{run}/{name}:{run}/{name}:rw" for name in ("code", "metrics", "logs"))
    mounts = f"{PACKAGE}:/mnt/trainconf/trainconf:ro,/data/in:/data/in:ro,{run}:{run}:ro,{written}"
    assert f"--container-mounts={mounts}" in words
    assert f"--container-workdir={run}/code" in words
    assert words[-4:] == ["sh", f"TRAINCONF_RUN_ID={made.run_id}", "--", "true"]


@pytest.mark.parametrize(
    ("compute", "has"),
    [
        ({}, False), ({"gpus_per_node": 1}, True), ({"sbatch": {"gpus": 4}}, True), ({"sbatch": {"gpus_per_task": "a100:1"}}, True),
        ({"sbatch": {"gres": "gpu:2"}}, True), ({"sbatch": {"gres": "shard:2"}}, False), ({"sbatch": {"gpus": None}}, False),
    ],
)  # fmt: skip
def test_apptainer_is_told_of_gpus_when_the_job_asks_for_some(compute: dict[str, Any], has: bool) -> None:
    assert ("--nv" in slurm_containers.command(job(compute=compute), "apptainer", ["true"])) is has


@pytest.mark.parametrize(
    ("image", "srun_help", "found"),
    [
        ("x.sqsh", "--container-image=X [pyxis]", "pyxis"), ("x.sif", "--container-image=X [pyxis]", "apptainer"),
        ("x.sqsh", "--container  OCI bundle", "apptainer"),
    ],
)
def test_what_runs_an_image_is_what_is_found_and_can(programs: Path, image: str, srun_help: str, found: str) -> None:
    assert slurm_containers.choose(job(image=f"/{image}"), controller(str(programs), srun_help)) == found


def test_a_folder_is_run_by_the_older_name_where_there_is_only_that(programs: Path) -> None:
    (programs / "apptainer").unlink()
    assert slurm_containers.choose(job(image=str(programs)), controller(str(programs), "--container-image")) == "singularity"


def test_what_is_asked_for_is_not_looked_for_here() -> None:
    assert slurm_containers.choose(job(compute={"container": "apptainer"}), controller("/nowhere")) == "apptainer"


def test_where_nothing_is_found_the_message_says_what_was_looked_for_and_where() -> None:
    told = refused(job(), "/no/where")
    assert "this cluster has no program that runs an image" in told
    assert "--container-image in `srun --help` (pyxis); apptainer, singularity on PATH" in told
    assert "/no/where" in told
    assert "pyxis" not in refused(job(image="/x.sif"), "/no/where").partition("hint")[0]


def test_pyxis_is_not_asked_to_run_what_it_cannot() -> None:
    assert "pyxis runs image files of enroot, and this is not one" in refused(job(image="/x.sif", compute={"container": "pyxis"}))


@pytest.mark.parametrize(
    ("runtime", "folder", "goes"),
    [
        ("apptainer", "with space", True), ("apptainer", "a:b", False), ("apptainer", "a,b", False), ("apptainer", 'a"b', False),
        ("apptainer", "å$#\\", True), ("pyxis", "with  space å'#{}", True), ("pyxis", "a:b", False),
        ("pyxis", "a,b", False), ("pyxis", "a$b", False), ("pyxis", "a\\b", False), ("pyxis", "a`b", False), ("pyxis", 'a"b', False),
    ],
)  # fmt: skip
def test_a_path_that_the_runtime_would_split_is_refused(runtime: str, folder: str, goes: bool) -> None:
    compute = {"container": runtime}
    for made in (job(f"/data/{folder}", compute=compute), job(inputs={"d": f"/data/{folder}/x"}, compute=compute)):
        if goes:
            assert slurm_containers.check(made, controller()) == runtime
        else:
            assert f"cannot be mounted by {runtime}" in refused(made)


def test_mounts_that_would_hide_the_image_and_mpi_are_refused_together() -> None:
    made = job(inputs={"d": "/usr/lib/x"}, compute={"container": "apptainer"}, distributed=DistributedSpec(kind="mpi"))
    told = refused(made)
    assert "would hide /usr/lib of the image" in told
    assert "distributed=mpi does not run in containers on Slurm" in told


def test_what_says_where_the_machines_software_lies_stays_outside() -> None:
    made = replace(job(), env={"PATH": "/mine", "PYTHONPATH": "/p", "A": "1", "LD_PRELOAD": "x.so"})
    found = slurm_containers.variables({"TRAINCONF_RUN_ID": "r", **made.env}, made, "apptainer")
    assert found["A"] == "1"
    assert found["TRAINCONF_RUN_ID"] == "r"
    assert "PATH" not in found
    assert {found[name] for name in (*slurm_containers.HOST_ONLY, "PYTHONPATH")} == {""}
    assert found["PYTHONNOUSERSITE"] == "1"
    assert "TRAINCONF_RUN_ID" not in slurm_containers.variables({"TRAINCONF_RUN_ID": "r"}, made, "pyxis")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_inside_the_jobs_own_variables_win_and_the_machines_are_gone(shell: str, tmp_path: Path) -> None:
    made = replace(job(), env={"PATH": f"{tmp_path}:/usr/bin:/bin", "A": "it's $HOME\n -- x", "PYTHONPATH": "/own"})
    words = slurm_containers.command(made, "apptainer", ["printenv"])
    inside = words[words.index("sh") :]
    (tmp_path / "dash-or-bash").symlink_to(f"/bin/{shell}")
    around = {"PATH": "/usr/bin:/bin", "A": "image's", "PYTHONPATH": "/image", "VIRTUAL_ENV": "", "LD_LIBRARY_PATH": "/.singularity.d/libs"}
    done = subprocess.run([str(tmp_path / "dash-or-bash"), *inside[1:]], env=around, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "A=it's $HOME\n -- x\n" in done.stdout
    assert "PYTHONPATH=/mnt/trainconf:/own\n" in done.stdout
    assert f"PATH={tmp_path}:/usr/bin:/bin\n" in done.stdout
    assert "VIRTUAL_ENV" not in done.stdout
    assert "LD_LIBRARY_PATH=/.singularity.d/libs\n" in done.stdout, "what the runtime itself sets stays"


def test_a_script_runs_in_python3_where_an_image_has_no_python(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text('#!/bin/sh\necho "python3 $*"\n')
    (tmp_path / "python3").chmod(0o755)
    made = job()
    made = replace(made, spec=replace(made.spec, code=replace(made.spec.code, command=(), script="train.py")))
    words = slurm_containers.command(made, "apptainer", ["python", "train.py", "--a b"])
    inside = words[words.index("sh") + 1 :]
    done = subprocess.run(["/bin/sh", *inside], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert done.stdout == "python3 train.py --a b\n"


def test_a_step_writes_its_log_itself(tmp_path: Path) -> None:
    words = slurm_containers.command(job(), "pyxis", ["sh", "-c", 'echo out; echo err >&2; echo "<$TRAINCONF_LOG>"'])
    inside = words[words.index("--") + 2 :]
    log = tmp_path / "with space.txt"
    log.write_text("before\n")
    done = subprocess.run(["/bin/sh", *inside], env={"PATH": "/usr/bin:/bin", "TRAINCONF_LOG": str(log)}, capture_output=True, check=True)
    assert log.read_text() == "before\nout\nerr\n<>\n"
    assert done.stdout + done.stderr == b""
