"""What a user may write: one dataclass per config group. Defaults live here and nowhere else.

Each field's metadata says in one line what it is (`doc`), its unit, and its range (`minimum`, `choices`); messages,
`trainconf config` and the checks are made from it. Importing this module loads no Hydra; `register` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field
from typing import Any, Optional

from trainconf import plugins


def setting(default: Any, doc: str, *, minimum: float | None = None, above: float | None = None, choices: tuple[str, ...] = (),
            in_spec: bool = False) -> Any:
    """A field with its documentation and range. A callable default is a factory.

    `in_spec` marks what only one compute target knows and what can change a result: it becomes one of `ComputeSpec.options`.
    """
    metadata = {"doc": doc, "minimum": minimum, "above": above, "choices": choices, "in_spec": in_spec}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def default(of: Field[Any]) -> Any:
    """The default of a field."""
    return of.default if of.default_factory is MISSING else of.default_factory()


# Annotations are evaluated by OmegaConf, which reads `Optional[X]` on every line it supports and Python 3.10 to 3.14.
@dataclass
class MetricConfig:
    """The number an experiment is judged by."""

    name: Optional[str] = setting(None, "name of a logged metric, shown by `ls` and the sweep's table")
    goal: str = setting("maximize", "which way is better", choices=("maximize", "minimize"))


@dataclass
class SubmitConfig:
    """How the command behaves once the run is submitted."""

    detach: bool = setting(False, "print the run id and return at once")
    stream: bool = setting(True, "show the job's own output while waiting")
    reuse: bool = setting(False, "return a completed run with the same spec_hash instead of running again")


@dataclass
class SnapshotConfig:
    """Guards on the source tree."""

    max_mb: float = setting(300.0, "megabytes; a larger tree is refused and its largest files named", above=0)
    max_files: int = setting(100_000, "files; a larger tree is refused and its fullest folders named", minimum=1)
    allow_keys: list[str] = setting(list, "file patterns that look like private keys and may travel all the same")


@dataclass
class Config:
    """The top level; it mirrors ScriptRunConfig."""

    experiment_name: str = setting("???", "letters, digits, `_`, `-`, `.`; the folder under runs/")
    display_name: Optional[str] = setting(None, "a name for people; need not be unique")
    source_directory: str = setting(".", "folder that is recorded and becomes the working directory; relative to the workspace")
    script: Optional[str] = setting(None, "Python file to run, relative to source_directory")
    command: Any = setting(None, "instead of a script: a list is executed as it stands, a string by `sh -c`")
    arguments: list[Any] = setting(list, "passed before the params; {inputs.name} becomes that input's path")
    argument_style: str = setting("argparse", "how params are passed: --lr 0.1, lr=0.1, not at all", choices=("argparse", "hydra", "none"))
    params: dict[str, Any] = setting(dict, "hyperparameters, any tree of values; add one with +params.name=value")
    inputs: dict[str, str] = setting(dict, "name: path of data the job reads; also TRAINCONF_INPUT_<NAME>")
    unhashed_inputs: list[str] = setting(list, "names of inputs too large to read at submission: they count by their path, not by content")
    metric: MetricConfig = setting(MetricConfig, "the number the experiment is judged by")
    stdout_metrics: dict[str, str] = setting(dict, "name: regular expression with one group; each match in rank 0's output is logged")
    max_run_duration_seconds: Optional[float] = setting(None, "seconds of wall time per attempt; then SIGTERM, then SIGKILL", above=0)
    retries: int = setting(0, "further attempts after a failure, in the same run directory", minimum=0)
    retry_backoff_seconds: float = setting(1.0, "seconds before the first retry; doubled each time", minimum=0)
    grace_seconds: float = setting(10.0, "seconds between SIGTERM and SIGKILL", minimum=0)
    tags: dict[str, str] = setting(dict, "name: value, for finding runs again")
    submit: SubmitConfig = setting(SubmitConfig, "how the command behaves")
    snapshot: SnapshotConfig = setting(SnapshotConfig, "guards on the source tree")
    compute: Any = setting(None, "where it runs")
    env: Any = setting(None, "the software it sees")
    distributed: Any = setting(None, "how many processes")
    sweep: Any = setting(None, "how `-m` searches")


@dataclass
class LocalCompute:
    """compute=local: this machine."""

    target: str = setting("local", "name of the launcher; set by the choice of `compute`")
    slots: Optional[int] = setting(None, "slots this machine has for all runs together; null is its number of CPUs", minimum=1)
    cpus: int = setting(1, "slots the run occupies while it runs", minimum=1)
    gpus: int = setting(0, "GPUs the run is given, by lease", minimum=0)
    gpu_devices: Optional[list[str]] = setting(None, "GPU ids that may be leased; null is what CUDA_VISIBLE_DEVICES or the driver says")
    lease_dir: Optional[str] = setting(None, "absolute folder of the leases all runs of this machine share; null is the machine's own")


@dataclass
class DockerCompute(LocalCompute):
    """compute=docker: containers on this machine's Docker engine. Slots and GPUs are shared with local runs."""

    target: str = setting("docker", "name of the launcher; set by the choice of `compute`")
    memory_gib: Optional[float] = setting(
        None, "GiB of memory the container may use, /dev/shm included and no swap on top; null is no limit, least 0.006", above=0,
        in_spec=True,
    )
    cpu_limit: Optional[float] = setting(None, "CPUs' worth of time the container may use; null is no limit", minimum=0.01, in_spec=True)
    shm_size_gib: float = setting(2.0, "GiB of /dev/shm, through which data loaders hand over batches", above=0, in_spec=True)
    ulimits: dict[str, str] = setting(dict, "name: limit, or soft:hard, as in `memlock: -1`", in_spec=True)
    network: Optional[str] = setting(
        None, "host, none, bridge or a network's name; null is the engine's default, and for several nodes one of the run's own",
        in_spec=True,
    )
    pids_limit: Optional[int] = setting(
        16384, "processes and threads the container may have at a time; null is no limit", minimum=1, in_spec=True
    )
    no_new_privileges: bool = setting(
        True, "nothing in the container gets more rights than it began with: no sudo, no setuid", in_spec=True
    )
    capabilities: Optional[list[str]] = setting(
        list, "rights of root that the job keeps, as in [CHOWN], by their names in capabilities(7); null is what the engine gives",
        in_spec=True,
    )
    gpu_request: str = setting(
        "device_requests", "how leased GPUs are asked for: of NVIDIA's container toolkit, or by CDI names",
        choices=("device_requests", "cdi"),
    )
    user: Optional[str] = setting(None, "uid:gid of the job; null is yours, so that its files are yours", in_spec=True)
    arguments: dict[str, Any] = setting(
        dict, "further arguments of `docker run` by their names in the docker SDK, as in `cap_add: [SYS_PTRACE]`; not a list of flags",
        in_spec=True,
    )


@dataclass
class SlurmCompute:
    """compute=slurm: a job of a Slurm cluster. Nodes are `distributed.node_count`; null leaves a question to the cluster."""

    target: str = setting("slurm", "name of the launcher; set by the choice of `compute`")
    partition: Optional[str] = setting(None, "partition, or several with commas; null is the cluster's default")
    account: Optional[str] = setting(None, "account the job is charged to; null is yours")
    qos: Optional[str] = setting(None, "quality of service; null is the account's")
    cpus_per_task: int = setting(1, "CPUs on each node", minimum=1, in_spec=True)
    gpus_per_node: int = setting(0, "GPUs on each node; the job sees those that Slurm gives it", minimum=0, in_spec=True)
    mem_gib: Optional[float] = setting(None, "GiB of memory on each node; null is the partition's default", above=0, in_spec=True)
    time_minutes: Optional[int] = setting(None, "minutes the job may take; null is the partition's default", minimum=1)
    signal_seconds: Optional[int] = setting(
        None, "seconds before that time is up at which the run is ended politely; null is grace_seconds and 5 more", minimum=1
    )
    constraint: Optional[str] = setting(None, "features the nodes must have, as in `a100&nvlink`", in_spec=True)
    exclusive: bool = setting(False, "no other job on its nodes", in_spec=True)
    requeue: str = setting(
        "interrupted", "when the job goes back into the queue, and the run on with the next attempt: interrupted is preempted or without "
        "one of its nodes; always is also out of time, for scripts that go on from what they left in outputs/",
        choices=("never", "interrupted", "always"),
    )
    max_requeues: int = setting(10, "times that a run goes back for its time limit, with requeue=always", minimum=1)
    setup: list[str] = setting(list, "lines of bash before the job, as in `module load cuda`; one that fails ends it", in_spec=True)
    build: str = setting("submit", "where a missing venv is built: before submission, or in the job", choices=("submit", "job"))
    container: str = setting(
        "auto", "what runs env.docker.image on the nodes; auto is pyxis where srun has it and the image is no .sif, else apptainer, else "
        "singularity", choices=("auto", "apptainer", "singularity", "pyxis"),
    )
    python: Optional[str] = setting(None, "Python of the agent on the nodes, 3.10 or later; null is the submitting one")
    pack: int = setting(1, "trials of a sweep that run at a time inside one job", minimum=1)
    sbatch: dict[str, Any] = setting(
        dict, "any other option of sbatch by its long name, as in `gres: shard:2`; true stands for an option without a value", in_spec=True
    )


@dataclass
class PythonConfig:
    """Which Python."""

    user_managed_dependencies: bool = setting(False, "true: install nothing, use what the interpreter already has")
    interpreter_path: Optional[str] = setting(None, "a Python to use (user-managed) or to build on; null is the submitting one")
    version: Optional[str] = setting(None, "such as 3.11; a managed environment gets it, null is the submitting Python's")


@dataclass
class ImageBuildConfig:
    """How images are built on this machine; none of it is part of an image's identity, save `args`."""

    network: Optional[str] = setting(None, "network of the build: host, none or a network's name; null is the engine's default")
    ca_file: Optional[str] = setting(None, "PEM bundle the installer trusts while it builds; relative to the workspace")
    pip_config: Optional[str] = setting(None, "pip.conf the installer reads while it builds; may hold credentials, and is in no layer")
    args: dict[str, str] = setting(dict, "build arguments of the Dockerfile; its history shows them, so never a secret")


@dataclass
class ImageConfig:
    """What a container is made from; at most one of image, base_image and dockerfile is given."""

    image: Optional[str] = setting(None, "an image that is used as it is: nothing is installed in it")
    base_image: Optional[str] = setting(None, "image the requirements are installed on; null is a slim official Python of that version")
    dockerfile: Optional[str] = setting(None, "a Dockerfile the requirements are installed on, relative to the workspace")
    build_context: Optional[str] = setting(None, "folder the Dockerfile copies from, relative to the workspace; null sends no files")
    build: ImageBuildConfig = setting(ImageBuildConfig, "how images are built here")


@dataclass
class EnvironmentConfig:
    """env=...: the recipe of the software a run sees."""

    name: str = setting("custom", "shown by `env ls`; not part of its identity")
    python: PythonConfig = setting(PythonConfig, "which Python")
    requirements: list[str] = setting(list, "requirement lines, as in a requirements file")
    requirements_file: Optional[str] = setting(None, "a requirements or lock file, relative to the workspace")
    pyproject: Optional[str] = setting(None, "a pyproject.toml whose dependencies are installed, relative to the workspace")
    conda_file: Optional[str] = setting(None, "a conda environment file whose pip part is enough, relative to the workspace")
    variables: dict[str, str] = setting(dict, "environment variables of the job; ${secret:NAME} is read at launch")
    docker: ImageConfig = setting(ImageConfig, "the image, for targets that run containers")


@dataclass
class NoDistributed:
    """distributed=none: one process on each node."""

    kind: str = setting("none", "set by the choice of `distributed`", choices=("none",))
    node_count: int = setting(1, "nodes; the command is started once on each", minimum=1)


@dataclass
class PyTorchDistributed:
    """distributed=pytorch: every process is a rank of `torch.distributed`, or one process per node that starts them itself."""

    kind: str = setting("pytorch", "set by the choice of `distributed`", choices=("pytorch",))
    node_count: int = setting(1, "nodes", minimum=1)
    process_count: Optional[int] = setting(None, "processes on all nodes together; null is one on each", minimum=1)
    process_count_per_node: Optional[int] = setting(None, "processes on each node: the same said otherwise", minimum=1)
    communication_backend: str = setting(
        "auto", "told as TRAINCONF_COMMUNICATION_BACKEND; auto is nccl where the run is given GPUs, else gloo",
        choices=("auto", "gloo", "nccl"),
    )
    interface: Optional[str] = setting(None, "network interface the processes meet on, as in ib0; null is that of the head node's name")
    gpu_visibility: str = setting("node", "GPUs a process sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class MpiDistributed:
    """distributed=mpi: the processes of one MPI_COMM_WORLD."""

    kind: str = setting("mpi", "set by the choice of `distributed`", choices=("mpi",))
    node_count: int = setting(1, "nodes", minimum=1)
    process_count_per_node: Optional[int] = setting(None, "processes on each node; null is one", minimum=1)
    process_count: Optional[int] = setting(None, "processes on all nodes together: the same said otherwise", minimum=1)
    launcher: str = setting(
        "auto", "what starts them; auto is srun or mpirun inside a Slurm job, as the MPI found there wants it, else mpirun",
        choices=("auto", "mpirun", "srun"),
    )
    pmi: Optional[str] = setting(None, "srun's --mpi, one of `srun --mpi=list`; null is what goes with the MPI found")
    mpirun: Optional[str] = setting(None, "the mpirun to use; null is the first on the job's PATH, which begins with its environment")
    mpirun_arguments: list[str] = setting(list, "further arguments of mpirun")
    interface: Optional[str] = setting(None, "network interface of MASTER_ADDR; null is that of the head node's name")
    gpu_visibility: str = setting("node", "GPUs a process sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class TensorFlowDistributed:
    """distributed=tensorflow: tasks of a TensorFlow cluster, told by TF_CONFIG. Worker 0 is the chief unless there is one besides."""

    kind: str = setting("tensorflow", "set by the choice of `distributed`", choices=("tensorflow",))
    node_count: int = setting(1, "nodes the tasks are dealt out to; at most worker_count", minimum=1)
    worker_count: int = setting(1, "workers", minimum=1)
    parameter_server_count: int = setting(0, "parameter servers; they are ended when the workers are done", minimum=0)
    chief: bool = setting(False, "a chief besides the workers, as ParameterServerStrategy wants; the run is done when it is")
    interface: Optional[str] = setting(None, "network interface the tasks meet on; null is that of each node's name")
    gpu_visibility: str = setting("process", "GPUs a task sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class GridSweep:
    """sweep=grid: every combination of the values given with `-m`."""

    kind: str = setting("grid", "set by the choice of `sweep`", choices=("grid",))
    max_concurrent_runs: Optional[int] = setting(None, "trials in flight; null is as many as the machine has slots for", minimum=1)
    max_total_runs: int = setting(10_000, "a larger grid is refused", minimum=1)


@dataclass(frozen=True)
class Group:
    """A config group whose choices fill one node of the config: `compute` the node `compute`, `sweep/policy` the node `sweep.policy`."""

    kind_key: str  # the key of that node that names its schema; empty where all choices have one schema
    schemas: Mapping[str, Any]  # dataclass by kind; a choice takes it by `/schema/<group>/<kind>@_here_`
    example: str  # a shipped choice, for messages
    find: Callable[[str], Any | None] = lambda kind: None  # the schema of a kind that another package offers


# The one table of them. A nested group has a slash in its name, and the schema of the node above has a field for it.
GROUPS: dict[str, Group] = {
    "compute": Group("target", {"local": LocalCompute, "docker": DockerCompute, "slurm": SlurmCompute}, "local", plugins.settings_of),
    "env": Group("", {"recipe": EnvironmentConfig}, "minimal"),
    "distributed": Group("kind", {
        "none": NoDistributed, "pytorch": PyTorchDistributed, "mpi": MpiDistributed, "tensorflow": TensorFlowDistributed,
    }, "pytorch"),
    "sweep": Group("kind", {"grid": GridSweep}, "grid"),
}

RETIRED = ("snapshot.materialize",)  # settings of earlier versions, which their records and frozen files still hold


def without_retired(config: dict[str, Any]) -> dict[str, Any]:
    """A recorded config without the settings that are none any longer."""
    for key in RETIRED:
        part, _, name = key.partition(".")
        if isinstance(config.get(part), dict):
            config = {**config, part: {inner: value for inner, value in config[part].items() if inner != name}}
    return config


def node_key(group: str) -> str:
    """The dotted key of the node that a group fills."""
    return group.replace("/", ".")


def group_of(key: str) -> str:
    """The group whose node a dotted key is, or lies in; empty for a key of no group."""
    return max((group for group in GROUPS if f"{key}.".startswith(f"{node_key(group)}.")), key=len, default="")


def group_nodes(config: Mapping[str, Any]) -> dict[str, Any]:
    """The node of each group in a plain config, by group; of a nested group only where the node above has it. Raises KeyError."""
    found: dict[str, Any] = {}
    for group in GROUPS:
        parent, _, name = group.rpartition("/")
        above = found.get(parent) if parent else config
        if not parent or (isinstance(above, Mapping) and name in above):
            found[group] = above[name]  # type: ignore[index]
    return found


def group_schema(group: str, node: Any) -> Any | None:
    """The dataclass behind the node of a group, by the kind it names; None when there is no such kind.

    Raises ConfigError for one that another package offers, and that cannot be loaded.
    """
    known = GROUPS[group]
    if not known.kind_key:
        return next(iter(known.schemas.values()))
    kind = node.get(known.kind_key) if isinstance(node, Mapping) else None
    if not isinstance(kind, str):
        return None
    return known.schemas.get(kind) or known.find(kind)


def node_types(config: Mapping[str, Any]) -> dict[str, Any]:
    """The dataclass behind the node of each group of a plain config, by the node's dotted key."""
    return {node_key(group): group_schema(group, node) for group, node in group_nodes(config).items()}


def register() -> None:
    """Put every schema into Hydra's ConfigStore; may be called any number of times."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    if "config.yaml" in store.repo.get("schema", {}):
        return  # hydra-core 1.4 warns about a second time
    store.store(group="schema", name="config", node=Config, package="_global_", provider="trainconf")
    for group, known in GROUPS.items():
        for kind, node in known.schemas.items():
            store.store(group=f"schema/{group}", name=kind, node=node, provider="trainconf")


def register_offered(path: str) -> None:
    """Put the schema at `schema/<group>/<kind>` into Hydra's ConfigStore, where another package offers it. Raises ConfigError."""
    _, _, choice = path.removesuffix(".yaml").partition("schema/")
    group, _, kind = choice.rpartition("/")
    known = GROUPS.get(group)
    node = known.find(kind) if known is not None and kind not in known.schemas else None
    if node is not None:
        from hydra.core.config_store import ConfigStore
        from omegaconf.errors import OmegaConfBaseException

        try:
            ConfigStore.instance().store(group=f"schema/{group}", name=kind, node=node, provider="trainconf")
        except OmegaConfBaseException as error:
            raise plugins.broken(kind, f"its config has a field that no config can hold: {str(error).splitlines()[0]}") from error
