"""What no partition can give is refused."""

from __future__ import annotations

from math import inf

import pytest

from tests.unit.launchers.slurm.stand_in import Answering
from trainconf.errors import ConfigError
from trainconf.launchers.slurm.admission import check, minutes, refusal
from trainconf.launchers.slurm.commands import Controller


@pytest.mark.parametrize(
    ("text", "expected"), [("infinite", None), ("1:00", 1), ("30", 0.5), ("2:00:00", 120), ("1-00:00:00", 1440), ("10-12:30:00", 15150)]
)
def test_a_limit_is_read_as_sinfo_prints_it(text: str, expected: float | None) -> None:
    assert minutes(text) == (inf if expected is None else expected)


def not_admitted(sinfo: str, **options: str | int) -> list[str]:
    try:
        check(Controller({}, Answering(sinfo)), {"options": {"nodes": 3, "cpus-per-task": 1, "time": 60, **options}})
    except ConfigError as error:
        return [mistake.what for mistake in error.mistakes]
    return []


def test_a_partition_has_the_nodes_of_all_its_kinds_and_the_cpus_of_its_largest() -> None:
    there_are = "gpu*|1-00:00:00|1-8|2|64\ngpu*|1-00:00:00|1-8|6|128\ncpu|infinite|1-infinite|9|2K\nnot a row"
    assert not_admitted(there_are, nodes=8, **{"cpus-per-task": 128}, time=1440) == []
    assert not_admitted(there_are, nodes=9, **{"cpus-per-task": 129}, time=1441) == [
        "compute.time_minutes=1441 is over the time limit of partition gpu", "9 nodes are over the limit of partition gpu for one job",
        "129 CPUs on each node (compute.cpus_per_task) are more than any node of partition gpu has",
    ]  # fmt: skip
    assert not_admitted(there_are, nodes=9, **{"cpus-per-task": 5000}, time=99999, partition="cpu") == []
    assert not_admitted(there_are, nodes=10, partition="cpu") == ["10 nodes are more than partition cpu has"]
    assert not_admitted(there_are, nodes=9, partition="gpu,cpu") == []


def test_a_quality_of_service_may_lift_a_partitions_limits_but_adds_no_machines() -> None:
    main = "main*|30:00|2|3|4"
    time = "compute.time_minutes=60 is over the time limit of partition main"
    assert not_admitted(main) == [time, "3 nodes are over the limit of partition main for one job"]
    assert not_admitted(main, qos="long") == []
    assert not_admitted(main, qos="long", nodes=4) == ["4 nodes are more than partition main has"]
    assert not_admitted(main, partition="other") == []


def test_a_refusal_names_our_settings_first_and_no_null_of_slurms() -> None:
    sinfo = Answering("main: 4 CPUs, 900 MB, GPUs and other --gres: (null)\n")
    batch = {"options": {"gpus-per-node": 9, "gres": "shard:2", "nodes": 1}}
    text = refusal(Controller({}, sinfo), batch, "Requested node configuration is not available").render()
    assert "compute.gpus_per_node (--gpus-per-node=9), compute.sbatch.gres (--gres=shard:2), distributed.node_count (--nodes=1)" in text
    assert "GPUs and other --gres: none" in text
    assert "(null)" not in text
