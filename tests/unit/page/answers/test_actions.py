"""Each action tells the command that does the same, does it only when it is asked to, and refuses what is no operation of a verb."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from trainconf.control import labels, submit
from trainconf.errors import ConfigError, RunNotFoundError, UserError
from trainconf.history import events
from trainconf.page.answers import actions, sweeps
from trainconf.page.wire import Refusal
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import hands

from ...history.build import make_run, write_json
from .conftest import Ask

A, B = "digits-20261123-0532-aaaa", "digits-20261123-0532-bbbb"


@pytest.fixture
def runs(workspace: WorkspacePaths) -> list[RunPaths]:
    return [make_run(workspace, run_id) for run_id in (A, B)]


def act(ask: Ask, verb: str, **body: Any) -> Any:
    return ask(actions.act, params={"verb": verb}, body=body)


@pytest.mark.parametrize(("verb", "body", "words"), [
    ("cancel", {"runs": [A, B]}, ["cancel", A, B]),
    ("cancel", {"runs": [A], "force": True}, ["cancel", "--force", A]),
    ("tag", {"runs": [A], "tags": {"a b": "it's $(x)\n"}}, ["tag", A, "a b=it's $(x)\n"]),
    ("note", {"runs": [A, B], "text": "-1 better"}, ["note", "--", A, B, "-1 better"]),
    ("note", {"runs": [A], "text": ""}, ["note", A, ""]),
    ("rename", {"runs": [A], "name": "mine; rm -rf ~"}, ["rename", A, "mine; rm -rf ~"]),
    ("archive", {"runs": [A]}, ["archive", A]),
    ("unarchive", {"runs": [A]}, ["unarchive", A]),
    ("rerun", {"runs": [A], "overrides": ["params.lr=0.5", "~tags.who"]}, ["rerun", A, "params.lr=0.5", "~tags.who", "submit.detach=true"]),
    ("freeze", {"runs": [A], "output": "frozen/a b.yaml"}, ["freeze", A, "-o", "frozen/a b.yaml"]),
])  # fmt: skip
def test_without_do_the_answer_is_the_command_and_nothing_is_done(
    ask: Ask, runs: list[RunPaths], verb: str, body: dict[str, Any], words: list[str]
) -> None:
    before = sorted(os.listdir(runs[0].run_dir))
    found = act(ask, verb, **body)
    assert set(found) == {"command"}
    assert shlex.split(found["command"]) == ["trainconf", *words]
    assert sorted(os.listdir(runs[0].run_dir)) == before


def test_tags_notes_and_the_archive_are_written_and_taken_back(ask: Ask, runs: list[RunPaths]) -> None:
    assert act(ask, "tag", runs=[A, B], tags={"paper": "yes"}, do=True)["results"][1] == {"id": B, "ok": True, "words": "paper=yes, who=me"}
    found = act(ask, "untag", runs=[A, B], names=["paper"], do=True)
    assert found["command"] == f"trainconf untag {A} paper && trainconf untag {B} paper"
    act(ask, "note", runs=[A], text="<b>x</b>", do=True)
    act(ask, "rename", runs=[A], name="mine", do=True)
    act(ask, "archive", runs=[A], do=True)
    now = labels.read(runs[0])
    assert (now.tags, now.note, now.display_name, now.archived) == ({"who": "me"}, "<b>x</b>", "mine", True)
    act(ask, "unarchive", runs=[A], do=True)
    assert not labels.read(runs[0]).archived


def test_what_is_read_only_tells_commands_alone(ask: Ask, runs: list[RunPaths]) -> None:
    body = {"runs": [A], "text": "x"}
    assert ask(actions.act, read_only=True, params={"verb": "note"}, body=body)["command"] == f"trainconf note {A} x"
    with pytest.raises(Refusal, match="read-only") as refused:
        ask(actions.act, read_only=True, params={"verb": "note"}, body={**body, "do": True})
    assert refused.value.body["error"]["hint"] == f"in a terminal: trainconf note {A} x"
    assert labels.read(runs[0]).note is None


@pytest.mark.parametrize(("verb", "body", "words"), [
    ("exec", {"runs": [A]}, "there is no action 'exec'"),
    ("rm", {"runs": [A]}, "there is no action 'rm'"),
    ("note", {"runs": [A]}, "text is missing"),
    ("note", {"runs": [A], "text": "a\0b"}, "text is missing"),
    ("note", {"runs": [], "text": ""}, "say which runs are meant"),
    ("note", {"runs": [1], "text": ""}, "say which runs are meant"),
    ("tag", {"runs": [A], "tags": {}}, "a tag has a name and a value"),
    ("tag", {"runs": [A], "tags": {"a=b": "x"}}, "is no name of a tag"),
    ("tag", {"runs": [A], "tags": {"a/b": "x"}}, "is no name of a tag"),
    ("rename", {"runs": [A, B], "name": "x"}, "rename takes one run"),
    ("rerun", {"runs": [A], "overrides": "params.lr=1"}, "overrides are a list of words"),
    ("rerun", {"runs": [A], "overrides": ["--where=true", "other-run", "=x", "-m"]}, "is not an override"),
    ("freeze", {"runs": [A, B], "output": "a.yaml"}, "freeze takes one run"),
    ("pause", {"sweep": 3}, "say which sweep is meant"),
    ("pause", {"sweep": A}, "is a run, not a sweep"),
    ("extend", {"sweep": A}, "extend needs a new limit"),
    ("extend", {"sweep": A, "changes": ["sweep.max_total_runs=3"]}, "is a run, not a sweep"),
    ("cancel", {"runs": ["/etc", "../x", A, "gone"]}, "is no id of a run"),
])  # fmt: skip
def test_what_is_no_operation_is_refused_before_anything_is_done(
    ask: Ask, runs: list[RunPaths], verb: str, body: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        act(ask, verb, **body, do=True)
    assert not os.path.exists(runs[0].labels)
    assert not events.is_cancel_requested(runs[0])


@pytest.mark.parametrize("output", [
    "/etc/x.yaml", "../x.yaml", "a/../../x.yaml", ".trainconf/x.yaml", "runs/x.yaml", "conf/x.yaml", "x.py", "", "-x.yaml", "out/x.yaml",
])  # fmt: skip
def test_a_frozen_file_is_written_nowhere_else(
    ask: Ask, runs: list[RunPaths], workspace: WorkspacePaths, tmp_path: Path, output: str
) -> None:
    os.symlink(tmp_path, os.path.join(workspace.root, "out"))
    with pytest.raises(UserError, match="no frozen file can be written"):
        act(ask, "freeze", runs=[A], output=output, do=True)


def test_of_several_runs_each_has_its_own_answer(ask: Ask, runs: list[RunPaths], monkeypatch: pytest.MonkeyPatch) -> None:
    def rerun(paths: RunPaths, words: list[str], *_: object) -> Any:
        assert words == ["params.lr=2", "submit.detach=true"]
        if paths.run_id == A:
            raise ConfigError("params.lr is too large", ("from", "command line"))
        return type("Submitted", (), {"paths": paths, "plan": object()})

    monkeypatch.setattr(submit, "rerun", rerun)
    first, second = act(ask, "rerun", runs=[A, B], overrides=["params.lr=2"], do=True)["results"]
    assert (first["ok"], first["words"]) == (False, "params.lr is too large\n  from  command line")
    assert (second["ok"], second["new"]) == (True, B)


def test_what_takes_long_goes_on_and_is_asked_after(ask: Ask, runs: list[RunPaths], monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = Event()

    def rerun(paths: RunPaths, *_: object) -> Any:
        assert go_on.wait(30)
        raise TimeoutError("the disk did not answer")

    monkeypatch.setattr(submit, "rerun", rerun)
    monkeypatch.setattr(actions, "PATIENCE_S", 0.01)
    found = act(ask, "rerun", runs=[A], do=True)
    assert found["results"] == []
    assert ask(actions.pending, params={"name": found["pending"]})["pending"] == found["pending"]
    go_on.set()
    monkeypatch.setattr(actions, "PATIENCE_S", 30.0)
    (result,) = ask(actions.pending, params={"name": found["pending"]})["results"]
    assert (result["ok"], "the disk did not answer" in result["words"]) == (False, True)
    with pytest.raises(RunNotFoundError):
        ask(actions.pending, params={"name": "never"})


def test_a_run_that_goes_on_is_asked_to_end_and_one_that_has_ended_says_so(ask: Ask, workspace: WorkspacePaths) -> None:
    make_run(workspace, A)
    lost = make_run(workspace, B, states=("NotStarted", "Running"), type="interactive")
    os.unlink(lost.plan)
    first, second = act(ask, "cancel", runs=[A, B], do=True)["results"]
    assert first == {"id": A, "ok": True, "words": "had already ended: Completed"}
    assert second["ok"]
    assert events.is_cancel_requested(lost) or events.last(lost)["state"] == "Canceled"  # type: ignore[index]


def test_a_search_is_paused_and_stopped_and_a_grid_in_one_job_says_that_it_cannot(
    ask: Ask, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_run(workspace, "s", states=("Running",))
    search = {"settings": {"kind": "random"}, "metric": {}, "space": {}, "seed": 0}
    write_json(home.sweep, {"sweep_id": "s", "search": search, "metric": {"name": "a", "goal": "maximize"}})
    found = act(ask, "pause", sweep="s", do=True)
    assert found["command"] == "trainconf sweep pause s"
    assert found["results"][0]["ok"]
    assert act(ask, "stop", sweep="s", do=True)["command"] == "trainconf sweep stop s"
    (stopped,) = act(ask, "stop", sweep="s", do=True)["results"]
    assert stopped["words"].startswith("no further trial starts, as before: ")
    assert [line for line in Path(home.journal).read_text().splitlines() if '"deed":"pause"' in line or '"deed":"close"' in line]
    grid = make_run(workspace, "g", states=("Running",))
    write_json(grid.sweep, {"sweep_id": "g"})
    Path(grid.trials).write_text('{"end": 3}\n')
    monkeypatch.setattr(hands, "can_hold", lambda home: False)
    (result,) = act(ask, "pause", sweep="g", do=True)["results"]
    assert (result["ok"], "a plain grid, cannot be paused: all its trials are in one job" in result["words"]) == (False, True)


def test_a_grid_that_is_paused_goes_on_without_a_controller(ask: Ask, workspace: WorkspacePaths) -> None:
    grid = make_run(workspace, "g", states=("Running",))
    write_json(grid.sweep, {"sweep_id": "g"})
    assert act(ask, "pause", sweep="g", do=True)["results"][0]["ok"]
    assert ask(sweeps.sweep, params={"id": "g"})["actions"] == ["resume", "stop", "cancel"]
    found = act(ask, "resume", sweep="g", do=True)
    assert found["command"] == "trainconf sweep resume g"
    assert [(each["ok"], each["words"]) for each in found["results"]] == [(True, "its trials that wait in the queue may begin")]
