"""Puts a job's command into the container of an image file, on the nodes of a Slurm cluster.

    apptainer    apptainer exec OPTIONS IMAGE sh -c INSIDE sh NAME=VALUE... -- <program> <arguments...>; a child of the agent
    singularity  the same, under its older name
    pyxis        srun OPTIONS sh -c INSIDE ...: a step of the job on this node, in a container that Slurm's plug-in makes of the image

A path means the same inside and outside: the run directory and the inputs are mounted where they lie. The job can write only to the code
and the metrics of the run directory. A site may mount more, such as HOME.
Options: apptainer-exec(1) of Apptainer 1.0 to 1.4 and Singularity 2.4; `srun --help` with pyxis 0.11 to 0.24.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

import trainconf
from trainconf.engine.job_shell import EXPORT_PYTHONPATH, PACKAGE_PATH
from trainconf.errors import ConfigError, Mistake
from trainconf.fast.records import replace
from trainconf.launchers.docker import checks
from trainconf.launchers.job.env import compat_variables, tool_variables
from trainconf.launchers.protocol import Job, RankPlan
from trainconf.launchers.slurm.commands import Controller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PYXIS, APPTAINER, SINGULARITY = "pyxis", "apptainer", "singularity"
RUN_ID = "TRAINCONF_RUN_ID"

# Variables that say where the machine's own software lies, and are wrong in an image. Both runtimes pass on what they inherit, so these are
# emptied for them and unset inside.
HOST_ONLY = ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV", "CONDA_PREFIX")
# The job's own values of these must not decide which programs of the machine make its container.
INSIDE_ONLY = frozenset({*HOST_ONLY, "PATH", "PYTHONPATH"})

# The variables of the environment win over those of the image, as in Docker. POSIX only: dash, busybox and bash are all called `sh`.
INSIDE = f"""\
for name in {" ".join(HOST_ONLY)}; do eval "[ -n \\"\\$$name\\" ] || unset $name"; done
while [ "$1" != -- ]; do export "$1"; shift; done
shift
{EXPORT_PYTHONPATH}"""
# srun would stand in the way of a step's output, and wait for whatever still holds it open.
TO_ITS_LOG = 'exec >>"$TRAINCONF_LOG" 2>&1; unset TRAINCONF_LOG\n'
# srun has told it the place in its own step, of one process.
OWN_PLACE = """\
for name in PROCID LOCALID NTASKS NPROCS TASKS_PER_NODE NTASKS_PER_NODE GTIDS TASK_PID STEPID STEP_NUM_TASKS STEP_TASKS_PER_NODE \
STEP_NUM_NODES STEP_NODELIST; do unset "SLURM_$name"; done
[ -z "$RANK" ] || export SLURM_PROCID="$RANK" SLURM_LOCALID="$LOCAL_RANK" SLURM_NODEID="$NODE_RANK" SLURM_NTASKS="$WORLD_SIZE" \
SLURM_NPROCS="$WORLD_SIZE"
"""
PYTHON_OR_PYTHON3 = '[ "$1" != python ] || command -v python >/dev/null || { shift; set -- python3 "$@"; }\n'
EXEC = 'exec "$@"'

# The step of a rank runs beside what the job runs already, on the node whose agent started it.
ON_THIS_NODE = 'exec srun --nodelist="$SLURMD_NODENAME" "$@"'

_UNSUPPORTED = {PYXIS: re.compile(r"[:,$\\\"`\t\n]"), APPTAINER: re.compile(r"[:,\"\n]")}  # pyxis has a shell print them to enroot


def check(job: Job, controller: Controller) -> str:
    """What will run the image. Raises ConfigError, every mistake that can be known here at once."""
    runtime = choose(job, controller)
    mistakes = [*checks.check_paths(_targets(job), job), *checks.check_names(job.env), *_unsupported_paths(job, runtime)]
    if job.spec.distributed.kind == "mpi":
        mistakes.append(Mistake(
            "distributed=mpi does not run in containers on Slurm", ("from", "env.docker.image"),
            hint="use a venv there, or compute=docker; distributed=pytorch and tensorflow do run in containers",
        ))
    if mistakes:
        raise ConfigError(mistakes)
    return runtime


def choose(job: Job, controller: Controller) -> str:
    """What runs the image: `compute.container`, else what is found on this machine. Raises ConfigError."""
    from shutil import which

    requested, image = str(job.compute.get("container", "auto")), _image(job)
    can_unpack = not os.path.isdir(image) and not image.endswith(".sif")
    if requested == PYXIS and not can_unpack:
        raise ConfigError("pyxis runs image files of enroot, and this is not one", ("from", "compute.container"), ("image", image),
                          hint="compute.container=apptainer runs it; `enroot import` makes files for pyxis")
    if requested != "auto":
        return requested
    if can_unpack and "--container-image" in controller.call("srun", "--help").text():
        return PYXIS
    found = next((name for name in (APPTAINER, SINGULARITY) if which(name, path=controller.path)), None)
    if found is None:
        raise ConfigError(
            "this cluster has no program that runs an image", ("from", "env.docker.image"), ("image", image),
            ("looked for", ("--container-image in `srun --help` (pyxis); " if can_unpack else "") + "apptainer, singularity on PATH"),
            ("PATH", controller.path), hint="name the one that only the nodes have: compute.container=apptainer",
        )
    return found


def command(job: Job, runtime: str, program: Sequence[str]) -> list[str]:
    """What starts the program of a rank in its container."""
    finds_python = job.spec.code.script and not job.spec.environment.interpreter
    text = [TO_ITS_LOG + OWN_PLACE if runtime == PYXIS else "", INSIDE, PYTHON_OR_PYTHON3 if finds_python else "", EXEC]
    inside = ["sh", "-c", "".join(text), "sh", *_inside(job, runtime), "--", *program]
    return [*(_step(job) if runtime == PYXIS else _exec(job, runtime)), *inside]


def with_log(rank: RankPlan, job: Job, runtime: str) -> RankPlan:
    """The rank, told its own log where it runs in a step."""
    return replace(rank, env=rank.env | {"TRAINCONF_LOG": job.paths.log(rank.rank)}) if runtime == PYXIS else rank


def _inside(job: Job, runtime: str) -> Iterator[str]:
    """NAME=VALUE of each variable set in the container. The run's id is set here for a step: around it is the plug-in, not the job."""
    compat = job.spec.code.compat
    yield from (f"{name}={value}" for name, value in {**tool_variables(compat), **job.env, **compat_variables(compat)}.items())
    if runtime == PYXIS:
        yield f"{RUN_ID}={job.run_id}"


def variables(found: Mapping[str, str], job: Job, runtime: str) -> dict[str, str]:
    """The variables around the container, from those that a process would have."""
    kept = {name: value for name, value in found.items() if name not in INSIDE_ONLY and (runtime, name) != (PYXIS, RUN_ID)}
    return {**kept, **dict.fromkeys((*HOST_ONLY, "PYTHONPATH"), ""), "PYTHONNOUSERSITE": job.env.get("PYTHONNOUSERSITE", "1")}


def _exec(job: Job, program: str) -> list[str]:
    binds = [f"{source}:{target}{':ro' if read_only else ''}" for source, target, read_only in _mounts(job, program)]
    options = [word for bind in binds for word in ("--bind", bind)]
    return [program, "exec", *options, "--pwd", job.paths.code, *(["--nv"] if _has_gpus(job.compute) else []), _image(job)]


def _step(job: Job) -> list[str]:
    mounts = ",".join(f"{source}:{target}:{'ro' if read_only else 'rw'}" for source, target, read_only in _mounts(job, PYXIS))
    return [
        "sh", "-c", ON_THIS_NODE, "sh", "--overlap", "--nodes=1", "--ntasks=1", f"--cpus-per-task={job.compute.get('cpus_per_task', 1)}",
        "--mem=0", "--kill-on-bad-exit=0", "--input=none", "--export=ALL", "--mpi=none",
        f"--container-image={_image(job)}", f"--container-mounts={mounts}", f"--container-workdir={job.paths.code}",
        "--no-container-entrypoint", "--no-container-remap-root", "--",
    ]


def _image(job: Job) -> str:
    return job.image or os.path.normpath(os.path.join(job.paths.workspace.root, job.spec.environment.image))


def _targets(job: Job) -> list[tuple[str, str, bool]]:
    """What is mounted at its own path: its setting, its path, whether it is read-only. Folders come before what lies in them."""
    inputs = [(f"inputs.{name}", path, True) for name, path in job.spec.code.inputs]
    written = (job.paths.code, job.paths.metrics_folder)
    return [*inputs, ("the run directory", job.paths.run_dir, True), *(("the run directory", path, False) for path in written)]


def _mounts(job: Job, runtime: str) -> Iterator[tuple[str, str, bool]]:
    package = os.path.dirname(os.path.abspath(trainconf.__file__))
    yield package, f"{PACKAGE_PATH}/{os.path.basename(package)}", True
    yield from dict.fromkeys((path, path, read_only) for _, path, read_only in _targets(job))
    if runtime == PYXIS:
        yield job.paths.logs, job.paths.logs, False  # a step writes its log itself


def _unsupported_paths(job: Job, runtime: str) -> Iterator[Mistake]:
    """Paths with characters at which the runtime would split them."""
    pattern = _UNSUPPORTED[PYXIS if runtime == PYXIS else APPTAINER]
    package, *_ = _mounts(job, runtime)
    for what, path, _ in (("trainconf itself", package[0], True), *_targets(job)):
        if wrong := pattern.search(path):
            yield Mistake(f"{what} cannot be mounted by {runtime}: its path holds {wrong[0]!r}", ("path", path), hint="move or link it")


def _has_gpus(compute: Mapping[str, Any]) -> bool:
    """Whether the job asks Slurm for GPUs, by our setting or by an option of sbatch (sbatch(1): --gres=gpu:2, --gpus=4, …)."""
    options = {str(name).replace("_", "-"): str(value) for name, value in (compute.get("sbatch") or {}).items() if value}
    return bool(compute.get("gpus_per_node")) or any(name.startswith("gpus") for name in options) or "gpu" in options.get("gres", "")
