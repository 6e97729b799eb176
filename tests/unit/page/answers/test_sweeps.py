"""A sweep is told with its axes, its trials and why some were stopped; what seems to matter only where trials are enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.control import labels
from trainconf.control.results import sweep as results
from trainconf.control.results.importance import FEWEST_TRIALS
from trainconf.errors import RunNotFoundError
from trainconf.history import events
from trainconf.page.answers import sweeps
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry

from ...history.build import make_run, write_json
from .conftest import Ask


def sweep_of(
    workspace: WorkspacePaths, points: list[dict[str, Any]], values: list[float | None], sweep: str = "s",
    stopped: tuple[int, ...] = (), **facts: Any,
) -> RunPaths:
    home = make_run(workspace, sweep, states=("Running", "Completed"))
    write_json(home.sweep, {"sweep_id": sweep, "experiment_name": "digits", "created": f"2026-11-23T05:32:0{len(sweep)}.0Z",
                            "metric": {"name": "score", "goal": "maximize"}, **facts})  # fmt: skip
    for number, (point, value) in enumerate(zip(points, values, strict=True)):
        run_id = f"{sweep}_{number}"
        journal.ask(home, [Entry(number, point, [f"{key}={each}" for key, each in point.items()], workspace.run("digits", run_id))])
        end = "Canceled" if number in stopped else "Completed"
        make_run(workspace, run_id, states=("NotStarted", "Running", end), metrics={} if value is None else {"score": value})
    return home


def test_axes_have_their_kind_their_ends_their_choices_and_who_lacks_them(ask: Ask, workspace: WorkspacePaths) -> None:
    points: list[dict[str, Any]] = [
        {"lr": 0.001, "opt": "sgd", "layers": 2}, {"lr": 0.1, "opt": "adam", "layers": 4, "beta": 0.9}, {"lr": 1, "opt": None, "layers": 2},
    ]  # fmt: skip
    sweep_of(workspace, points, [0.5, 0.9, None])
    found = ask(sweeps.sweep, params={"id": "s"})
    axes = {axis["key"]: axis for axis in found["axes"]}
    assert (axes["lr"]["kind"], axes["lr"]["log"], axes["lr"]["low"], axes["lr"]["high"]) == ("number", True, 0.001, 1)
    assert (axes["opt"]["kind"], axes["opt"]["choices"]) == ("choice", ["sgd", "adam", None])
    assert (axes["layers"]["kind"], axes["layers"]["log"], axes["beta"]["missing"]) == ("number", False, 2)
    assert (found["best"]["number"], found["best"]["value"], found["state"]) == (1, 0.9, "Completed")
    assert [trial["value"] for trial in found["trials"]] == [0.5, 0.9, None]


def test_a_search_says_how_its_axes_are_and_why_a_trial_was_stopped(ask: Ask, workspace: WorkspacePaths) -> None:
    search = {
        "settings": {"kind": "random", "max_total_runs": 2, "policy": {"kind": "bandit", "slack_factor": 0.1, "slack_amount": None}},
        "space": {"params.lr": "log_interval(0.001, 1)", "params.n": "choice(1, 2, 4)"}, "seed": 1,
        "metric": {"name": "score", "goal": "maximize"},
    }  # fmt: skip
    points = [{"params.lr": 0.01, "params.n": 1}, {"params.lr": 0.02, "params.n": 2}]
    home = sweep_of(workspace, points, [0.9, 0.2], stopped=(1,), search=search)
    log = journal.Journal(home)
    log.write("stop", number=1, interval=3, own=0.2, bound=0.8, compared=2)
    log.write("told", number=1, state="Canceled", value=0.2, reason="stopped")
    log.close()
    found = ask(sweeps.sweep, params={"id": "s"})
    assert found["trials"][1]["state"] == "Stopped"
    assert found["trials"][1]["stop"]["words"] == "stopped at log 3: 0.2 < 0.8, 2 compared"
    assert (found["policy"]["stopped"], found["policy"]["settings"]) == (1, "bandit, slack_factor=0.1")


def test_of_few_trials_nothing_is_said_to_matter(ask: Ask, workspace: WorkspacePaths) -> None:
    count = FEWEST_TRIALS - 1
    sweep_of(workspace, [{"lr": number} for number in range(count)], [float(number) for number in range(count)])
    found = ask(sweeps.importance, params={"id": "s"})
    assert (found["keys"], found["words"]) == ([], f"fewer than {FEWEST_TRIALS} trials have a value ({count}): not shown")


def test_sweeps_are_listed_newest_first_found_by_words_and_hidden_in_the_archive(ask: Ask, workspace: WorkspacePaths) -> None:
    for name in ("s", "other"):
        sweep_of(workspace, [{"lr": 1}], [0.5], name)
    assert [each["id"] for each in ask(sweeps.sweeps)["sweeps"]] == ["other", "s"]
    assert ask(sweeps.sweeps, search="OTHER")["total"] == 1
    labels.archive([workspace.run("digits", "s")])
    assert [each["id"] for each in ask(sweeps.sweeps)["sweeps"]] == ["other"]
    assert [each["id"] for each in ask(sweeps.sweeps, archived="1")["sweeps"]] == ["s"]
    assert ask(sweeps.sweeps, offset="1", limit="5") == {"total": 1, "offset": 1, "sweeps": []}


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"search": 3, "metric": 4, "trial_count": null}', b'{"search": {"settings": 1}}'])
def test_a_damaged_sweep_is_told_as_far_as_it_can_be_read(ask: Ask, workspace: WorkspacePaths, content: bytes) -> None:
    home = sweep_of(workspace, [{"lr": 1}], [0.5])
    Path(home.sweep).write_bytes(content)
    assert ask(sweeps.sweep, params={"id": "s"})["id"] == "s"
    assert len(ask(sweeps.sweeps)["sweeps"]) == 1
    files.append_lines(home.journal, [{"deed": "ask", "number": 7}, 3])
    assert ask(sweeps.sweep, params={"id": "s"})["id"] == "s"


@pytest.mark.parametrize("name", ["gone", "s_0", "../s", ""])
def test_what_is_no_sweep_is_said(ask: Ask, workspace: WorkspacePaths, name: str) -> None:
    sweep_of(workspace, [{"lr": 1}], [0.5])
    with pytest.raises(RunNotFoundError):
        ask(sweeps.sweep, params={"id": name})


def test_trials_that_were_canceled_have_ended_too(ask: Ask, workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, [{"lr": number} for number in range(4)], [0.1, 0.2, 0.3, 0.4], stopped=(1, 2, 3))
    log = journal.Journal(home)
    log.write("stop", number=3, interval=5, own=0.4, bound=0.5, compared=2)
    log.close()
    found = ask(sweeps.sweep, params={"id": "s"})
    assert [found[name] for name in ("ended", "completed", "stopped", "canceled", "failed", "running")] == [4, 1, 1, 2, 0, 0]


def test_a_sweep_that_ends_while_it_is_read_is_not_told_as_over_before_its_trials_are(
    ask: Ask, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_run(workspace, "s", states=("Running",))
    trial = make_run(workspace, "s_0", states=("Running",))
    write_json(home.sweep, {"sweep_id": "s", "experiment_name": "digits", "created": "2026-11-23T05:32:00.0Z"})
    journal.ask(home, [Entry(0, {"lr": 1}, ["lr=1"], trial)])
    read = results.results

    def read_and_end(paths: RunPaths) -> Any:
        found = read(paths)
        for run in (trial, home):
            events.append(run, "Completed", exit_code=0, reason="")
        return found

    monkeypatch.setattr(results, "results", read_and_end)
    found = ask(sweeps.sweep, params={"id": "s"})
    assert (found["state"] == "Completed", found["completed"]) == (False, 0)
    found = ask(sweeps.sweep, params={"id": "s"})
    assert (found["state"], found["completed"]) == ("Completed", 1)


def test_a_search_whose_agent_has_gone_can_be_resumed(ask: Ask, workspace: WorkspacePaths) -> None:
    home = make_run(workspace, "s", states=("Running",))
    search = {"settings": {"kind": "random", "max_total_runs": 1}, "metric": {}, "space": {"lr": "uniform(0, 1)"}, "seed": 0}
    write_json(home.sweep, {"sweep_id": "s", "search": search, "trial_count": 1, "metric": {"name": "a", "goal": "maximize"}})
    journal.ask(home, [Entry(0, {"lr": 0.5}, ["lr=0.5"], make_run(workspace, "s_0", states=("NotStarted",)))])
    found = ask(sweeps.sweep, params={"id": "s"})
    assert (found["state"], found["actions"]) == ("NotResponding", ["resume", "extend"])
