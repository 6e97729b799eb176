from __future__ import annotations

import os
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import wait_for
from trainconf.job_api import Run
from trainconf.paths import WorkspacePaths

from ...history.build import make_run
from ..conftest import Verb, start

SCRATCH = "trainconf-tensorboard-"


@pytest.fixture
def runs(workspace: WorkspacePaths) -> WorkspacePaths:
    """A run of an experiment, and two of another one."""
    for number, (run_id, experiment) in enumerate((("a-1", "a"), ("b-1", "b"), ("b-2", "b"))):
        paths = make_run(workspace, run_id, experiment, params={"lr": number / 4}, at=number * 1_000_000)
        Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log("loss", 0.5, step=1)
    return workspace


def test_an_export_has_what_was_chosen_each_once(runs: WorkspacePaths, verb: Verb, tmp_path: Path) -> None:
    chosen = {
        "everything": ([], ["a/lr=0.0", "b/lr=0.25", "b/lr=0.5"]), "experiment": (["b"], ["lr=0.25", "lr=0.5"]),
        "where": (["--where", "params.lr > 0.1"], ["lr=0.25", "lr=0.5"]),
        "run": (["a-1", "last", "a-1"], ["a/lr=0.0", "b/lr=0.5"]), "newest": (["--limit", "1"], ["b-2"]),
    }  # fmt: skip
    for name, (words, expected) in chosen.items():
        target = tmp_path / name
        said = verb("tensorboard", *words, "--export", str(target))
        assert (said.code, said.out) == (0, "")
        assert sorted(os.path.relpath(file.parent, target) for file in target.rglob("events.out*")) == expected
        assert f"{len(expected)} run" in said.err


def test_mistakes_are_told_all_at_once(runs: WorkspacePaths, verb: Verb) -> None:
    assert verb("tensorboard", "b", "--where", "params.lr > 0.1").code == 2
    said = verb("tensorboard", "none", "b", "neither")
    assert said.code == 2
    assert "none" in said.err
    assert "neither" in said.err


def test_a_workspace_without_runs_says_so(workspace: WorkspacePaths, verb: Verb) -> None:
    said = verb("tensorboard")
    assert said.code == 2
    assert "there is no run to show" in said.err


def test_without_tensorboard_an_export_works_and_showing_says_what_to_install(
    runs: WorkspacePaths, verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert verb("tensorboard", "b", "--export", str(tmp_path / "export")).code == 0
    said = verb("tensorboard", "b")
    assert said.code == 2
    assert "pip install 'trainconf[tensorboard]'" in said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_ctrl_c_and_leaves_nothing(
    runs: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50312 10.0.0.1 22")
    child = start("tensorboard", "b", cwd=runs.root)
    assert child.stdout is not None
    url = child.stdout.readline().decode().strip()
    with urllib.request.urlopen(f"{url}data/runs", timeout=300) as answer:
        assert answer.status == 200
    assert [name for name in os.listdir(tmp_path) if name.startswith(SCRATCH)]
    child.send_signal(number)
    child.send_signal(number)  # whoever is impatient
    _, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert f"ssh -N -L {url.rstrip('/').rpartition(':')[2]}:127.0.0.1:" in err.decode()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(SCRATCH)]
    wait_for(lambda: not _answers(url))


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True
