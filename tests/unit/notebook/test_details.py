from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from trainconf import Run, files
from trainconf.notebook import live
from trainconf.notebook.details import RunDetails
from trainconf.paths import RunPaths, WorkspacePaths

from ..history.build import make_run


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is published while a stand-in of IPython is loaded, whose shell has a kernel."""
    found: list[dict[str, Any]] = []
    shell = SimpleNamespace(
        kernel=object(), events=SimpleNamespace(register=lambda name, call: None),
        display_pub=SimpleNamespace(publish=lambda **message: found.append(message)),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return found


def test_in_a_terminal_a_run_is_printed_as_text(workspace: WorkspacePaths, capsys: pytest.CaptureFixture[str]) -> None:
    paths = make_run(workspace)
    RunDetails("last").show()
    said = capsys.readouterr().out
    assert said.startswith(f"run {paths.run_id}  ✓ Completed\n")
    assert "optim.name  sgd" in said
    assert "<" not in said


def test_in_the_terminal_of_ipython_it_is_text_too(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=object))
    paths = make_run(workspace)
    run = Run({"TRAINCONF_RUN_DIR": paths.run_dir, "TRAINCONF_RUN_ID": paths.run_id})
    for shown in (run, RunDetails(run)):
        with pytest.raises(NotImplementedError):
            shown._ipython_display_()
        assert shown._repr_mimebundle_()["text/plain"].startswith(f"run {paths.run_id}")


def test_a_run_displays_itself_in_a_notebook(workspace: WorkspacePaths, published: list[dict[str, Any]]) -> None:
    paths = make_run(workspace)
    Run({"TRAINCONF_RUN_DIR": paths.run_dir, "TRAINCONF_RUN_ID": paths.run_id})._ipython_display_()
    assert paths.run_id in published[0]["data"]["text/html"]


def test_a_run_outside_of_a_job_is_shown_by_its_text(published: list[dict[str, Any]]) -> None:
    run = Run({})
    with pytest.raises(NotImplementedError):
        run._ipython_display_()
    assert run._repr_mimebundle_() is None
    assert published == []


def test_where_only_the_jobs_side_is_there_a_run_is_shown_by_its_text(
    workspace: WorkspacePaths, published: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    paths = make_run(workspace)
    run = Run({"TRAINCONF_RUN_DIR": paths.run_dir, "TRAINCONF_RUN_ID": paths.run_id})
    monkeypatch.setitem(sys.modules, "trainconf.notebook.details", None)
    assert run._repr_mimebundle_() is None
    with pytest.raises(NotImplementedError):
        run._ipython_display_()


def test_in_a_notebook_a_run_that_has_ended_is_displayed_once(workspace: WorkspacePaths, published: list[dict[str, Any]]) -> None:
    make_run(workspace)
    RunDetails("last").show()
    (message,) = published
    assert list(message["data"]) == ["text/plain", "text/html"]
    assert not message["update"]
    assert live.watcher.count == 0


def test_in_a_notebook_a_run_that_goes_on_is_watched_until_it_is_closed(going_on: RunPaths, published: list[dict[str, Any]]) -> None:
    lock = files.FileLock(going_on.lock)
    assert lock.acquire(blocking=False)
    details = RunDetails(going_on)
    details.show()
    assert live.watcher.count == 1
    details.close()
    assert live.watcher.count == 0
    lock.release()


def test_the_parameters_of_the_original_are_taken(workspace: WorkspacePaths, published: list[dict[str, Any]]) -> None:
    make_run(workspace)
    RunDetails(run_instance="last").show(render_lib=None, widget_settings={"debug": True})
    assert len(published) == 1
