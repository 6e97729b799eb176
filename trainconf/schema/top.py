"""The top level of a config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from trainconf.limits import MONITOR_INTERVAL_SECONDS, SNAPSHOT_MAX_FILES, SNAPSHOT_MAX_MB
from trainconf.schema.fields import setting


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

    max_mb: float = setting(SNAPSHOT_MAX_MB, "megabytes; a larger tree is refused and its largest files named", above=0)
    max_files: int = setting(SNAPSHOT_MAX_FILES, "files; a larger tree is refused and its fullest folders named", minimum=1)
    allow_keys: list[str] = setting(list, "file patterns that may travel although they look like private keys")


@dataclass
class MonitorConfig:
    """What is measured beside the job. It changes no result."""

    interval_seconds: float = setting(
        MONITOR_INTERVAL_SECONDS, "seconds between two samples of CPU, memory, disk, network and GPUs; 0: none", minimum=0
    )


@dataclass
class HydraAppConfig:
    """An app with `@hydra.main`, run as it stands. Its config becomes the params."""

    script: Optional[str] = setting(None, "instead of `script`: the file with @hydra.main, relative to source_directory")
    module: Optional[str] = setting(None, "instead of that file: the module that has it, started as `python -m MODULE`")
    config_path: Optional[str] = setting(None, "folder of its configs, relative to that file; default: as @hydra.main has it")
    config_name: Optional[str] = setting(None, "its primary config; default: as @hydra.main has it")
    words: list[str] = setting(list, "overrides that it always gets; those behind -- on the command line come after them")
    registered: list[str] = setting(list, "configs and groups that only code registers, where that code is not in source_directory")


@dataclass
class Config:
    """The top level; it mirrors ScriptRunConfig."""

    experiment_name: str = setting("???", "letters, digits, `_`, `-`, `.`; the folder under runs/")
    display_name: Optional[str] = setting(None, "a name for people; need not be unique")
    source_directory: str = setting(".", "folder that is recorded and becomes the working directory; relative to the workspace")
    script: Optional[str] = setting(None, "Python file to run, relative to source_directory")
    command: Any = setting(None, "instead of a script: a list is executed as it stands, a string by `sh -c`")
    hydra_app: HydraAppConfig = setting(HydraAppConfig, "a Hydra app of your own; words for it follow --")
    arguments: list[Any] = setting(list, "passed before the params; {inputs.name} becomes that input's path")
    argument_style: str = setting("argparse", "how params are passed: --lr 0.1, lr=0.1, not at all", choices=("argparse", "hydra", "none"))
    params: dict[str, Any] = setting(dict, "hyperparameters, any tree of values; add one with +params.name=value")
    inputs: dict[str, str] = setting(dict, "name: path of data the job reads; also TRAINCONF_INPUT_<NAME>")
    compat: list[str] = setting(list, "azureml, mlflow, trackio, wandb: trainconf answers the job's imports of these tools")
    unhashed_inputs: list[str] = setting(list, "names of inputs too large to read at submission: their path counts, not their content")
    metric: MetricConfig = setting(MetricConfig, "the number the experiment is judged by")
    stdout_metrics: dict[str, str] = setting(dict, "name: regular expression with one group; each match in rank 0's output is logged")
    max_run_duration_seconds: Optional[float] = setting(None, "seconds of wall time per attempt; then SIGTERM, then SIGKILL", above=0)
    retries: int = setting(0, "further attempts after a failure, in the same run directory", minimum=0)
    retry_backoff_seconds: float = setting(1.0, "seconds before the first retry; doubled each time", minimum=0)
    grace_seconds: float = setting(10.0, "seconds between SIGTERM and SIGKILL", minimum=0)
    tags: dict[str, str] = setting(dict, "name: value, for finding runs again")
    submit: SubmitConfig = setting(SubmitConfig, "how the command behaves")
    snapshot: SnapshotConfig = setting(SnapshotConfig, "guards on the source tree")
    monitor: MonitorConfig = setting(MonitorConfig, "what is measured beside the job")
    compute: Any = setting(None, "where it runs")
    env: Any = setting(None, "the software it sees")
    distributed: Any = setting(None, "how many processes")
    sweep: Any = setting(None, "how `-m` searches")
