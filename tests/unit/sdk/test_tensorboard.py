"""Tensorboard from a program: the real one, asked by its HTTP API; and exported log directories."""

from __future__ import annotations

import json
import logging
import threading
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from trainconf import Experiment, Run, ScriptRunConfig, Tensorboard, Workspace, export_to_tensorboard
from trainconf.errors import UserError
from trainconf.sdk.run import SubmittedRun

SCRIPT = """\
import sys, time
from trainconf import Run
run = Run.get_context()
for step in (10, 20):
    run.log("loss", float(sys.argv[1]) / step, step=step)
if sys.argv[2:] == ["child"]:
    with run.child_run("fold 1") as child:
        child.log("loss", 7, step=70)
"""


@pytest.fixture
def submit(ws: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    Path(ws.root, "train.py").write_text(SCRIPT)
    leases = tmp_path_factory.mktemp("leases")

    def run(*arguments: object, sweep: str = "", **more: Any) -> SubmittedRun:
        words = ["compute.slots=2", f"compute.lease_dir={leases}"]
        script = ScriptRunConfig(".", "train.py", arguments, environment="current", overrides=words, **more)
        experiment = Experiment(ws, "first")
        found = experiment.submit_sweep(script, sweep) if sweep else experiment.submit(script)
        found.wait_for_completion()
        return found

    return run


def ask(url: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=300) as answer:
        return json.load(answer)


def loss(url: str, run: str) -> list[list[float]]:
    return [point[1:] for point in ask(f"{url}data/plugin/scalars/scalars", run=run, tag="loss")]


def exported(folder: Path) -> list[tuple[int, Any]]:
    """The points of `loss`, as TensorBoard's own reader has them."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars("loss")]


def test_a_run_and_those_below_it_are_shown_from_a_thread_that_has_ended(submit: Any, ws: Workspace) -> None:
    pytest.importorskip("tensorboard")
    run = submit(1, "child")
    board = Tensorboard(run, use_display_name=True)
    thread = threading.Thread(target=board.start)
    thread.start()
    thread.join()
    try:
        url = board.start()
        assert board.url == url
        child = run.get_children()[0]
        wait_for(lambda: set(ask(f"{url}data/runs")) == {run.id, f"fold 1/{child.id}"})
        assert loss(url, run.id) == [[10, pytest.approx(0.1)], [20, pytest.approx(0.05)]]
        assert loss(url, f"fold 1/{child.id}") == [[70, 7]]
    finally:
        board.stop()
    board.stop()
    assert board.url == ""


def test_trials_of_a_sweep_are_shown_in_a_folder_that_is_kept(submit: Any, ws: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    sweep = submit(1, sweep="+params.x=1,2", params={})
    ids = {child.id for child in sweep.get_children()}
    for _ in range(2):  # a second time, and every point is there once
        with Tensorboard([sweep], local_root=tmp_path / "board", port=0) as board:
            assert set(ask(f"{board.url}data/runs")) == ids
            assert all(len(loss(board.url, each)) == 2 for each in ids)
    assert {path.name for path in (tmp_path / "board").iterdir()} == ids


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"runs": "digits"}, "runs cannot be 'digits'"), ({"runs": [1]}, "a run cannot be 1"), ({"runs": None}, "runs cannot be None"),
        ({"runs": Run()}, "a run that was submitted"), ({"local_root": 3}, "local_root cannot be 3"), ({"port": "6006"}, "port cannot be"),
        ({"port": 70000}, "port cannot be 70000"), ({"use_display_name": "yes"}, "use_display_name cannot be"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_told_at_its_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        Tensorboard(**({"runs": []} | given))
    assert "test_tensorboard.py:" in error.value.render()


def test_steps_are_exported_as_they_were_logged(submit: Any, ws: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, other = submit(1, "child"), submit(2)
    logs = tmp_path / "exported"
    logs.mkdir()
    with caplog.at_level(logging.INFO):
        export_to_tensorboard(run, logs, logger=logging.getLogger("mine"))
    assert "exporting 2 runs" in caplog.text
    child = run.get_children()[0]
    assert sorted(path.name for path in logs.iterdir()) == sorted([run.id, child.id])
    export_to_tensorboard([run, other], str(logs), recursive=False)
    assert sorted(path.name for path in logs.iterdir()) == sorted([run.id, child.id, other.id])
    assert exported(logs / other.id) == [(10, pytest.approx(0.2)), (20, pytest.approx(0.1))]
    assert exported(logs / child.id) == [(70, 7)]
    whole = tmp_path / "whole"
    export_to_tensorboard(Experiment(ws, "first"), whole)
    assert len(list(whole.iterdir())) == 3
    (whole / run.id / "other.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        export_to_tensorboard(run, whole)
    assert (whole / run.id / "other.txt").exists()


def test_what_cannot_be_exported_is_told(ws: Workspace, tmp_path: Path) -> None:
    nothing = "there is no run to export"
    for given, words in (([], nothing), (Experiment(ws, "empty"), nothing), ("x", "runs cannot be 'x'")):
        with pytest.raises(UserError, match=words):
            export_to_tensorboard(given, tmp_path / "logs")
    with pytest.raises(UserError, match="logger cannot be 3"):
        export_to_tensorboard([], tmp_path / "logs", logger=3)
    assert not (tmp_path / "logs").exists()
