"""One damaged run beside a good one: every reader bears it, says which one it is, and touches nothing that is not the run's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.paths import WorkspacePaths

from ...history.build import make_run, write_json
from ..conftest import Verb

SECONDS = 100  # a verb that waits for ever fails; one that is slow does not


@pytest.fixture(autouse=True)
def nothing_waits_for_ever() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def text(content: bytes) -> Callable[[str], None]:
    def write(path: str) -> None:
        with open(path, "wb") as stream:
            stream.write(content)

    return write


def sparse(path: str) -> None:
    text(b"")(path)
    os.truncate(path, 3 << 30)


def foreign(path: str) -> None:
    target = os.path.join(os.path.dirname(os.path.dirname(path)), "foreign")
    text(b'{"params": {"secret": "4711"}, "state": "Completed", "name": "loss", "value": 4711}\n')(target)
    os.symlink(target, path)


KINDS: dict[str, Callable[[str], object]] = {
    "fifo": os.mkfifo,
    "folder": os.mkdir,
    "link to a foreign file": foreign,
    "link to nothing": lambda path: os.symlink("nowhere", path),
    "link to itself": lambda path: os.symlink(os.path.basename(path), path),
    "not UTF-8": text(b'{"name": "\xff\xfe", "state": "Completed"}\n'),
    "NUL": text(b"\0" * 5000),
    "huge": sparse,
    "deep": text(b'{"params": ' + b'{"a": ' * 20_000 + b"1" + b"}" * 20_001),
    "rather deep": text(b'{"params": ' + b"[" * 600 + b"]" * 600 + b"}"),
    "empty": text(b""),
    "a list": text(b"[1, 2]\n"),
    "a number of many digits": text(b'{"created": ' + b"9" * 9000 + b"}\n"),
    "half a surrogate": text(b'{"created": "\\ud800", "spec_hash": "\\ud800", "experiment_name": "\\udfff"}\n'),
}
FILES = ("events.jsonl", "run.json", "spec.json", "plan.json", "git.json", "metrics.jsonl", "logs/std_log.txt", "agent.lock")


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in FILES for k in KINDS if (n, k) != ("logs/std_log.txt", "huge")])
def test_whatever_lies_in_a_file_s_place_the_other_runs_are_listed(workspace: WorkspacePaths, verb: Verb, name: str, kind: str) -> None:
    make_run(workspace, "good", metrics={"val_accuracy": 0.5})
    bad = make_run(workspace, "bad", states=("NotStarted", "Queued", "Running"), metrics={"val_accuracy": 0.25}, log=b"hello\n")
    path = os.path.join(bad.run_dir, name)
    if os.path.lexists(path):
        os.unlink(path)
    KINDS[kind](path)
    said = verb("ls")
    assert said.code == 0
    assert "good" in said.out
    found = json.loads(verb("ls", "--json").out)
    assert [run["metrics"] for run in found if run["run_id"] == "good"] == [{"val_accuracy": 0.5}]
    is_run = name != "events.jsonl" or kind != "empty"  # then it is half-made
    if not is_run:
        assert [run["run_id"] for run in found] == ["good"]
        return
    assert {run["run_id"] for run in found} == {"good", "bad"}
    if name == "run.json":
        assert "bad is damaged: its run.json" in said.err or "bad is damaged: in its run.json" in said.err
    for words in (("show", "bad"), ("show", "--json", "bad"), ("logs", "bad"), ("wait", "--timeout", "0.1", "bad"), ("cancel", "bad")):
        said = verb(*words)
        assert said.code in (0, 1, 2, 124, 130)
        assert "Traceback" not in said.err
        assert "4711" not in said.out + said.err
    for foreign_file in ("foreign", "logs/foreign", "nowhere"):
        path = os.path.join(os.path.dirname(bad.run_dir), foreign_file)
        assert not os.path.exists(path) or Path(path).read_text().count("\n") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"params": 5}, {"params": [1]}, {"tags": "x"}, {"created": {}}, {"created": 7}, {"experiment_name": ["x"]}, {"display_name": {}},
        {"parent": 3}, {"spec_hash": {}}, {"compute": 1}, {"metric": []}, {"metric": {"name": {}}}, {"lock": 3}, {"lock": "\0"},
        {"lock": "/a\0b/c/agent.lock"}, {"lock": "/../../agent.lock"}, {"params": {"a": {"b": None}}, "tags": {"t": [{}]}},
        {"overrides": 3},
    ],
)  # fmt: skip
def test_wrong_types_in_run_json_cost_what_they_hold_and_nothing_else(workspace: WorkspacePaths, verb: Verb, wrong: dict[str, Any]) -> None:
    make_run(workspace, "good")
    bad = make_run(workspace, "bad", states=("NotStarted", "Running"))
    write_json(bad.record, {**json.loads(Path(bad.record).read_text()), **wrong})
    (key,) = list(wrong)[:1]
    said = verb("ls")
    assert said.code == 0
    assert "good" in said.out
    assert "bad" in said.out
    if key not in ("metric", "lock", "overrides") and len(wrong) == 1:
        assert f"bad is damaged: in its run.json, {key} is not what it should be" in said.err
        assert f"bad is damaged: in its run.json, {key} is not what it should be" in verb("show", "bad").err
    for words in (("ls", "--json"), ("show", "bad"), ("show", "--json", "bad"), ("show", "--origin", "bad"), ("cancel", "bad")):
        assert verb(*words).code in (0, 1)
    assert events.last(bad)["state"] == "Canceled"  # type: ignore[index]


@pytest.mark.parametrize(
    "event",
    [
        {"state": "Failed", "attempt": "x", "rank": {}, "reason": [], "resources": {"wall_s": float("nan"), "cpu_s": float("inf")}},
        {"state": "Failed", "attempt": -1, "rank": 10**30, "exit_code": "3", "time": {}, "resources": 7, "notes": 5},
        {"state": "Completed", "time": "\ud800", "attempt": None, "notes": [1, "\x1b[31m"], "resources": {"x": {}}},
        {"state": "Failed", "attempt": True, "rank": -1, "exit_code": 10**30},
        {"state": "Running", "ranks": [{"rank": 0, "pid": "x", "start_ticks": {}, "host": 5}, 3, None], "agent": {"pid": [], "host": {}}},
        {"state": "Running", "agent": "x", "ranks": 5, "scheduler": 3},
        {"state": "Running", "scheduler": {"kind": "nobody's", "job_id": {}, "arrays": 4}},
        {"state": "NotResponding"}, {"state": ["Completed"]}, {"state": {}},
    ],
)  # fmt: skip
def test_wrong_types_in_events_are_borne(workspace: WorkspacePaths, verb: Verb, event: dict[str, Any]) -> None:
    make_run(workspace, "good")
    bad = make_run(workspace, "bad", states=("NotStarted", "Queued"))
    with open(bad.events, "a") as stream:
        stream.write(json.dumps({"time": "2026-11-23T05:32:07.123456Z", **event}) + "\n")
    looks = [("ls",), ("ls", "--json"), ("show", "bad"), ("show", "--json", "bad"), ("logs", "bad")]
    for words in (*looks, ("wait", "--timeout", "0.1", "bad"), ("cancel", "bad")):
        said = verb(*words)
        assert said.code in (0, 1, 3, 124, 130)
        assert "\x1b[31m" not in said.out + said.err


def test_a_lock_elsewhere_is_neither_opened_nor_waited_for(workspace: WorkspacePaths, verb: Verb, tmp_path: Any) -> None:
    fifo = str(tmp_path / "x" / "elsewhere" / "agent.lock")
    os.makedirs(os.path.dirname(fifo))
    os.mkfifo(fifo)
    bad = make_run(workspace, "bad", states=("NotStarted", "Running"), lock=fifo)
    assert liveness.lock_of(bad) == bad.lock
    assert verb("ls").code == 0
    assert verb("cancel", "bad").code == 0


def test_cancel_signals_no_process_that_only_the_events_call_an_agent(workspace: WorkspacePaths, verb: Verb) -> None:
    for words in (["sleep", "600"], [sys.executable, "-c", "import time; time.sleep(600)", "trainconf/agent/__main__.py", "/elsewhere"]):
        stranger = subprocess.Popen(words)
        try:
            while liveness.is_alive(liveness.identity(stranger.pid)) is not True:
                time.sleep(0.01)
            time.sleep(0.1)  # it has become the program
            named = liveness.identity(stranger.pid)
            bad = make_run(workspace, f"bad-{stranger.pid}", states=("NotStarted", "Queued", "Running"), agent=named)
            assert verb("cancel", bad.run_id).code == 0
            time.sleep(0.2)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


def test_a_sweep_s_list_leads_to_no_run_of_others(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep = workspace.run("digits", "sweep-1")
    trial, other = make_run(workspace, "sweep-1_0"), make_run(workspace, "other", states=("NotStarted", "Running"))
    os.makedirs(sweep.logs)
    write_json(sweep.sweep, {})
    events.append(sweep, "NotStarted")
    with open(sweep.trials, "w") as stream:
        for run_dir in (trial.run_dir, other.run_dir, "/etc/sweep-1_1", "../../../sweep-1_2", 5, None, "a\0/sweep-1_3"):
            stream.write(json.dumps({"run_dir": run_dir}) + "\n")
    found = [paths.run_dir for paths in trials_of(sweep)]
    assert found[0] == trial.run_dir
    assert all(os.path.normpath(run_dir).startswith(workspace.runs + "/") for run_dir in found)
    assert other.run_dir not in found
    verb("cancel", "sweep-1")
    assert events.last(other)["state"] == "Running"  # type: ignore[index]
