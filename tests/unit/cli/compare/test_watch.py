from __future__ import annotations

import json
import os

import pytest

from trainconf.agent.leases import shared_folder
from trainconf.agent.leases.queue import Holder, Waiter
from trainconf.control import watch
from trainconf.control.watch import Lease, Machine
from trainconf.paths import WorkspacePaths

from ..conftest import Verb


@pytest.fixture(autouse=True)
def own_folder(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of nobody else."""
    monkeypatch.setattr(shared_folder, "SHARED_DIR", os.path.join(workspace.root, "leases"))


def test_it_is_printed_once_where_nobody_looks(verb: Verb) -> None:
    said = verb("watch")
    assert said.code == 0
    head, columns, *slots = said.out.splitlines()
    count = len(os.sched_getaffinity(0))
    assert head == f"0 of {count} slot{'s' * (count != 1)} taken, nothing waiting"
    assert columns.split() == ["run", "user", "since"]
    assert [line.split() for line in slots[:count]] == [["slot", str(number), "free"] for number in range(count)]


def test_json_has_the_leases_and_the_queue(verb: Verb) -> None:
    (machine,) = json.loads(verb("watch", "--json").out)
    assert machine["waiting"] == []
    assert machine["leases"][0] == {
        "kind": "slot", "name": "0", "is_free": True, "run_id": None, "run_dir": None, "user": None, "pid": None, "program": None,
        "running": [], "since": None,
    }  # fmt: skip


def test_each_holder_is_told_in_words(workspace: WorkspacePaths, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    holders = {
        "0": Holder(["slot-0"], 7, "ada", run_dir="/w/runs/digits/digits-1"), "1": Holder(["slot-1"], 8, "ada", program="sl\x1b[31meep"),
        "2": Holder(["slot-2"], 9, ""), "3": Holder(["slot-3"], 0, "eve"),
    }  # fmt: skip
    leases = [Lease("slot", name, holder, 0.0) for name, holder in holders.items()]
    leases.append(Lease("gpu", "0", holders["0"], None, ["digits-1_0", "digits-1_1"]))
    machine = Machine("/tmp/l", leases, [Waiter(1, "digits-2", "bob", 0.0)])
    monkeypatch.setattr(watch, "machines", lambda workspace: [machine])
    said = verb("watch", "--once")
    assert said.out.splitlines()[0] == "4 of 4 slots taken, 1 of 1 gpu taken, 1 waiting"
    for words in ("digits-1 ", "sl\\x1b[31meep", "whose agent is gone", "something else", "digits-1 (2 trials)", "place 1", "bob"):
        assert words in said.out
    assert "\x1b" not in said.out
    assert watch.Lease("slot", "0").run_id == ""
