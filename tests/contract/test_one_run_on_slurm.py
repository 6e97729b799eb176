"""What the ranks of several nodes record of one run at once: nothing is lost, torn or repeated, and the history has it all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Shell
from tests.contract.slurm_runs import slurm
from tests.testbed.cluster import Cluster
from trainconf.control.interactive.logged import get_metrics
from trainconf.history import record
from trainconf.paths import RunPaths

pytestmark = pytest.mark.slurm
RANKS = 4
SCRIPT = """\
import os, sys
from trainconf import Run

run = Run.get_context()
rank = int(os.environ["RANK"])
for n in range(300):
    run.log("loss_%d" % rank, n, step=n)
    if n % 10 == 0:
        run.log_row("table", rank=rank, n=n)
run.tag("rank_%d" % rank, os.uname().nodename)
run.add_properties({"same": "everywhere"})
run.upload_file("outputs/rank_%d.txt" % rank, __file__)
run.upload_file("outputs/shared.txt", __file__)
with run.child_run("of rank %d" % rank) as child:
    child.log("rank", rank)
open_one = run.child_run("open %d" % rank)
print(len(run.get_metrics()["loss_%d" % rank]), flush=True)
"""


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    shell.env |= {"SLURM_CONF": slurm_cluster.conf}
    shell.write("train.py", SCRIPT)
    yield shell
    for run_dir in shell.root.glob("runs/*/*"):
        slurm("scancel", "--quiet", f"--name={run_dir.name}")


def test_the_ranks_of_two_nodes_record_one_run(space: Shell) -> None:
    answer = space(
        "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "distributed=pytorch", "distributed.node_count=2",
        f"distributed.process_count={RANKS}",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    (paths,) = [paths for paths in map(RunPaths, map(str, space.run_dirs())) if record.describe(paths)["type"] == "script"]
    found = record.details(paths)
    logged = get_metrics(paths)
    for rank in range(RANKS):
        assert logged[f"loss_{rank}"] == list(range(300))
        assert sorted(n for of, n in zip(logged["table"]["rank"], logged["table"]["n"], strict=True) if of == rank) == [*range(0, 300, 10)]
    assert found["tables"]["table"]["rows"] == RANKS * 30
    assert sorted(found["tags"]) == [f"rank_{rank}" for rank in range(RANKS)]
    assert len(set(found["tags"].values())) == 2
    assert found["properties"] == {"same": "everywhere"}
    assert {f"outputs/rank_{rank}.txt" for rank in range(RANKS)} | {"outputs/shared.txt"} <= {file["path"] for file in found["files"]}
    children = [json.loads(space("show", name, "--json").out) for name in found["children"]]
    assert sorted((child["display_name"], child["status"]) for child in children) == sorted(
        (f"{what} {rank}", "Completed") for what in ("of rank", "open") for rank in range(RANKS)
    )
    assert sorted(child["metrics"]["rank"] for child in children if child["metrics"]) == [*range(RANKS)]
    assert {child["parent"] for child in children} == {paths.run_id}
