"""A sweep that nobody watches any more."""

from __future__ import annotations

import json

from tests.conftest import Shell, wait_for

HANG = "import time\ntime.sleep(60)\n"


def statuses(workspace: Shell) -> list[str]:
    return [row["status"] for row in json.loads(workspace("ls", "--json").out)]


def test_a_detached_sweep_prints_its_id_alone_and_is_cancelled_by_it(workspace: Shell) -> None:
    workspace.write("train.py", HANG)
    submitted = workspace("-m", *workspace.script("+params.lr=1,2,3"), "sweep.max_concurrent_runs=2", "submit.detach=true")
    assert submitted.code == 0, submitted
    sweep_id = submitted.out.strip()
    assert (workspace.root / "runs" / "adhoc" / sweep_id / "sweep.json").exists()
    assert workspace("cancel", sweep_id).code == 0
    wait_for(lambda: statuses(workspace) == ["Canceled"] * 3)


def test_a_sweep_is_shown_as_a_whole_and_waited_for_by_its_trials(workspace: Shell) -> None:
    submitted = workspace("-m", *workspace.script("+params.lr=1,2"), "submit.detach=true")
    sweep_id = submitted.out.strip()
    assert workspace("wait", f"{sweep_id}:0", f"{sweep_id}_1").code == 0
    answer = workspace("show", sweep_id)
    assert answer.code == 0, answer
    assert answer.out.startswith(f"{sweep_id}  grid  ")
    answer = workspace("resume", sweep_id)
    assert answer.code == 2
    assert f"{sweep_id} is a sweep, and this takes one run" in answer.told


def test_waiting_for_a_sweep_waits_for_all_its_trials_and_names_those_that_failed(workspace: Shell) -> None:
    workspace.write("train.py", "import sys\nsys.exit(int(sys.argv[2]))\n")
    submitted = workspace("-m", *workspace.script("+params.code=0,3"), "submit.detach=true")
    sweep_id = submitted.out.strip()
    answer = workspace("wait", sweep_id)
    assert answer.code == 1
    assert answer.err.splitlines() == [
        f"{sweep_id} Completed", f"{sweep_id}_1 Failed: exit code 3", "  (it has written nothing)", f"  more: trainconf logs {sweep_id}_1",
    ]  # fmt: skip
    assert statuses(workspace) == ["Failed", "Completed"]
