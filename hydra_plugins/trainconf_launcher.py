"""Hydra's door to trainconf's queue: `hydra/launcher=trainconf` in a Hydra app of anybody's.

Hydra imports this module in every Hydra app of the environment, so it holds nothing that can fail, and imports nothing of trainconf.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher


class TrainconfLauncher(Launcher):
    """Carries out the jobs of a multirun as runs of trainconf: waits for them, and gives back what each returned.

    options: `compute` and `env` are choices of trainconf's groups, `words` further overrides, the others settings of `compute`.
    """

    kind = "trainconf"

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.hydra_context: Any = None
        self.task_function: Any = None
        self.config: Any = None
        self._alike: Any = None
        self._checked: dict[tuple[str, ...], Any] = {}

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config
        self._keep_what_is_checked()

    def _keep_what_is_checked(self) -> None:
        """Keep the config of each job that the sweeper composes before the launch, to check it."""
        loader = self.hydra_context.config_loader
        compose = loader.load_sweep_config

        def kept(master_config: Any, sweep_overrides: list[str]) -> Any:
            if master_config is not self.config:
                return compose(master_config, sweep_overrides)
            found = self._checked[tuple(sweep_overrides)] = self._composed(compose, sweep_overrides)
            return found

        loader.load_sweep_config = kept

    def _composed(self, compose: Any, overrides: Sequence[str]) -> Any:
        """The config of a job, by Hydra's `compose` or as those before."""
        if self._alike is None:
            from trainconf.compat.hydra.alike import Alike

            self._alike = Alike(compose, self.hydra_context.config_loader.repository.group_exists)
        return self._alike(self.config, overrides)

    def composed(self, overrides: Sequence[str]) -> Any:
        """The config of a job."""
        found = self._checked.pop(tuple(overrides), None)
        return found or self._composed(self.hydra_context.config_loader.load_sweep_config, overrides)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """One run for each list of overrides, and one sweep for all of them. A mistake is told, and ends the process."""
        vars(self.hydra_context.config_loader).pop("load_sweep_config", None)  # the loader travels with the jobs
        state = Singleton.get_state()  # before anything of trainconf composes: its resolvers and version base are not the app's
        from trainconf.cli.main import told
        from trainconf.compat.hydra.launcher import launch

        returned: list[JobReturn] = []

        def carry_out() -> int:
            returned.extend(launch(self, job_overrides, initial_job_idx, state))
            return 0

        try:
            code = told(carry_out)
        finally:
            Singleton.set_state(state)
            self._checked.clear()
            self._keep_what_is_checked()
        if code:
            raise SystemExit(code)
        return returned


class SubmititLauncher(TrainconfLauncher):
    """The same, by the options of hydra-submitit-launcher."""

    kind = "submitit"


# Plain mappings: Hydra runs this file without entering it in sys.modules, where a dataclass would look itself up.
# Settings of `compute` that are not given are left to its choice.
_TARGET = "hydra_plugins.trainconf_launcher.TrainconfLauncher"
_COMPUTE = (
    "slots", "cpus", "gpus", "gpu_devices", "lease_dir", "memory_gib", "cpu_limit", "shm_size_gib", "ulimits", "network", "pids_limit",
    "no_new_privileges", "capabilities", "gpu_request", "user", "arguments", "partition", "account", "qos", "cpus_per_task",
    "gpus_per_node", "mem_gib", "time_minutes", "signal_seconds", "constraint", "exclusive", "requeue", "max_requeues", "setup", "build",
    "container", "python", "pack", "sbatch",
)  # fmt: skip
_WORDS = (  # of submitit, which `compute` reads as settings of its own or of others
    "timeout_min", "time", "mem_gb", "mem", "mem_per_cpu", "mem_per_gpu", "cpus_per_gpu", "gpus_per_task", "gres", "nodes", "nodelist",
    "exclude", "tasks_per_node", "ntasks_per_node", "name", "job_name", "comment", "dependency", "array_parallelism", "signal_delay_s",
    "max_num_timeout", "additional_parameters", "stderr_to_stdout", "srun_args", "use_srun",
)  # fmt: skip
_NODE: dict[str, Any] = {
    "_target_": _TARGET, "compute": "local", "env": "current", "max_concurrent_runs": None, "max_run_duration_seconds": None,
    "retries": None, "tags": {}, "words": [], **dict.fromkeys(_COMPUTE + _WORDS),
}  # fmt: skip
ConfigStore.instance().store(group="hydra/launcher", name="trainconf", node=_NODE, provider="trainconf")

_SUBMITIT: dict[str, Any] = {
    "_target_": "hydra_plugins.trainconf_launcher.SubmititLauncher", "submitit_folder": "${hydra.sweep.dir}/.submitit/%j",
    "timeout_min": 60, "cpus_per_task": None, "gpus_per_node": None, "tasks_per_node": 1, "mem_gb": None, "nodes": 1,
    "name": "${hydra.job.name}", "stderr_to_stdout": False,
}  # fmt: skip
_SUBMITIT_SLURM: dict[str, Any] = {
    **_SUBMITIT, "compute": "slurm", "partition": None, "qos": None, "comment": None, "constraint": None, "exclude": None, "gres": None,
    "cpus_per_gpu": None, "gpus_per_task": None, "mem_per_gpu": None, "mem_per_cpu": None, "account": None, "signal_delay_s": 120,
    "max_num_timeout": 0, "additional_parameters": {}, "array_parallelism": 256, "setup": None, "srun_args": None,
}  # fmt: skip
if find_spec("hydra_plugins.hydra_submitit_launcher") is None:  # where it is installed, its names are its own
    _SUBMITIT["compute"] = "local"
    ConfigStore.instance().store(group="hydra/launcher", name="submitit_local", node=_SUBMITIT, provider="trainconf")
    ConfigStore.instance().store(group="hydra/launcher", name="submitit_slurm", node=_SUBMITIT_SLURM, provider="trainconf")


def _say_that_it_is_for_multiruns(words: Sequence[str]) -> None:
    """A plain run is Hydra's own: it never asks a launcher or a sweeper."""
    ours = ("hydra/launcher=trainconf", "hydra/sweeper=trainconf", "hydra.sweeper.detach=true")
    chosen = [word for word in words if word in ours]
    is_multirun = any(word in ("-m", "--multirun", "hydra.mode=MULTIRUN") for word in words)
    if chosen and not is_multirun:
        print(f"trainconf: {chosen[0]} has no effect on a single job, which Hydra runs by itself; add -m (also for one job), or use "
              "`trainconf experiment=... -- WORDS`", file=sys.stderr)  # fmt: skip


_say_that_it_is_for_multiruns(sys.argv[1:])
