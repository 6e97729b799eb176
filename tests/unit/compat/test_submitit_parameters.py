"""What `update_parameters` becomes in trainconf's config."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("submitit")

from trainconf.compat.submitit.parameters import wanted
from trainconf.errors import UserError


def values_of(*, checkpoints: bool = False, **parameters: Any) -> dict[str, Any]:
    return wanted(parameters, "/calls", "/jobs/%j", 3, checkpoints=checkpoints).values


def test_resources_of_this_machine_are_for_all_ranks_of_a_node() -> None:
    assert values_of(cpus_per_task=2, tasks_per_node=3, gpus_per_node=1)["compute"] == {"cpus": 6, "gpus": 1}
    assert values_of(tasks_per_node=3, nodes=2)["distributed"] == {"process_count": 6, "node_count": 2}


def test_slurm_has_its_own_words() -> None:
    found = values_of(compute="slurm/gpu", cpus_per_task=2, gpus_per_node=4, mem_gb=8, timeout_min=90)
    assert found["compute"] == {"cpus_per_task": 2, "gpus_per_node": 4, "mem_gib": 8, "time_minutes": 90, "signal_seconds": 30}
    assert "max_run_duration_seconds" not in found


def test_a_function_with_checkpoints_goes_back_into_slurms_queue_at_its_time_limit() -> None:
    found = values_of(compute="slurm", timeout_min=90, checkpoints=True)["compute"]
    assert (found["requeue"], found["max_requeues"]) == ("always", 3)


def test_here_the_function_is_told_before_its_time_is_up() -> None:
    assert values_of(timeout_min=10)["env"]["variables"] == {"TRAINCONF_SUBMITIT_LIMIT_S": "570.000"}
    assert values_of(timeout_min=10)["max_run_duration_seconds"] == 630
    assert values_of(timeout_min=10, checkpoints=True)["max_run_duration_seconds"] == 2430


def test_a_container_sees_the_folders_of_calls_and_results() -> None:
    volumes = values_of(compute="docker", mem_gb=2)["compute"]["arguments"]["volumes"]
    assert volumes == {"/calls": {"bind": "/calls", "mode": "rw"}, "/jobs": {"bind": "/jobs", "mode": "rw"}}


def test_a_built_environment_has_what_reads_the_pickle() -> None:
    requirements = values_of(env="minimal", requirements=["pandas"])["env"]["requirements"]
    assert [line.partition("=")[0] for line in requirements] == ["submitit", "cloudpickle", "pandas"]
    with pytest.raises(UserError, match="requirements are of no use: env=current installs nothing"):
        values_of(requirements=["pandas"])
