"""Tasks of an array that wait in Slurm's queue: everything tells that they wait, and why."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Shell, wait_for
from tests.testbed.cluster import Cluster
from trainconf.page.answers import runs, sweeps
from trainconf.page.request import Request
from trainconf.page.site import Site
from trainconf.paths import WorkspacePaths

pytestmark = pytest.mark.slurm
WAITS = "waits in Slurm: BeginTime"


def test_the_page_and_the_command_line_tell_the_same_of_tasks_that_wait(workspace: Shell, cluster: Cluster) -> None:
    slurm = ["experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "+compute.sbatch.begin=now+1hour"]
    workspace.write("train.py", "print(1)\n")
    assert workspace("-m", *slurm, "+params.lr=0.1,0.2,0.3", "submit.detach=true").code == 0
    site = Site(WorkspacePaths(str(workspace.root)))
    site.begin()
    try:
        wait_for(lambda: WAITS in workspace("show", "last:0").out)
        shown = json.loads(workspace("sweep", "show", "last", "--json").out)
        assert {trial["status"] for trial in shown["trials"]} == {"Queued"}
        assert all(WAITS in trial["reason"] for trial in shown["trials"])
        ids = [row["run_id"] for row in json.loads(workspace("ls", "--status", "Queued", "--json").out)]
        assert sorted(ids) == [trial["run_id"] for trial in shown["trials"]]
        page = sweeps.sweep(Request(site, {"id": shown["sweep_id"]}, {}, {}))
        assert [(trial["state"], trial["reason"]) for trial in page["trials"]] == [("Queued", trial["reason"]) for trial in shown["trials"]]

        def rows() -> list[tuple[str, str]]:
            found = runs.table(Request(site, {}, {"filter": "status:Queued"}, {}))
            return [(row["state"], row["state_words"].partition(" ")[2].partition(" ")[2]) for row in found["rows"]]

        wait_for(lambda: rows() == [("Queued", WAITS)] * 3)
    finally:
        site.close()
        workspace("cancel", "last")
